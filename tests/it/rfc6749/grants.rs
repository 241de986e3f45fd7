//! What is granted and answered: §4, §5 and §6.

use crate::support::people::Person;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use grantor::types::GrantType;

on_both_engines! {
    /// §4.1.2: "The authorization code MUST expire shortly after it is issued to mitigate the risk of leaks." "The client
    /// MUST NOT use the authorization code more than once. If an authorization code is used more than once, the
    /// authorization server MUST deny the request and SHOULD revoke (when possible) all tokens previously issued based on
    /// that authorization code."
    async fn s4_1_2_a_code_is_short_lived_and_used_once(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let asked = p.rp.ask(&p.app);
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        assert!(p.rp.is_active(&p.app, &tokens.access).await);
        refused(p.rp.redeem(&p.app, &asked, &page).await, 400, "invalid_grant");
        assert!(!p.rp.is_active(&p.app, &tokens.access).await);
        refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
        // A minute is the end of a code that nobody used.
        let asked = p.rp.ask(&p.app);
        let page = p.browser.open(&asked.url).await;
        p.app.advance(61);
        refused(p.rp.redeem(&p.app, &asked, &page).await, 400, "invalid_grant");
        let asked = p.rp.ask(&p.app);
        let page = p.browser.open(&asked.url).await;
        p.app.advance(59);
        p.rp.redeem(&p.app, &asked, &page).await.expect(200);
    }

    /// Of twenty requests that redeem one code at the same time one succeeds at most, and what it gave is over too.
    async fn s4_1_2_a_code_is_used_once_in_a_race(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let asked = p.rp.ask(&p.app);
        let code = p.browser.authorize(&asked.url, &p.alice).await.code();
        let other = p.app.replica().await;
        let redeem = |index: usize| {
            let app = if index.is_multiple_of(2) { &p.app } else { &other };
            p.rp.redeem_code(app, &code, &asked.pkce.verifier)
        };
        let answers = futures_util::future::join_all((0..20).map(redeem)).await;
        let good: Vec<_> = answers.into_iter().filter(|answer| answer.status.is_success()).collect();
        assert!(good.len() <= 1, "{} successes", good.len());
        for answer in good {
            assert!(!p.rp.is_active(&p.app, &Tokens::of(answer).access).await);
        }
    }
}

/// §4.1.2: "The authorization code is bound to the client identifier and redirection URI." §4.1.3: the server MUST
/// "ensure that the authorization code was issued to the authenticated confidential client" and "ensure that the
/// "redirect_uri" parameter is present if the "redirect_uri" parameter was included in the initial authorization request
/// […] and if included ensure that their values are identical".
#[tokio::test]
async fn s4_1_3_a_code_is_bound_to_client_and_redirect_uri() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let thief = RelyingParty::new(&p.app).await;
    let second = "https://rp.example/second".to_owned();
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.redirect_uris.push(second.clone())).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    refused(
        thief.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
    // A genuine code in other hands is a stolen one.
    refused(
        p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
    for redirect_uri in [
        "",
        &*second,
        "https://rp.example/callback/",
        "https://evil.example/",
    ] {
        let asked = p.rp.ask(&p.app);
        let code = p.browser.open(&asked.url).await.code();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("code_verifier", &asked.pkce.verifier),
        ];
        fields.extend((!redirect_uri.is_empty()).then_some(("redirect_uri", redirect_uri)));
        refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "invalid_grant",
        );
    }
}

/// §4.1.2: "state: REQUIRED if the "state" parameter was present in the client authorization request. The exact value
/// received from the client." §4.1.2.1: the same in errors.
#[tokio::test]
async fn s4_1_2_state_comes_back_exactly() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let odd = "ä&=+ %20\"<>'日本/?#";
    // In an error, then with a code.
    for prompt in ["none", "login"] {
        let asked = p.rp.ask_for(&p.app, &[("state", odd), ("prompt", prompt)]);
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        assert_eq!(page.parameter("state").as_deref(), Some(odd), "{prompt}");
        let asked = p.rp.ask_for(&p.app, &[("state", ""), ("prompt", prompt)]);
        let page = p.browser.authorize(&asked.url, &p.alice).await;
        assert_eq!(page.parameter("state"), None, "none was sent");
    }
}

