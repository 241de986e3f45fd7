//! RFC 9126, OAuth 2.0 Pushed Authorization Requests.

use crate::support::http::Answer;
use crate::support::people::Person;
use crate::support::provider::{PATIENT, Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use futures_util::future::join_all;
use grantor::storage::{Store, authorization_requests};
use grantor::types::{AuthMethod, GrantType};
use reqwest::Method;
use serde_json::{Value, json};

const PAR: &str = "/oauth2/par";

/// The kept requests, each with all that could tell something, as text; empty when there is none.
async fn kept(app: &TestApp) -> String {
    const SQL: &str = "SELECT handle_hash, sealed, counted_for FROM authorization_requests";
    let rows: Vec<(Vec<u8>, Vec<u8>, String)> = match &app.db.main {
        Store::Postgres { pool, .. } => sqlx::query_as(SQL).fetch_all(pool).await,
        Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await,
    }
    .unwrap();
    let text = |(hash, sealed, whose): &(Vec<u8>, Vec<u8>, String)| {
        let [hash, sealed] = [hash, sealed].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        format!("{hash} {sealed} {whose}\n")
    };
    rows.iter().map(text).collect()
}

fn request_uri(answer: Answer) -> String {
    answer.expect(201).json()["request_uri"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_both_engines! {
    /// §1.1: the request is pushed, the browser sent with the reference, and the code redeemed as ever.
    async fn s1_1_a_pushed_request_leads_to_a_code(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let asked = p.rp.ask(&p.app);
        let url = p.rp.pushed(&p.app, &asked).await;
        let page = p.browser.authorize(&url, &p.alice).await;
        assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
        assert_eq!(page.parameter("iss").as_deref(), Some(p.app.issuer()));
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!(claims["nonce"], asked.nonce);
    }

    /// §4: "Authorization servers SHOULD treat request_uri values as one-time use but MAY allow for duplicate requests due to a
    /// user reloading/refreshing their user agent": until the code is issued, then never again.
    async fn s4_a_request_uri_is_good_for_one_code(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let asked = p.rp.ask(&p.app);
        let url = p.rp.pushed(&p.app, &asked).await;
        p.browser.open(&url).await.sign_in_form();
        let page = p.browser.open(&url).await;
        page.sign_in_form();
        let page = p.browser.answer_all(page, &p.alice).await;
        Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        p.browser.open(&url).await.expect_error_page(400);
        Browser::new(&p.app).open(&url).await.expect_error_page(400);
    }

    /// The same for browsers that race: each has the sign-in page open, one gets a code.
    async fn s4_of_browsers_that_race_one_gets_the_code(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let bob = Person::new(&p.app, "bob").await;
        p.sign_in().await;
        let mut bobs = Browser::new(&p.app);
        p.rp.sign_in(&p.app, &mut bobs, &bob, "openid").await;
        let url = p.rp.pushed(&p.app, &p.rp.ask(&p.app)).await;
        let mut browsers: Vec<_> = (0..3).flat_map(|_| [p.browser.clone(), bobs.clone()]).collect();
        let pages = join_all(browsers.iter_mut().map(|browser| browser.open(&url))).await;
        let codes = pages.iter().filter(|page| page.left_for.is_some()).count();
        assert_eq!(codes, 1);
    }

    /// §4: "An expired request_uri MUST be rejected as invalid." The first opening counts: who signs in slowly, or loads the
    /// page again meanwhile, is not stopped.
    async fn s4_an_expired_request_uri_is_rejected(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let asked = p.rp.ask(&p.app);
        let answer = p.rp.push(&p.app, &asked).await.expect(201).json();
        assert_eq!(answer["expires_in"], 60);
        let url = p.rp.refer(&p.app, answer["request_uri"].as_str().unwrap());
        p.app.advance(60);
        p.browser.open(&url).await.expect_error_page(400);
        let url = p.rp.pushed(&p.app, &asked).await;
        p.app.advance(59);
        p.browser.open(&url).await.sign_in_form();
        p.app.advance(120);
        let page = p.browser.open(&url).await;
        page.sign_in_form();
        Browser::new(&p.app).open(&url).await.expect_error_page(400);
        let page = p.browser.answer_all(page, &p.alice).await;
        Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        // Not for ever, though.
        let url = p.rp.pushed(&p.app, &asked).await;
        p.browser.forget();
        p.browser.open(&url).await.sign_in_form();
        p.app.advance(1800);
        p.browser.open(&url).await.expect_error_page(400);
    }

    /// §2.2: the `request_uri` is bound "to the client that posted the authorization request"; §7.3 and §7.5: another
    /// client's is refused, and it stays good for its own.
    async fn s2_2_another_clients_request_uri_is_refused(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = RelyingParty::new(&p.app).await;
        let asked = p.rp.ask(&p.app);
        let uri = request_uri(p.rp.push(&p.app, &asked).await);
        p.sign_in().await;
        p.browser.open(&other.refer(&p.app, &uri)).await.expect_error_page(400);
        let with_redirect = format!("{}&redirect_uri=https%3A%2F%2Frp.example%2Fcallback", other.refer(&p.app, &uri));
        p.browser.open(&with_redirect).await.expect_error_page(400);
        for nobody in ["", "client_id=unknown&"] {
            let own = p.rp.refer(&p.app, &uri);
            let query = own.split_once('&').unwrap().1;
            let url = format!("{}/oauth2/authorize?{nobody}{query}", p.app.base);
            p.browser.open(&url).await.expect_error_page(400);
        }
        p.browser.open(&p.rp.refer(&p.app, &uri)).await.code();
    }

    /// What rests in the database says neither the reference nor what was asked.
    async fn s7_1_what_is_kept_is_hashed_and_sealed(engine: Engine) {
        let p = Provider::new(engine).await;
        let asked = p.rp.ask_for(&p.app, &[("login_hint", "alice-in-wonderland")]);
        let uri = request_uri(p.rp.push(&p.app, &asked).await);
        let handle = uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
        // §7.1: "request URIs […] MUST contain […] entropy": 256 bits.
        assert_eq!(handle.len(), 43);
        let rows = kept(&p.app).await;
        assert!(!rows.is_empty());
        for secret in [handle, "alice-in-wonderland", &asked.state] {
            assert!(!rows.contains(secret), "{secret}");
        }
    }

    /// A reference works on every replica, also after a restart.
    async fn s2_2_a_reference_is_known_to_every_replica(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let replica = p.app.replica().await;
        let asked = p.rp.ask(&p.app);
        let url = p.rp.pushed(&replica, &asked).await;
        let url = url.replace(&replica.base, &p.app.base);
        let page = p.browser.authorize(&url, &p.alice).await;
        Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    }

    /// §2.3: "If the request quota of the client is exceeded: 429 (Too Many Requests)". A client that proves who it is has a
    /// quota of its own; public ones are counted by address, so that nobody uses up what belongs to a name.
    async fn s2_3_a_quota_bounds_what_waits(engine: Engine) {
        let quotas = [("par.max_per_client", "10"), ("par.max_per_address", "10")];
        let mut p = Provider::with(engine, &quotas).await;
        let public = RelyingParty::public(&p.app).await;
        let other = RelyingParty::new(&p.app).await;
        for rp in [&p.rp, &public] {
            for _ in 0..10 {
                rp.push(&p.app, &rp.ask(&p.app)).await.expect(201);
            }
            let answer = rp.push(&p.app, &rp.ask(&p.app)).await;
            assert!(!answer.header("retry-after").is_empty());
            refused(answer, 429, "temporarily_unavailable");
        }
        other.push(&p.app, &other.ask(&p.app)).await.expect(201);
        // What is over, or has its code, counts no more.
        p.app.advance(60);
        for _ in 0..12 {
            let url = p.rp.pushed(&p.app, &p.rp.ask(&p.app)).await;
            p.browser.authorize(&url, &p.alice).await.code();
        }
    }

    /// Nothing is left for ever: what was not opened goes when its time is over.
    async fn what_is_over_is_purged(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let url = p.rp.pushed(&p.app, &p.rp.ask(&p.app)).await;
        p.browser.authorize(&url, &p.alice).await.code();
        p.rp.push(&p.app, &p.rp.ask(&p.app)).await.expect(201);
        p.app.advance(1801);
        let mut conn = p.app.db.main.write().await.unwrap();
        authorization_requests::purge(&mut conn, p.app.now(), 100).await.unwrap();
        let rows = kept(&p.app).await;
        assert_eq!(rows, "");
    }
}

/// §2: "The rules for client authentication as defined in [RFC6749] for token endpoint requests, including the applicable
/// authentication methods, apply for the PAR endpoint as well."
#[tokio::test]
async fn s2_clients_authenticate_as_at_the_token_endpoint() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    for method in [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::None,
    ] {
        let rp = RelyingParty::with(&app, |metadata| metadata.token_endpoint_auth_method = method).await;
        rp.push(&app, &rp.ask(&app)).await.expect(201);
        let asked = rp.ask(&app);
        let fields: Vec<_> = asked
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let named = app.http.post(PAR).form(&fields).send().await;
        if method == AuthMethod::None {
            named.expect(201);
        } else {
            refused(named, 401, "invalid_client");
            let wrong = app
                .http
                .post(PAR)
                .basic(&rp.client_id, "gcs_wrong")
                .form(&fields)
                .send();
            let wrong = wrong.await;
            assert!(wrong.header("www-authenticate").starts_with("Basic"));
            refused(wrong, 401, "invalid_client");
        }
    }
    let (one, two) = (RelyingParty::new(&app).await, RelyingParty::new(&app).await);
    let asked = two.ask(&app);
    let fields: Vec<_> = asked
        .parameters
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    refused(one.post(&app, PAR, &fields).await, 400, "invalid_request");
}

/// §2.1: "The request_uri authorization request parameter is one exception, and it MUST NOT be provided." "2. Reject the request
/// if the request_uri authorization request parameter is provided."
#[tokio::test]
async fn s2_1_request_uri_must_not_be_pushed() {
    let p = Provider::new(Engine::Sqlite).await;
    let own = request_uri(p.rp.push(&p.app, &p.rp.ask(&p.app)).await);
    for uri in [&*own, "https://rp.example/r", "x"] {
        let asked = p.rp.ask_for(&p.app, &[("request_uri", uri)]);
        refused(p.rp.push(&p.app, &asked).await, 400, "invalid_request");
        let alone = [("request_uri", uri)];
        refused(p.rp.post(&p.app, PAR, &alone).await, 400, "invalid_request");
    }
}

/// §2.1: "3. The authorization server MUST validate the pushed request as it would an authorization request sent to the
/// authorization endpoint." §2.3: errors as of RFC 6749 §5.2, with the codes of the authorization endpoint; nothing is redirected.
#[tokio::test]
async fn s2_3_every_error_of_an_authorization_request_is_told_at_once() {
    let p = Provider::new(Engine::Sqlite).await;
    let long = "x".repeat(3000);
    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "unheard_of", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("resource", "urn:x:y", "invalid_target"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("id_token_hint", "x", "invalid_request"),
        ("registration", "{}", "registration_not_supported"),
        ("state", &long, "invalid_request"),
        ("nonce", &long, "invalid_request"),
    ] {
        let asked = p.rp.ask_for(&p.app, &[(name, value)]);
        let answer = p.rp.push(&p.app, &asked).await;
        assert!(answer.header("location").is_empty());
        assert_eq!(answer.oauth_error(400), error, "{name}={value}");
    }
    let twice = p.rp.ask_for(&p.app, &[("state", "a"), ("state", "b")]);
    refused(p.rp.push(&p.app, &twice).await, 400, "invalid_request");
    let machine = RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials];
    })
    .await;
    refused(
        machine.push(&p.app, &machine.ask(&p.app)).await,
        400,
        "unauthorized_client",
    );
    // Nothing of that was kept.
    let rows = kept(&p.app).await;
    assert_eq!(rows, "");
}

