//! Authentication with the code flow: §3.1 and §16.

use super::sign_in;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::user_agent::Browser;
use crate::support::{Engine, html};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::GrantType;
use serde_json::json;

/// §3.1.2.1: "Authorization Servers MUST support the use of the HTTP GET and POST methods". The openid scope: "If the openid
/// scope value is not present, the behavior is entirely unspecified" – here it is plain OAuth.
#[tokio::test]
async fn s3_1_2_1_without_openid_there_is_no_id_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("orders:read").await;
    assert_eq!(tokens.id, "");
}

/// §3.1.2.1: "prompt=none: The Authorization Server MUST NOT display any authentication or consent user interface pages. An
/// error is returned if an End-User is not already authenticated or the Client does not have pre-configured consent for the
/// requested Claims". "If this parameter contains none with any other value, an error is returned."
#[tokio::test]
async fn s3_1_2_1_prompt_none() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let none = [("prompt", "none")];
    let asked = p.rp.ask_for(&p.app, &none);
    let page = p.browser.open(&asked.url).await;
    assert_eq!(
        (page.error(), page.parameter("state")),
        ("login_required".into(), Some(asked.state))
    );
    let first = p.sign_in().await;
    let tokens = sign_in(&mut p, &none).await;
    assert_eq!(claims_of(&tokens.id)["sub"], claims_of(&first.id)["sub"]);
    let third_party = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let page = p.browser.open(&third_party.ask_for(&p.app, &none).url).await;
    assert_eq!(page.error(), "consent_required");
    for mixed in [
        "none login",
        "login none",
        "none consent",
        "none select_account",
        "unheard_of",
        "none none x",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("prompt", mixed)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{mixed}");
    }
}

/// §3.1.2.1: "prompt=login: The Authorization Server SHOULD prompt the End-User for reauthentication. If it cannot
/// reauthenticate the End-User, it MUST return an error". §3.1.2.3: "The Authorization Server MUST attempt to Authenticate the
/// End-User in the following cases: The End-User is not already Authenticated. The Authentication Request contains the prompt
/// parameter with the value login."
#[tokio::test]
async fn s3_1_2_3_prompt_login_asks_again() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    p.app.advance(10);
    for prompt in ["login", "select_account", "login consent"] {
        let asked = p.rp.ask_for(&p.app, &[("prompt", prompt)]);
        let page = p.browser.open(&asked.url).await;
        page.sign_in_form();
        // Walking around the page does not help: the request itself asks.
        let again = p.browser.open(&asked.url).await;
        again.sign_in_form();
        p.app.advance(10);
        let page = p.browser.answer_all(page, &p.alice).await;
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        let auth_time = claims_of(&tokens.id)["auth_time"].as_i64().unwrap();
        assert_eq!(auth_time, p.app.now().seconds(), "{prompt}");
        assert!(auth_time > claims_of(&first.id)["auth_time"].as_i64().unwrap());
    }
}

/// §3.1.2.1: "max_age: Specifies the allowable elapsed time in seconds since the last time the End-User was actively
/// authenticated by the OP. If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate the
/// End-User. […] When max_age is used, the ID Token returned MUST include an auth_time Claim Value." `max_age=0` is as
/// `prompt=login`.
#[tokio::test]
async fn s3_1_2_1_max_age() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    p.app.advance(5);
    p.browser
        .open(&p.rp.ask_for(&p.app, &[("max_age", "10000")]).url)
        .await
        .code();
    for too_old in ["1", "0", "4"] {
        p.browser
            .open(&p.rp.ask_for(&p.app, &[("max_age", too_old)]).url)
            .await
            .sign_in_form();
        let page = p
            .browser
            .open(
                &p.rp
                    .ask_for(&p.app, &[("max_age", too_old), ("prompt", "none")])
                    .url,
            )
            .await;
        assert_eq!(page.error(), "login_required", "{too_old}");
    }
    let tokens = sign_in(&mut p, &[("max_age", "0")]).await;
    assert_eq!(claims_of(&tokens.id)["auth_time"], p.app.now().seconds());
    for bad in ["-1", "x", "1.5", "99999999999999999999"] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("max_age", bad)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{bad}");
    }
    // Registration §2: `default_max_age` counts where the request says nothing.
    let strict = RelyingParty::with(&p.app, |metadata| metadata.default_max_age = Some(60)).await;
    p.app.advance(61);
    p.browser.open(&strict.ask(&p.app).url).await.sign_in_form();
    p.browser
        .open(&strict.ask_for(&p.app, &[("max_age", "1000")]).url)
        .await
        .code();
}

