//! `/admin/v1/users` and `/admin/v1/sessions`.

use super::{Admin, pointers, token, token_of};
use crate::support::Engine;
use crate::support::app::TestApp;
use grantor::account::{Proof, SignIn};
use grantor::storage::users;
use grantor::types::{Caller, Secret, TenantId, UserId};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const T: TenantId = TenantId::FIRST;
const PASSWORD: &str = "down the rabbit hole";

async fn admin(engine: Engine) -> Admin {
    let app = TestApp::spawn(engine).await;
    let token = token(&app, &grantor::types::ADMIN_SCOPES.join(" ")).await;
    Admin { app, token }
}

fn alice() -> Value {
    json!({"username": "Alice", "email": "alice@wonder.example", "email_verified": true, "name": "Alice Liddell",
        "password": PASSWORD})
}

async fn created(admin: &Admin, body: &Value) -> Value {
    admin.post("/users", body).await.expect(201).json()
}

fn path(user: &Value) -> String {
    format!("/users/{}", user["id"].as_str().unwrap())
}

async fn signs_in(admin: &Admin, username: &str, password: &str) -> bool {
    let (password, caller) = (Secret::new(password.to_owned()), Caller::system(Uuid::nil()));
    let app = &admin.app.app;
    let result = app
        .accounts
        .sign_in(T, username, &password, &caller, app.clock.now())
        .await;
    matches!(result.unwrap(), SignIn::SignedIn(_))
}

/// Signs the user in in a browser and gives the session's cookie.
async fn session(admin: &Admin, user: &Value) -> Secret {
    let app = &admin.app.app;
    let id: UserId = user["id"].as_str().unwrap().parse().unwrap();
    let row = users::find(&mut app.store.read().await.unwrap(), T, id)
        .await
        .unwrap()
        .unwrap();
    let caller = Caller::system(Uuid::nil());
    let started = app
        .accounts
        .start_session(&row, Proof::password(), None, &caller, app.clock.now())
        .await;
    started.unwrap().cookie
}

async fn lives(admin: &Admin, cookie: &Secret) -> bool {
    let app = &admin.app.app;
    app.accounts
        .session(T, cookie.expose(), app.clock.now())
        .await
        .unwrap()
        .is_some()
}

