//! RFC 7591, OAuth 2.0 Dynamic Client Registration Protocol.

use crate::support::http::Answer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty};
use crate::support::{Engine, TestApp};
use serde_json::{Value, json};

pub const PATH: &str = "/oauth2/register";

/// Anybody may register.
pub const OPEN: (&str, &str) = ("registration.mode", "open");
/// Whoever has a token may register.
pub const TOKEN: (&str, &str) = ("registration.mode", "token");

/// A server at which anybody may register.
pub async fn open(engine: Engine) -> TestApp {
    TestApp::spawn_with(engine, &[OPEN]).await
}

/// A web application's request, changed; null takes a member away.
pub fn web(changes: Value) -> Value {
    let mut document = json!({"client_name": "Shop", "redirect_uris": [CALLBACK]});
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// Registers without a token.
pub async fn register(app: &TestApp, document: &Value) -> Answer {
    app.http.post(PATH).json(document).send().await
}

/// Registers what has to be registered.
pub async fn registered(app: &TestApp, document: &Value) -> Value {
    register(app, document).await.expect(201).json()
}

on_both_engines! {
    /// §3.2.1: "Upon a successful registration request, the authorization server returns a client identifier for the client.
    /// The server responds with an HTTP 201 Created status code and a body of type "application/json" with content as
    /// described in Section 3.2.1. […] The response contains the client identifier as well as the client secret, if the
    /// client is a confidential client. […] Additionally, the authorization server MUST return all registered metadata about
    /// this client, including any fields provisioned by the authorization server itself."
    async fn s3_2_1_what_was_registered_is_answered(engine: Engine) {
        let app = open(engine).await;
        let asked = web(json!({
            "client_uri": "https://rp.example/", "logo_uri": "https://rp.example/logo.png",
            "tos_uri": "https://rp.example/tos", "policy_uri": "https://rp.example/policy",
            "contacts": ["ops@rp.example"], "scope": "openid email", "software_id": "shop", "software_version": "2",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
        }));
        let answer = register(&app, &asked).await.expect(201);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        let json = answer.json();
        for (name, value) in asked.as_object().unwrap() {
            assert_eq!(&json[name], value, "{name}");
        }
        assert_eq!(json["application_type"], "web");
        assert_eq!(json["id_token_signed_response_alg"], "RS256");
        assert_eq!(json["client_id_issued_at"], app.now().seconds());
        let secret = json["client_secret"].as_str().unwrap();
        assert!(secret.starts_with("gcs_") && secret.len() == 47);
        // "client_secret_expires_at REQUIRED if "client_secret" is issued."
        assert_eq!(json["client_secret_expires_at"], 0);
        assert!(json["registration_access_token"].as_str().unwrap().starts_with("gra_"));
        let uri = format!("{}{PATH}/{}", app.issuer(), json["client_id"].as_str().unwrap());
        assert_eq!(json["registration_client_uri"], uri);
        assert_eq!(answer.header("location"), uri);
        let log = app.audit_log().await;
        let event = log.iter().rfind(|event| event.event_type == "client_created").unwrap();
        assert_eq!(event.client_id.as_deref(), json["client_id"].as_str());
        assert_eq!(event.meta("method"), "registration");
    }

    /// §2: "grant_types […] If omitted, the default behavior is that the client will use only the "authorization_code" Grant
    /// Type." "response_types […] If omitted, the default is that the client will use only the "code" response type."
    /// "token_endpoint_auth_method […] If unspecified or omitted, the default is "client_secret_basic"". "scope […] If
    /// omitted, an authorization server MAY register a client with a default set of scopes."
    async fn s2_defaults(engine: Engine) {
        let app = open(engine).await;
        let json = registered(&app, &json!({"redirect_uris": [CALLBACK]})).await;
        assert_eq!(json["grant_types"], json!(["authorization_code"]));
        assert_eq!(json["response_types"], json!(["code"]));
        assert_eq!(json["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(json["scope"], "openid profile email offline_access");
        assert_eq!(json["subject_type"], "public");
    }

    /// §3: the whole use of a registration: people sign in at the client, which is asked to let them consent.
    async fn s3_a_registered_client_signs_people_in(engine: Engine) {
        let mut p = Provider::with(engine, &[OPEN]).await;
        for method in ["client_secret_basic", "client_secret_post", "none"] {
            let asked = web(json!({"token_endpoint_auth_method": method,
                "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline_access"}));
            let json = registered(&p.app, &asked).await;
            // §3.2.1: a public client has no secret.
            assert_eq!(json.get("client_secret").is_some(), method != "none");
            assert_eq!(json.get("client_secret_expires_at").is_some(), method != "none");
            let rp = RelyingParty::of_registration(&json);
            let tokens = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid offline_access").await;
            let claims = rp.verify_id_token(&p.app, &tokens.id).await;
            assert_eq!(claims["sub"], p.alice.id.to_string());
            rp.refresh(&p.app, &tokens.refresh).await.expect(200);
        }
    }

    /// §3: without a right to register: "When an OAuth 2.0 error condition occurs, such as the client presenting an invalid
    /// initial access token, the authorization server returns an error response appropriate to the OAuth 2.0 token type."
    async fn s3_2_2_a_wrong_initial_access_token_is_401(engine: Engine) {
        let app = TestApp::spawn_with(engine, &[TOKEN]).await;
        let answer = register(&app, &web(json!({}))).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer", "RFC 6750 section 3.1: no error code");
        refused(answer, 401, "invalid_token");
        for header in ["Bearer gia_wrong", "Bearer x.y.z", "Basic YTpi", "Bearer", "bearer gra_wrong"] {
            let call = app.http.post(PATH).header("authorization", header).json(&web(json!({})));
            let answer = call.send().await;
            let challenge = answer.header("www-authenticate").to_owned();
            assert!(challenge.contains("error=\"invalid_token\""), "{header}: {challenge}");
            refused(answer, 401, "invalid_token");
        }
        assert!(!app.audit_log().await.iter().any(|event| event.event_type == "client_created"
            && event.meta("method") == "registration"));
    }
}

/// §3.1: "The client sends an HTTP POST to the client registration endpoint with a content type of "application/json"."
/// §5: "the authorization server MUST require the use of a transport-layer security mechanism": an issuer that is not
/// loopback is https.
#[tokio::test]
async fn s3_1_the_request_is_a_json_object() {
    let app = open(Engine::Sqlite).await;
    let post = |content_type: &'static str, body: &'static str| app.http.post(PATH).body(content_type, body);
    let form = post(
        "application/x-www-form-urlencoded",
        "redirect_uris=https://a.example/",
    );
    refused(form.send().await, 415, "invalid_request");
    for body in ["[]", "\"x\"", "null", "7"] {
        let answer = post("application/json", body).send().await;
        refused(answer, 400, "invalid_client_metadata");
    }
    for body in [
        "",
        "{",
        "{\"client_name\": \"a\", \"client_name\": \"b\"}",
        "{\"client_name\": \"a\\u0000b\"}",
    ] {
        let answer = post("application/json", body).send().await;
        refused(answer, 400, "invalid_request");
    }
}

/// §2: "The authorization server MUST ignore any client metadata sent by the client that it does not understand (for instance,
/// by silently removing unknown metadata from the client's registration record during processing)."
#[tokio::test]
async fn s2_unknown_members_are_ignored() {
    let app = open(Engine::Sqlite).await;
    let json = registered(
        &app,
        &web(json!({"x": 1, "tls": {"y": [true]}, "client_id": "chosen", "client_secret": "mine"})),
    )
    .await;
    assert!(json.get("x").is_none() && json.get("tls").is_none());
    assert_ne!(json["client_id"], "chosen");
    assert_ne!(json["client_secret"], "mine");
}

/// §2: "Clients using flows with redirection MUST register their redirection URI values." §3.2.2 invalid_redirect_uri: "The
/// value of one or more redirection URIs is invalid."
#[tokio::test]
async fn s3_2_2_invalid_redirect_uri() {
    let app = open(Engine::Sqlite).await;
    let mut bad: Vec<Value> = [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "http://rp.example/cb",
        "https://rp.example/cb#fragment",
        "https://*.rp.example/cb",
        "https://user:secret@rp.example/cb",
        "/relative",
        "https://rp.example/\u{0}",
        "https://rp.example/\u{202e}",
        "com.example.app:/cb",
        "",
    ]
    .map(|uri| json!([uri]))
    .into();
    bad.push(json!([]));
    bad.push(Value::Null);
    bad.push(json!("https://rp.example/cb"));
    bad.push(json!([CALLBACK, CALLBACK]));
    bad.push((0..101).map(|n| format!("https://rp.example/{n}")).collect());
    for uris in bad {
        let answer = register(&app, &web(json!({"redirect_uris": uris}))).await;
        if uris == json!(["https://rp.example/\u{0}"]) {
            refused(answer, 400, "invalid_request");
        } else {
            refused(answer, 400, "invalid_redirect_uri");
        }
    }
}

/// §3.2.2 invalid_client_metadata: "The value of one of the client metadata fields is invalid and the server has rejected this
/// request." The description says which and what would pass, without repeating the value.
#[tokio::test]
async fn s3_2_2_invalid_client_metadata() {
    let app = open(Engine::Sqlite).await;
    for (member, value) in [
        ("client_name", json!("")),
        ("client_name", json!("<script>alert(1)</script>")),
        ("client_name", json!("x\u{7}")),
        ("client_name", json!("\u{202e}pohS")),
        ("client_name", json!("n".repeat(201))),
        ("client_name", json!({"de": "Laden"})),
        ("logo_uri", json!("javascript:alert(1)")),
        ("logo_uri", json!("http://rp.example/logo.png")),
        ("policy_uri", json!("data:text/html,x")),
        ("tos_uri", json!("ftp://rp.example/")),
        ("client_uri", json!("https://rp.example/#x")),
        ("contacts", json!(["x", "x"])),
        ("contacts", json!("ops@rp.example")),
        ("jwks", json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
        ("jwks", json!("x")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!("http://169.254.169.254/latest/meta-data")),
        ("backchannel_logout_uri", json!("http://127.0.0.1:22/")),
        (
            "frontchannel_logout_uri",
            json!("https://elsewhere.example/logout"),
        ),
        ("initiate_login_uri", json!("http://rp.example/login")),
        ("post_logout_redirect_uris", json!(["javascript:alert(1)"])),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("grant_types", json!(["password"])),
        (
            "grant_types",
            json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]),
        ),
        ("response_types", json!(["token"])),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("HS256")),
        ("application_type", json!("desktop")),
        ("default_max_age", json!(-1)),
        ("scope", json!("openid  email")),
        ("software_id", json!("s".repeat(201))),
    ] {
        let answer = register(&app, &web(json!({ (member): value }))).await;
        let description = refused(answer, 400, "invalid_client_metadata");
        assert!(
            description.contains(member) || member == "token_endpoint_auth_method",
            "{member}: {description}"
        );
        assert!(!description.contains("alert(1)"), "{description}");
    }
}

/// §2: "The "jwks_uri" and "jwks" parameters MUST NOT both be present in the same request or response."
#[tokio::test]
async fn s2_jwks_and_jwks_uri_exclude_each_other() {
    let app = open(Engine::Sqlite).await;
    let both = json!({"jwks": {"keys": []}, "jwks_uri": "https://rp.example/jwks"});
    refused(register(&app, &web(both)).await, 400, "invalid_client_metadata");
}

/// §2.1: "The "grant_types" and "response_types" values described above are partially orthogonal […] the authorization server
/// MUST take steps to ensure that a client cannot register itself into an inconsistent state".
#[tokio::test]
async fn s2_1_grant_and_response_types_agree() {
    let app = open(Engine::Sqlite).await;
    for bad in [
        json!({"grant_types": ["refresh_token"], "response_types": ["code"]}),
        json!({"grant_types": ["refresh_token"]}),
        json!({"grant_types": ["implicit"], "response_types": ["code"]}),
    ] {
        refused(register(&app, &web(bad)).await, 400, "invalid_client_metadata");
    }
    let json = registered(
        &app,
        &web(json!({"grant_types": ["authorization_code"], "response_types": []})),
    )
    .await;
    assert_eq!(json["response_types"], json!(["code"]));
}

/// §2.2: "Human-readable Client Metadata values and Client Metadata values that reference human-readable values MAY be represented in
/// multiple languages and scripts", by "adding the "#" character and a BCP 47 tag to the member's name": they are kept, answered (§3.2.1)
/// and read. §2: what is no such member is not understood and ignored.
#[tokio::test]
async fn s2_2_language_tags_are_kept() {
    let app = open(Engine::Sqlite).await;
    let said = json!({
        "client_name#de": "Laden", "client_name#ja-Hani-JP": "店", "tos_uri#de": "https://rp.example/agb",
        "policy_uri#fr-CA": "https://rp.example/vie-privee", "logo_uri#de": "https://rp.example/de.png",
        "client_uri#de": "https://rp.example/de",
    });
    let json = registered(&app, &web(said.clone())).await;
    assert_eq!(json["client_name"], "Shop");
    let read = app.http.get(json["registration_client_uri"].as_str().unwrap());
    let token = json["registration_access_token"].as_str().unwrap();
    let read = read.bearer(token).send().await.expect(200).json();
    for (name, value) in said.as_object().unwrap() {
        assert_eq!((&json[name], &read[name]), (value, value), "{name}");
    }
    // RFC 7592 §2.2: what a replacement leaves out is gone.
    let mut changed = web(json!({"client_name#fr": "Magasin"}));
    changed["client_id"] = json["client_id"].clone();
    let put = app.http.call(
        reqwest::Method::PUT,
        json["registration_client_uri"].as_str().unwrap(),
    );
    let replaced = put.bearer(token).json(&changed).send().await.expect(200).json();
    assert_eq!(replaced["client_name#fr"], "Magasin");
    for name in said.as_object().unwrap().keys() {
        assert!(replaced.get(name).is_none(), "{name}");
    }
    let ignored = [
        "client_name#",
        "client_name#d",
        "client_name#de_AT",
        "client_name#de#at",
        "scope#de",
        "jwks#de",
        "#de",
    ];
    let strange = ignored
        .iter()
        .map(|name| ((*name).to_owned(), json!("x")))
        .collect();
    let json = registered(&app, &web(Value::Object(strange))).await;
    assert!(ignored.iter().all(|name| json.get(*name).is_none()), "{json}");
}

/// The same rules hold for a value in a language as for one in none; languages are bounded, and each is named once.
#[tokio::test]
async fn s2_2_what_is_said_in_a_language_is_checked() {
    let app = open(Engine::Sqlite).await;
    let languages = |count: usize| {
        let names = (0..count).map(|n| (format!("client_name#de-x-{n}"), json!("Laden")));
        web(Value::Object(names.collect()))
    };
    register(&app, &languages(50)).await.expect(201);
    for bad in [
        web(json!({"client_name#de": ""})),
        web(json!({"client_name#de": "<b>Laden</b>"})),
        web(json!({"client_name#de": "Laden\u{202e}"})),
        web(json!({"client_name#de": "x".repeat(201)})),
        web(json!({"client_name#de": 7})),
        web(json!({"client_name#de": ["Laden"]})),
        web(json!({"client_name#de": "a", "client_name#DE": "b"})),
        web(json!({"logo_uri#de": "javascript:alert(1)"})),
        web(json!({"policy_uri#de": "http://rp.example/policy"})),
        web(json!({"tos_uri#de": "/terms"})),
        languages(51),
    ] {
        assert_eq!(
            register(&app, &bad).await.oauth_error(400),
            "invalid_client_metadata",
            "{bad}"
        );
    }
    let app = crate::admin::Admin::new(app).await;
    let made = app
        .post(
            "/clients",
            &web(json!({"client_name#de": "Laden", "tos_uri#de-AT": "https://rp.example/agb"})),
        )
        .await;
    let made = made.expect(201).json();
    assert_eq!(
        (&made["client_name#de"], &made["tos_uri#de-AT"]),
        (&json!("Laden"), &json!("https://rp.example/agb"))
    );
    let path = format!("/clients/{}", made["client_id"].as_str().unwrap());
    let patched = app
        .patch(
            &path,
            &json!({"client_name#de": "Gesch\u{e4}ft", "tos_uri#de-AT": null}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(patched["client_name#de"], "Gesch\u{e4}ft");
    assert!(patched.get("tos_uri#de-AT").is_none());
    assert_eq!(
        app.get(&path).await.expect(200).json()["client_name#de"],
        "Gesch\u{e4}ft"
    );
    for (name, value) in [
        ("client_name#d", json!("x")),
        ("client_name#de_AT", json!("x")),
        ("description#de", json!("x")),
        ("client_name#de-x-aaaaaaaa-bbbbbbbb-cccccccc-dddd", json!("x")),
        ("client_name#de", json!("<b>")),
        ("logo_uri#de", json!("ftp://rp.example/")),
        ("localized", json!({"client_name#de": "x"})),
    ] {
        let refused = app.post("/clients", &web(json!({name: value}))).await;
        assert_eq!(crate::admin::pointers(&refused), [format!("/{name}")]);
    }
}

/// §3.2.2 unapproved_software_statement: "The software statement presented is not approved for use by this authorization
/// server." None is.
#[tokio::test]
async fn s3_2_2_software_statements_are_not_approved() {
    let app = open(Engine::Sqlite).await;
    let answer = register(&app, &web(json!({"software_statement": "e30.e30."}))).await;
    refused(answer, 400, "unapproved_software_statement");
    registered(&app, &web(json!({"software_statement": null}))).await;
}

/// §5: "the authorization server MUST treat all client metadata as self-asserted": it gives no right, and is shown as what it
/// is.
#[tokio::test]
async fn s5_metadata_gives_no_right() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[OPEN, ("registration.require_pkce", "false")]).await;
    let json = registered(
        &app,
        &web(json!({
            "scope": "openid clients:read clients:write users:write tenants:write audit:read orders:read",
            "grant_types": ["authorization_code", "client_credentials"], "consumer_class": "service",
            "resource_identifiers": ["https://api.example"], "resources": ["https://api.example"],
            "introspection": "any", "require_consent": false, "access_token_ttl": 3600,
            "refresh_token_rotation": false, "client_assertion_audience": "endpoint", "default_scope": "clients:write",
            "token_endpoint_auth_method": "none",
        })),
    )
    .await;
    assert_eq!(json["scope"], "openid");
    assert_eq!(json["grant_types"], json!(["authorization_code"]));
    let admin = crate::admin::Admin::new(app).await;
    let id = json["client_id"].as_str().unwrap();
    let stored = admin.get(&format!("/clients/{id}")).await.expect(200).json();
    for (member, value) in [
        ("consumer_class", json!("web_mobile")),
        ("resource_identifiers", json!([])),
        ("resources", json!([])),
        ("introspection", json!("audience")),
        ("require_consent", json!(true)),
        // Whatever the settings say of others: it is a public client.
        ("require_pkce", json!(true)),
        ("access_token_ttl", json!(900)),
        ("refresh_token_rotation", json!(true)),
        ("client_assertion_audience", json!("issuer")),
        ("default_scope", json!("")),
    ] {
        assert_eq!(stored[member], value, "{member}");
    }
}
