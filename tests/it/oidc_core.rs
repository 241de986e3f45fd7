//! OpenID Connect Core 1.0, as far as the code flow goes.

use crate::support::Engine;
use crate::support::html;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens, claims_of, header_of};
use crate::support::user_agent::Browser;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::{Algorithm, GrantType};
use serde_json::{Value, json};

const USERINFO: &str = "/oauth2/userinfo";

/// What UserInfo says to a token.
async fn userinfo(p: &Provider, tokens: &Tokens) -> Value {
    p.app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .send()
        .await
        .expect(200)
        .json()
}

/// Signs in at `p.rp` with an authorization request changed by `changes`.
async fn sign_in(p: &mut Provider, changes: &[(&str, &str)]) -> Tokens {
    let asked = p.rp.ask_for(&p.app, changes);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await)
}

/// §2: "iss, sub, aud, exp, iat REQUIRED." "sub […] MUST NOT exceed 255 ASCII [RFC20] characters in length." "nonce: If present
/// in the Authentication Request, Authorization Servers MUST include a nonce Claim in the ID Token with the Claim Value being
/// the nonce value sent in the Authentication Request." "auth_time: When a max_age request is made or when auth_time is
/// requested as an Essential Claim, then this Claim is REQUIRED". "ID Tokens MUST be signed using JWS". §3.1.3.6: `at_hash`.
#[tokio::test]
async fn s2_the_id_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[("max_age", "1000")]);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
    assert_eq!(
        header_of(&tokens.id)["alg"],
        "RS256",
        "§15.1: RS256 unless registered otherwise"
    );
    assert_eq!(claims["iss"], p.app.issuer());
    assert_eq!(claims["sub"], p.alice.id.to_string());
    assert_eq!(claims["nonce"], *asked.nonce);
    assert_eq!(claims["auth_time"], p.app.now().seconds());
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!("aal1"), &json!(["pwd"]))
    );
    let half = &openssl::sha::sha256(tokens.access.as_bytes())[..16];
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(half));
    assert!(claims["sid"].is_string());
    assert!(!claims.contains_key("azp") && !claims.contains_key("email") && !claims.contains_key("name"));
    let without = sign_in(&mut p, &[("nonce", "")]).await;
    assert!(
        claims_of(&without.id).get("nonce").is_none(),
        "§3.1.2.1: nonce is optional in the code flow"
    );
}

/// §2 and Registration §2, `id_token_signed_response_alg`; `sid` is another one for every client.
#[tokio::test]
async fn s2_the_algorithm_is_the_registered_one() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    for alg in [Algorithm::ES256, Algorithm::PS256] {
        p.rp = RelyingParty::with(&p.app, |metadata| {
            metadata.id_token_signed_response_alg = Some(alg)
        })
        .await;
        let tokens = p.sign_in().await;
        assert_eq!(header_of(&tokens.id)["alg"], alg.as_str());
        let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!(claims["sub"], claims_of(&first.id)["sub"]);
        assert_ne!(claims["sid"], claims_of(&first.id)["sid"]);
    }
}

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

/// §3.1.2.6, §6, §7.2.1: "request_not_supported: The OP does not support use of the request parameter", likewise
/// `request_uri_not_supported` and `registration_not_supported`.
#[tokio::test]
async fn s3_1_2_6_what_is_not_supported_has_errors_of_its_own() {
    let mut p = Provider::new(Engine::Sqlite).await;
    for (name, value, error) in [
        ("request", "e30.e30.", "request_not_supported"),
        ("request_uri", "https://rp.example/r", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let page = p.browser.open(&p.rp.ask_for(&p.app, &[(name, value)]).url).await;
        assert_eq!(page.error(), error);
    }
}

/// §3.1.3.3: "The Cache-Control […] HTTP headers […] no-store"; §3.1.3.2: "the Authorization Code […] was issued to the
/// Authenticated Client", and "was issued in response to an OpenID Connect Authentication Request (so that an ID Token will be
/// returned)". A narrowed refresh without `openid` gives none.
#[tokio::test]
async fn s3_1_3_3_the_answer_with_an_id_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("openid orders:read").await;
    assert!(!tokens.id.is_empty());
    let narrow = Tokens::of(
        p.rp.refresh_with(&p.app, &tokens.refresh, &[("scope", "orders:read")])
            .await,
    );
    assert_eq!(narrow.id, "");
}

