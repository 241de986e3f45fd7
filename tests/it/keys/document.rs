//! `GET /oauth2/jwks`, from a running server and its replica.

use super::{TENANT, nobody, published};
use crate::support::Engine;
use crate::support::app::{ADMIN_ID, ADMIN_SECRET, TestApp};
use grantor::jose::jwt::{self, Expect};
use serde_json::Value;

/// A token that one server issued just now.
async fn token(server: &TestApp) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", "keys:read")];
    let answer = server
        .http
        .post("/oauth2/token")
        .basic(ADMIN_ID, ADMIN_SECRET)
        .form(&form)
        .send()
        .await
        .expect(200);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

on_both_engines! {
    /// RFC 7517 §5 and RFC 9110 §13.1.2: "the recipient […] MUST respond with […] the 304 (Not Modified) status code if
    /// the request method is GET or HEAD".
    async fn the_published_set_is_public_cacheable_and_holds_nothing_private(engine: Engine) {
        let server = TestApp::spawn(engine).await;
        let answer = server.http.get("/oauth2/jwks").send().await.expect(200);
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let etag = answer.header("etag").to_owned();
        let set: Value = answer.json();
        for key in set["keys"].as_array().unwrap() {
            let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(["kty", "kid", "alg", "use"].iter().all(|name| names.contains(name)), "{names:?}");
            let public = ["kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"];
            assert!(names.iter().all(|name| public.contains(name)), "{names:?}");
        }
        assert_eq!(published(&answer.body).len(), 6, "an active and a next key for each algorithm");
        for known in [etag.clone(), format!("\"x\", {etag}"), format!("W/{etag}")] {
            let again = server.http.get("/oauth2/jwks").header("if-none-match", &known).send().await.expect(304);
            assert!(again.body.is_empty());
            assert_eq!((again.header("etag"), again.header("cache-control")), (&*etag, "public, max-age=300"));
        }
        server.http.get("/oauth2/jwks").header("if-none-match", "\"x\"").send().await.expect(200);
    }

    /// R-KEY-12: "a rotation on one is used by all within 10 s with no verify failure".
    async fn what_either_replica_issues_around_a_rotation_verifies_with_what_either_publishes(engine: Engine) {
        let a = TestApp::spawn(engine).await;
        let b = a.replica().await;
        let mut tokens = vec![token(&a).await, token(&b).await];
        a.advance(600);
        a.app.keys.rotate(TENANT, None, false, nobody, a.now()).await.unwrap().unwrap();
        // At once, before the replica can know, and afterwards.
        tokens.extend([token(&a).await, token(&b).await]);
        a.advance(2);
        tokens.extend([token(&a).await, token(&b).await]);
        let issuer = a.issuer().to_owned();
        let expect = Expect { typ: &["at+jwt"], issuer: &issuer, audience: Some(&issuer), leeway_s: 0, allow_expired: false };
        for server in [&a, &b] {
            let set = published(&server.http.get("/oauth2/jwks").send().await.expect(200).body);
            assert_eq!(set.len(), 9);
            for token in &tokens {
                jwt::verify(token, &expect, |kid| set.get(kid.as_str()), a.now()).unwrap();
            }
        }
        let kid = |token: &str| jwt::Unverified::parse(token).unwrap().kid().unwrap().clone();
        assert_ne!(kid(&tokens[0]), kid(&tokens[4]));
        assert_eq!(kid(&tokens[4]), kid(&tokens[5]), "both use the new key");
    }
}
