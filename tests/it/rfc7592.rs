//! RFC 7592, OAuth 2.0 Dynamic Client Registration Management Protocol.

use crate::admin::Admin;
use crate::rfc7591::{OPEN, PATH, open, registered, web};
use crate::support::http::Answer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty};
use crate::support::{Engine, TestApp};
use reqwest::Method;
use serde_json::{Value, json};

/// A registration and the right to manage it.
struct Own<'a> {
    app: &'a TestApp,
    json: Value,
}

impl<'a> Own<'a> {
    async fn new(app: &'a TestApp) -> Self {
        Self::of(app, json!({})).await
    }

    async fn of(app: &'a TestApp, changes: Value) -> Self {
        let json = registered(app, &web(changes)).await;
        Self { app, json }
    }

    fn id(&self) -> &str {
        self.json["client_id"].as_str().unwrap()
    }

    fn token(&self) -> &str {
        self.json["registration_access_token"].as_str().unwrap()
    }

    fn path(&self) -> String {
        format!("{PATH}/{}", self.id())
    }

    async fn get(&self) -> Answer {
        self.app.http.get(&self.path()).bearer(self.token()).send().await
    }

    /// Replaces the registration by this, under its own `client_id`.
    async fn put(&self, changes: Value) -> Answer {
        let mut document = web(changes);
        if document.get("client_id").is_none() {
            document["client_id"] = self.id().into();
        }
        let call = self.app.http.call(Method::PUT, &self.path());
        call.bearer(self.token()).json(&document).send().await
    }

    async fn delete(&self) -> Answer {
        let call = self.app.http.call(Method::DELETE, &self.path());
        call.bearer(self.token()).send().await
    }
}

