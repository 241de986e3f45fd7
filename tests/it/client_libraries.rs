//! Client libraries that others wrote sign people in here as they are: the crates `openidconnect` and `oauth2`.

use crate::support::http::Http;
use crate::support::provider::{PATIENT, Provider};
use crate::support::relying_party::{CALLBACK, RelyingParty};
use crate::support::{Engine, TestApp};
use grantor::clock::Clock;
use grantor::types::Algorithm;
use oauth2::basic::BasicClient;
use oauth2::{HttpRequest, HttpResponse, TokenIntrospectionResponse as _, TokenResponse as _};
use openidconnect::core::{
    CoreApplicationType, CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreProviderMetadata,
    CoreRegisterErrorResponseType, CoreResponseType, CoreSubjectIdentifierType, CoreUserInfoClaims,
};
use openidconnect::registration::{
    AdditionalClientMetadata, ClientRegistrationRequest, EmptyAdditionalClientRegistrationResponse,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    IntrospectionUrl, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RevocationUrl, Scope, TokenResponse as _, TokenUrl,
};

/// Sends what a library wants sent.
async fn send(http: Http, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (head, body) = request.into_parts();
    // They revoke over https alone: TLS ends before this server.
    let target = head.uri.to_string().replacen("https://", "http://", 1);
    let mut call = http.call(head.method, &target);
    for (name, value) in &head.headers {
        if name != "content-type" {
            call = call.header(name.as_str(), value.to_str().expect("text"));
        }
    }
    if let Some(content_type) = head.headers.get("content-type") {
        call = call.body(content_type.to_str().expect("text"), body);
    }
    let answer = call.try_send().await?;
    let mut response = HttpResponse::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// A server whose clock shows the time by which the libraries check tokens.
async fn provider() -> Provider {
    let p = Provider::new(Engine::Sqlite).await;
    p.app
        .advance(Clock::System.now().seconds() - p.app.now().seconds());
    p
}

/// The addresses that the libraries do not look up themselves.
async fn endpoint(app: &TestApp, name: &str) -> String {
    let metadata = app.metadata().await;
    metadata[name].as_str().expect("an endpoint").to_owned()
}

async fn revocation_url(app: &TestApp) -> RevocationUrl {
    let url = endpoint(app, "revocation_endpoint").await;
    RevocationUrl::new(url.replacen("http://", "https://", 1)).unwrap()
}

#[tokio::test]
async fn openidconnect_signs_people_in_with_rs256_and_es256() {
    let mut p = provider().await;
    for alg in [Algorithm::RS256, Algorithm::ES256] {
        p.rp = RelyingParty::with(&p.app, |metadata| {
            metadata.id_token_signed_response_alg = Some(alg)
        })
        .await;
        openidconnect_completes(&mut p).await;
    }
}

async fn openidconnect_completes(p: &mut Provider) {
    let base = p.app.http.clone();
    let http = |request: HttpRequest| send(base.clone(), request);
    let issuer = IssuerUrl::new(p.app.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(p.rp.client_id.clone()),
        p.rp.secret.clone().map(ClientSecret::new),
    )
    .set_redirect_uri(RedirectUrl::new(p.rp.redirect_uri.clone()).unwrap())
    .set_introspection_url(IntrospectionUrl::new(endpoint(&p.app, "introspection_endpoint").await).unwrap())
    .set_revocation_url(revocation_url(&p.app).await);

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scopes(["profile", "email", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let page = p.browser.authorize(url.as_str(), &p.alice).await;
    assert_eq!(page.parameter("state").as_ref(), Some(state.secret()));

    let code = AuthorizationCode::new(page.code());
    let tokens = client
        .exchange_code(code)
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .unwrap();
    let verified = client.id_token_verifier();
    let id_token = tokens.id_token().expect("an ID token");
    let claims = id_token.claims(&verified, &nonce).expect("the ID token verifies");
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&verified).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
    assert_eq!(claims.subject().as_str(), p.alice.id.to_string());

    let subject = claims.subject().clone();
    let request = client
        .user_info(tokens.access_token().clone(), Some(subject))
        .unwrap();
    let info: CoreUserInfoClaims = request.request_async(&http).await.unwrap();
    assert_eq!(
        info.email().map(|email| email.as_str()),
        Some("alice@example.com")
    );

    let refresh_token = tokens.refresh_token().expect("a refresh token");
    let next = client
        .exchange_refresh_token(refresh_token)
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    let again = next
        .id_token()
        .expect("an ID token")
        .claims(&verified, |_: Option<&Nonce>| Ok(()))
        .unwrap();
    assert_eq!(again.subject().as_str(), p.alice.id.to_string());

    let access = next.access_token();
    assert!(
        client
            .introspect(access)
            .request_async(&http)
            .await
            .unwrap()
            .active()
    );
    let revocable = next.refresh_token().expect("rotated").clone().into();
    client
        .revoke_token(revocable)
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    assert!(
        !client
            .introspect(access)
            .request_async(&http)
            .await
            .unwrap()
            .active()
    );
    let spent = next.refresh_token().expect("rotated");
    let refused = client
        .exchange_refresh_token(spent)
        .unwrap()
        .request_async(&http)
        .await;
    assert!(refused.is_err(), "the family is over");
}

/// What the library has no member for.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
struct WithLogout {
    post_logout_redirect_uris: Vec<String>,
}

impl AdditionalClientMetadata for WithLogout {}

type Registration = ClientRegistrationRequest<
    WithLogout,
    EmptyAdditionalClientRegistrationResponse,
    CoreApplicationType,
    CoreClientAuthMethod,
    CoreRegisterErrorResponseType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[tokio::test]
async fn openidconnect_registers_itself_signs_in_and_signs_out() {
    let mut p = Provider::with(Engine::Sqlite, &[("registration.mode", "token")]).await;
    p.app
        .advance(Clock::System.now().seconds() - p.app.now().seconds());
    registers_itself_signs_in_and_signs_out(&mut p).await;
}

#[tokio::test]
async fn openidconnect_does_all_of_that_in_a_tenant() {
    let settings = [PATIENT, ("registration.mode", "token")];
    let server = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    server.advance(Clock::System.now().seconds() - server.now().seconds());
    let mut p = Provider::of(server.make_tenant("acme").await).await;
    assert!(p.app.issuer().ends_with("/t/acme"));
    registers_itself_signs_in_and_signs_out(&mut p).await;
    openidconnect_completes(&mut p).await;
}

async fn registers_itself_signs_in_and_signs_out(p: &mut Provider) {
    const BYE: &str = "https://rp.example/bye";
    let base = p.app.http.clone();
    let http = |request: HttpRequest| send(base.clone(), request);
    let issuer = IssuerUrl::new(p.app.issuer().to_owned()).unwrap();
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http)
        .await
        .unwrap();
    let end_session = metadata
        .additional_metadata()
        .end_session_endpoint
        .clone()
        .unwrap();

    let redirect = RedirectUrl::new(CALLBACK.to_owned()).unwrap();
    let with_logout = WithLogout {
        post_logout_redirect_uris: vec![BYE.to_owned()],
    };
    let endpoint = metadata.registration_endpoint().unwrap().clone();
    let grants = vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken];
    let request = Registration::new(vec![redirect.clone()], with_logout).set_grant_types(Some(grants));
    assert!(request.register_async(&endpoint, &http).await.is_err());
    let admin = p.app.admin_token("registration:write").await;
    let made = p.app.http.post("/admin/v1/registration-tokens").bearer(&admin);
    let made = made.json(&serde_json::json!({})).send().await.expect(201).json();
    let initial = AccessToken::new(made["token"].as_str().unwrap().to_owned());
    let request = request.set_initial_access_token(Some(initial));
    let registered = request.register_async(&endpoint, &http).await.unwrap();
    assert!(registered.registration_access_token().is_some());
    assert_eq!(
        registered.additional_metadata().post_logout_redirect_uris,
        [BYE.to_owned()]
    );

    let client = CoreClient::from_provider_metadata(
        metadata,
        registered.client_id().clone(),
        registered.client_secret().cloned(),
    )
    .set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let request = request.add_scope(Scope::new("email".to_owned()));
    let (url, _, nonce) = request.set_pkce_challenge(challenge).url();
    let page = p.browser.authorize(url.as_str(), &p.alice).await;
    let request = client.exchange_code(AuthorizationCode::new(page.code())).unwrap();
    let tokens = request
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .unwrap();
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&client.id_token_verifier(), &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), p.alice.id.to_string());
    let refreshed = client
        .exchange_refresh_token(tokens.refresh_token().unwrap())
        .unwrap();
    let refreshed = refreshed.request_async(&http).await.unwrap();
    let request = client.user_info(refreshed.access_token().clone(), Some(claims.subject().clone()));
    let info: CoreUserInfoClaims = request.unwrap().request_async(&http).await.unwrap();
    assert_eq!(
        info.email().map(|email| email.as_str()),
        Some("alice@example.com")
    );

    let out = LogoutRequest::from(end_session)
        .set_id_token_hint(id_token)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(BYE.to_owned()).unwrap())
        .set_state(CsrfToken::new("s".to_owned()));
    let page = p.browser.open(out.http_get_url().as_str()).await;
    assert_eq!(page.left_for.clone().unwrap().as_str(), format!("{BYE}?state=s"));
    assert!(p.browser.get("/account").await.answer.status.is_redirection());
}

