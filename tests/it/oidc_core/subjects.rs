//! Pairwise subjects: §8.1, and Dynamic Client Registration §5 on `sector_identifier_uri`.

use super::{sign_in, userinfo};
use crate::support::peer::Peer;
use crate::support::people::Person;
use crate::support::provider::{PATIENT, Provider};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use grantor::types::{IntrospectionRight, SubjectType};
use serde_json::{Value, json};

/// A client with pairwise subjects whose sector is the host of its redirect URI.
async fn pairwise(app: &TestApp, redirect_uri: &str) -> RelyingParty {
    RelyingParty::with(app, |metadata| {
        metadata.subject_type = SubjectType::Pairwise;
        metadata.redirect_uris = vec![redirect_uri.to_owned()];
    })
    .await
}

async fn at(p: &mut Provider, redirect_uri: &str) -> Tokens {
    p.rp = pairwise(&p.app, redirect_uri).await;
    p.sign_in_for("openid profile offline_access").await
}

fn sub(tokens: &Tokens) -> String {
    claims_of(&tokens.id)["sub"].as_str().unwrap().to_owned()
}

on_both_engines! {
    /// §8.1: "The Subject Identifier value MUST NOT be reversible by any party other than the OpenID Provider." "Distinct
    /// Sector Identifier values MUST result in distinct Subject Identifier values." "The algorithm MUST be deterministic."
    async fn s8_1_each_sector_has_its_own_subject(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let first = at(&mut p, "https://one.example/cb").await;
        let again = p.sign_in().await;
        assert_eq!(sub(&first), sub(&again));
        let neighbour = at(&mut p, "https://one.example:8443/other").await;
        assert_eq!(sub(&first), sub(&neighbour), "the same host, another client");
        let other = at(&mut p, "https://two.example/cb").await;
        assert_ne!(sub(&first), sub(&other));
        let bob = Person::new(&p.app, "bob").await;
        let bobs = p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid").await;
        assert_ne!(sub(&bobs), sub(&other));
        assert!(sub(&first).len() <= 255 && sub(&first).is_ascii(), "§2");
    }

    /// §5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token". And
    /// R-CRY-22: nothing that the client is given holds the id by which others know the person.
    async fn s8_1_the_id_that_others_know_is_nowhere(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let tokens = at(&mut p, "https://one.example/cb").await;
        let observer = RelyingParty::with(&p.app, |metadata| metadata.introspection = IntrospectionRight::Any).await;
        let refreshed = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        let known = sub(&tokens);
        let global = p.alice.id.to_string();
        assert_ne!(known, global);
        let about: Vec<Value> = vec![
            claims_of(&tokens.id),
            claims_of(&tokens.access),
            claims_of(&refreshed.id),
            claims_of(&refreshed.access),
            userinfo(&p, &refreshed).await,
            p.rp.introspect(&p.app, &refreshed.access).await,
            p.rp.introspect(&p.app, &refreshed.refresh).await,
            observer.introspect(&p.app, &refreshed.access).await,
            observer.introspect(&p.app, &refreshed.refresh).await,
        ];
        for document in about {
            assert_eq!(document["sub"], *known, "{document}");
            assert!(!document.to_string().contains(&global), "{document}");
        }
    }
}

/// §3.1.2.1 `id_token_hint` and §5.5.1 `sub` in `claims`: both name the person by the client's own subject.
#[tokio::test]
async fn s3_1_2_1_hint_and_sub_are_the_clients_own() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = at(&mut p, "https://one.example/cb").await;
    let own = sub(&tokens);
    let claims = |sub: &str| json!({"id_token": {"sub": {"value": sub}}}).to_string();
    for (name, value) in [("id_token_hint", tokens.id.clone()), ("claims", claims(&own))] {
        let asked = sign_in(&mut p, &[("prompt", "none"), (name, &value)]).await;
        assert_eq!(sub(&asked), own, "{name}");
    }
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    for (name, value) in [
        ("id_token_hint", bobs.id.clone()),
        ("claims", claims(&sub(&bobs))),
        ("claims", claims(&p.alice.id.to_string())),
    ] {
        let asked = p.rp.ask_for(&p.app, &[("prompt", "none"), (name, &value)]);
        let page = p.browser.open(&asked.url).await;
        assert_eq!(page.error(), "login_required", "{name}");
    }
}

/// §8.1, "pairwise: This provides a different sub value to each Client, so as not to enable Clients to correlate the End-User's
/// activities without permission": another sector's ID token is no hint, since its acceptance would tell that both are about
/// one person.
#[tokio::test]
async fn s8_1_two_sectors_cannot_find_out_together() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = at(&mut p, "https://one.example/cb").await;
    let public = {
        p.rp = RelyingParty::new(&p.app).await;
        p.sign_in().await
    };
    let neighbour = pairwise(&p.app, "https://one.example/other").await;
    let stranger = pairwise(&p.app, "https://two.example/cb").await;
    for (client, hint, error) in [
        (&neighbour, &first, None),
        (&stranger, &first, Some("invalid_request")),
        (&stranger, &public, Some("invalid_request")),
        (&p.rp.clone(), &first, Some("invalid_request")),
    ] {
        let asked = client.ask_for(&p.app, &[("prompt", "none"), ("id_token_hint", &hint.id)]);
        let page = p.browser.open(&asked.url).await;
        assert_eq!(page.parameter("error").as_deref(), error);
    }
}