on_both_engines! {
    /// §2.1: "Upon successful read of the client's registration, the authorization server responds with an HTTP 200 OK with
    /// content type of "application/json" and a payload, as described in Section 3." §3: "registration_client_uri REQUIRED"
    /// and "registration_access_token REQUIRED".
    async fn s2_1_a_client_reads_what_is_registered(engine: Engine) {
        let app = open(engine).await;
        let own = Own::new(&app).await;
        let answer = own.get().await.expect(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        let mut expected = own.json.clone();
        // Only its hash is kept: it was told once.
        for told_once in ["client_secret", "client_secret_expires_at"] {
            expected.as_object_mut().unwrap().remove(told_once);
        }
        assert_eq!(answer.json(), expected);
    }

    /// §2.2: "The values of the client metadata fields in the request MUST replace, not augment, the values previously
    /// associated with this client. Omitted fields MUST be treated as null or empty values by the server, indicating the
    /// client's request to delete them from the client's registration."
    async fn s2_2_a_registration_is_replaced(engine: Engine) {
        let app = open(engine).await;
        let own = Own::of(&app, json!({"logo_uri": "https://rp.example/logo.png", "scope": "openid",
            "contacts": ["a@rp.example"], "default_max_age": 60, "require_auth_time": true})).await;
        let secret = own.json["client_secret"].clone();
        let json = own.put(json!({"client_name": "Other", "redirect_uris": ["https://rp.example/other"],
            "policy_uri": null, "client_secret": secret})).await.expect(200).json();
        assert_eq!(json["client_name"], "Other");
        assert_eq!(json["redirect_uris"], json!(["https://rp.example/other"]));
        for gone in ["logo_uri", "contacts", "default_max_age", "policy_uri", "client_secret"] {
            assert!(json.get(gone).is_none(), "{gone}: {json}");
        }
        assert_eq!(json["require_auth_time"], false);
        assert_eq!(json["scope"], "openid profile email offline_access", "the default, as at registration");
        assert_eq!(own.get().await.expect(200).json(), json);
        let log = app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_updated").unwrap();
        assert_eq!((event.client_id.as_deref(), event.meta("method")), (Some(own.id()), json!("registration")));
        assert_eq!(event.meta("changes")["client_name"], json!({"from": "Shop", "to": "Other"}));
    }

    /// §2.2: "The client MUST include its "client_id" field in the request, and it MUST be the same as its currently issued
    /// client identifier." "The updated client metadata fields request MUST NOT include the "registration_access_token",
    /// "registration_client_uri", "client_secret_expires_at", or "client_id_issued_at" fields".
    async fn s2_2_what_a_replacement_must_and_must_not_hold(engine: Engine) {
        let app = open(engine).await;
        let (own, other) = (Own::new(&app).await, Own::new(&app).await);
        let before = own.get().await.json();
        for bad in [
            json!({"client_id": null}),
            json!({"client_id": ""}),
            json!({"client_id": 7}),
            json!({"client_id": other.id()}),
            json!({"registration_access_token": own.token()}),
            json!({"registration_client_uri": own.json["registration_client_uri"]}),
            json!({"client_secret_expires_at": 0}),
            json!({"client_id_issued_at": 0}),
        ] {
            refused(own.put(bad).await, 400, "invalid_client_metadata");
        }
        assert_eq!(own.get().await.json(), before);
    }

    /// §2.2: "If the client includes the "client_secret" field in the request, the value of this field MUST match the
    /// currently issued client secret for that client. The client MUST NOT be allowed to overwrite its existing client secret
    /// with its own chosen value."
    async fn s2_2_a_client_cannot_choose_its_secret(engine: Engine) {
        let app = open(engine).await;
        let (own, other) = (Own::new(&app).await, Own::new(&app).await);
        for bad in [json!("mine"), json!(""), json!(7), other.json["client_secret"].clone()] {
            refused(own.put(json!({"client_secret": bad})).await, 400, "invalid_client_metadata");
        }
        own.put(json!({"client_secret": own.json["client_secret"]})).await.expect(200);
        let rp = RelyingParty::of_registration(&own.json);
        let answer = rp.post(&app, "/oauth2/introspect", &[("token", "x")]).await;
        assert_eq!(answer.expect(200).json(), json!({"active": false}), "the secret is still the first one");
    }

    /// §2.1, §2.2: "If the client does not exist on this server, the server MUST respond with HTTP 401 Unauthorized".
    /// §2: "the client MUST present its registration access token"; another client's, or a token of another kind, is as
    /// good as none, and the answers are the same.
    async fn s2_only_its_own_token_opens_a_registration(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[OPEN, ("limits.authentication.rate", "1000000000")]).await;
        let (own, other) = (Own::new(&app).await, Own::new(&app).await);
        let admin_token = app.admin_token("clients:read clients:write").await;
        let unknown = format!("{PATH}/c_AAAAAAAAAAAAAAAAAAAAAA");
        let mut texts = std::collections::BTreeSet::new();
        for (path, token) in [
            (own.path(), other.token()),
            (own.path(), "gra_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            (own.path(), own.json["client_secret"].as_str().unwrap()),
            (own.path(), &own.token()[..own.token().len() - 1]),
            (own.path(), &admin_token),
            (unknown, own.token()),
            // The administrators' client has no such token.
            (format!("{PATH}/admin"), own.token()),
            (format!("{PATH}/admin"), ""),
            (format!("{PATH}/%00"), own.token()),
        ] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let call = app.http.call(method.clone(), &path).bearer(token);
                let answer = match method {
                    Method::PUT => call.json(&web(json!({"client_id": own.id()}))),
                    _ => call,
                }
                .send()
                .await;
                let challenge = answer.header("www-authenticate").to_owned();
                assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
                texts.insert(refused(answer, 401, "invalid_token"));
            }
        }
        assert_eq!(texts.len(), 1, "nobody learns which clients there are: {texts:?}");
        let answer = app.http.get(&own.path()).send().await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        refused(answer, 401, "invalid_token");
        own.get().await.expect(200);
        other.get().await.expect(200);
    }

    /// §2.3: "If a client has been successfully deprovisioned, the authorization server MUST respond with an HTTP 204 No
    /// Content message." "the authorization server SHOULD immediately invalidate all existing authorization grants and
    /// currently active access tokens, all refresh tokens, and other tokens associated with this client." "The
    /// authorization server MUST invalidate" the "client_id", "client_secret", and registration access token: "preventing the
    /// client from being used at both the authorization endpoint and token endpoint".
    async fn s2_3_a_deleted_client_is_gone(engine: Engine) {
        let mut p = Provider::with(engine, &[OPEN]).await;
        let json = registered(&p.app, &web(json!({"grant_types": ["authorization_code", "refresh_token"]}))).await;
        let own = Own { app: &p.app, json };
        let rp = RelyingParty::of_registration(&own.json);
        let tokens = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid offline_access").await;
        let userinfo = p.app.http.get("/oauth2/userinfo");
        userinfo.bearer(&tokens.access).send().await.expect(200);

        let answer = own.delete().await.expect(204);
        assert!(answer.body.is_empty());
        p.app.http.get("/oauth2/userinfo").bearer(&tokens.access).send().await.expect(401);
        refused(rp.refresh(&p.app, &tokens.refresh).await, 401, "invalid_client");
        let page = p.browser.open(&rp.ask(&p.app).url).await;
        assert_eq!((page.answer.status.as_u16(), page.left_for), (400, None));
        refused(own.get().await, 401, "invalid_token");
        refused(own.put(json!({})).await, 401, "invalid_token");
        refused(own.delete().await, 401, "invalid_token");
        let log = p.app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_deleted").unwrap();
        assert_eq!((event.client_id.as_deref(), event.meta("method")), (Some(own.id()), json!("registration")));
    }

    /// §2.2: "If the client does not have permission to update its record, the server MUST respond with an HTTP 403 Forbidden
    /// error": whoever holds the token of a client that an administrator has given admin scopes has not got these.
    async fn s2_2_a_client_with_admin_scopes_is_managed_by_administrators(engine: Engine) {
        let admin = Admin::new(open(engine).await).await;
        let own = Own::new(&admin.app).await;
        let path = format!("/clients/{}", own.id());
        admin.patch(&path, &json!({"scope": "openid clients:read"})).await.expect(200);
        refused(own.put(json!({"redirect_uris": ["https://evil.example/"]})).await, 403, "access_denied");
        refused(own.delete().await, 403, "access_denied");
        assert_eq!(own.get().await.expect(200).json()["scope"], "openid clients:read");
        let log = admin.app.audit_log().await;
        let denied = log.iter().rfind(|event| event.event_type == "access_denied").unwrap();
        assert_eq!(denied.meta("failure_reason"), "admin_scope_lacking");
    }
}