/// §3.1.2.1: "prompt=consent: The Authorization Server SHOULD prompt the End-User for consent before returning information to
/// the Client." §3.1.2.4: "the Authorization Server MUST obtain an authorization decision before releasing information to the
/// Relying Party", which it then remembers.
#[tokio::test]
async fn s3_1_2_4_consent_is_obtained_and_remembered() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let page = p.browser.open(&p.rp.ask(&p.app).url).await;
    assert!(
        page.html().contains("Example Shop") && page.html().contains("rp.example"),
        "{}",
        page.html()
    );
    p.browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await
        .code();
    p.browser.open(&p.rp.ask(&p.app).url).await.code();
    p.browser
        .open(&p.rp.ask_for(&p.app, &[("scope", "openid email")]).url)
        .await
        .decision_form();
    let page = p
        .browser
        .open(&p.rp.ask_for(&p.app, &[("prompt", "consent")]).url)
        .await;
    p.browser
        .submit(&page, &page.decision_form().press("decision", "allow"))
        .await
        .code();
    let single = r#"{"userinfo":{"phone_number":null}}"#;
    let page = p
        .browser
        .open(&p.rp.ask_for(&p.app, &[("claims", single)]).url)
        .await;
    page.decision_form();
    let denied = p
        .browser
        .submit(&page, &page.decision_form().press("decision", "deny"))
        .await;
    assert_eq!(denied.error(), "access_denied");
    assert_eq!(denied.parameter("iss").as_deref(), Some(p.app.issuer()));
}

/// §3.1.2.2: "If the sub (subject) Claim is requested with a specific value for the ID Token, the Authorization Server MUST only
/// send a positive response if the End-User identified by that sub value has an active session with the Authorization Server or
/// has been Authenticated as a result of the request. The Authorization Server MUST NOT reply with an ID Token or Access Token
/// for a different user, even if they have an active session". The same for `id_token_hint` (§3.1.2.1).
#[tokio::test]
async fn s3_1_2_2_the_subject_that_was_asked_for() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let alices = p.sign_in().await;
    let sub = |person: &Person| format!(r#"{{"id_token":{{"sub":{{"value":"{}"}}}}}}"#, person.id);
    let (alice_claims, bob_claims) = (sub(&p.alice), sub(&bob));
    let none = ("prompt", "none");
    for good in [("id_token_hint", &*alices.id), ("claims", &*alice_claims)] {
        p.browser
            .open(&p.rp.ask_for(&p.app, &[good, none]).url)
            .await
            .code();
    }
    for bad in [
        ("id_token_hint", &*bobs.id),
        ("claims", &*bob_claims),
        ("claims", r#"{"id_token":{"sub":{"value":"x"}}}"#),
    ] {
        let page = p.browser.open(&p.rp.ask_for(&p.app, &[bad, none]).url).await;
        assert_eq!(page.error(), "login_required", "{bad:?}");
        // Signing in as somebody else is no answer either.
        let page = p
            .browser
            .authorize(&p.rp.ask_for(&p.app, &[bad]).url, &p.alice)
            .await;
        assert_eq!(page.error(), "login_required", "{bad:?}");
    }
    let page = p
        .browser
        .authorize(&p.rp.ask_for(&p.app, &[("id_token_hint", &bobs.id)]).url, &bob)
        .await;
    page.code();
    // A hint may have expired.
    p.app.advance(3600);
    let hint = [("id_token_hint", &*alices.id), none];
    p.browser.forget();
    let page = p.browser.open(&p.rp.ask_for(&p.app, &hint).url).await;
    assert_eq!(page.error(), "login_required");
    p.sign_in().await;
    p.browser.open(&p.rp.ask_for(&p.app, &hint).url).await.code();
}

/// §3.1.2.2: an `id_token_hint` that this server did not issue is no hint.
#[tokio::test]
async fn s3_1_2_2_a_forged_hint_is_refused() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let parts: Vec<_> = tokens.id.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let altered = format!("{}.{}.{}", parts[0], parts[1], "A".repeat(parts[2].len()));
    for bad in [&*unsigned, &altered, &tokens.access, "x", "a.b.c"] {
        let page = p
            .browser
            .open(
                &p.rp
                    .ask_for(&p.app, &[("id_token_hint", bad), ("prompt", "none")])
                    .url,
            )
            .await;
        assert_eq!(page.error(), "invalid_request", "{bad}");
    }
}

/// §3.1.2.1: `login_hint`, `display`, `ui_locales`, `claims_locales`, `acr_values` are wishes: they are taken, and none of them
/// breaks a request (§15.1: "The use of this parameter [acr_values] […] MUST NOT result in an error" for what is not known).
#[tokio::test]
async fn s3_1_2_1_wishes_never_break_a_request() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let wishes = [
        ("display", "popup"),
        ("ui_locales", "de-DE en xx-invalid!"),
        ("claims_locales", "fr"),
        ("acr_values", "urn:mace:incommon:iap:silver aal3"),
        ("login_hint", "alice"),
    ];
    let page = p.browser.open(&p.rp.ask_for(&p.app, &wishes).url).await;
    assert_eq!(
        page.sign_in_form().value("username"),
        Some("alice"),
        "the hint is in the form"
    );
    let page = p.browser.answer_all(page, &p.alice).await;
    page.code();
    let tokens = sign_in(&mut p, &wishes).await;
    assert_eq!(claims_of(&tokens.id)["acr"], "aal1");
    p.browser.forget();
    let evil = [("login_hint", "\"><script>alert(1)</script>")];
    let page = p.browser.open(&p.rp.ask_for(&p.app, &evil).url).await;
    assert!(!page.html().contains("<script>"));
}