/// §2.3: "405 (Method Not Allowed)" for anything but POST, "413 (Payload Too Large)"; R-VAL-17: only a form; R-VAL-38: no secret
/// in the URL.
#[tokio::test]
async fn s2_3_other_methods_bodies_and_sizes_are_refused() {
    let p = Provider::new(Engine::Sqlite).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = p.app.http.call(method, PAR).send().await;
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
        refused(answer, 405, "invalid_request");
    }
    let json = p.app.http.post(PAR).json(&json!({"client_id": p.rp.client_id}));
    refused(json.send().await, 415, "invalid_request");
    for size in [20_000, 100_000] {
        let asked = p.rp.ask_for(&p.app, &[("unheard_of", &"x".repeat(size))]);
        refused(p.rp.push(&p.app, &asked).await, 413, "invalid_request");
    }
    let secret = p.rp.secret.clone().unwrap();
    let url = format!("{PAR}?client_id={}&client_secret={secret}", p.rp.client_id);
    let answer = p
        .app
        .http
        .post(&url)
        .form(&[("response_type", "code")])
        .send()
        .await;
    assert!(answer.status.is_client_error());
}

/// §2.2: "201 HTTP status code", `request_uri` and `expires_in`, "application/json", not cached; §2.2: "The value of the
/// request_uri […] MUST […] not [be] guess[able]": no two are alike.
#[tokio::test]
async fn s2_2_the_response() {
    let p = Provider::with(Engine::Sqlite, &[("par.ttl_s", "5")]).await;
    let answer = p.rp.push(&p.app, &p.rp.ask(&p.app)).await;
    assert_eq!(answer.status.as_u16(), 201);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.header("cache-control").contains("no-store"));
    let json = answer.json();
    assert_eq!(json["expires_in"], 5);
    assert_eq!(json.as_object().unwrap().len(), 2);
    let first = json["request_uri"].as_str().unwrap();
    assert!(first.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert_ne!(first, request_uri(p.rp.push(&p.app, &p.rp.ask(&p.app)).await));
}