/// §2.2: what was refused at registration is refused here.
#[tokio::test]
async fn s2_2_a_replacement_is_checked_like_a_registration() {
    let app = open(Engine::Sqlite).await;
    let own = Own::new(&app).await;
    refused(
        own.put(json!({"redirect_uris": ["javascript:alert(1)"]})).await,
        400,
        "invalid_redirect_uri",
    );
    refused(
        own.put(json!({"redirect_uris": null})).await,
        400,
        "invalid_redirect_uri",
    );
    refused(
        own.put(json!({"client_name": "<b>"})).await,
        400,
        "invalid_client_metadata",
    );
    refused(
        own.put(json!({"software_statement": "e30.e30."})).await,
        400,
        "unapproved_software_statement",
    );
    let json = own
        .put(json!({"scope": "openid clients:write", "grant_types": ["authorization_code", "client_credentials"],
            "require_consent": false, "introspection": "any"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&json["scope"], &json["grant_types"]),
        (&json!("openid"), &json!(["authorization_code"]))
    );
    let admin = Admin::new(app).await;
    let stored = admin
        .get(&format!("/clients/{}", json["client_id"].as_str().unwrap()))
        .await;
    let stored = stored.expect(200).json();
    assert_eq!(
        (&stored["require_consent"], &stored["introspection"]),
        (&json!(true), &json!("audience"))
    );
}

/// What an administrator has given or set stays; the client neither loses it by replacing its registration nor reaches beyond.
#[tokio::test]
async fn what_administrators_set_stays() {
    let admin = Admin::new(open(Engine::Sqlite).await).await;
    let own = Own::new(&admin.app).await;
    let path = format!("/clients/{}", own.id());
    let given = json!({"scope": "openid orders:read", "require_consent": false, "access_token_ttl": 60,
        "resources": ["https://api.example"], "description": "Checked", "allowed_cors_origins": ["https://rp.example"]});
    admin.patch(&path, &given).await.expect(200);
    let json = own
        .put(json!({"scope": "openid orders:read orders:write"}))
        .await
        .expect(200)
        .json();
    assert_eq!(json["scope"], "openid orders:read");
    assert!(
        json.get("description").is_none(),
        "what is between administrators"
    );
    let stored = admin.get(&path).await.expect(200).json();
    for member in [
        "require_consent",
        "access_token_ttl",
        "resources",
        "description",
        "allowed_cors_origins",
    ] {
        assert_eq!(stored[member], given[member], "{member}");
    }
}

/// §3: "client_secret" of a client that comes to a method with one; it is told once. One that leaves such a method has none any
/// more.
#[tokio::test]
async fn s3_a_secret_comes_and_goes_with_the_method() {
    let app = open(Engine::Sqlite).await;
    let own = Own::of(&app, json!({"token_endpoint_auth_method": "none"})).await;
    assert!(own.json.get("client_secret").is_none());
    let json = own
        .put(json!({"token_endpoint_auth_method": "client_secret_basic"}))
        .await
        .expect(200)
        .json();
    assert_eq!(json["client_secret_expires_at"], 0);
    let rp = RelyingParty::of_registration(&json);
    let introspect = async || rp.post(&app, "/oauth2/introspect", &[("token", "x")]).await;
    introspect().await.expect(200);
    assert!(own.get().await.json().get("client_secret").is_none());
    own.put(json!({"token_endpoint_auth_method": "none"}))
        .await
        .expect(200);
    refused(introspect().await, 401, "invalid_client");
    own.put(json!({"token_endpoint_auth_method": "client_secret_basic"}))
        .await
        .expect(200);
    refused(introspect().await, 401, "invalid_client");
}

/// §5: "the registration access token […] MUST be protected": it opens nothing else, and a disabled client's opens nothing.
#[tokio::test]
async fn s5_a_registration_access_token_is_good_for_this_alone() {
    let admin = Admin::new(open(Engine::Sqlite).await).await;
    let own = Own::new(&admin.app).await;
    let http = &admin.app.http;
    for path in ["/oauth2/userinfo", "/admin/v1/clients"] {
        http.get(path).bearer(own.token()).send().await.expect(401);
    }
    let again = http
        .post(PATH)
        .bearer(own.token())
        .json(&web(json!({"redirect_uris": [CALLBACK]})));
    refused(again.send().await, 401, "invalid_token");
    let path = format!("/clients/{}", own.id());
    let shown = admin.get(&path).await.expect(200).text();
    assert!(!shown.contains("gra_") && !shown.contains("registration_token_hash"));
    admin.patch(&path, &json!({"enabled": false})).await.expect(200);
    refused(own.get().await, 401, "invalid_token");
    refused(own.put(json!({})).await, 401, "invalid_token");
    admin.patch(&path, &json!({"enabled": true})).await.expect(200);
    own.get().await.expect(200);
}
