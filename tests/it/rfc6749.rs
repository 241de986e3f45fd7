//! RFC 6749, The OAuth 2.0 Authorization Framework.

use crate::support::people::Person;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use grantor::types::{AuthMethod, GrantType, ScopeSet};

/// §2.3: "The client MUST NOT use more than one authentication method in each request."
#[tokio::test]
async fn s2_3_one_authentication_method_in_each_request() {
    let p = Provider::new(Engine::Sqlite).await;
    let secret = p.rp.secret.clone().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_secret", &*secret),
    ];
    refused(
        p.rp.post(&p.app, "/oauth2/token", &fields).await,
        400,
        "invalid_request",
    );
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", "another"),
    ];
    refused(
        p.rp.post(&p.app, "/oauth2/token", &fields).await,
        400,
        "invalid_request",
    );
}

/// §2.3.1: "The authorization server MUST support the HTTP Basic authentication scheme for authenticating clients that
/// were issued a client password", with id and secret form-encoded. "The parameters can only be transmitted in the
/// request-body and MUST NOT be included in the request URI."
#[tokio::test]
async fn s2_3_1_basic_works_and_the_request_uri_carries_no_credentials() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let machine = |method| {
        async move |app: &TestApp| {
            RelyingParty::with(app, |metadata| {
                metadata.grant_types = vec![GrantType::ClientCredentials];
                metadata.redirect_uris = Vec::new();
                metadata.token_endpoint_auth_method = method;
            })
            .await
        }
    };
    let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let basic = machine(AuthMethod::ClientSecretBasic)(&app).await;
    basic.post(&app, "/oauth2/token", &grant).await.expect(200);
    let post = machine(AuthMethod::ClientSecretPost)(&app).await;
    post.post(&app, "/oauth2/token", &grant).await.expect(200);
    let secret = post.secret.clone().unwrap();
    let target = format!(
        "/oauth2/token?client_id={}&client_secret={secret}",
        post.client_id
    );
    let answer = app.http.post(&target).form(&grant).send().await;
    assert!(answer.status.is_client_error(), "{}", answer.text());
    let target = "/oauth2/token?grant_type=client_credentials";
    let answer = app
        .http
        .post(target)
        .basic(&basic.client_id, &basic.secret.clone().unwrap())
        .form(&[])
        .send()
        .await;
    refused(answer, 400, "invalid_request");
}

/// §2.3.1: "Since this client authentication method involves a password, the authorization server MUST protect any
/// endpoint utilizing it against brute force attacks."
#[tokio::test]
async fn s2_3_1_guessing_a_secret_is_limited() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let rp = RelyingParty::new(&app).await;
    let fields = [("grant_type", "client_credentials")];
    let mut statuses = Vec::new();
    for attempt in 0..8 {
        let call = app
            .http
            .post("/oauth2/token")
            .basic(&rp.client_id, &format!("guess-{attempt}"));
        statuses.push(call.form(&fields).send().await.status.as_u16());
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    // The right secret is not listened to either.
    let answer = rp.post(&app, "/oauth2/token", &fields).await;
    assert_eq!(answer.status.as_u16(), 429);
    assert!(!answer.header("retry-after").is_empty());
}

/// §3.1: "The authorization server MUST support the use of the HTTP GET method for the authorization endpoint and MAY
/// support the use of the POST method as well."
#[tokio::test]
async fn s3_1_the_authorization_endpoint_takes_get_and_post() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    let asked = p.rp.ask(&p.app);
    let fields: Vec<_> = asked
        .parameters
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let target = format!("{}/oauth2/authorize", p.app.base).parse().unwrap();
    let page = p
        .browser
        .post_from(&target, &fields, &[("sec-fetch-site", "cross-site")])
        .await;
    assert_eq!(page.answer.status.as_u16(), 303);
    let page = p.browser.follow(page).await;
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
}

/// §3.1: "Parameters sent without a value MUST be treated as if they were omitted from the request. The authorization
/// server MUST ignore unrecognized request parameters. Request and response parameters MUST NOT be included more than
/// once."
#[tokio::test]
async fn s3_1_parameters_of_the_authorization_endpoint() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    let asked = p.rp.ask(&p.app);
    let page = p
        .browser
        .open(&format!("{}&unheard_of=1&max_age=&prompt=&claims=", asked.url))
        .await;
    page.code();
    let asked = p.rp.ask_for(&p.app, &[("response_type", "")]);
    let page = p.browser.open(&format!("{}&response_type=", asked.url)).await;
    assert_eq!(page.error(), "invalid_request");
    for again in [
        "scope=openid",
        "state=x",
        "nonce=x",
        "response_type=code",
        "code_challenge_method=S256",
        "unheard_of=1&unheard_of=2",
    ] {
        let page = p.browser.open(&format!("{}&{again}", p.rp.ask(&p.app).url)).await;
        assert_eq!(page.error(), "invalid_request", "{again}");
        assert_eq!(page.parameter("code"), None);
    }
    for again in [
        format!("client_id={}", p.rp.client_id),
        format!("redirect_uri={CALLBACK}"),
    ] {
        let page = p.browser.open(&format!("{}&{again}", p.rp.ask(&p.app).url)).await;
        page.expect_error_page(400);
    }
}

