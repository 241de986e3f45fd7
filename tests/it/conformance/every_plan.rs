//! "Every plan".

use super::{open, provider, redeem, run};
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, Provider};
use crate::support::relying_party::{CALLBACK, claims_of};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use std::collections::HashSet;

/// "https everywhere": with an https issuer every address in the metadata is https.
#[tokio::test]
async fn every_plan_https_everywhere() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("issuer", "https://id.example")]).await;
    let metadata = app.metadata().await;
    for (name, value) in metadata.as_object().unwrap() {
        if name == "issuer" || name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(
                value.as_str().unwrap().starts_with("https://id.example"),
                "{name}: {value}"
            );
        }
    }
    let page = Browser::new(&app).get("/login").await;
    for line in page.answer.headers.get_all("set-cookie") {
        let line = line.to_str().unwrap();
        assert!(line.starts_with("__Host-") && line.contains("Secure"), "{line}");
    }
}

/// "clients with several redirect URIs, one of them with a query".
#[tokio::test]
async fn every_plan_several_redirect_uris_one_with_a_query() {
    let mut p = provider().await;
    for uri in [
        CALLBACK.to_owned(),
        format!("{CALLBACK}?dummy1=lorem&dummy2=ipsum"),
    ] {
        p.rp.redirect_uri = uri.clone();
        let tokens = run(&mut p, &[]).await;
        assert!(!tokens.id.is_empty());
        let page = open(&mut p, &[("scope", "unheard_of")]).await;
        assert!(page.left_for.unwrap().as_str().starts_with(&uri));
    }
}

/// "about 100 sign-ins in a few minutes without a lockout (limits are configuration); pages that work for a fresh browser each
/// time".
#[tokio::test]
async fn every_plan_a_hundred_sign_ins_in_fresh_browsers() {
    let cheap = [PATIENT, ("limits.authentication.count", "failures")];
    let p = Provider::with(Engine::Sqlite, &cheap).await;
    for _ in 0..10 {
        let sign_in = async |_| {
            let asked = p.rp.ask(&p.app);
            let page = Browser::new(&p.app).authorize(&asked.url, &p.alice).await;
            page.code()
        };
        let codes = futures_util::future::join_all((0..10).map(sign_in)).await;
        assert_eq!(codes.into_iter().collect::<HashSet<_>>().len(), 10);
        p.app.advance(15);
    }
}

/// A second person signs in where another one is: the pages work, and nobody gets the other's tokens.
#[tokio::test]
async fn every_plan_another_person_in_the_same_browser() {
    let mut p = provider().await;
    let bob = Person::new(&p.app, "bob").await;
    let alices = run(&mut p, &[]).await;
    let page = open(&mut p, &[("prompt", "select_account")]).await;
    let form = page
        .sign_in_form()
        .fill("username", &bob.username)
        .fill("password", PASSWORD);
    let page = p.browser.submit(&page, &form).await;
    let bobs = redeem(&p, &page.code()).await;
    assert_eq!(claims_of(&bobs.id)["sub"], bob.id.to_string());
    assert_ne!(claims_of(&bobs.id)["sub"], claims_of(&alices.id)["sub"]);
}
