//! `/login`: signing in with a password.
//!
//! The answer is the same, in text, status and time, for an unknown user, a wrong password and a disabled account
//! (R-GRT-30); every attempt is counted before the password is looked at.

use super::attempt;
use super::new_password;
use super::password;
use super::request::{INTERACTION, Underway, name_of};
use super::{account, device_approval, visited};
use crate::account::{Proof, SignIn};
use crate::app::App;
use crate::oidc::session_management;
use crate::page::{self, Language, Layout, Policy};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::sessions::{self, Interaction};
use crate::storage::users::User;
use crate::types::Secret;
use crate::visit::{Stop, Visit};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Path below the issuer.
pub const PATH: &str = "/login";
/// The parameter that says where to go after a sign-in that no application asked for.
const NEXT: &str = "next";
/// Longest username that is shown again.
const MAX_SHOWN: usize = 320;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    layout: Layout,
    csrf: String,
    interaction: String,
    next: String,
    lead: &'static str,
    client: Option<String>,
    username: String,
    refused: bool,
}

/// Where to go after a sign-in that no application asked for: one of a few places, so that nobody can be sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Account,
    Password,
    /// The page of a device's request, with the ticket for it.
    Device(String),
}

impl Next {
    /// What the value of a device's page begins with.
    const DEVICE: &'static str = "device.";

    fn of(form: &Form) -> Self {
        match form.get(NEXT) {
            Some("password") => Self::Password,
            Some(text) => match text
                .strip_prefix(Self::DEVICE)
                .and_then(device_approval::ticket_of)
            {
                Some(ticket) => Self::Device(ticket),
                None => Self::Account,
            },
            None => Self::Account,
        }
    }

    /// The value of the parameter.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Account => "account".to_owned(),
            Self::Password => "password".to_owned(),
            Self::Device(ticket) => format!("{}{ticket}", Self::DEVICE),
        }
    }

    /// The path.
    fn path(&self) -> String {
        match self {
            Self::Account => account::PATH.to_owned(),
            Self::Password => password::PATH.to_owned(),
            Self::Device(ticket) => device_approval::path(ticket),
        }
    }

    /// What the page says that the sign-in is for: a key of the catalogue.
    const fn lead(&self) -> &'static str {
        match self {
            Self::Account | Self::Password => "login-for-account",
            Self::Device(_) => "login-for-device",
        }
    }

    /// The sign-in page that leads there.
    pub(super) fn sign_in(&self) -> String {
        match self {
            Self::Account => PATH.to_owned(),
            // Tickets consist of characters that need no escaping.
            Self::Password | Self::Device(_) => format!("{PATH}?{NEXT}={}", self.text()),
        }
    }
}

/// What a sign-in is for.
pub(super) struct Errand {
    pub(super) underway: Option<Underway>,
    pub(super) next: Next,
}

impl Errand {
    /// Reads it from the page's URL or the form.
    pub(super) async fn of(visit: &Visit<'_>, form: &Form) -> Result<Self, Stop> {
        Ok(Self {
            underway: Underway::of(visit, form).await?,
            next: Next::of(form),
        })
    }

    /// The sealed request, empty without one.
    pub(super) fn interaction(&self) -> &str {
        self.underway.as_ref().map_or("", |underway| &underway.text)
    }

    /// The page where the sign-in can be begun again.
    pub(super) fn sign_in(&self) -> String {
        match &self.underway {
            Some(underway) => format!("{PATH}?{INTERACTION}={}", underway.text),
            None => self.next.sign_in(),
        }
    }

    /// The name of the application that asks.
    pub(super) fn client(&self, language: Language) -> Option<String> {
        self.underway
            .as_ref()
            .map(|underway| name_of(&underway.opened.client, language))
    }

    /// The page's policy: Chrome follows the redirects after a form, up to the application.
    pub(super) fn policy(&self, layout: &Layout, response: &mut HttpResponse) {
        if let Some(underway) = &self.underway {
            let target = underway.opened.back.redirect.form_action();
            let policy = Policy {
                forms: &[&target],
                ..Policy::default()
            };
            layout.allow(response, policy);
        }
    }
}

