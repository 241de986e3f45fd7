//! The description and the running validation cannot part: what every operation's schema allows or refuses is derived
//! from the description that the server gives, and sent to it (R-VAL-02 to R-VAL-05, R-VAL-16).

mod bodies;
mod forms;
mod parameters;
mod variants;

use crate::admin::{service, token};
use crate::support::Engine;
use crate::support::app::TestApp;
use crate::support::http::{Answer, Call};
use grantor::types::ADMIN_SCOPES;
use reqwest::Method;
use serde_json::{Value, json};

/// A server that registers anybody's clients, its description, and a token with every admin scope.
struct Described {
    app: TestApp,
    document: Value,
    token: String,
    /// What stands in the place of each parameter of a path, so that the object is there.
    objects: Vec<(&'static str, String)>,
}

/// An operation of the description.
struct Operation<'d> {
    id: &'d str,
    method: Method,
    path: &'d str,
    item: &'d Value,
    operation: &'d Value,
}

impl Described {
    async fn spawn() -> Self {
        let app = TestApp::spawn_with(
            Engine::Sqlite,
            &[
                ("registration.mode", "open"),
                ("limits.authentication.rate", "1000000"),
            ],
        )
        .await;
        let document = app.http.get("/openapi.json").send().await.expect(200).json();
        let token = token(&app, &ADMIN_SCOPES.join(" ")).await;
        let mut described = Self {
            app,
            document,
            token,
            objects: Vec::new(),
        };
        described.make_objects().await;
        described
    }

    /// One object of each kind whose operations take a body.
    async fn make_objects(&mut self) {
        let made = [
            ("/admin/v1/clients", service("orders:read"), "client_id"),
            ("/admin/v1/users", json!({"username": "walter"}), "id"),
            ("/admin/v1/tenants", json!({"name": "other"}), "id"),
        ];
        for (path, body, id) in made {
            let call = self.app.http.post(path).bearer(&self.token).json(&body);
            let id = call.send().await.expect(201).json()[id]
                .as_str()
                .unwrap()
                .to_owned();
            self.objects.push((path, id));
        }
        let body = json!({"redirect_uris": ["https://app.example/cb"]});
        let registered = self
            .app
            .http
            .post("/oauth2/register")
            .json(&body)
            .send()
            .await
            .expect(201)
            .json();
        let text = |name: &str| registered[name].as_str().unwrap().to_owned();
        self.objects.push(("/oauth2/register", text("client_id")));
        self.objects
            .push(("registration_access_token", text("registration_access_token")));
    }

    fn object(&self, name: &str) -> Option<&str> {
        let found = self.objects.iter().find(|(known, _)| *known == name);
        found.map(|(_, id)| id.as_str())
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let mut found = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, _)| *key != "parameters")
            {
                let method = method.to_uppercase().parse().unwrap();
                let id = operation["operationId"].as_str().unwrap();
                found.push(Operation {
                    id,
                    method,
                    path,
                    item,
                    operation,
                });
            }
        }
        assert!(found.len() > 60, "the description holds every operation");
        found
    }

    /// The operation's path with an object's id in it.
    fn path(&self, operation: &Operation<'_>) -> String {
        let Some((before, rest)) = operation.path.split_once("/{") else {
            return operation.path.to_owned();
        };
        let after = rest.split_once('}').unwrap().1;
        format!("{before}/{}{after}", self.object(before).unwrap_or("none"))
    }

    /// A call by whoever may.
    fn call(&self, operation: &Operation<'_>, target: &str) -> Call<'_> {
        let call = self.app.http.call(operation.method.clone(), target);
        if operation.path.starts_with("/admin/") {
            call.bearer(&self.token)
        } else if operation.path.starts_with("/oauth2/register/") {
            call.bearer(self.object("registration_access_token").unwrap())
        } else {
            call
        }
    }
}

impl<'d> Operation<'d> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn schema(&self, media: &str) -> Option<&'d Value> {
        let schema = &self.operation["requestBody"]["content"][media]["schema"];
        (!schema.is_null()).then_some(schema)
    }
}

/// Whether a problem names the place, or one within it.
fn names(answer: &Answer, pointer: &str) -> bool {
    let body = answer.json();
    let errors = body["errors"].as_array().into_iter().flatten();
    errors
        .filter_map(|error| error["pointer"].as_str())
        .any(|found| found == pointer || found.starts_with(&format!("{pointer}/")))
}
