//! What the OpenID Foundation's conformance plans Config, Basic and RP-Initiated Logout do to a server, one test for each thing
//! that they check. The specifications' own MUSTs are shown in the files that are named after them.

use crate::support::html;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{PATIENT, Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, SCOPES, Tokens, claims_of, header_of};
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::AuthMethod;
use serde_json::{Value, json};
use std::collections::HashSet;

const USERINFO: &str = "/oauth2/userinfo";
const BYE: &str = "https://rp.example/bye";

/// A provider as the plans want it: a client without compulsory PKCE.
async fn provider() -> Provider {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = plan_client(&p.app, AuthMethod::ClientSecretBasic).await;
    p
}

async fn plan_client(app: &TestApp, method: AuthMethod) -> RelyingParty {
    RelyingParty::with(app, |metadata| {
        metadata.token_endpoint_auth_method = method;
        metadata.require_pkce = false;
        metadata.redirect_uris = vec![
            CALLBACK.to_owned(),
            format!("{CALLBACK}?dummy1=lorem&dummy2=ipsum"),
        ];
        metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
    })
    .await
}

/// The request without PKCE, as most modules send it.
fn plain<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("code_challenge", ""), ("code_challenge_method", "")];
    all.extend(changes);
    all
}

async fn redeem(p: &Provider, code: &str) -> Tokens {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &*p.rp.redirect_uri),
    ];
    Tokens::of(p.rp.post(&p.app, "/oauth2/token", &fields).await)
}

/// A whole sign-in with these parameters.
async fn run(p: &mut Provider, changes: &[(&str, &str)]) -> Tokens {
    let asked = p.rp.ask_for(&p.app, &plain(changes));
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    redeem(p, &page.code()).await
}

async fn open(p: &mut Provider, changes: &[(&str, &str)]) -> Page {
    let asked = p.rp.ask_for(&p.app, &plain(changes));
    p.browser.open(&asked.url).await
}

// Every plan.

/// "https everywhere": with an https issuer every address in the metadata is https.
#[tokio::test]
async fn every_plan_https_everywhere() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[("issuer", "https://id.example")]).await;
    let metadata = app
        .http
        .get("/.well-known/openid-configuration")
        .send()
        .await
        .expect(200)
        .json();
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

// Config.

/// "issuer metadata with `issuer`, `authorization_endpoint`, `token_endpoint`, `jwks_uri`, `response_types_supported` (with `code`),
/// `subject_types_supported`, `id_token_signing_alg_values_supported` with `RS256`, valid types and syntax of every member,
/// `claims_supported`, `code_challenge_methods_supported` an array; unknown members are a WARNING".
#[tokio::test]
async fn config_every_member_is_registered_and_has_its_type() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let metadata = app
        .http
        .get("/.well-known/openid-configuration")
        .send()
        .await
        .expect(200)
        .json();
    let texts = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "registration_endpoint",
        "service_documentation",
        "op_policy_uri",
        "op_tos_uri",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "check_session_iframe",
    ];
    let lists = [
        "scopes_supported",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "acr_values_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "display_values_supported",
        "claim_types_supported",
        "claims_supported",
        "claims_locales_supported",
        "ui_locales_supported",
        "code_challenge_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
        "introspection_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_signing_alg_values_supported",
        "prompt_values_supported",
        "dpop_signing_alg_values_supported",
    ];
    let switches = [
        "claims_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "require_request_uri_registration",
        "authorization_response_iss_parameter_supported",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
        "frontchannel_logout_supported",
        "frontchannel_logout_session_supported",
        "tls_client_certificate_bound_access_tokens",
    ];
    for (name, value) in metadata.as_object().unwrap() {
        let strings = || {
            value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string))
        };
        let fits = match name.as_str() {
            name if texts.contains(&name) => value.as_str().is_some_and(|text| url::Url::parse(text).is_ok()),
            name if lists.contains(&name) => strings(),
            name if switches.contains(&name) => value.is_boolean(),
            _ => false,
        };
        assert!(fits, "{name}: {value}");
    }
    for required in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "claims_supported",
        "code_challenge_methods_supported",
        "subject_types_supported",
    ] {
        assert!(!metadata[required].is_null(), "{required}");
    }
    assert!(
        metadata["response_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("code"))
    );
    assert!(
        metadata["id_token_signing_alg_values_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("RS256"))
    );
}

/// "JWKS valid, every key with a distinct `kid`, no private parts": a JOSE library reads each of them.
#[tokio::test]
async fn config_the_jwks_is_valid() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let answer = app.http.get("/oauth2/jwks").send().await.expect(200);
    let jwks = answer.json();
    let keys = jwks["keys"].as_array().unwrap();
    let mut kids = HashSet::new();
    for key in keys {
        let jwk = josekit::jwk::Jwk::from_map(key.as_object().unwrap().clone()).expect("a JWK");
        assert!(kids.insert(jwk.key_id().expect("kid").to_owned()));
        assert!(jwk.parameter("d").is_none() && jwk.parameter("k").is_none());
        assert!(jwk.algorithm().is_some() && jwk.key_use() == Some("sig"));
    }
    assert!(!kids.is_empty());
}