/// §3.1.1: "If an authorization request is missing the "response_type" parameter, or if the response type is not
/// understood, the authorization server MUST return an error response as described in Section 4.1.2.1."
#[tokio::test]
async fn s3_1_1_response_type_is_required_and_understood() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[("response_type", "")]);
    let page = p.browser.open(&asked.url).await;
    assert_eq!(
        (page.error(), page.parameter("state")),
        ("invalid_request".into(), Some(asked.state))
    );
    for unknown in [
        "token",
        "id_token",
        "code token",
        "code id_token",
        "none",
        "CODE",
        "code code",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("response_type", unknown)]).url)
            .await;
        assert_eq!(page.error(), "unsupported_response_type", "{unknown}");
        assert_eq!(
            page.left_for.as_ref().unwrap().fragment(),
            None,
            "nothing goes into a fragment"
        );
    }
}

/// §3.1.2: "The endpoint URI MAY include an "application/x-www-form-urlencoded" formatted query component, which MUST be
/// retained when adding additional query parameters."
#[tokio::test]
async fn s3_1_2_the_query_of_a_redirect_uri_is_kept() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let with_query = "https://rp.example/cb?tenant=a%20b&x";
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.redirect_uris = vec![with_query.to_owned()]
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    let location = page.left_for.clone().unwrap().to_string();
    assert!(
        location.starts_with("https://rp.example/cb?tenant=a%20b&x&code="),
        "{location}"
    );
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
}

/// §3.1.2.3: "If multiple redirection URIs have been registered, if only part of the redirection URI has been registered,
/// or if no redirection URI has been registered, the client MUST include a redirection URI with the authorization
/// request", and "the authorization server MUST compare and match the value received against at least one of the
/// registered redirection URIs".
#[tokio::test]
async fn s3_1_2_3_the_redirect_uri_is_compared_with_the_registered_ones() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask_for(&p.app, &[("redirect_uri", "")]);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    assert!(
        page.left_for.clone().unwrap().as_str().starts_with(CALLBACK),
        "the only one is meant"
    );
    // It was not in the authorization request, so it need not be in the token request.
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*page.code()),
        ("code_verifier", &asked.pkce.verifier),
    ];
    p.rp.post(&p.app, "/oauth2/token", &fields).await.expect(200);
    let second = "https://rp.example/second".to_owned();
    let two = RelyingParty::with(&p.app, |metadata| metadata.redirect_uris.push(second.clone())).await;
    p.browser
        .open(&two.ask_for(&p.app, &[("redirect_uri", "")]).url)
        .await
        .expect_error_page(400);
    let page = p
        .browser
        .open(&two.ask_for(&p.app, &[("redirect_uri", &second)]).url)
        .await;
    assert!(page.left_for.unwrap().as_str().starts_with(&second));
}

/// §3.1.2.4: "If an authorization request fails validation due to a missing, invalid, or mismatching redirection URI, the
/// authorization server SHOULD inform the resource owner of the error and MUST NOT automatically redirect the user-agent
/// to the invalid redirection URI." §4.1.2.1 says the same of a missing or invalid client identifier.
#[tokio::test]
async fn s3_1_2_4_nothing_is_redirected_to_an_invalid_redirect_uri() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    for invalid in [
        "https://evil.example/callback",
        "https://rp.example/callback/",
        "https://rp.example/callback/more",
        "https://rp.example/CALLBACK",
        "https://rp.example/callback?x=1",
        "https://rp.example/call%62ack",
        "https://rp.example/callback#fragment",
        "https://rp.example:443/callback",
        "https://rp.example/x/../callback",
        "http://rp.example/callback",
        "https://user@rp.example/callback",
        "https://rp.example.evil.example/callback",
        "//rp.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("redirect_uri", invalid)]).url)
            .await;
        page.expect_error_page(400);
        assert!(!page.html().contains(invalid), "it is not even shown as a link");
    }
    for client_id in ["", "unheard-of", "a b", "<script>alert(1)</script>"] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("client_id", client_id)]).url)
            .await;
        page.expect_error_page(400);
        assert!(!page.html().contains("<script>"));
    }
}

