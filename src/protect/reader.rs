//! Who reads a page: in which languages, and at which tenant.

use crate::page::{self, Language, Layout};
use crate::protect::Exchange;
use std::sync::Arc;

/// What became known of the reader's languages while the request was served.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Language tags that a page was asked for in.
    ui_locales: Vec<String>,
    /// The language tag of the person who is signed in.
    locale: Option<String>,
}

impl Exchange {
    /// Tells in which languages a page is wished for: `ui_locales` (OpenID Connect Core §3.1.2.1), whether it is there or
    /// not.
    pub fn wish_for_languages(&self, ui_locales: Option<&str>) {
        if let Some(list) = ui_locales {
            self.reader_mut().ui_locales = page::listed(list);
        }
    }

    /// Tells the `locale` of the person who is signed in.
    pub fn locale_is(&self, tag: &str) {
        // Some write `en_US` (OpenID Connect Core §5.1).
        self.reader_mut().locale = Some(tag.replace('_', "-"));
    }

    /// The languages that a page was wished for in, as `ui_locales` has them; empty where it was wished for in none. They
    /// consist of characters that need no escaping but for the spaces between them.
    pub fn wished_languages(&self) -> String {
        self.state().reader.ui_locales.join(" ")
    }

    /// The languages that the visitor reads, best first, as tags: those that were wished for, then the person's own, then
    /// those of the browser, then the tenant's.
    pub fn languages(&self) -> Vec<String> {
        let state = self.state();
        let accepted = self.accept_language().map(page::accepted).unwrap_or_default();
        let wished = state
            .reader
            .ui_locales
            .iter()
            .chain(&state.reader.locale)
            .cloned();
        let of_tenant = self.tenant().settings.default_locale.clone();
        wished.chain(accepted).chain(of_tenant).collect()
    }

    /// The language of a page for the visitor.
    pub fn language(&self) -> Language {
        Language::of(&self.languages())
    }

    /// The layout of a page for the visitor.
    pub fn layout(&self) -> Layout {
        let tenant = self.tenant();
        let layout = Layout::new(tenant.issuer.path(), self.language(), Arc::clone(&tenant.look));
        Layout {
            wished: self.wished_languages(),
            ..layout
        }
    }
}