// Basic.

/// "code flow, `client_secret_basic` and `client_secret_post`; ID Token signed (RS256 by default) with `kid`, `nonce` echoed".
#[tokio::test]
async fn basic_both_secret_methods_and_the_id_token() {
    let mut p = provider().await;
    for method in [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
        p.rp = plan_client(&p.app, method).await;
        let asked = p.rp.ask_for(&p.app, &plain(&[]));
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        assert_eq!(page.parameter("state").as_ref(), Some(&asked.state));
        let tokens = redeem(&p, &page.code()).await;
        let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!(header_of(&tokens.id)["alg"], "RS256");
        assert!(header_of(&tokens.id)["kid"].is_string());
        assert_eq!(claims["nonce"], *asked.nonce);
    }
}

/// "`auth_time` when `max_age` is asked", "request without `nonce` succeeds".
#[tokio::test]
async fn basic_auth_time_and_no_nonce() {
    let mut p = provider().await;
    let tokens = run(&mut p, &[("max_age", "15000"), ("nonce", "")]).await;
    let claims = claims_of(&tokens.id);
    assert!(claims["auth_time"].is_i64() && claims.get("nonce").is_none());
}

/// "userinfo by GET, by POST with header and with the token in the body (form field `access_token`)".
#[tokio::test]
async fn basic_userinfo_three_ways() {
    let mut p = provider().await;
    let tokens = run(&mut p, &[]).await;
    let http = &p.app.http;
    let sub = claims_of(&tokens.id)["sub"].clone();
    for call in [
        http.get(USERINFO).bearer(&tokens.access),
        http.post(USERINFO).bearer(&tokens.access),
        http.post(USERINFO).form(&[("access_token", &tokens.access)]),
    ] {
        assert_eq!(call.send().await.expect(200).json()["sub"], sub);
    }
}

/// "scopes `profile`, `email`, `address`, `phone` with all their claims at userinfo", "a user with every standard claim", and each
/// claim has its type.
#[tokio::test]
async fn basic_scopes_give_all_their_claims() {
    let mut p = provider().await;
    let tokens = run(&mut p, &[("scope", "openid profile email address phone")]).await;
    let info = p
        .app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .send()
        .await
        .expect(200)
        .json();
    for text in [
        "name",
        "given_name",
        "family_name",
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
        "email",
        "phone_number",
    ] {
        assert!(
            info[text].as_str().is_some_and(|text| !text.is_empty()),
            "{text}: {info}"
        );
    }
    assert_eq!(
        (&info["email_verified"], &info["phone_number_verified"]),
        (&json!(true), &json!(true))
    );
    assert!(info["updated_at"].is_i64());
    let address = info["address"].as_object().unwrap();
    let known = [
        "formatted",
        "street_address",
        "locality",
        "region",
        "postal_code",
        "country",
    ];
    assert!(!address.is_empty() && address.keys().all(|name| known.contains(&name.as_str())));
    for single in SCOPES
        .split(' ')
        .filter(|scope| ["profile", "email", "address", "phone"].contains(scope))
    {
        let tokens = run(&mut p, &[("scope", &format!("openid {single}"))]).await;
        let info = p
            .app
            .http
            .get(USERINFO)
            .bearer(&tokens.access)
            .send()
            .await
            .expect(200)
            .json();
        assert!(info.as_object().unwrap().len() > 1, "{single}");
    }
}

