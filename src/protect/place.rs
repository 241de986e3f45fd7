//! Where a path points: which tenant, and what below its issuer. Decided by the path's characters as they were sent, so
//! that each endpoint of each tenant has one URL: nothing is decoded, folded or cleaned up before it is compared.

use crate::tenants::Site;
use crate::types::TenantName;
use std::borrow::Cow;

/// What comes before a tenant's name.
const TENANTS: &str = "/t/";
/// What comes before the name of a well-known document.
const WELL_KNOWN: &str = "/.well-known/";

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The tenant.
    pub(super) site: Site,
    /// The path below the tenant's issuer, as routes are registered.
    pub(super) path: Cow<'a, str>,
}

impl<'a> Place<'a> {
    /// Takes a path apart; `None` when it is not below the issuer's path, `base`.
    pub(super) fn of(base: &str, path: &'a str) -> Option<Self> {
        if let Some(place) = Self::inserted(base, path) {
            return Some(place);
        }
        let below = below(base, path)?;
        let Some(rest) = below.strip_prefix(TENANTS) else {
            return Some(Self {
                site: Site::First,
                path: or_root(below),
            });
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (name, path) = rest.split_at(end);
        Some(Self {
            site: site(name),
            path: or_root(path),
        })
    }

    /// > If the issuer identifier value contains a path component, any terminating "/" MUST be removed before inserting
    /// > "/.well-known/" and the well-known URI suffix between the host component and the path component. (RFC 8414 §3.1)
    fn inserted(base: &str, path: &str) -> Option<Self> {
        let rest = path.strip_prefix(WELL_KNOWN)?;
        let (document, issuer) = rest.split_at(rest.find('/')?);
        let site = match below(base, issuer)? {
            // Without a path in the issuer this is no other place than below it.
            "" if base.is_empty() => return None,
            "" => Site::First,
            tenant => match tenant.strip_prefix(TENANTS) {
                Some(name) if !name.contains('/') => site(name),
                _ => return None,
            },
        };
        Some(Self {
            site,
            path: Cow::Owned(format!("{WELL_KNOWN}{document}")),
        })
    }
}

fn site(name: &str) -> Site {
    TenantName::parse(name).map_or(Site::Nobody, Site::Named)
}

/// What follows `base` in a path, which ends there or goes on with a slash.
fn below<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(base)?;
    (base.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn or_root(path: &str) -> Cow<'_, str> {
    Cow::Borrowed(if path.is_empty() { "/" } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(base: &str, path: &str) -> Option<(String, String)> {
        Place::of(base, path).map(|place| {
            let site = match place.site {
                Site::First => "first".to_owned(),
                Site::Named(name) => name.to_string(),
                Site::Nobody => "nobody".to_owned(),
            };
            (site, place.path.into_owned())
        })
    }

    fn is(base: &str, path: &str, site: &str, below: &str) {
        assert_eq!(
            at(base, path),
            Some((site.to_owned(), below.to_owned())),
            "{base} {path}"
        );
    }

    #[test]
    fn a_path_names_its_tenant_in_front() {
        is("", "/oauth2/token", "first", "/oauth2/token");
        is("", "/", "first", "/");
        is("", "/t/acme/oauth2/token", "acme", "/oauth2/token");
        is("", "/t/acme", "acme", "/");
        is("", "/t/acme/", "acme", "/");
        is("/id", "/id/oauth2/token", "first", "/oauth2/token");
        is("/id", "/id", "first", "/");
        is("/id", "/id/t/acme/oauth2/token", "acme", "/oauth2/token");
        is("/t/x", "/t/x/t/acme/oauth2/token", "acme", "/oauth2/token");
    }

    #[test]
    fn what_is_not_below_the_issuer_is_nowhere() {
        for path in [
            "/",
            "/oauth2/token",
            "/idx/oauth2/token",
            "/ID/oauth2/token",
            "/i%64/x",
            "//id/x",
            "/t/acme/x",
        ] {
            assert_eq!(at("/id", path), None, "{path}");
        }
    }

    #[test]
    fn nothing_but_the_exact_spelling_is_a_tenant() {
        for name in [
            "", "ACME", "acm%65", "a.b", "..", ".", "acme%2f", "acme;x", "a_b", "acme%00",
        ] {
            is("", &format!("/t/{name}/oauth2/token"), "nobody", "/oauth2/token");
        }
        // These say nothing of a tenant, and no route is called so.
        for path in [
            "/T/acme/x",
            "/%74/acme/x",
            "//t/acme/x",
            "/./t/acme/x",
            "/x/../t/acme/x",
            "/t",
            "/t%2facme/x",
        ] {
            is("", path, "first", path);
        }
        // Only one is taken off.
        is("", "/t/a/t/b/oauth2/token", "a", "/t/b/oauth2/token");
        is("", "/t/a/../b/oauth2/token", "a", "/../b/oauth2/token");
        is("", "/t/a//t/b/x", "a", "//t/b/x");
    }

    #[test]
    fn rfc8414_s3_1_the_well_known_part_may_stand_before_the_issuers_path() {
        let document = "/.well-known/openid-configuration";
        is("", document, "first", document);
        is("", &format!("{document}/t/acme"), "acme", document);
        is("", &format!("/t/acme{document}"), "acme", document);
        is("/id", &format!("/id{document}"), "first", document);
        is("/id", &format!("{document}/id"), "first", document);
        is("/id", &format!("{document}/id/t/acme"), "acme", document);
        assert_eq!(at("/id", document), None);
        assert_eq!(at("/id", &format!("{document}/idx")), None);
        assert_eq!(at("/id", &format!("{document}/id/")), None);
        assert_eq!(at("/id", &format!("{document}/t/acme")), None);
        is("", &format!("{document}/t/ACME"), "nobody", document);
        for path in [
            format!("{document}/"),
            format!("{document}/t/acme/"),
            format!("{document}/t/acme/oauth2/token"),
            format!("{document}/t/a/t/b"),
        ] {
            is("", &path, "first", &path);
        }
        // Both at once name one tenant and no document.
        is(
            "",
            &format!("/t/a{document}/t/b"),
            "a",
            &format!("{document}/t/b"),
        );
    }

    proptest! {
        #[test]
        fn the_tenant_is_the_one_whose_issuer_the_path_shows(path in "(/t|/T|/%74|/a|/b|/\\.\\.|//|/\\.well-known/x|/){0,6}") {
            if let Some(Place { site: Site::Named(name), path: rest }) = Place::of("", &path) {
                let issuer = format!("/t/{name}");
                let direct = path == format!("{issuer}{rest}") || (path == issuer && rest == "/");
                let inserted = rest.starts_with(WELL_KNOWN) && path == format!("{rest}{issuer}");
                prop_assert!(direct || inserted, "{path} {name} {rest}");
            }
        }
    }
}