/// §4.1.2.1: "access_denied: The resource owner or authorization server denied the request."
#[tokio::test]
async fn s4_1_2_1_a_user_who_declines() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let asked = rp.ask(&p.app);
    let page = p.browser.open(&asked.url).await;
    let page = p
        .browser
        .submit(&page, &p.alice.fill_in(page.sign_in_form()))
        .await;
    let denied = p
        .browser
        .submit(&page, &page.decision_form().press("decision", "deny"))
        .await;
    assert_eq!(denied.error(), "access_denied");
    assert_eq!(denied.parameter("state"), Some(asked.state));
    assert_eq!(denied.parameter("code"), None);
}

/// §4.1.2.1: "Values for the "error" parameter MUST NOT include characters outside the set %x20-21 / %x23-5B / %x5D-7E",
/// and so for "error_description". §5.2 says it of the token endpoint.
#[tokio::test]
async fn s4_1_2_1_s5_2_errors_are_made_of_the_allowed_characters() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let allowed = |text: &str| {
        text.bytes()
            .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    for (name, value) in [
        ("scope", "openid \"ä\\"),
        ("scope", "unregistered"),
        ("prompt", "\"\\ä"),
        ("claims", "\"\\ä"),
        ("max_age", "\"ä"),
        ("response_mode", "\"ä"),
        ("code_challenge", "\"ä"),
        ("resource", "\"ä"),
        ("id_token_hint", "\"ä"),
        ("response_type", "\"ä"),
        ("request", "\"ä"),
    ] {
        let page = p.browser.open(&p.rp.ask_for(&p.app, &[(name, value)]).url).await;
        assert!(allowed(&page.error()), "{name}");
        assert!(allowed(&page.parameter("error_description").unwrap()), "{name}");
    }
    for (name, value) in [
        ("grant_type", "\"ä"),
        ("scope", "\"ä\\"),
        ("refresh_token", "\"ä"),
        ("resource", "\"ä"),
    ] {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
        fields.retain(|(own, _)| *own != name);
        fields.push((name, value));
        let answer =
            p.rp.post(&p.app, "/oauth2/token", &fields)
                .await
                .expect(400)
                .json();
        assert!(
            allowed(answer["error"].as_str().unwrap())
                && allowed(answer["error_description"].as_str().unwrap())
        );
    }
}

/// §4.4: "The client credentials grant type MUST only be used by confidential clients." §4.4.3: "A refresh token SHOULD NOT
/// be included." §2.1 and §5.2: a client uses the grants that it is registered for.
#[tokio::test]
async fn s4_4_client_credentials_are_for_confidential_clients() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let public = RelyingParty::public(&p.app).await;
    refused(
        public.post(&p.app, "/oauth2/token", &grant).await,
        400,
        "unauthorized_client",
    );
    refused(
        p.rp.post(&p.app, "/oauth2/token", &grant).await,
        400,
        "unauthorized_client",
    );
    let machine = RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials]
    })
    .await;
    let tokens = Tokens::of(machine.post(&p.app, "/oauth2/token", &grant).await);
    assert_eq!((tokens.refresh, tokens.id), (String::new(), String::new()));
    let tokens = p.sign_in().await;
    refused(
        machine.refresh(&p.app, &tokens.refresh).await,
        400,
        "unauthorized_client",
    );
    p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
    for never in [
        "password",
        "implicit",
        "urn:example:unheard-of",
        "authorization_code ",
    ] {
        let fields = [("grant_type", never), ("username", "alice"), ("password", "x")];
        refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "unsupported_grant_type",
        );
    }
}

