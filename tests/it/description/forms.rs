//! Forms, and the same parameters in a query where a browser brings them.

use super::variants::Schema;
use super::{Described, Operation};
use crate::support::client::TestClient;
use crate::support::http::Answer;
use grantor::clients::complete;
use grantor::storage::clients::ClientMetadata;
use grantor::types::{AuthMethod, GrantType, Resource, ScopeSet};
use serde_json::json;

const FORM: &str = "application/x-www-form-urlencoded";
const REDIRECT: &str = "https://app.example/cb";
const RESOURCE: &str = "https://api.example/orders";
/// By which a client or token is known: wrong ones are unknown, and the answer does not say why.
const CREDENTIALS: [&str; 5] = [
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
    "access_token",
];
/// What is refused for what it leads to, in words of its own.
const JUDGED: [&str; 3] = ["redirect_uri", "request", "request_uri"];

type Fields<'f> = Vec<(&'f str, String)>;

/// The server with a client that may do everything.
struct Forms {
    described: Described,
    client: TestClient,
}

impl Forms {
    async fn spawn() -> Self {
        let described = Described::spawn().await;
        let mut metadata = ClientMetadata {
            redirect_uris: vec![REDIRECT.to_owned()],
            grant_types: GrantType::ALL.to_vec(),
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: ScopeSet::parse("openid orders:read").unwrap(),
            resources: vec![Resource::parse(RESOURCE).unwrap()],
            ..ClientMetadata::default()
        };
        complete(&mut metadata);
        let client = described.app.insert_client(metadata).await;
        Self { described, client }
    }