/// "authorization requests by GET and by POST".
#[tokio::test]
async fn basic_authorization_requests_by_post() {
    let mut p = provider().await;
    let asked = p.rp.ask_for(&p.app, &plain(&[]));
    let fields: Vec<_> = asked
        .parameters
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let target = format!("{}/oauth2/authorize", p.app.base).parse().unwrap();
    let page = p
        .browser
        .post_from(
            &target,
            &fields,
            &[("origin", "https://rp.example"), ("sec-fetch-site", "cross-site")],
        )
        .await;
    let page = p.browser.follow(page).await;
    let page = p.browser.answer_all(page, &p.alice).await;
    redeem(&p, &page.code()).await;
}

/// "`response_type` missing -> error to the redirect URI (or error page); unknown parameters ignored".
#[tokio::test]
async fn basic_missing_response_type_and_unknown_parameters() {
    let mut p = provider().await;
    let page = open(&mut p, &[("response_type", "")]).await;
    assert!(["invalid_request", "unsupported_response_type"].contains(&&*page.error()));
    run(&mut p, &[("extra", "foobar")]).await;
}

/// "`prompt=none` (not logged in -> `login_required`; logged in -> code, same `sub`)", "`id_token_hint` with `prompt=none`".
#[tokio::test]
async fn basic_prompt_none() {
    let mut p = provider().await;
    assert_eq!(
        open(&mut p, &[("prompt", "none")]).await.error(),
        "login_required"
    );
    let first = run(&mut p, &[]).await;
    let second = run(&mut p, &[("prompt", "none")]).await;
    let third = run(&mut p, &[("prompt", "none"), ("id_token_hint", &first.id)]).await;
    for later in [&second, &third] {
        assert_eq!(claims_of(&later.id)["sub"], claims_of(&first.id)["sub"]);
        assert_eq!(
            claims_of(&later.id)["auth_time"],
            claims_of(&first.id)["auth_time"]
        );
    }
}

/// "`prompt=login` (asks again, newer `auth_time`), `max_age=1` (asks again) and `10000` (doesn't)".
#[tokio::test]
async fn basic_prompt_login_and_max_age() {
    let mut p = provider().await;
    let first = run(&mut p, &[]).await;
    for ask in [("prompt", "login"), ("max_age", "1")] {
        p.app.advance(2);
        open(&mut p, &[ask]).await.sign_in_form();
        let later = run(&mut p, &[ask]).await;
        let auth_time = |tokens: &Tokens| claims_of(&tokens.id)["auth_time"].as_i64().unwrap();
        assert!(auth_time(&later) > auth_time(&first));
        assert!(auth_time(&later) >= p.app.now().seconds() - 1);
    }
    p.app.advance(2);
    let page = open(&mut p, &[("max_age", "10000")]).await;
    let same = redeem(&p, &page.code()).await;
    assert!(claims_of(&same.id)["auth_time"].as_i64().unwrap() < p.app.now().seconds());
}

/// "`login_hint`, `ui_locales`, `claims_locales`, `display=page|popup` tolerated, `acr_values` (a WARNING if no `acr` comes back)".
#[tokio::test]
async fn basic_wishes_are_tolerated() {
    let mut p = provider().await;
    for wish in [
        ("login_hint", "bob@example.com"),
        ("ui_locales", "se"),
        ("claims_locales", "se"),
        ("display", "page"),
        ("display", "popup"),
        ("acr_values", "1 2"),
    ] {
        let tokens = run(&mut p, &[wish]).await;
        assert!(claims_of(&tokens.id)["acr"].is_string());
        p.browser.forget();
    }
}