/// §4 with FAPI 2.0: what the browser brings besides `client_id` and `request_uri` counts for nothing.
#[tokio::test]
async fn s4_parameters_beside_the_reference_are_ignored() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    let asked = p.rp.ask_for(&p.app, &[("scope", "openid email")]);
    let url = p.rp.pushed(&p.app, &asked).await;
    let more = "&state=evil&nonce=evil&scope=orders%3Awrite&redirect_uri=https%3A%2F%2Fevil.example%2F&response_type=token\
                &prompt=login&code_challenge=evil&response_mode=form_post&resource=urn%3Ax%3Ay";
    let page = p.browser.open(&format!("{url}{more}")).await;
    assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    assert_eq!(tokens.access_claims()["scope"], "openid email");
    assert_eq!(
        p.rp.verify_id_token(&p.app, &tokens.id).await["nonce"],
        asked.nonce
    );
}

/// §7.2: a reference that nobody gave out is no request, whatever it looks like, and nothing is redirected for it.
#[tokio::test]
async fn s7_2_a_guessed_reference_is_refused() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let uri = request_uri(p.rp.push(&p.app, &p.rp.ask(&p.app)).await);
    let last = if uri.ends_with('A') { 'B' } else { 'A' };
    let altered = format!("{}{last}", &uri[..uri.len() - 1]);
    for bad in [
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:x",
        &altered,
        &format!("{uri}x"),
        &format!("{uri}#x"),
    ] {
        p.browser
            .open(&p.rp.refer(&p.app, bad))
            .await
            .expect_error_page(400);
    }
}