/// `GET /login`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let query = Form::of_query(&http).map_err(|refusal| exchange.refuse(refusal))?;
        let errand = Errand::of(visit, &query).await?;
        let user = visit.user().await?;
        let Some(underway) = &errand.underway else {
            // Whoever comes from a device's page was sent, because the sign-in is missing or too old.
            if user.is_some() && !matches!(errand.next, Next::Device(_)) {
                return Ok(visit.see_page(&errand.next.path()));
            }
            let layout = visit.layout_for(user.as_ref()).await?;
            let username = layout.signed_in_as.clone();
            return show(visit, &errand, layout, username, false);
        };
        // Somebody who has to sign in once more most likely does so as the same person.
        let layout = visit.layout_for(user.as_ref()).await?;
        let hint = underway.opened.parameters.get("login_hint");
        let username = hint.map_or_else(|| layout.signed_in_as.clone(), ToOwned::to_owned);
        show(visit, &errand, layout, username, false)
    })
    .await
}

/// `POST /login`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let errand = Errand::of(visit, form).await?;
    visit.check_form(form, &["login", errand.interaction()], &errand.sign_in())?;
    attempt::count(visit).await?;
    let username = form.get("username").unwrap_or_default();
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    match attempt::sign_in(visit, username, &password).await? {
        SignIn::SignedIn(user) => complete(visit, &errand, username, &user).await,
        SignIn::PasswordChangeNeeded(_) => new_password::ask(visit, &errand, username, None),
        SignIn::Refused => {
            attempt::failed(visit).await?;
            show(visit, &errand, visit.layout(), username.to_owned(), true)
        }
    }
}

/// Begins or renews the session of a user who has just proved who it is, under the name that was typed, and goes on with
/// what the sign-in is for.
pub(super) async fn complete(
    visit: &Visit<'_>,
    errand: &Errand,
    username: &str,
    user: &User,
) -> Result<HttpResponse, Stop> {
    let app = visit.app;
    let started = async {
        let former = visit.cookie.as_ref().map(Secret::expose);
        let caller = visit.exchange.caller();
        let started = app
            .accounts
            .start_session(user, Proof::password(), former, caller, visit.now)
            .await?;
        if let Some(underway) = &errand.underway {
            let (session, request) = (started.session.id, underway.interaction.id);
            let mut conn = app.store.write().await?;
            sessions::note_interaction(&mut conn, visit.tenant, session, request, Interaction::SignIn)
                .await?;
        }
        let device = visit.device();
        let device = app
            .accounts
            .know_device(visit.tenant, username, device.as_ref(), visit.now)
            .await?;
        Ok((started, device))
    };
    let (started, device) = started.await.map_err(|fault| visit.fault(&fault))?;
    let mut response = match &errand.underway {
        Some(underway) => visit.see_other(&underway.resume()),
        None => visit.see_page(&errand.next.path()),
    };
    visit.set_session_cookie(&mut response, &started.cookie);
    visit.set_device_cookie(&mut response, &device);
    if visit.app.config.session.management {
        let state = session_management::browser_state(&visit.keys, started.session.id);
        let state = state.map_err(|fault| visit.fault(&fault))?;
        let cookie = session_management::cookie(app, &started.session, &state, visit.now);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn show(
    visit: &Visit<'_>,
    errand: &Errand,
    layout: Layout,
    username: String,
    refused: bool,
) -> Result<HttpResponse, Stop> {
    let language = layout.language;
    let page = Page {
        layout,
        csrf: visit.form_token(&["login", errand.interaction()])?,
        interaction: errand.interaction().to_owned(),
        next: errand.next.text(),
        lead: errand.next.lead(),
        client: errand.client(language),
        username: username.chars().take(MAX_SHOWN).collect(),
        refused,
    };
    let status = if refused {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut response = page::respond(status, &page);
    errand.policy(&page.layout, &mut response);
    Ok(response)
}