/// §5.3: "The UserInfo Endpoint MUST support the use of the HTTP GET and HTTP POST methods", "MUST accept Access Tokens as
/// OAuth 2.0 Bearer Token Usage", "SHOULD support the use of Cross-Origin Resource Sharing". §5.3.2: "The sub (subject) Claim MUST
/// always be returned in the UserInfo Response", "application/json". §5.4: each scope gives its claims.
#[tokio::test]
async fn s5_4_scopes_give_their_claims_at_userinfo() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let sub = json!(p.alice.id.to_string());
    let openid = p.sign_in_for("openid").await;
    assert_eq!(userinfo(&p, &openid).await, json!({"sub": sub}));
    let email = p.sign_in_for("openid email").await;
    let want = json!({"sub": sub, "email": "alice@example.com", "email_verified": true});
    assert_eq!(userinfo(&p, &email).await, want);
    let phone = p.sign_in_for("openid phone").await;
    let want = json!({"sub": sub, "phone_number": "+4930123456", "phone_number_verified": true});
    assert_eq!(userinfo(&p, &phone).await, want);
    let address = p.sign_in_for("openid address").await;
    assert_eq!(userinfo(&p, &address).await["address"]["locality"], "Berlin");
    let tokens = p.sign_in_for("openid profile").await;
    let profile = userinfo(&p, &tokens).await;
    for claim in [
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
    ] {
        assert!(profile[claim].is_string(), "{claim}: {profile}");
    }
    assert!(profile["updated_at"].is_i64(), "§5.1: a number");
    assert_eq!(profile["preferred_username"], "alice");
    assert!(profile.get("email").is_none());
    let origin = p
        .app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .header("origin", "https://rp.example")
        .send()
        .await;
    assert_eq!(origin.header("access-control-allow-origin"), "https://rp.example");
    assert!(origin.header("content-type").starts_with("application/json"));
}

/// §5.3.2: "If a Claim is not returned, that Claim Name SHOULD be omitted from the JSON object representing the Claims; it SHOULD
/// NOT be present with a null or empty string value."
#[tokio::test]
async fn s5_3_2_claims_without_a_value_are_left_out() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let bare = json!({"email": null, "email_verified": false, "phone_number": null, "phone_number_verified": false,
        "address": null, "birthdate": null, "nickname": null, "website": null});
    p.alice = Person::with(&p.app, "carol", bare).await;
    let tokens = p.sign_in_for("openid profile email phone address").await;
    let claims = userinfo(&p, &tokens).await;
    for absent in [
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "address",
        "birthdate",
        "website",
    ] {
        assert!(claims.get(absent).is_none(), "{absent}: {claims}");
    }
    assert!(
        claims
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null() && value != ""),
        "{claims}"
    );
}

/// §5.5: the `claims` parameter. "It is not an error condition to not return a Claim", members that are not understood "MUST be
/// ignored", single claims come where they were asked for.
#[tokio::test]
async fn s5_5_the_claims_parameter() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = r#"{"userinfo":{"name":{"essential":true},"email":null,"unheard_of":{"essential":true}},
        "id_token":{"auth_time":{"essential":true},"given_name":null,"acr":{"values":["aal3","aal1"]}},"other":{"x":1}}"#;
    let tokens = sign_in(&mut p, &[("claims", asked)]).await;
    let info = userinfo(&p, &tokens).await;
    assert_eq!(
        (&info["name"], &info["email"]),
        (&json!("Alice Liddell"), &json!("alice@example.com"))
    );
    assert!(info.get("given_name").is_none() && info.get("email_verified").is_none());
    let claims = claims_of(&tokens.id);
    assert_eq!(
        (&claims["given_name"], claims["auth_time"].is_i64()),
        (&json!("Alice"), true)
    );
    assert!(claims.get("name").is_none());
    // They stay with the grant: a refresh gives the same.
    let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    assert_eq!(userinfo(&p, &again).await, info);
    for bad in ["x", "[]", "{", r#"{"userinfo":[]}"#, r#"{"id_token":{"sub":1}}"#] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("claims", bad)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{bad}");
    }
}