/// §5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field with a value of "no-store"
/// in any response containing tokens, credentials, or other sensitive information, as well as the "Pragma" response header
/// field with a value of "no-cache"", with members `access_token`, `token_type` and `expires_in` in a JSON object.
#[tokio::test]
async fn s5_1_a_successful_answer() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    let answer = p.rp.redeem(&p.app, &asked, &page).await.expect(200);
    assert!(answer.header("cache-control").contains("no-store"));
    assert_eq!(answer.header("pragma"), "no-cache");
    assert!(answer.header("content-type").starts_with("application/json"));
    let json = answer.json();
    assert_eq!(
        (&json["token_type"], &json["expires_in"]),
        (&"Bearer".into(), &900.into())
    );
    assert!(json["refresh_token"].as_str().unwrap().starts_with("grt_"));
    // What leads to a code is as secret as the code.
    assert!(page.answer.header("cache-control").contains("no-store"));
}

/// §5.2: "If the client attempted to authenticate via the "Authorization" request header field, the authorization server
/// MUST respond with an HTTP 401 (Unauthorized) status code and include the "WWW-Authenticate" response header field
/// matching the authentication scheme used by the client."
#[tokio::test]
async fn s5_2_a_failed_authentication_names_the_scheme() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[crate::support::provider::PATIENT]).await;
    let rp = RelyingParty::new(&app).await;
    for (id, secret) in [(&*rp.client_id, "wrong"), ("unheard-of", "x")] {
        let call = app
            .http
            .post("/oauth2/token")
            .basic(id, secret)
            .form(&[("grant_type", "client_credentials")]);
        let answer = call.send().await;
        assert!(answer.header("www-authenticate").starts_with("Basic realm="));
        refused(answer, 401, "invalid_client");
    }
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", &*rp.client_id),
        ("client_secret", "wrong"),
    ];
    refused(
        app.http.post("/oauth2/token").form(&fields).send().await,
        401,
        "invalid_client",
    );
}

/// §6: "The requested scope MUST NOT include any scope not originally granted by the resource owner", and "the refresh
/// token scope MUST be identical to that of the refresh token included by the client in the request".
#[tokio::test]
async fn s6_a_refresh_narrows_and_never_widens() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("openid orders:read offline_access").await;
    let wider = [("scope", "openid orders:read orders:write")];
    refused(
        p.rp.refresh_with(&p.app, &tokens.refresh, &wider).await,
        400,
        "invalid_scope",
    );
    // The refused request cost nothing: the same token works.
    let narrow = Tokens::of(
        p.rp.refresh_with(&p.app, &tokens.refresh, &[("scope", "orders:read")])
            .await,
    );
    assert_eq!(narrow.json["scope"], "orders:read");
    assert_eq!(narrow.access_claims()["scope"], "orders:read");
    let whole = Tokens::of(p.rp.refresh(&p.app, &narrow.refresh).await);
    assert_eq!(
        whole.json["scope"], tokens.json["scope"],
        "the refresh token has kept its scope"
    );
}

/// §6: "the authorization server MUST […] validate the refresh token", and §10.4: "The authorization server MUST maintain
/// the binding between a refresh token and the client to whom it was issued."
#[tokio::test]
async fn s6_s10_4_a_refresh_token_is_bound_to_its_client() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let thief = RelyingParty::new(&p.app).await;
    refused(thief.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
}

/// §1.5 with §6: a person whose account was disabled meanwhile gets nothing more.
#[tokio::test]
async fn s6_a_refresh_asks_whether_the_account_still_stands() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let bob = Person::new(&p.app, "bob").await;
    let bobs =
        p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid")
            .await;
    let alices = p.sign_in().await;
    crate::support::provider::execute(
        &p.app.app.store,
        &format!(
            "UPDATE users SET enabled = FALSE WHERE username = '{}'",
            bob.username
        ),
    )
    .await;
    refused(p.rp.refresh(&p.app, &bobs.refresh).await, 400, "invalid_grant");
    p.rp.refresh(&p.app, &alices.refresh).await.expect(200);
}