    /// A form that the operation accepts.
    fn base(&self, operation: &Operation<'_>) -> Fields<'static> {
        let owned = |fields: &[(&'static str, &str)]| {
            fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect()
        };
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let request = [
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "orders:read"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        match operation.id {
            "token" => owned(&[("grant_type", "client_credentials"), ("scope", "orders:read")]),
            "deviceAuthorization" => owned(&[("scope", "orders:read")]),
            "introspect" | "revoke" => owned(&[("token", "grt_unknown")]),
            "par" => owned(&request),
            "authorize" | "authorizeByForm" => {
                let mut fields: Fields<'_> = owned(&request);
                fields.push(("client_id", self.client.id.clone()));
                fields
            }
            _ => Vec::new(),
        }
    }

    /// Sends the parameters; where a form only becomes a query, that is sent too.
    async fn send(&self, operation: &Operation<'_>, fields: &[(&str, String)]) -> Answer {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let target = match operation.method.as_str() {
            "GET" => format!("{}?{}", operation.path, query.extend_pairs(&fields).finish()),
            _ => operation.path.to_owned(),
        };
        let mut call = self.described.call(operation, &target);
        if operation.method == "POST" {
            call = call.form(&fields);
        }
        if operation.operation["security"]
            .to_string()
            .contains("client_secret_basic")
        {
            call = call.basic(&self.client.id, &self.client.secret);
        }
        let answer = call.send().await;
        let location = answer.header("location").to_owned();
        if operation.method == "POST" && location.starts_with(operation.path) {
            return self.described.app.http.get(&location).send().await;
        }
        answer
    }

    /// Each operation that takes such parameters, with the schema of each.
    fn operations(&self) -> Vec<(Operation<'_>, Vec<(&str, Schema<'_>)>)> {
        let document = &self.described.document;
        let mut found = Vec::new();
        for operation in self.described.operations() {
            let parameters = if let Some(schema) = operation.schema(FORM) {
                Schema::of(document, schema).properties()
            } else if ["authorize", "logout"].contains(&operation.id) {
                let parameters = operation.operation["parameters"].as_array().unwrap();
                parameters
                    .iter()
                    .map(|parameter| {
                        (
                            parameter["name"].as_str().unwrap(),
                            Schema::of(document, &parameter["schema"]),
                        )
                    })
                    .collect()
            } else {
                continue;
            };
            found.push((operation, parameters));
        }
        assert_eq!(found.len(), 10);
        found
    }
}

/// With the parameter said once more or anew.
fn with<'f>(base: &Fields<'f>, name: &'f str, value: String) -> Fields<'f> {
    let mut fields: Fields<'f> = base.iter().filter(|(own, _)| *own != name).cloned().collect();
    fields.push((name, value));
    fields
}

/// What a refusal says, in whichever way the endpoint says it: an OAuth error, a page, or an error for the client.
fn refusal(operation: &Operation<'_>, answer: &Answer) -> String {
    let status = answer.status.as_u16();
    if status == 303 {
        let location = answer.header("location");
        assert!(
            location.starts_with(REDIRECT) && location.contains("error="),
            "{}: {location}",
            operation.name()
        );
        return location.to_owned();
    }
    assert!(
        matches!(status, 400 | 401),
        "{}: {status} {}",
        operation.name(),
        answer.text()
    );
    answer.text()
}

#[tokio::test]
async fn what_is_too_long_is_refused_by_its_name() {
    let forms = Forms::spawn().await;
    let mut sent = 0;
    for (operation, parameters) in forms.operations() {
        for (name, schema) in parameters {
            // Ignored without a code; with one, see below.
            if name == "code_verifier" {
                continue;
            }
            let items = schema.entry();
            let Some(longest) = schema
                .bound("maxLength")
                .or(items.and_then(|items| items.bound("maxLength")))
            else {
                continue;
            };
            let fields = with(&forms.base(&operation), name, "a".repeat(longest + 1));
            let answer = forms.send(&operation, &fields).await;
            let told = refusal(&operation, &answer);
            if !CREDENTIALS.contains(&name) && !JUDGED.contains(&name) {
                assert!(told.contains(name), "{}: {name}: {told}", operation.name());
            }
            // Just as long as it may be, it is judged by what it says.
            let fields = with(&forms.base(&operation), name, "a".repeat(longest));
            let answer = forms.send(&operation, &fields).await;
            let told = format!("{} {}", answer.text(), answer.header("location"));
            assert!(
                answer.status.as_u16() < 500 && answer.status != 413,
                "{}: {name}",
                operation.name()
            );
            assert!(
                !told.contains("has at most") && !told.contains("has+at+most"),
                "{}: {name}: {told}",
                operation.name()
            );
            sent += 1;
        }
    }
    assert!(sent > 60, "{sent} forms");
}

#[tokio::test]
async fn words_that_are_not_in_a_list_are_refused() {
    let forms = Forms::spawn().await;
    for (operation, parameters) in forms.operations() {
        for (name, schema) in parameters {
            if schema.words().is_none() {
                continue;
            }
            let mut base = forms.base(&operation);
            if name == "client_assertion_type" {
                base.push(("client_assertion", "e30.e30.e30".to_owned()));
            }
            let answer = forms
                .send(&operation, &with(&base, name, "no-such-word".to_owned()))
                .await;
            refusal(&operation, &answer);
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let forms = Forms::spawn().await;
    let mut sent = 0;
    for (operation, _) in forms.operations() {
        let Some(schema) = operation.schema(FORM) else {
            continue;
        };
        for name in Schema::of(&forms.described.document, schema).required() {
            let base = forms.base(&operation);
            let fields: Fields<'_> = base.into_iter().filter(|(own, _)| *own != name).collect();
            let answer = forms.send(&operation, &fields).await;
            let told = refusal(&operation, &answer);
            assert!(told.contains(name), "{}: {name}: {told}", operation.name());
            sent += 1;
        }
    }
    assert_eq!(sent, 4);
}

/// RFC 6749 §3.1, §3.2 (R-VAL-42): "Request and response parameters MUST NOT be included more than once", and "The
/// authorization server MUST ignore unrecognized request parameters".
#[tokio::test]
async fn what_comes_twice_is_refused_and_what_is_unknown_ignored() {
    let forms = Forms::spawn().await;
    for (operation, parameters) in forms.operations() {
        let base = forms.base(&operation);
        let accepted = forms.send(&operation, &base).await;
        for (name, _) in parameters {
            if matches!(name, "resource" | "access_token") {
                continue;
            }
            let mut fields = with(&base, name, "a".to_owned());
            fields.push((name, "a".to_owned()));
            let answer = forms.send(&operation, &fields).await;
            let told = refusal(&operation, &answer);
            let is_named = told.contains(name) || matches!(name, "client_id" | "redirect_uri");
            assert!(is_named, "{}: {name}: {told}", operation.name());
        }
        let mut fields = base;
        fields.push(("no_such_parameter", "1".to_owned()));
        let answer = forms.send(&operation, &fields).await;
        assert_eq!(
            answer.status,
            accepted.status,
            "{}: {}",
            operation.name(),
            answer.text()
        );
        let accepts = answer.status.as_u16() < 400 || operation.id == "userinfoByForm";
        assert!(accepts, "{}: {}", operation.name(), answer.text());
    }
}

/// RFC 8707 §2: `resource` may come several times, as often as the description says.
#[tokio::test]
async fn a_list_has_as_many_entries_as_is_described() {
    let forms = Forms::spawn().await;
    let mut sent = 0;
    for (operation, parameters) in forms.operations() {
        for (name, schema) in parameters {
            let Some(most) = schema.bound("maxItems") else {
                continue;
            };
            let mut fields = forms.base(&operation);
            fields.extend(std::iter::repeat_n((name, RESOURCE.to_owned()), most));
            let answer = forms.send(&operation, &fields).await;
            assert!(
                answer.status.is_success(),
                "{}: {}",
                operation.name(),
                answer.text()
            );
            fields.push((name, RESOURCE.to_owned()));
            let answer = forms.send(&operation, &fields).await;
            assert_eq!(answer.oauth_error(400), "invalid_target", "{}", operation.name());
            sent += 1;
        }
    }
    assert_eq!(sent, 3);
}

/// RFC 7636 §4.1: a verifier has 43 to 128 characters of a closed alphabet.
#[tokio::test]
async fn a_verifier_of_another_form_is_refused() {
    let forms = Forms::spawn().await;
    let operations = forms.operations();
    let (operation, _) = operations
        .iter()
        .find(|(operation, _)| operation.id == "token")
        .unwrap();
    for verifier in [
        "a".repeat(42),
        "a".repeat(129),
        format!("{}+", "a".repeat(43)),
        "ä".repeat(50),
    ] {
        let fields = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", "gac_unknown".to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", verifier),
        ];
        let answer = forms.send(operation, &fields).await;
        assert!(
            json!(["invalid_grant", "invalid_request"])
                .to_string()
                .contains(&answer.oauth_error(400))
        );
    }
}