/// §5.5.1.1: "If the acr Claim is requested as an Essential Claim for the ID Token with a values parameter requesting specific
/// Authentication Context Class Reference values […], the Authorization Server MUST return an acr Claim Value that matches one of
/// the requested values. […] If this is an Essential Claim and the requirement cannot be met, then the Authorization Server MUST
/// treat that outcome as a failed authentication attempt."
#[tokio::test]
async fn s5_5_1_1_an_essential_acr() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let acr = |value: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":["{value}"]}}}}}}"#);
    let tokens = sign_in(&mut p, &[("claims", &acr("aal1"))]).await;
    assert_eq!(claims_of(&tokens.id)["acr"], "aal1");
    let page = p
        .browser
        .authorize(&p.rp.ask_for(&p.app, &[("claims", &acr("aal3"))]).url, &p.alice)
        .await;
    assert_eq!(page.error(), "unmet_authentication_requirements");
}

/// §8: "Subject Identifier […] MUST NOT be reassigned", locally unique, and the same for every client of type `public`.
#[tokio::test]
async fn s8_the_subject_is_the_same_everywhere_and_never_anothers() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    let other = RelyingParty::new(&p.app).await;
    let at_other = other.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let sub = |tokens: &Tokens| claims_of(&tokens.id)["sub"].clone();
    assert_eq!(sub(&first), sub(&at_other));
    assert_ne!(sub(&first), sub(&bobs));
    assert_eq!(sub(&first), userinfo(&p, &first).await["sub"], "§5.3.2");
}

/// §11: "offline_access: […] The Authorization Server MUST ignore the offline_access request unless the Client is using a
/// response_type value that would result in an Authorization Code being returned", "MUST always obtain consent to returning a
/// Refresh Token that enables offline access" where consent is asked at all; contract: without it the family ends with the
/// session, with it it outlives the session.
#[tokio::test]
async fn s11_offline_access_outlives_the_session() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let online = p.sign_in_for("openid").await;
    let offline = p.sign_in_for("openid offline_access").await;
    // Eight hours end the session.
    p.app.advance(8 * 3600);
    refused(p.rp.refresh(&p.app, &online.refresh).await, 400, "invalid_grant");
    let next = Tokens::of(p.rp.refresh(&p.app, &offline.refresh).await);
    assert!(p.silent(&mut p.browser.clone()).await.is_some());
    // Seven days from signing in are the end of that too.
    p.app.advance(7 * 86_400 - 8 * 3600);
    refused(p.rp.refresh(&p.app, &next.refresh).await, 400, "invalid_grant");
    let third_party = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    p.sign_in().await;
    p.browser
        .authorize(&third_party.ask(&p.app).url, &p.alice)
        .await
        .code();
    let page = p
        .browser
        .open(
            &third_party
                .ask_for(&p.app, &[("scope", "openid offline_access")])
                .url,
        )
        .await;
    page.decision_form();
}

/// §12.2: after a refresh "its iss Claim Value MUST be the same", "its sub Claim Value MUST be the same", "its iat Claim MUST
/// represent the time that the new ID Token is issued", "its aud Claim Value MUST include the value in the original", "if the ID
/// Token contains an auth_time Claim, its value MUST represent the time of the original authentication", "it SHOULD NOT have a
/// nonce Claim".
#[tokio::test]
async fn s12_2_the_id_token_of_a_refresh() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let first = p.sign_in().await;
    p.app.advance(500);
    let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    let before = claims_of(&first.id);
    let after = p.rp.verify_id_token(&p.app, &second.id).await;
    for same in ["iss", "sub", "aud", "auth_time", "sid", "acr", "amr"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(after["iat"], p.app.now().seconds());
    assert!(!after.contains_key("nonce"));
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
