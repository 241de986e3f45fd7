//! `/admin/v1/grants` and `/admin/v1/consents`.

use super::{Admin, pointers, token};
use crate::support::Engine;
use crate::support::app::TestApp;
use crate::support::people::Person;
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use reqwest::Method;
use serde_json::{Value, json};

const SCOPE: &str = "openid offline_access orders:read";

/// A server on which alice has signed in to two applications and bob to one of them.
struct Scene {
    admin: Admin,
    party: RelyingParty,
    alice: Person,
    of_alice: Tokens,
    of_bob: Tokens,
}

async fn scene(engine: Engine) -> Scene {
    let app = TestApp::spawn_with(engine, &[("limits.authentication.rate", "1000")]).await;
    let (alice, bob) = (Person::new(&app, "alice").await, Person::new(&app, "bob").await);
    let party = RelyingParty::with(&app, |metadata| metadata.require_consent = true).await;
    let other = RelyingParty::with(&app, |metadata| metadata.require_consent = true).await;
    let (mut hers, mut his) = (Browser::new(&app), Browser::new(&app));
    let of_alice = party.sign_in(&app, &mut hers, &alice, SCOPE).await;
    app.advance(1);
    other.sign_in(&app, &mut hers, &alice, SCOPE).await;
    app.advance(1);
    let of_bob = party.sign_in(&app, &mut his, &bob, SCOPE).await;
    let token = token(&app, "grants:read grants:write consents:read consents:write").await;
    let admin = Admin { app, token };
    Scene {
        admin,
        party,
        alice,
        of_alice,
        of_bob,
    }
}

impl Scene {
    async fn items(&self, path: &str) -> Vec<Value> {
        let list = self.admin.get(path).await.expect(200).json();
        list["items"].as_array().unwrap().clone()
    }

    async fn holds_to_filters_and_pages(&self, resource: &str) {
        let all = self.items(resource).await;
        assert_eq!(all.len(), 3);
        let of_alice = self.items(&format!("{resource}?user_id={}", self.alice.id)).await;
        assert_eq!(of_alice, all[1..], "newest first");
        let client = &self.party.client_id;
        let of_client = self.items(&format!("{resource}?client_id={client}")).await;
        assert_eq!(of_client, [all[0].clone(), all[2].clone()]);
        let both = self
            .items(&format!(
                "{resource}?client_id={client}&user_id={}",
                self.alice.id
            ))
            .await;
        assert_eq!(both, all[2..]);
        let page = self
            .admin
            .get(&format!("{resource}?limit=2"))
            .await
            .expect(200)
            .json();
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = self
            .admin
            .get(&format!("{resource}?limit=2&cursor={cursor}"))
            .await
            .expect(200)
            .json();
        assert_eq!(rest, json!({"items": all[2..], "next_cursor": null}));
        for bad in ["user_id", "client_id"] {
            assert_eq!(
                pointers(&self.admin.get(&format!("{resource}?{bad}=a%20b")).await),
                [bad]
            );
        }
    }

    /// Takes an entry away and gives how it was.
    async fn take_away(&self, resource: &str, index: usize) -> Value {
        let entry = self.items(resource).await[index].clone();
        let path = format!("{resource}/{}", entry["id"].as_str().unwrap());
        let answer = self.admin.get(&path).await.expect(200);
        assert!(!answer.header("etag").is_empty());
        assert_eq!(answer.json(), entry);
        self.admin.call(Method::DELETE, &path).send().await.expect(204);
        self.admin.call(Method::DELETE, &path).send().await.expect(404);
        self.admin.get(&path).await.expect(404);
        entry
    }
}

on_both_engines! {
    /// R-REF-16: a family is revoked singly.
    async fn families_are_listed_and_revoked_one_by_one(engine: Engine) {
        let scene = scene(engine).await;
        let app = &scene.admin.app;
        scene.holds_to_filters_and_pages("/grants").await;
        let entry = scene.take_away("/grants", 2).await;
        assert_eq!(entry["user_id"], scene.alice.id.to_string());
        assert_eq!(entry["scope"], SCOPE);
        assert_eq!((entry["offline"].as_bool(), entry["generation"].as_i64()), (Some(true), Some(1)));
        let refused = scene.party.refresh(app, &scene.of_alice.refresh).await;
        assert_eq!(refused.oauth_error(400), "invalid_grant");
        assert!(!scene.party.is_active(app, &scene.of_alice.access).await);
        assert!(scene.party.is_active(app, &scene.of_bob.access).await);
        assert_eq!(scene.items("/grants").await.len(), 2);
        let log = app.audit_log().await;
        let event = log.iter().find(|event| event.event_type == "family_revoked").expect("it is recorded");
        assert_eq!(event.token_family.as_deref(), entry["id"].as_str());
        assert_eq!(event.meta("actor")["client_id"], "admin");
    }

    /// R-REF-15: what was granted on an agreement ends with it.
    async fn agreements_are_listed_and_withdrawn(engine: Engine) {
        let scene = scene(engine).await;
        let app = &scene.admin.app;
        scene.holds_to_filters_and_pages("/consents").await;
        let entry = scene.take_away("/consents", 2).await;
        assert_eq!(entry["user_id"], scene.alice.id.to_string());
        let refused = scene.party.refresh(app, &scene.of_alice.refresh).await;
        assert_eq!(refused.oauth_error(400), "invalid_grant");
        assert!(!scene.party.is_active(app, &scene.of_alice.access).await);
        scene.party.refresh(app, &scene.of_bob.refresh).await.expect(200);
        let log = app.audit_log().await;
        let event = log.iter().find(|event| event.event_type == "consent_withdrawn").expect("it is recorded");
        assert_eq!(event.user_id, Some(scene.alice.id.to_string()));
    }
}

#[tokio::test]
async fn answers_have_the_form_that_is_described() {
    let scene = scene(Engine::Sqlite).await;
    let document = scene
        .admin
        .app
        .http
        .get("/openapi.json")
        .send()
        .await
        .expect(200)
        .json();
    for (schema, path) in [("GrantList", "/grants"), ("ConsentList", "/consents")] {
        let root =
            json!({"$ref": format!("#/components/schemas/{schema}"), "components": document["components"]});
        let validator = jsonschema::draft202012::new(&root).unwrap();
        let answer = scene.admin.get(path).await.expect(200).json();
        let errors: Vec<_> = validator
            .iter_errors(&answer)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{schema}: {errors:?}");
    }
}