on_both_engines! {
    async fn a_user_is_made_read_listed_changed_and_deleted(engine: Engine) {
        let admin = admin(engine).await;
        let answer = admin.post("/users", &alice()).await.expect(201);
        let user = answer.json();
        assert_eq!(answer.header("location"), format!("{}/admin/v1{}", admin.app.issuer(), path(&user)));
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(user["username"], "Alice");
        assert_eq!((&user["enabled"], &user["roles"]), (&json!(true), &json!([])));
        assert!(!answer.text().contains("argon2") && !answer.text().contains(PASSWORD));
        assert!(signs_in(&admin, "alice@wonder.example", PASSWORD).await);

        let read = admin.get(&path(&user)).await.expect(200);
        assert_eq!(read.json(), user);
        let list = admin.get("/users").await.expect(200).json();
        assert_eq!(list, json!({"items": [user], "next_cursor": null}));
        let found = admin.get("/users?username=ALICE%40wonder.example").await.expect(200).json();
        assert_eq!(found["items"][0]["id"], user["id"]);
        assert_eq!(admin.get("/users?username=bob").await.expect(200).json()["items"], json!([]));

        let patch = json!({"name": null, "nickname": "Al", "address": {"locality": "Oxford", "country": "UK"}});
        let changed = admin.patch(&path(&user), &patch).await.expect(200);
        assert_eq!(changed.header("etag"), "\"2\"");
        let changed = changed.json();
        assert_eq!((changed.get("name"), &changed["nickname"]), (None, &json!("Al")));
        let line = json!({"address": {"country": null}});
        let changed = admin.patch(&path(&user), &line).await.expect(200).json();
        assert_eq!(changed["address"], json!({"locality": "Oxford"}));
        let same = admin.patch(&path(&user), &json!({"nickname": "Al"})).await.expect(200);
        assert_eq!(same.header("etag"), "\"3\"", "nothing changed");

        let delete = || admin.call(Method::DELETE, &path(&user));
        delete().header("if-match", "\"1\"").send().await.expect(412);
        delete().header("if-match", "\"3\"").send().await.expect(204);
        delete().send().await.expect(404);
        admin.get(&path(&user)).await.expect(404);
        assert!(!signs_in(&admin, "alice", PASSWORD).await);
        admin.get("/users/not-a-uuid").await.expect(404);
    }

    async fn a_taken_name_or_address_is_a_conflict(engine: Engine) {
        let admin = admin(engine).await;
        created(&admin, &alice()).await;
        let bob = created(&admin, &json!({"username": "bob"})).await;
        for body in [
            json!({"username": "ALICE"}),
            json!({"username": "alice@WONDER.example"}),
            json!({"username": "x", "email": "alice@wonder.example"}),
        ] {
            let conflict = admin.post("/users", &body).await.expect(409);
            assert!(!conflict.text().contains("wonder"), "{}", conflict.text());
            admin.patch(&path(&bob), &body).await.expect(409);
        }
        assert_eq!(admin.get(&path(&bob)).await.expect(200).json(), bob);
    }

    async fn a_changed_address_is_not_verified_any_more(engine: Engine) {
        let admin = admin(engine).await;
        let user = created(&admin, &alice()).await;
        let verified = async |patch: Value| {
            admin.patch(&path(&user), &patch).await.expect(200).json()["email_verified"].clone()
        };
        assert_eq!(verified(json!({"nickname": "Al"})).await, true);
        assert_eq!(verified(json!({"email": "liddell@wonder.example"})).await, false);
        assert_eq!(verified(json!({"email": "alice@wonder.example", "email_verified": true})).await, true);
        assert_eq!(verified(json!({"email": null})).await, false);
    }

    async fn setting_a_password_and_disabling_end_every_session(engine: Engine) {
        let admin = admin(engine).await;
        let user = created(&admin, &alice()).await;
        for patch in [json!({"password": "through a looking glass"}), json!({"enabled": false})] {
            let cookie = session(&admin, &user).await;
            assert!(lives(&admin, &cookie).await);
            admin.patch(&path(&user), &patch).await.expect(200);
            assert!(!lives(&admin, &cookie).await, "{patch}");
        }
        admin.patch(&path(&user), &json!({"enabled": true})).await.expect(200);
        assert!(!signs_in(&admin, "alice", PASSWORD).await);
        assert!(signs_in(&admin, "alice", "through a looking glass").await);
        let cookie = session(&admin, &user).await;
        admin.call(Method::POST, &format!("{}/revoke", path(&user))).send().await.expect(204);
        assert!(!lives(&admin, &cookie).await);
        assert!(signs_in(&admin, "alice", "through a looking glass").await);
    }

    async fn sessions_are_listed_and_ended(engine: Engine) {
        let admin = admin(engine).await;
        let (alice, bob) = (created(&admin, &alice()).await, created(&admin, &json!({"username": "bob"})).await);
        let mut cookies = Vec::new();
        for user in [&alice, &alice, &bob] {
            cookies.push(session(&admin, user).await);
            admin.app.advance(1);
        }
        let all = admin.get("/sessions").await.expect(200).json();
        assert_eq!(all["items"].as_array().unwrap().len(), 3);
        assert_eq!(all["items"][0]["user_id"], bob["id"], "newest first");
        let own = admin.get(&format!("/sessions?user_id={}", alice["id"].as_str().unwrap())).await.expect(200).json();
        assert_eq!(own["items"].as_array().unwrap().len(), 2);
        let page = admin.get("/sessions?limit=2").await.expect(200).json();
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = admin.get(&format!("/sessions?limit=2&cursor={cursor}")).await.expect(200).json();
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));

        let newest = format!("/sessions/{}", all["items"][0]["id"].as_str().unwrap());
        assert_eq!(admin.get(&newest).await.expect(200).json(), all["items"][0]);
        admin.call(Method::DELETE, &newest).send().await.expect(204);
        admin.call(Method::DELETE, &newest).send().await.expect(404);
        admin.get(&newest).await.expect(404);
        assert!(!lives(&admin, &cookies[2]).await && lives(&admin, &cookies[0]).await);
        assert_eq!(pointers(&admin.get("/sessions?user_id=x").await), ["user_id"]);
    }

    /// The contract: "Whoever lacks an admin scope or role may not give it, nor change, enable or delete a client or user
    /// that has it, nor its … password, e-mail, … or roles (403)."
    async fn who_lacks_admin_scopes_cannot_make_nor_touch_an_administrator(engine: Engine) {
        let admin = admin(engine).await;
        let root = created(&admin, &json!({"username": "root", "roles": ["admin"], "password": PASSWORD})).await;
        let carol = created(&admin, &json!({"username": "carol"})).await;
        let (id, secret) = admin
            .create(json!({"grant_types": ["client_credentials"], "scope": "users:read users:write"}))
            .await;
        let token = token_of(&admin.app, &id, &secret, "users:read users:write").await;
        let lesser = Admin { app: admin.app, token };
        lesser.post("/users", &json!({"username": "mallory", "roles": ["admin"]})).await.expect(403);
        lesser.patch(&path(&carol), &json!({"roles": ["admin"]})).await.expect(403);
        for patch in [
            json!({"password": "through a looking glass"}),
            json!({"email": "mallory@wonder.example"}),
            json!({"roles": []}),
            json!({"enabled": false}),
        ] {
            lesser.patch(&path(&root), &patch).await.expect(403);
        }
        lesser.call(Method::DELETE, &path(&root)).send().await.expect(403);
        lesser.call(Method::POST, &format!("{}/revoke", path(&root))).send().await.expect(403);
        assert_eq!(lesser.get(&path(&root)).await.expect(200).json(), root);
        // Everybody else is theirs to look after.
        lesser.post("/users", &json!({"username": "dave", "roles": ["editor"]})).await.expect(201);
        lesser.patch(&path(&carol), &json!({"nickname": "C"})).await.expect(200);
        lesser.call(Method::DELETE, &path(&carol)).send().await.expect(204);
    }

    async fn every_change_is_recorded_without_personal_data(engine: Engine) {
        let admin = admin(engine).await;
        let user = created(&admin, &alice()).await;
        admin.app.advance(1);
        let patch = json!({"email": "canary@wonder.example", "roles": ["editor"], "password": "a canary password here"});
        admin.patch(&path(&user), &patch).await.expect(200);
        admin.app.advance(1);
        session(&admin, &user).await;
        let sessions = admin.get("/sessions").await.expect(200).json();
        let newest = format!("/sessions/{}", sessions["items"][0]["id"].as_str().unwrap());
        admin.call(Method::DELETE, &newest).send().await.expect(204);
        admin.app.advance(1);
        admin.call(Method::POST, &format!("{}/revoke", path(&user))).send().await.expect(204);
        admin.app.advance(1);
        admin.call(Method::DELETE, &path(&user)).send().await.expect(204);
        admin.app.advance(1);
        let events = admin.get(&format!("/audit?user_id={}", user["id"].as_str().unwrap())).await.expect(200).json();
        let types: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["event_type"].clone()).collect();
        assert_eq!(types, ["user_deleted", "user_revoked", "session_ended", "user_updated", "user_created"]);
        let changes = &events["items"][3]["metadata"]["changes"];
        assert_eq!(changes["roles"], json!({"from": [], "to": ["editor"]}));
        assert_eq!((&changes["email"], &changes["password"]), (&json!("changed"), &json!("changed")));
        let text = events.to_string();
        assert!(!text.contains("canary") && !text.contains("wonder.example") && !text.contains("Liddell"), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_valid_is_named_and_not_repeated() {
    let admin = admin(Engine::Sqlite).await;
    for (body, expected) in [
        (json!({}), vec!["/username"]),
        (json!({"username": ""}), vec!["/username"]),
        (json!({"username": "a\u{202E}b"}), vec!["/username"]),
        (json!({"username": "a", "canary": 1}), vec!["/canary"]),
        (
            json!({"username": "a", "enabled": "yes", "roles": "admin"}),
            vec!["/enabled", "/roles"],
        ),
        (json!({"username": "a", "email": "canary"}), vec!["/email"]),
        (
            json!({"username": "a", "email_verified": true}),
            vec!["/email_verified"],
        ),
        (json!({"username": "a", "password": "canary"}), vec!["/password"]),
        (
            json!({"username": "canary-user", "password": "canary-user"}),
            vec!["/password"],
        ),
        (
            json!({"username": "a", "password_hash": "$canary$"}),
            vec!["/password_hash"],
        ),
        (
            json!({"username": "a", "password": PASSWORD, "password_hash": "$x$"}),
            vec!["/password_hash"],
        ),
        (
            json!({"username": "a", "birthdate": "2001-02-30", "locale": "canary canary"}),
            vec!["/birthdate", "/locale"],
        ),
        (
            json!({"username": "a", "address": {"planet": "canary"}}),
            vec!["/address/planet"],
        ),
        (json!({"username": "a", "name": "x".repeat(201)}), vec!["/name"]),
    ] {
        let answer = admin.post("/users", &body).await;
        assert_eq!(pointers(&answer), expected, "{body}");
        assert!(
            !answer.text().contains("canary") || expected == ["/canary"],
            "{}",
            answer.text()
        );
    }
    let user = created(&admin, &alice()).await;
    for (patch, expected) in [
        (json!({"id": "x"}), vec!["/id"]),
        (json!({"username": null}), vec!["/username"]),
        (json!({"has_password": true}), vec!["/has_password"]),
        (json!({"address": {"country": 7}}), vec!["/address/country"]),
    ] {
        assert_eq!(
            pointers(&admin.patch(&path(&user), &patch).await),
            expected,
            "{patch}"
        );
    }
}

#[tokio::test]
async fn each_operation_wants_its_own_scope() {
    let admin = admin(Engine::Sqlite).await;
    let user = created(&admin, &alice()).await;
    let path = path(&user);
    let revoke = format!("{path}/revoke");
    for (method, path, scope) in [
        (Method::GET, "/users", "users:read"),
        (Method::POST, "/users", "users:write"),
        (Method::GET, path.as_str(), "users:read"),
        (Method::PATCH, path.as_str(), "users:write"),
        (Method::POST, revoke.as_str(), "users:write"),
        (Method::DELETE, path.as_str(), "users:write"),
        (Method::GET, "/sessions", "sessions:read"),
        (
            Method::GET,
            "/sessions/0190a5a0-3333-7000-8000-00000000abcd",
            "sessions:read",
        ),
        (
            Method::DELETE,
            "/sessions/0190a5a0-3333-7000-8000-00000000abcd",
            "sessions:write",
        ),
    ] {
        let others: Vec<_> = grantor::types::ADMIN_SCOPES
            .into_iter()
            .filter(|other| *other != scope)
            .collect();
        let token = token(&admin.app, &others.join(" ")).await;
        let full = format!("/admin/v1{path}");
        let answer = admin
            .app
            .http
            .call(method.clone(), &full)
            .bearer(&token)
            .json(&json!({}))
            .send()
            .await;
        let answer = answer.expect(403);
        assert!(
            answer.header("www-authenticate").contains(scope),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn answers_have_the_form_that_is_described() {
    let admin = admin(Engine::Sqlite).await;
    let document = admin
        .app
        .http
        .get("/openapi.json")
        .send()
        .await
        .expect(200)
        .json();
    let check = |schema: &str, answer: &Value| {
        let root =
            json!({"$ref": format!("#/components/schemas/{schema}"), "components": document["components"]});
        let validator = jsonschema::draft202012::new(&root).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(answer)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{schema}: {errors:?}");
    };
    let example = |schema: &str| document["components"]["schemas"][schema]["example"].clone();
    let user = created(&admin, &example("UserCreate")).await;
    check("User", &user);
    check(
        "User",
        &admin
            .patch(&path(&user), &example("UserPatch"))
            .await
            .expect(200)
            .json(),
    );
    check("UserList", &admin.get("/users").await.expect(200).json());
    session(&admin, &user).await;
    check("SessionList", &admin.get("/sessions").await.expect(200).json());
}