/// §3.2: "The client MUST use the HTTP "POST" method when making access token requests." "Parameters sent without a value
/// MUST be treated as if they were omitted from the request. The authorization server MUST ignore unrecognized request
/// parameters. Request and response parameters MUST NOT be included more than once."
#[tokio::test]
async fn s3_2_requests_to_the_token_endpoint() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let answer = p
        .app
        .http
        .get("/oauth2/token?grant_type=client_credentials")
        .send()
        .await;
    assert_eq!(answer.status.as_u16(), 405);
    assert!(answer.header("allow").contains("POST"));
    let once = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
    ];
    for again in [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("unheard_of", "2"),
    ] {
        let mut fields = once.to_vec();
        fields.extend([again, ("unheard_of", "1")]);
        refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "invalid_request",
        );
    }
    for missing in ["grant_type", "refresh_token"] {
        let fields = once.map(|(name, value)| (name, if name == missing { "" } else { value }));
        let description = refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "invalid_request",
        );
        assert!(description.contains(missing), "{description}");
    }
    let more = [("unheard_of", "1"), ("scope", ""), ("resource", "")];
    p.rp.refresh_with(&p.app, &tokens.refresh, &more)
        .await
        .expect(200);
    let body = "{\"grant_type\":\"client_credentials\"}";
    let answer = p
        .app
        .http
        .post("/oauth2/token")
        .body("application/json", body)
        .send()
        .await;
    refused(answer, 415, "invalid_request");
}

/// §3.2.1: "Confidential clients or other clients issued client credentials MUST authenticate with the authorization
/// server as described in Section 2.3 when making requests to the token endpoint."
#[tokio::test]
async fn s3_2_1_confidential_clients_authenticate() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &asked.pkce.verifier),
        ("client_id", &p.rp.client_id),
    ];
    refused(
        p.app.http.post("/oauth2/token").form(&fields).send().await,
        401,
        "invalid_client",
    );
    refused(
        p.app.http.post("/oauth2/token").form(&fields[..4]).send().await,
        401,
        "invalid_client",
    );
    let mut wrong = p.rp.clone();
    wrong.secret = Some("gcs_wrong".to_owned());
    refused(
        wrong.redeem_code(&p.app, &code, &asked.pkce.verifier).await,
        401,
        "invalid_client",
    );
    // A failed authentication is nobody's use of the code.
    Tokens::of(p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await);
}

/// §3.3: "If the client omits the scope parameter when requesting authorization, the authorization server MUST either
/// process the request using a pre-defined default value or fail the request indicating an invalid scope." "If the issued
/// access token scope is different from the one requested by the client, the authorization server MUST include the
/// "scope" response parameter".
#[tokio::test]
async fn s3_3_scopes() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    let page = p.browser.open(&p.rp.ask_for(&p.app, &[("scope", "")]).url).await;
    assert_eq!(page.error(), "invalid_scope");
    for invalid in [
        "openid billing:read",
        "openid \"x\"",
        "openid  profile",
        " openid",
        "openid a\\b",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("scope", invalid)]).url)
            .await;
        assert_eq!(page.error(), "invalid_scope", "{invalid}");
    }
    let default = RelyingParty::with(&p.app, |metadata| {
        metadata.default_scope = ScopeSet::parse("openid orders:read").unwrap();
    })
    .await;
    let asked = default.ask_for(&p.app, &[("scope", "")]);
    let page = p.browser.open(&asked.url).await;
    let tokens = Tokens::of(default.redeem(&p.app, &asked, &page).await);
    assert_eq!(tokens.json["scope"], "openid orders:read");
    assert_eq!(tokens.access_claims()["scope"], "openid orders:read");
}

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

