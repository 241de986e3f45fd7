//! `/admin/v1/keys`.

use super::{Admin, pointers, service, token_of};
use crate::support::Engine;
use crate::support::app::TestApp;
use reqwest::Method;
use serde_json::{Value, json};

async fn admin(engine: Engine) -> Admin {
    Admin::new(TestApp::spawn(engine).await).await
}

/// The ids of the keys of an algorithm in a state.
fn kids(list: &Value, alg: &str, state: &str) -> Vec<String> {
    let keys = list["items"].as_array().unwrap().iter();
    let found = keys.filter(|key| key["alg"] == alg && key["state"] == state);
    found.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

on_both_engines! {
    async fn a_key_is_replaced_by_the_one_that_was_published(engine: Engine) {
        let admin = admin(engine).await;
        let before = admin.get("/keys").await.expect(200).json();
        let (active, next) = (kids(&before, "ES256", "active"), kids(&before, "ES256", "next"));
        assert_eq!((active.len(), next.len()), (1, 1));
        let token = admin.token.clone();
        let rotated = admin.post("/keys/rotate", &json!({"alg": "ES256", "immediate": true})).await.expect(200).json();
        assert_eq!(kids(&rotated, "ES256", "active"), next);
        assert_eq!(kids(&rotated, "ES256", "retiring"), active);
        assert_eq!(kids(&rotated, "ES256", "next").len(), 1);
        let after = admin.get("/keys").await.expect(200).json();
        assert_eq!(kids(&after, "RS256", "active"), kids(&before, "RS256", "active"));
        // What was signed before is good as before.
        admin.app.http.get("/admin/v1/keys").bearer(&token).send().await.expect(200);
        let events = admin.get("/audit?event_type=key_rotated").await.expect(200).json();
        assert_eq!(events["items"][0]["metadata"]["actor"]["client_id"], "admin");
        assert_eq!(events["items"][0]["metadata"]["alg"], "ES256");
    }

    async fn without_haste_a_rotation_waits_until_everybody_knows_the_key(engine: Engine) {
        let admin = admin(engine).await;
        let before = admin.get("/keys").await.expect(200).json();
        let rotated = admin.post("/keys/rotate", &json!({"alg": "ES256"})).await.expect(200).json();
        assert_eq!(kids(&rotated, "ES256", "active"), kids(&before, "ES256", "active"));
        let next = kids(&rotated, "ES256", "next");
        let key = admin.get(&format!("/keys/{}", next[0])).await.expect(200);
        assert!(!key.header("etag").is_empty());
        assert!(key.json()["activates_at"].as_str().unwrap() > "2026-07-01T00:00:00.000Z");
    }

    async fn nothing_that_a_revoked_key_signed_counts(engine: Engine) {
        let admin = admin(engine).await;
        let (id, secret) = admin.create({
            let mut client = service("keys:read");
            client["access_token_signed_response_alg"] = "ES256".into();
            client
        }).await;
        let token = token_of(&admin.app, &id, &secret, "keys:read").await;
        let keys = admin.app.http.get("/admin/v1/keys").bearer(&token).send().await.expect(200).json();
        let active = kids(&keys, "ES256", "active").remove(0);
        let path = format!("/keys/{active}/revoke");
        admin.call(Method::POST, &path).send().await.expect(204);
        admin.app.http.get("/admin/v1/keys").bearer(&token).send().await.expect(401);
        admin.get(&format!("/keys/{active}")).await.expect(404);
        let jwks = admin.app.http.get("/oauth2/jwks").send().await.expect(200).text();
        assert!(!jwks.contains(&active));
        admin.call(Method::POST, &path).send().await.expect(404);
        token_of(&admin.app, &id, &secret, "keys:read").await;
        let events = admin.get("/audit?event_type=key_revoked").await.expect(200).json();
        assert_eq!(events["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_key_is_retired_in_order() {
    let admin = admin(Engine::Sqlite).await;
    let keys = admin.get("/keys").await.expect(200).json();
    let next = kids(&keys, "ES256", "next").remove(0);
    let path = format!("/keys/{next}/retire");
    let left = admin.call(Method::POST, &path).send().await.expect(200).json();
    assert!(
        !left.to_string().contains(&next),
        "a next key is withdrawn: {left}"
    );
    admin.get(&format!("/keys/{next}")).await.expect(404);
    admin.call(Method::POST, &path).send().await.expect(404);
    // An active one goes on until its successor has been published for long enough.
    let active = kids(&keys, "RS256", "active").remove(0);
    let path = format!("/keys/{active}/retire");
    let listed = admin.call(Method::POST, &path).send().await.expect(200).json();
    assert!(listed.to_string().contains("activates_at"), "{listed}");
}

#[tokio::test]
async fn keys_are_listed_in_pages_and_never_with_private_parts() {
    let admin = admin(Engine::Sqlite).await;
    let all = admin.get("/keys").await.expect(200);
    for private in ["\"d\"", "wrapped", "PRIVATE"] {
        assert!(!all.text().contains(private));
    }
    let count = all.json()["items"].as_array().unwrap().len();
    let mut seen = 0;
    let mut path = "/keys?limit=1".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200).json();
        seen += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/keys?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, count);
    assert_eq!(
        pointers(&admin.post("/keys/rotate", &json!({"alg": "HS256"})).await),
        ["/alg"]
    );
    assert_eq!(
        pointers(&admin.post("/keys/rotate", &json!({"alg": "EdDSA"})).await),
        ["/alg"]
    );
    assert_eq!(
        pointers(&admin.post("/keys/rotate", &json!({"immediate": 1})).await),
        ["/immediate"]
    );
    admin.get("/keys/none").await.expect(404);
}