/// "`claims` parameter (essential `name` at userinfo; WARNING if it is not honoured)".
#[tokio::test]
async fn basic_claims_essential_name() {
    let mut p = provider().await;
    let tokens = run(
        &mut p,
        &[("claims", r#"{"userinfo":{"name":{"essential":true}}}"#)],
    )
    .await;
    let info = p
        .app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(info["name"], "Alice Liddell");
}

/// "code reuse -> `invalid_grant`, and the access token of the first use revoked (WARNING otherwise)"; the suite also tries after
/// 30 s.
#[tokio::test]
async fn basic_code_reuse() {
    let mut p = provider().await;
    for pause in [0, 30] {
        let code = {
            let asked = p.rp.ask_for(&p.app, &plain(&[]));
            p.browser.authorize(&asked.url, &p.alice).await.code()
        };
        let tokens = redeem(&p, &code).await;
        p.app
            .http
            .get(USERINFO)
            .bearer(&tokens.access)
            .send()
            .await
            .expect(200);
        p.app.advance(pause);
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
        ];
        refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "invalid_grant",
        );
        p.app
            .http
            .get(USERINFO)
            .bearer(&tokens.access)
            .send()
            .await
            .expect(401);
    }
}

/// "redirect URI not registered -> error page, no redirect (screenshot, REVIEW)".
#[tokio::test]
async fn basic_an_unregistered_redirect_uri_is_a_page() {
    let mut p = provider().await;
    let page = open(&mut p, &[("redirect_uri", "https://rp.example/foobar")]).await;
    page.expect_error_page(400);
    assert!(page.html().contains("redirect_uri"), "it says what is wrong");
    let page = open(&mut p, &[("redirect_uri", "https://rp.example/callback?foo=bar")]).await;
    page.expect_error_page(400);
}

