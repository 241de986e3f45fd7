//! The description of the API, against the server that it describes.

use super::{Admin, service};
use crate::support::Engine;
use crate::support::app::TestApp;
use crate::support::source::root;
use grantor::protect::routes::Routes;
use grantor::surface::Surface;
use grantor::types::GrantType;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Files that pages load; not part of the API.
const ASSETS: [&str; 4] = ["/docs/{file}", "/assets/", "/favicon.", "/robots.txt"];

async fn document(app: &TestApp) -> Value {
    app.http.get("/openapi.json").send().await.expect(200).json()
}

/// What clients may register and send is written down in the schemas, too.
#[test]
fn the_schemas_name_every_grant() {
    let all: Vec<_> = GrantType::ALL.iter().map(|grant| grant.as_str()).collect();
    let described = std::fs::read_to_string(root().join("docs/openapi.json")).expect("the description");
    let described: Value = serde_json::from_str(&described).expect("JSON");
    let schemas = &described["components"]["schemas"];
    let registered = &schemas["Client"]["properties"]["grant_types"]["items"]["enum"];
    let sent = &schemas["TokenRequest"]["allOf"][1]["properties"]["grant_type"]["enum"];
    assert_eq!((registered, sent), (&json!(all), &json!(all)));
}

#[tokio::test]
async fn what_is_described_is_served_and_what_is_served_described() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], app.issuer());
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
        {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let config = &app.app.config;
    let mut routes = Routes::new(config.http.cors_max_age_s);
    grantor::server::routes(&mut routes);
    let served: BTreeSet<_> = routes
        .infos()
        .filter(|route| route.policy.surface != Surface::Page)
        .filter(|route| !ASSETS.iter().any(|asset| route.path.starts_with(asset)))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let missing: Vec<_> = served.difference(&described).collect();
    assert!(missing.is_empty(), "served and not described: {missing:?}");
    let admin: BTreeSet<_> = described.iter().filter(|name| name.contains("/admin/")).collect();
    let unserved: Vec<_> = admin.into_iter().filter(|name| !served.contains(*name)).collect();
    assert!(unserved.is_empty(), "described and not served: {unserved:?}");
}

/// R-VAL-32, R-VAL-47: every member of an answer stands in its schema.
#[tokio::test]
async fn answers_have_the_form_that_is_described() {
    let admin = Admin::new(TestApp::spawn(Engine::Sqlite).await).await;
    let document = document(&admin.app).await;
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
    let web = json!({"client_id": "web", "redirect_uris": ["https://app.example/cb"], "contacts": ["a@example.com"],
        "grant_types": ["authorization_code", "refresh_token"], "default_max_age": 60});
    check(
        "ClientCreated",
        &admin.post("/clients", &web).await.expect(201).json(),
    );
    check(
        "ClientCreated",
        &admin.post("/clients", &service("a")).await.expect(201).json(),
    );
    check(
        "ClientSecret",
        &admin
            .post("/clients/web/secret", &json!({"grace_seconds": 9}))
            .await
            .expect(200)
            .json(),
    );
    check("Client", &admin.get("/clients/web").await.expect(200).json());
    check("ClientList", &admin.get("/clients").await.expect(200).json());
    check("Problem", &admin.get("/clients/none").await.expect(404).json());
    check(
        "Problem",
        &admin.post("/clients", &json!({"x": 1})).await.expect(400).json(),
    );
    check(
        "Problem",
        &admin
            .app
            .http
            .get("/admin/v1/clients")
            .send()
            .await
            .expect(401)
            .json(),
    );
    let oauth = admin
        .app
        .http
        .post("/oauth2/token")
        .form(&[("grant_type", "x")])
        .send()
        .await;
    check("OauthError", &oauth.json());
}

#[tokio::test]
async fn the_examples_of_the_description_are_accepted() {
    let admin = Admin::new(TestApp::spawn(Engine::Sqlite).await).await;
    let document = document(&admin.app).await;
    let example = |schema: &str| document["components"]["schemas"][schema]["example"].clone();
    admin
        .create(json!({"client_id": "x", "grant_types": ["client_credentials"]}))
        .await;
    admin.post("/clients", &example("ClientCreate")).await.expect(201);
    admin
        .patch("/clients/x", &example("ClientPatch"))
        .await
        .expect(200);
    admin
        .post("/clients/x/secret", &example("ClientSecretRotate"))
        .await
        .expect(200);
}

#[tokio::test]
async fn the_browsable_form_comes_from_this_server_alone() {
    let app = TestApp::spawn(Engine::Sqlite).await;
    let page = app.http.get("/docs").send().await.expect(200);
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self';")
    );
    let text = page.text();
    assert!(
        !text.contains("http://") && !text.contains("https://") && !text.contains("<script>"),
        "{text}"
    );
    let mut loaded = 0;
    for attribute in ["href=\"", "src=\"", "data-description=\""] {
        for rest in text.split(attribute).skip(1) {
            let target = rest.split('"').next().unwrap();
            app.http.call(Method::GET, target).send().await.expect(200);
            loaded += 1;
        }
    }
    assert!(loaded >= 5, "{loaded}");
    app.http.get("/docs/other.js").send().await.expect(404);
    app.http.get("/docs/..%2Fopenapi.json").send().await.expect(404);
}
