//! "Basic" and "Form Post".

use super::{USERINFO, open, plain, plan_client, provider, redeem, run};
use crate::support::html;
use crate::support::provider::refused;
use crate::support::relying_party::{CALLBACK, SCOPES, Tokens, claims_of, header_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::AuthMethod;
use serde_json::json;

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