/// "request object by value: either supported or `request_not_supported`".
#[tokio::test]
async fn basic_request_objects() {
    let mut p = provider().await;
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let request = format!("{none}.{}.", URL_SAFE_NO_PAD.encode(r#"{"scope":"openid"}"#));
    assert_eq!(
        open(&mut p, &[("request", &request)]).await.error(),
        "request_not_supported"
    );
}

/// "refresh token with `offline_access` (ID Token from a refresh keeps `iss`, `sub`, `aud`, `auth_time`), bound to its client".
#[tokio::test]
async fn basic_refresh_tokens() {
    let mut p = provider().await;
    let first = run(
        &mut p,
        &[("scope", "openid offline_access"), ("prompt", "consent")],
    )
    .await;
    let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(claims_of(&first.id)[claim], claims_of(&second.id)[claim]);
    }
    p.rp.verify_id_token(&p.app, &second.id).await;
    let other = plan_client(&p.app, AuthMethod::ClientSecretBasic).await;
    refused(other.refresh(&p.app, &second.refresh).await, 400, "invalid_grant");
}

/// "PKCE S256 accepted but not demanded".
#[tokio::test]
async fn basic_pkce_is_accepted() {
    let mut p = provider().await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    run(&mut p, &[]).await;
}

/// Form Post: "200 `text/html` page that posts itself to the redirect URI; mind CSP `form-action`, errors too".
#[tokio::test]
async fn form_post_answers_and_errors() {
    let mut p = provider().await;
    p.browser
        .authorize(&p.rp.ask_for(&p.app, &plain(&[])).url, &p.alice)
        .await
        .code();
    for (changes, member) in [(vec![], "code"), (vec![("scope", "unheard_of")], "error")] {
        let mut all = vec![("response_mode", "form_post")];
        all.extend(changes);
        let page = open(&mut p, &all).await;
        assert_eq!(page.answer.status.as_u16(), 200);
        let form = html::forms(&page.html()).remove(0);
        assert_eq!(form.action, CALLBACK);
        assert!(form.has(member) && form.has("state") && form.has("iss"));
    }
}

// RP-initiated logout.

fn logout(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("/oauth2/logout?{query}")
}

/// Answers a confirmation page if there is one.
async fn confirm(browser: &mut Browser, page: Page) -> Page {
    match page.ask() {
        Some(crate::support::user_agent::Ask::Decide(form)) => {
            browser.submit(&page, &form.press("decision", "allow")).await
        }
        _ => page,
    }
}

async fn is_signed_out(p: &mut Provider) -> bool {
    let page = open(p, &[("prompt", "none")]).await;
    page.parameter("error").as_deref() == Some("login_required")
}

/// "`id_token_hint` + registered `post_logout_redirect_uri` (exact match) + `state` -> logged out (straight away or after a
/// confirmation page) and back at the URI with `state` (without, if none was sent), and `prompt=none` then gives `login_required`".
#[tokio::test]
async fn logout_leads_back_with_state() {
    let mut p = provider().await;
    for state in [Some("xyz"), None] {
        let tokens = run(&mut p, &[]).await;
        let mut parameters = vec![("id_token_hint", &*tokens.id), ("post_logout_redirect_uri", BYE)];
        parameters.extend(state.map(|state| ("state", state)));
        let page = p.browser.open(&logout(&parameters)).await;
        let page = confirm(&mut p.browser, page).await;
        assert!(page.left_for.clone().unwrap().as_str().starts_with(BYE));
        assert_eq!(page.parameter("state").as_deref(), state);
        assert!(is_signed_out(&mut p).await);
    }
}

/// "No redirect back, but an error or confirmation page, when: the URI isn't registered or has a query added, the hint is signed by
/// someone else or has `alg: none`, or there is a URI but no hint."
#[tokio::test]
async fn logout_does_not_lead_anywhere_else() {
    let mut p = provider().await;
    let tokens = run(&mut p, &[]).await;
    let parts: Vec<_> = tokens.id.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let foreign = {
        let other = Provider::new(Engine::Sqlite).await;
        let mut browser = Browser::new(&other.app);
        other
            .rp
            .sign_in(&other.app, &mut browser, &other.alice, "openid")
            .await
            .id
    };
    let query = format!("{BYE}?foo=bar");
    for parameters in [
        vec![
            ("id_token_hint", &*tokens.id),
            ("post_logout_redirect_uri", "https://rp.example/other"),
        ],
        vec![
            ("id_token_hint", &*tokens.id),
            ("post_logout_redirect_uri", &query),
        ],
        vec![
            ("id_token_hint", &*foreign),
            ("post_logout_redirect_uri", BYE),
            ("state", "x"),
        ],
        vec![
            ("id_token_hint", &*unsigned),
            ("post_logout_redirect_uri", BYE),
            ("state", "x"),
        ],
        vec![("post_logout_redirect_uri", BYE), ("state", "x")],
        vec![("post_logout_redirect_uri", BYE), ("client_id", "unheard-of")],
    ] {
        let page = p.browser.open(&logout(&parameters)).await;
        assert!(page.left_for.is_none(), "{parameters:?}");
        assert!(page.answer.header("content-type").starts_with("text/html") && !page.html().is_empty());
        let page = confirm(&mut p.browser.clone(), page).await;
        assert!(page.left_for.is_none(), "nor after the person has agreed");
        let asked = p.rp.ask_for(&p.app, &plain(&[]));
        p.browser.authorize(&asked.url, &p.alice).await.code();
    }
}

/// "No parameters at all, only `state`, or no URI -> log out and show a \"you are logged out\" page."
#[tokio::test]
async fn logout_without_a_uri_shows_a_page() {
    let mut p = provider().await;
    for with_hint in [false, true] {
        for state in [None, Some(("state", "xyz"))] {
            let tokens = run(&mut p, &[]).await;
            let mut parameters: Vec<_> = state.into_iter().collect();
            parameters.extend(with_hint.then_some(("id_token_hint", &*tokens.id)));
            let page = p.browser.open(&logout(&parameters)).await;
            let page = confirm(&mut p.browser, page).await;
            assert!(page.left_for.is_none());
            assert_eq!(page.answer.status.as_u16(), 200);
            assert!(
                page.html().to_lowercase().contains("signed out"),
                "{}",
                page.html()
            );
            assert!(is_signed_out(&mut p).await);
        }
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