/// §10.10: "The authorization server MUST prevent attackers from guessing access tokens, authorization codes, refresh
/// tokens, resource owner passwords, and client credentials." §10.4: it "MUST ensure that refresh tokens cannot be
/// generated, modified, or guessed".
#[tokio::test]
async fn s10_10_tokens_are_neither_guessed_nor_altered() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    let flipped = |text: &str, at: usize| -> String {
        let flip = |(index, c)| {
            if index != at {
                c
            } else if c == 'A' {
                'B'
            } else {
                'A'
            }
        };
        text.chars().enumerate().map(flip).collect()
    };
    for at in [4, 20, 40, 80, code.len() - 2] {
        let answer =
            p.rp.redeem_code(&p.app, &flipped(&code, at), &asked.pkce.verifier)
                .await;
        refused(answer, 400, "invalid_grant");
    }
    refused(
        p.rp.redeem_code(&p.app, &code[..code.len() - 1], &asked.pkce.verifier)
            .await,
        400,
        "invalid_grant",
    );
    // None of it touched the code.
    let tokens = Tokens::of(p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await);
    for at in [4, 20, 40, 80, tokens.refresh.len() - 2] {
        refused(
            p.rp.refresh(&p.app, &flipped(&tokens.refresh, at)).await,
            400,
            "invalid_grant",
        );
    }
    for other in [&code.replace("gac_", "grt_"), &tokens.access, &tokens.id] {
        refused(p.rp.refresh(&p.app, other).await, 400, "invalid_grant");
    }
    let as_code = tokens.refresh.replace("grt_", "gac_");
    refused(
        p.rp.redeem_code(&p.app, &as_code, &asked.pkce.verifier).await,
        400,
        "invalid_grant",
    );
    p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
}

/// §10.12: "The authorization server MUST implement CSRF protection for its authorization endpoint and ensure that a
/// malicious client cannot obtain authorization without the awareness and explicit consent of the resource owner."
#[tokio::test]
async fn s10_12_forms_are_bound_to_their_browser_and_request() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let page = p.browser.open(&rp.ask(&p.app).url).await;
    let sign_in = p.alice.fill_in(page.sign_in_form());
    // The attacker's own form in the victim's browser, or none of its own cookie.
    let mut other = Browser::new(&p.app);
    let refused = other.submit_only(&page, &sign_in).await;
    assert!(refused.answer.status.is_client_error() && other.cookie("session").is_none());
    let target = page.url.clone();
    let fields: Vec<_> = sign_in
        .fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    for from in [
        [("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
    ] {
        let page = p.browser.post_from(&target, &fields, &from).await;
        assert!(page.answer.status.is_client_error() && p.browser.cookie("session").is_none());
    }
    let page = p.browser.submit(&page, &sign_in).await;
    let consent = page.decision_form().press("decision", "allow");
    let mut forged = consent.clone();
    forged.fields.retain(|(name, _)| name != "csrf");
    let refused = p.browser.submit_only(&page, &forged).await;
    assert!(refused.answer.status.is_client_error() && refused.left_for.is_none());
    // The token of another request's consent is of no use to this one.
    let another = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let other_page = p.browser.open(&another.ask(&p.app).url).await;
    let mut crossed = consent.clone();
    for (name, value) in &mut crossed.fields {
        if name == "csrf" {
            *value = other_page.decision_form().value("csrf").unwrap().to_owned();
        }
    }
    let refused = p.browser.submit_only(&page, &crossed).await;
    assert!(refused.answer.status.is_client_error() && refused.left_for.is_none());
    p.browser.submit(&page, &consent).await.code();
}

/// §10.13: clickjacking: "native applications SHOULD use external browsers"; the pages forbid to be framed.
#[tokio::test]
async fn s10_13_pages_are_not_framed() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
    let sign_in = p.browser.open(&rp.ask(&p.app).url).await;
    let consent = p
        .browser
        .submit(&sign_in, &p.alice.fill_in(sign_in.sign_in_form()))
        .await;
    let error = p
        .browser
        .open(
            &rp.ask_for(&p.app, &[("redirect_uri", "https://evil.example")])
                .url,
        )
        .await;
    for page in [sign_in, consent, error] {
        assert!(
            page.answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(page.answer.header("x-frame-options").to_ascii_uppercase(), "DENY");
    }
}

/// §10.15: "The authorization server […] MUST NOT" be an open redirector: no page of it goes where a request says without
/// a registration behind it.
#[tokio::test]
async fn s10_15_no_page_is_an_open_redirector() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    for path in [
        "/login",
        "/consent",
        "/account",
        "/oauth2/logout",
        "/",
        "/oauth2/authorize",
    ] {
        for name in [
            "next",
            "return_to",
            "redirect_uri",
            "post_logout_redirect_uri",
            "continue",
            "interaction",
            "url",
        ] {
            for value in [
                "https://evil.example/",
                "//evil.example",
                "/\\evil.example",
                "javascript:alert(1)",
            ] {
                let query: String = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, value)
                    .finish();
                let page = p.browser.open(&format!("{path}?{query}")).await;
                assert!(page.left_for.is_none(), "{path}?{query}");
                assert!(!page.html().contains("href=\"https://evil"), "{path}?{query}");
                assert!(!page.html().contains("href=\"javascript:"), "{path}?{query}");
            }
        }
    }
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