/// §3.1.2.5: "form_post" is OAuth 2.0 Form Post Response Mode §2: "the Authorization Response parameters are encoded as HTML form
/// values that are auto-submitted in the User Agent", "the result parameters being encoded in the body", no redirect.
#[tokio::test]
async fn form_post_s2_the_response_is_a_form() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    let asked =
        p.rp.ask_for(&p.app, &[("response_mode", "form_post"), ("state", "<\"&ä>")]);
    let page = p.browser.open(&asked.url).await;
    assert_eq!(page.answer.status.as_u16(), 200);
    assert!(page.answer.header("content-type").starts_with("text/html"));
    assert!(page.answer.header("cache-control").contains("no-store"));
    let policy = page.answer.header("content-security-policy");
    assert!(
        policy.contains("form-action") && policy.contains("https://rp.example"),
        "{policy}"
    );
    let form = html::forms(&page.html()).remove(0);
    assert_eq!((&*form.method, &*form.action), ("post", &*p.rp.redirect_uri));
    assert_eq!(form.value("state"), Some("<\"&ä>"));
    let code = form.value("code").unwrap();
    p.rp.redeem_code(&p.app, code, &asked.pkce.verifier)
        .await
        .expect(200);
    let asked = p.rp.ask_for(
        &p.app,
        &[
            ("response_mode", "form_post"),
            ("prompt", "none"),
            ("max_age", "0"),
        ],
    );
    let form = html::forms(&p.browser.open(&asked.url).await.html()).remove(0);
    assert_eq!(
        (form.value("error"), form.value("state")),
        (Some("login_required"), Some(&*asked.state))
    );
}

/// §3.1.2.6, §7.2.1: "request_not_supported: The OP does not support use of the request parameter" – from a client without keys,
/// since only signed ones are – and `registration_not_supported`. A `request_uri` has to be registered (RFC 9101 §7).
#[tokio::test]
async fn s3_1_2_6_what_is_not_supported_has_errors_of_its_own() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for (name, value, error) in [
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "https://rp.example/r", "invalid_request_uri"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let page = p.browser.open(&p.rp.ask_for(&p.app, &[(name, value)]).url).await;
        assert_eq!(page.error(), error);
    }
}

/// §3.1.2.1 with §3.1.2.3: nobody is taken for signed in by a wrong password, and the answer does not say what was wrong
/// (R-GRT-30).
#[tokio::test]
async fn s3_1_2_3_a_wrong_password_signs_nobody_in() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let disabled = Person::with(&p.app, "dora", json!({"enabled": false})).await;
    let page = p.browser.open(&p.rp.ask(&p.app).url).await;
    let form = page.sign_in_form();
    let mut bodies = Vec::new();
    for (username, password) in [
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
        (&*disabled.username, PASSWORD),
        ("", ""),
    ] {
        let again = p
            .browser
            .submit(
                &page,
                &form.clone().fill("username", username).fill("password", password),
            )
            .await;
        assert!(
            again.left_for.is_none() && p.browser.cookie("session").is_none(),
            "{username}"
        );
        again.sign_in_form();
        if !username.is_empty() {
            bodies.push(again.html().replace(username, "NAME"));
        }
    }
    let strip = |html: &String| {
        html.lines()
            .filter(|line| !line.contains("csrf"))
            .collect::<String>()
    };
    assert_eq!(strip(&bodies[0]), strip(&bodies[1]));
    assert_eq!(strip(&bodies[0]), strip(&bodies[2]));
    p.browser.submit(&page, &p.alice.fill_in(form)).await.code();
}

/// §16.11 and R-SSO-12: the session's cookie changes at every sign-in, so that one that was planted before is worth nothing.
#[tokio::test]
async fn s16_11_the_session_cookie_changes_at_every_sign_in() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    let before = p.browser.cookie("session").unwrap().clone();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(before.line.contains(attribute), "{}", before.line);
    }
    let tokens = sign_in(&mut p, &[("prompt", "login")]).await;
    assert_ne!(p.browser.cookie("session").unwrap().value, before.value);
    let mut thief = Browser::new(&p.app);
    thief.put(&before);
    assert_eq!(p.silent(&mut thief).await.as_deref(), Some("login_required"));
    assert_eq!(p.silent(&mut p.browser.clone()).await, None);
    assert!(!tokens.id.is_empty());
}

/// A client that has only machines' grants signs nobody in.
#[tokio::test]
async fn s3_1_2_a_client_without_the_grant_signs_nobody_in() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let machine = RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials]
    })
    .await;
    let page = p.browser.open(&machine.ask(&p.app).url).await;
    assert_eq!(page.error(), "unauthorized_client");
}