#[tokio::test]
async fn oauth2_completes_the_code_flow() {
    let mut p = provider().await;
    let base = p.app.http.clone();
    let http = |request: HttpRequest| send(base.clone(), request);
    let client = BasicClient::new(ClientId::new(p.rp.client_id.clone()))
        .set_client_secret(ClientSecret::new(p.rp.secret.clone().unwrap()))
        .set_auth_uri(AuthUrl::new(endpoint(&p.app, "authorization_endpoint").await).unwrap())
        .set_token_uri(TokenUrl::new(endpoint(&p.app, "token_endpoint").await).unwrap())
        .set_introspection_url(
            IntrospectionUrl::new(endpoint(&p.app, "introspection_endpoint").await).unwrap(),
        )
        .set_revocation_url(revocation_url(&p.app).await)
        .set_redirect_uri(RedirectUrl::new(p.rp.redirect_uri.clone()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("orders:read".to_owned()));
    let (url, state) = request.set_pkce_challenge(challenge).url();
    let page = p.browser.authorize(url.as_str(), &p.alice).await;
    assert_eq!(page.parameter("state").as_ref(), Some(state.secret()));
    let request = client
        .exchange_code(AuthorizationCode::new(page.code()))
        .set_pkce_verifier(verifier);
    let tokens = request.request_async(&http).await.unwrap();
    assert_eq!(tokens.scopes(), Some(&vec![Scope::new("orders:read".to_owned())]));
    let request = client.exchange_refresh_token(tokens.refresh_token().unwrap());
    let next = request.request_async(&http).await.unwrap();
    let seen = client
        .introspect(next.access_token())
        .request_async(&http)
        .await
        .unwrap();
    assert!(seen.active());
    assert_eq!(seen.client_id().map(|id| id.as_str()), Some(&*p.rp.client_id));
    client
        .revoke_token(next.access_token().clone().into())
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    assert!(
        !client
            .introspect(next.access_token())
            .request_async(&http)
            .await
            .unwrap()
            .active()
    );
}
