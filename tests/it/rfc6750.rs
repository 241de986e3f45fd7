//! RFC 6750, Bearer Token Usage: the server is a protected resource itself, at UserInfo.

use crate::support::Engine;
use crate::support::http::Answer;
use crate::support::provider::Provider;
use grantor::types::GrantType;

const USERINFO: &str = "/oauth2/userinfo";

#[track_caller]
fn challenged(answer: Answer, status: u16, error: &str) {
    let challenge = answer.header("www-authenticate").to_owned();
    assert_eq!(answer.status.as_u16(), status, "{challenge} {}", answer.text());
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
}

/// §2.1, §2.2: the header works, and the body of a form that is posted.
#[tokio::test]
async fn s2_1_s2_2_a_token_in_the_header_or_in_a_form() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let http = &p.app.http;
    let get = http.get(USERINFO).bearer(&token).send().await.expect(200).json();
    let header = http.post(USERINFO).bearer(&token).send().await.expect(200).json();
    let form = http
        .post(USERINFO)
        .form(&[("access_token", &token)])
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!((&get, &get), (&header, &form));
    let lower = http
        .get(USERINFO)
        .header("authorization", &format!("bearer {token}"))
        .send()
        .await;
    lower.expect(200);
}

/// §2: "Clients MUST NOT use more than one method to transmit the token in each request." §3.1: "invalid_request: The
/// request […] repeats the same parameter, uses more than one method for including an access token, or is otherwise
/// malformed. The resource server SHOULD respond with the HTTP 400 (Bad Request) status code."
#[tokio::test]
async fn s2_more_than_one_method_is_refused() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let both = p
        .app
        .http
        .post(USERINFO)
        .bearer(&token)
        .form(&[("access_token", &token)])
        .send()
        .await;
    challenged(both, 400, "invalid_request");
    let twice = [("access_token", &*token), ("access_token", &*token)];
    challenged(
        p.app.http.post(USERINFO).form(&twice).send().await,
        400,
        "invalid_request",
    );
}

/// §2.2: the body only when "the entity-body consists entirely of […] characters" of a form with its content type, and
/// "the "GET" method MUST NOT be used". §2.3: the query is not supported, as RFC 9700 §4.3.2 and OAuth 2.1 want it.
#[tokio::test]
async fn s2_2_s2_3_neither_in_another_body_nor_in_the_query() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let query = p
        .app
        .http
        .get(&format!("{USERINFO}?access_token={token}"))
        .send()
        .await;
    assert_eq!(query.status.as_u16(), 401);
    let text = p
        .app
        .http
        .post(USERINFO)
        .body("text/plain", format!("access_token={token}"))
        .send()
        .await;
    assert!(text.status.is_client_error(), "{}", text.text());
    let json = p
        .app
        .http
        .post(USERINFO)
        .body("application/json", format!("{{\"access_token\":\"{token}\"}}"))
        .send()
        .await;
    assert!(json.status.is_client_error(), "{}", json.text());
    let get = p
        .app
        .http
        .get(USERINFO)
        .form(&[("access_token", &token)])
        .send()
        .await;
    assert_eq!(get.status.as_u16(), 401);
}

/// §3: "If the protected resource request does not include authentication credentials or does not contain an access token
/// that enables access to the protected resource, the resource server MUST include the HTTP "WWW-Authenticate" response
/// header field". §3.1: "If the request lacks any authentication information […], the resource server SHOULD NOT include an
/// error code or other error information."
#[tokio::test]
async fn s3_without_a_token_the_challenge_has_no_error() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    for header in [None, Some("Basic YTpi".to_owned()), Some(token)] {
        let call = p.app.http.get(USERINFO);
        let call = match &header {
            Some(value) => call.header("authorization", value),
            None => call,
        };
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), 401, "{header:?}");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer") && !challenge.contains("error"),
            "{challenge}"
        );
    }
}

/// §3.1: "invalid_token: The access token provided is expired, revoked, malformed, or invalid for other reasons. The
/// resource SHOULD respond with the HTTP 401 (Unauthorized) status code." All of these look alike.
#[tokio::test]
async fn s3_1_invalid_token() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    let revoked = p.sign_in().await;
    p.rp.revoke(&p.app, &revoked.access).await.expect(200);
    let mut altered = tokens.access.clone();
    altered.replace_range(
        altered.len() - 10..altered.len() - 9,
        if altered.ends_with('A') { "B" } else { "A" },
    );
    let signature = tokens.access.rfind('.').unwrap();
    let stripped = &tokens.access[..=signature];
    let mut bodies = Vec::new();
    for bad in [
        "x",
        "a.b.c",
        &revoked.access,
        &altered,
        stripped,
        &tokens.id,
        &tokens.refresh,
    ] {
        let answer = p.app.http.get(USERINFO).bearer(bad).send().await;
        bodies.push((answer.text(), answer.header("www-authenticate").to_owned()));
        challenged(answer, 401, "invalid_token");
    }
    p.app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .send()
        .await
        .expect(200);
    p.app.advance(900 + 61);
    let answer = p.app.http.get(USERINFO).bearer(&tokens.access).send().await;
    bodies.push((answer.text(), answer.header("www-authenticate").to_owned()));
    challenged(answer, 401, "invalid_token");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
}

/// §3.1: "insufficient_scope: The request requires higher privileges than provided by the access token. The resource server
/// SHOULD respond with the HTTP 403 (Forbidden) status code and MAY include the "scope" attribute".
#[tokio::test]
async fn s3_1_insufficient_scope() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let plain = p.sign_in_for("orders:read").await;
    let answer = p.app.http.get(USERINFO).bearer(&plain.access).send().await;
    assert!(answer.header("www-authenticate").contains("scope=\"openid\""));
    challenged(answer, 403, "insufficient_scope");
    let machine = crate::support::relying_party::RelyingParty::with(&p.app, |metadata| {
        metadata.grant_types = vec![GrantType::ClientCredentials];
    });
    let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
    let answer = machine
        .await
        .post(&p.app, "/oauth2/token", &grant)
        .await
        .expect(200)
        .json();
    let token = answer["access_token"].as_str().unwrap();
    challenged(
        p.app.http.get(USERINFO).bearer(token).send().await,
        403,
        "insufficient_scope",
    );
}

/// §5.3: answers to a bearer of a token are not to be kept by caches.
#[tokio::test]
async fn s5_3_answers_are_not_cached() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let token = p.sign_in().await.access;
    let answer = p.app.http.get(USERINFO).bearer(&token).send().await.expect(200);
    assert!(answer.header("cache-control").contains("no-store"));
}