/// §4: "policy MAY dictate, either globally or on a per-client basis, that PAR be the only means […] the authorization server
/// will refuse, using the invalid_request error code". §5, §6: the metadata says so.
#[tokio::test]
async fn s4_pushing_can_be_made_the_rule_for_a_client() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let strict = RelyingParty::with(&p.app, |metadata| {
        metadata.require_pushed_authorization_requests = true;
    })
    .await;
    let asked = strict.ask(&p.app);
    let page = p.browser.open(&asked.url).await;
    assert_eq!(page.error(), "invalid_request");
    assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
    assert_eq!(page.parameter("iss").as_deref(), Some(p.app.issuer()));
    for (name, value) in [("request", "x"), ("request_uri", "https://rp.example/r")] {
        let page = p
            .browser
            .open(&strict.ask_for(&p.app, &[(name, value)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{name}");
    }
    let url = strict.pushed(&p.app, &asked).await;
    p.browser.authorize(&url, &p.alice).await.code();
    // Others are free.
    p.browser.open(&p.rp.ask(&p.app).url).await.code();
}

/// The same for all clients of the server.
#[tokio::test]
async fn s4_pushing_can_be_made_the_rule_for_the_server() {
    let mut p = Provider::with(Engine::Sqlite, &[("par.required", "true")]).await;
    let path = "/.well-known/oauth-authorization-server";
    let metadata = p.app.http.get(path).send().await.expect(200).json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    let asked = p.rp.ask(&p.app);
    assert_eq!(p.browser.open(&asked.url).await.error(), "invalid_request");
    let url = p.rp.pushed(&p.app, &asked).await;
    p.browser.authorize(&url, &p.alice).await.code();
}

/// §5: `pushed_authorization_request_endpoint`, an https URL below the issuer; `require_pushed_authorization_requests`, "If
/// omitted, the default value is false".
#[tokio::test]
async fn s5_the_metadata_names_the_endpoint() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let metadata = app.http.get(path).send().await.expect(200).json();
        assert_eq!(
            metadata["pushed_authorization_request_endpoint"],
            format!("{}{PAR}", app.issuer())
        );
        assert_eq!(metadata["require_pushed_authorization_requests"], false);
    }
}

