//! Clients and the two endpoints: §2 and §3.

use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
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
