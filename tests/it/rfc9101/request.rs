//! What an object asks for is held to the same rules as what stands in a URL.

use super::*;

/// §6.3: "The authorization server then validates the request as specified in OAuth 2.0 [RFC6749]. If the Client ID check or the
/// request validation fails, then the authorization server MUST return an error to the client in response to the authorization
/// request".
#[tokio::test]
async fn s6_3_what_is_wrong_in_an_object_is_told_like_anything_else() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    for (changes, error) in [
        (json!({"response_type": null}), "invalid_request"),
        (json!({"response_type": "token"}), "unsupported_response_type"),
        (
            json!({"response_type": "code id_token"}),
            "unsupported_response_type",
        ),
        (json!({"scope": "openid clients:write"}), "invalid_scope"),
        (json!({"scope": "openid  email"}), "invalid_scope"),
        (json!({"code_challenge_method": "plain"}), "invalid_request"),
        (json!({"code_challenge": "short"}), "invalid_request"),
        (json!({"response_mode": "fragment"}), "invalid_request"),
        (
            json!({"resource": ["https://unregistered.example"]}),
            "invalid_target",
        ),
        (json!({"max_age": -1}), "invalid_request"),
        (json!({"prompt": "none login"}), "invalid_request"),
        (json!({"id_token_hint": "x"}), "invalid_request"),
        (json!({"claims": [1]}), "invalid_request"),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &changes);
        let page = open(&mut p, &object).await;
        assert_eq!(page.error(), error, "{changes}");
        let state = page.parameter("state");
        assert_eq!(
            state.as_deref(),
            Some(&*asked.state),
            "the one that the object holds"
        );
        refused(push(&p, &object).await, 400, error);
    }
    // RFC 6749 §4.1.2.1: where the redirect URI is not registered, nobody is sent there, whoever signed it.
    for uri in [
        json!("https://evil.example/"),
        json!(["https://rp.example/callback"]),
        json!(7),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &json!({"redirect_uri": uri}));
        open(&mut p, &object).await.expect_error_page(400);
        refused(push(&p, &object).await, 400, "invalid_request");
    }
}

/// §5.2: "The request_uri value MUST be either a URN […] or an "https" URI": a client registers no other, unless the deployment says
/// that plain addresses of a network of its own may be fetched.
#[tokio::test]
async fn s5_2_addresses_are_https() {
    let app = crate::support::TestApp::spawn(Engine::Sqlite).await;
    let token = app.admin_token("clients:write").await;
    for (uri, status) in [
        ("https://rp.example/request.jwt", 201),
        ("https://rp.example/request.jwt#hash", 201),
        ("http://rp.example/request.jwt", 400),
        ("ftp://rp.example/request.jwt", 400),
        ("file:///etc/passwd", 400),
        ("data:application/jwt,x", 400),
        ("request.jwt", 400),
    ] {
        let document = json!({
            "redirect_uris": [CALLBACK], "scope": "openid", "request_uris": [uri],
            "jwks": ClientKey::new("k1", "ES256").jwks(),
        });
        let answer = app
            .http
            .post("/admin/v1/clients")
            .bearer(&token)
            .json(&document)
            .send()
            .await;
        assert_eq!(answer.status.as_u16(), status, "{uri}");
    }
}