/// §8.1 and RP-Initiated Logout §2: an ID token with a pairwise subject is a good hint at logout.
#[tokio::test]
async fn s8_1_logout_knows_the_session_of_a_pairwise_client() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.subject_type = SubjectType::Pairwise;
        metadata.post_logout_redirect_uris = vec!["https://rp.example/bye".to_owned()];
    })
    .await;
    let tokens = p.sign_in().await;
    let target = format!(
        "{}/oauth2/logout?id_token_hint={}&post_logout_redirect_uri=https://rp.example/bye",
        p.app.base, tokens.id
    );
    let page = p.browser.open(&target).await;
    assert_eq!(page.left_for.unwrap().as_str(), "https://rp.example/bye");
    let mut browser = p.browser.clone();
    assert_eq!(p.silent(&mut browser).await.as_deref(), Some("login_required"));
}

/// Registers by the admin API; where it is refused, or nowhere.
async fn registered(app: &TestApp, document: Value) -> Vec<String> {
    let token = app.admin_token("clients:write clients:read").await;
    let call = app.http.post("/admin/v1/clients").bearer(&token);
    let answer = call.json(&document).send().await;
    if answer.status.as_u16() == 201 {
        let read = answer.json();
        for name in ["subject_type", "sector_identifier_uri"] {
            assert_eq!(read.get(name), document.get(name), "{name}");
        }
        return Vec::new();
    }
    let problem = answer.expect(400).json();
    let errors = problem["errors"].as_array().unwrap();
    let pointer = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
    errors.iter().map(pointer).collect()
}

fn document(redirect_uris: &[&str], sector: Option<String>) -> Value {
    let mut document = json!({
        "redirect_uris": redirect_uris, "scope": "openid", "subject_type": "pairwise",
    });
    if let Some(sector) = sector {
        document["sector_identifier_uri"] = sector.into();
    }
    document
}

on_both_engines! {
    /// Registration §5: "The value of the sector_identifier_uri MUST be a URL using the https scheme that points to a JSON file
    /// containing an array of redirect_uri values. The values of the registered redirect_uris MUST be included in the elements
    /// of the array."
    async fn registration_s5_the_document_holds_the_redirect_uris(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[PATIENT, ("outgoing.allow", "127.0.0.0/8")]).await;
        let peer = Peer::start().await;
        let (one, two) = ("https://one.example/cb", "https://two.example/cb");
        peer.serve("/both", "application/json", &json!([one, two, "https://three.example/"]).to_string());
        peer.serve("/one", "application/json", &json!([one]).to_string());
        peer.serve("/object", "application/json", &json!({"redirect_uris": [one, two]}).to_string());
        peer.serve("/numbers", "application/json", "[1]");
        peer.serve("/large", "application/json", &json!([one, two, "x".repeat(200_000)]).to_string());
        let at = |path: &str| Some(format!("{}{path}", peer.base));
        assert_eq!(registered(&app, document(&[one, two], at("/both"))).await, [""; 0]);
        assert_eq!(registered(&app, document(&[one, two], at("/one"))).await, ["/redirect_uris/1"]);
        for path in ["/object", "/numbers", "/large", "/missing"] {
            let refused = registered(&app, document(&[one, two], at(path))).await;
            assert_eq!(refused, ["/sector_identifier_uri"], "{path}");
        }
        // Core §8.1: "If there are multiple hostnames in the registered redirect_uris, the Client MUST register a
        // sector_identifier_uri."
        assert_eq!(registered(&app, document(&[one, two], None)).await, ["/sector_identifier_uri"]);
        assert_eq!(registered(&app, document(&[one], None)).await, [""; 0]);
    }
}

/// The same at a change; and what does not touch the sector asks nobody.
#[tokio::test]
async fn registration_s5_a_change_is_held_against_the_document_too() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT, ("outgoing.allow", "127.0.0.0/8")]).await;
    let peer = Peer::start().await;
    let one = "https://one.example/cb";
    peer.serve("/sector", "application/json", &json!([one]).to_string());
    let token = app.admin_token("clients:write").await;
    let created = app.http.post("/admin/v1/clients").bearer(&token);
    let mut body = document(&[one], Some(format!("{}/sector", peer.base)));
    body["client_id"] = "shop".into();
    created.json(&body).send().await.expect(201);
    let patch = |body: Value| {
        let call = app.http.call(reqwest::Method::PATCH, "/admin/v1/clients/shop");
        call.bearer(&token).json(&body).send()
    };
    patch(json!({"client_name": "Shop"})).await.expect(200);
    assert_eq!(peer.asked().len(), 1);
    let refused = patch(json!({"redirect_uris": [one, "https://two.example/cb"]})).await;
    assert_eq!(
        refused.expect(400).json()["errors"][0]["pointer"],
        "/redirect_uris/1"
    );
    assert_eq!(peer.asked().len(), 2);
}

/// R-VAL-36: a document on the inside is not fetched, and who asked for it is on record.
#[tokio::test]
async fn registration_s5_a_document_on_the_inside_is_not_fetched() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    let sector = "https://127.0.0.1:1/sector".to_owned();
    let refused = registered(&app, document(&["https://one.example/cb"], Some(sector))).await;
    assert_eq!(refused, ["/sector_identifier_uri"]);
    let log = app.audit_log().await;
    let blocked = log.iter().find(|record| record.event_type == "ssrf_blocked");
    assert_eq!(blocked.unwrap().meta("member"), "sector_identifier_uri");
}