/// §4: "The authorization server MUST validate authorization requests arising from a pushed request as it would any other": what
/// is registered counts when the browser comes.
#[tokio::test]
async fn s4_what_changed_since_the_push_counts() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[("scope", "openid orders:read")]);
    let (first, second) = (
        p.rp.pushed(&p.app, &asked).await,
        p.rp.pushed(&p.app, &asked).await,
    );
    let path = format!("/admin/v1/clients/{}", p.rp.client_id);
    let token = crate::admin::token(&p.app, "clients:write").await;
    let change = async |body: Value| {
        let call = p.app.http.call(Method::PATCH, &path).bearer(&token);
        call.json(&body).send().await.expect(200);
    };
    change(json!({"scope": "openid"})).await;
    assert_eq!(p.browser.open(&first).await.error(), "invalid_scope");
    change(json!({"scope": "openid orders:read", "redirect_uris": ["https://rp.example/new"]})).await;
    p.browser.open(&second).await.expect_error_page(400);
}

/// Consent and a sign-in that was asked for work for pushed requests as for others, and a page's URL does not carry the request.
#[tokio::test]
async fn a_pushed_request_goes_through_every_page() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let wishes = [
        ("prompt", "login consent"),
        ("login_hint", &*"long".repeat(700)),
        ("response_mode", "form_post"),
    ];
    let asked = p.rp.ask_for(&p.app, &wishes);
    let url = p.rp.pushed(&p.app, &asked).await;
    let page = p.browser.open(&url).await;
    assert!(page.url.as_str().len() < 1000, "{}", page.url);
    page.sign_in_form();
    let page = p.browser.answer_all(page, &p.alice).await;
    let form = crate::support::html::forms(&page.html()).remove(0);
    let code = form.value("code").unwrap();
    p.rp.redeem_code(&p.app, code, &asked.pkce.verifier)
        .await
        .expect(200);
    // A refusal is told to the client, and the request may be opened again: it has no code.
    let asked = p.rp.ask_for(&p.app, &[("prompt", "consent")]);
    let url = p.rp.pushed(&p.app, &asked).await;
    for decision in ["deny", "allow"] {
        let page = p.browser.open(&url).await;
        let form = page.decision_form().press("decision", decision);
        let page = p.browser.submit(&page, &form).await;
        assert_eq!(page.parameter("code").is_some(), decision == "allow");
    }
}
