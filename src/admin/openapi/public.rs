//! The operations that others than administrators use: OAuth, OpenID Connect and the public documents. Their rules are
//! those of the specifications, so they are described here and not where they are served.

use super::components::headers_of_success;
use crate::protect::body::longest;
use serde_json::{Map, Value, json};

/// Paths with their operations. One that nothing serves, or a route that is missing here, fails a test.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    paths.insert(
        "/oauth2/token".to_owned(),
        json!({"post": client_form("token", "Get tokens", "TokenRequest", Some("TokenResponse"), true)}),
    );
    paths.insert(
        "/oauth2/device_authorization".to_owned(),
        json!({"post": client_form("deviceAuthorization", "Ask for codes for a device (RFC 8628)", "DeviceAuthorizationRequest", Some("DeviceAuthorizationResponse"), true)}),
    );
    let mut introspect = client_form(
        "introspect",
        "Look at a token (RFC 7662)",
        "TokenForm",
        Some("IntrospectionResponse"),
        false,
    );
    introspect["description"] =
        "With Accept: application/token-introspection+jwt the answer is a signed JWT (RFC 9701).".into();
    introspect["responses"]["200"]["content"]["application/token-introspection+jwt"] = jwt();
    paths.insert("/oauth2/introspect".to_owned(), json!({"post": introspect}));
    paths.insert(
        "/oauth2/revoke".to_owned(),
        json!({"post": client_form("revoke", "Give up a token (RFC 7009)", "TokenForm", None, true)}),
    );
    paths.insert("/oauth2/register".to_owned(), register());
    paths.insert("/oauth2/register/{client_id}".to_owned(), registration());
    paths.insert("/oauth2/par".to_owned(), json!({"post": par()}));
    paths.insert("/oauth2/authorize".to_owned(), authorize());
    paths.insert("/oauth2/logout".to_owned(), logout());
    paths.insert("/oauth2/check_session".to_owned(), check_session());
    paths.insert("/oauth2/userinfo".to_owned(), userinfo());
    for (path, id, summary, media, schema) in [
        (
            "/.well-known/openid-configuration",
            "openidConfiguration",
            "OpenID Connect metadata",
            "application/json",
            "Metadata",
        ),
        (
            "/.well-known/oauth-authorization-server",
            "oauthMetadata",
            "OAuth metadata (RFC 8414)",
            "application/json",
            "Metadata",
        ),
        (
            "/oauth2/jwks",
            "jwks",
            "The keys that verify tokens (RFC 7517)",
            "application/jwk-set+json",
            "Jwks",
        ),
    ] {
        paths.insert(
            path.to_owned(),
            json!({"get": cached(id, summary, media, schema)}),
        );
    }
    let described = document(
        "openapi",
        "This description",
        "application/json",
        &json!({"type": "object"}),
    );
    paths.insert("/openapi.json".to_owned(), json!({"get": described}));
    let page = json!({"type": "string"});
    let docs = document("docs", "This description, browsable", "text/html", &page);
    paths.insert("/docs".to_owned(), json!({"get": docs}));
    paths
}

fn oauth_refusals(responses: &mut Value, statuses: &[u16]) {
    for status in statuses {
        responses[status.to_string()] = json!({"$ref": format!("#/components/responses/Oauth{status}")});
    }
}

/// A form that a client sends; `public_too` where a public client may.
fn client_form(id: &str, summary: &str, form: &str, answer: Option<&str>, public_too: bool) -> Value {
    let mut headers = headers_of_success();
    headers["Cache-Control"] = json!({"schema": {"type": "string", "enum": ["no-store"]}});
    let mut success = json!({"description": "Done.", "headers": headers});
    if let Some(schema) = answer {
        success["content"] = reference("application/json", schema);
    }
    let mut responses = json!({"200": success});
    oauth_refusals(&mut responses, &[400, 401, 403, 408, 413, 415, 429, 500, 503]);
    let by_form = json!({});
    let security = json!([{"client_secret_basic": []}, by_form]);
    let who = if public_too {
        "Confidential clients authenticate by their registered method; public ones send client_id."
    } else {
        "Confidential clients only, by their registered method."
    };
    json!({
        "operationId": id, "tags": ["OAuth"], "summary": summary, "description": who, "security": security,
        "requestBody": {"required": true, "content": reference("application/x-www-form-urlencoded", form)},
        "responses": responses,
    })
}

fn reference(media: &str, schema: &str) -> Value {
    json!({media: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

/// What a browser is sent with, by GET in the query and by POST in a form.
fn browser(id: &str, summary: &str, parameters: &[(&str, bool, &str)], status: &str, outcome: &str) -> Value {
    let page = |description: &str| json!({"description": description, "content": {"text/html": {"schema": {"type": "string"}}}});
    let refused = |description: &str| {
        let kinds = json!({
            "text/html": {"schema": {"type": "string"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/OauthError"}},
        });
        json!({"description": description, "content": kinds})
    };
    let mut responses = json!({
        "200": page("A page for the person."),
        "400": page("What may not be redirected: a page that says what is wrong."),
        "414": refused("The URL is longer than 65534 bytes."),
        "429": page("A limit is used up."),
        "431": refused("The head of the request is too long: send the parameters by POST."),
        "500": page("The server failed."),
        "503": page("Something that the server needs does not answer."),
    });
    responses[status] =
        json!({"description": outcome, "headers": {"Location": {"schema": {"type": "string"}}}});
    let schema = |name: &str, description: &str| match longest(name) {
        None => json!({"type": "string", "description": description}),
        Some(most) => json!({"type": "string", "maxLength": most, "description": description}),
    };
    let query: Vec<_> = parameters
        .iter()
        .map(|(name, required, description)| {
            json!({"name": name, "in": "query", "required": required, "schema": schema(name, description)})
        })
        .collect();
    let properties: Map<String, Value> = parameters
        .iter()
        .map(|(name, _, description)| ((*name).to_owned(), schema(name, description)))
        .collect();
    let required: Vec<_> = parameters
        .iter()
        .filter(|(_, required, _)| *required)
        .map(|(name, ..)| *name)
        .collect();
    let mut form = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        form["required"] = json!(required);
    }
    let mut of_form = responses.clone();
    for (status, description) in [
        ("408", "The form did not arrive in time."),
        ("413", "The form is too large."),
        ("415", "The body is not a form."),
    ] {
        of_form[status] = page(description);
    }
    let common = json!({"tags": ["OpenID Connect"], "summary": summary, "security": []});
    let mut by_get = common.clone();
    by_get["operationId"] = id.into();
    by_get["parameters"] = query.into();
    by_get["responses"] = responses;
    let mut by_post = common;
    by_post["operationId"] = format!("{id}ByForm").into();
    by_post["requestBody"] =
        json!({"required": true, "content": {"application/x-www-form-urlencoded": {"schema": form}}});
    by_post["responses"] = of_form;
    json!({"get": by_get, "post": by_post})
}

fn authorize() -> Value {
    browser(
        "authorize",
        "Ask for an authorization code (RFC 6749 section 4.1, OpenID Connect Core section 3.1)",
        &[
            (
                "response_type",
                false,
                "code; needed unless the request lies elsewhere.",
            ),
            ("client_id", true, "The client."),
            (
                "redirect_uri",
                false,
                "Where to go back to, exactly as registered; needed where several are.",
            ),
            (
                "scope",
                false,
                "Scopes separated by single spaces; the client's default_scope where absent.",
            ),
            ("state", false, "Comes back unchanged."),
            ("response_mode", false, "query or form_post."),
            (
                "code_challenge",
                false,
                "RFC 7636; required unless the client is registered otherwise.",
            ),
            ("code_challenge_method", false, "S256."),
            ("nonce", false, "Comes back in the ID token."),
            ("prompt", false, "none, login, consent or select_account."),
            ("max_age", false, "How long ago the sign-in may be, in seconds."),
            ("acr_values", false, "Wanted authentication contexts."),
            ("claims", false, "OpenID Connect Core section 5.5."),
            (
                "id_token_hint",
                false,
                "An ID token of the person who is expected.",
            ),
            ("login_hint", false, "A name to begin the sign-in with."),
            ("ui_locales", false, "Languages in order of preference."),
            ("resource", false, "RFC 8707; may be repeated."),
            (
                "request",
                false,
                "The request as a JWT that the client signed (RFC 9101); nothing beside it counts.",
            ),
            (
                "request_uri",
                false,
                "Where the request lies: pushed (RFC 9126), or at a registered address.",
            ),
        ],
        "303",
        "To the sign-in page, or back to the client with a code or an error, and iss (RFC 9207).",
    )
}

fn par() -> Value {
    let summary = "Push an authorization request (RFC 9126)";
    let mut described = client_form("par", summary, "PushedRequest", Some("PushedResponse"), true);
    if let Some(responses) = described["responses"].as_object_mut()
        && let Some(success) = responses.remove("200")
    {
        responses.insert("201".to_owned(), success);
    }
    described
}

fn logout() -> Value {
    browser(
        "logout",
        "Sign out (OpenID Connect RP-Initiated Logout)",
        &[
            (
                "id_token_hint",
                false,
                "The client's ID token of the session; an expired one too.",
            ),
            ("client_id", false, "The client."),
            (
                "post_logout_redirect_uri",
                false,
                "Where to go back to, exactly as registered.",
            ),
            ("state", false, "Comes back unchanged."),
            ("ui_locales", false, "Languages in order of preference."),
        ],
        "303",
        "Signed out; back to the client.",
    )
}

fn check_session() -> Value {
    let page = |description: &str| json!({"description": description, "content": {"text/html": {"schema": {"type": "string"}}}});
    json!({"get": {
        "operationId": "checkSession", "tags": ["OpenID Connect"], "security": [],
        "summary": "The frame of OpenID Connect Session Management",
        "description": "Off unless session.management is set.",
        "responses": {
            "200": page("A page for a frame, which answers unchanged, changed or error to its messages."),
            "404": page("Session management is off."),
            "429": page("A limit is used up."),
            "500": page("The server failed."),
            "503": page("Something that the server needs does not answer."),
        },
    }})
}

fn userinfo() -> Value {
    let operation = |id: &str| {
        let mut responses = json!({"200": {
            "description": "The claims.", "headers": headers_of_success(),
            "content": reference("application/json", "UserInfo"),
        }});
        responses["200"]["content"]["application/jwt"] = jwt();
        oauth_refusals(&mut responses, &[400, 401, 403, 429, 500, 503]);
        json!({
            "operationId": id, "tags": ["OpenID Connect"], "summary": "Claims about the person who signed in",
            "security": [{"openid": ["openid"]}], "responses": responses,
        })
    };
    let mut by_form = operation("userinfoByForm");
    by_form["requestBody"] = json!({"required": false, "content": {"application/x-www-form-urlencoded": {"schema": {
        "type": "object",
        "properties": {"access_token": {"type": "string", "maxLength": 16384, "description": "Where it is not in the header (RFC 6750 section 2.2)."}},
    }}}});
    oauth_refusals(&mut by_form["responses"], &[408, 413, 415]);
    json!({"get": operation("userinfo"), "post": by_form})
}

/// An operation of dynamic registration. The servers that offer none answer 404.
fn registers(id: &str, summary: &str, description: &str, status: &str, statuses: &[u16]) -> Value {
    let mut success = json!({"description": "Done.", "headers": headers_of_success()});
    if status != "204" {
        success["content"] = reference("application/json", "ClientInformation");
    }
    let mut responses = json!({status: success});
    oauth_refusals(&mut responses, statuses);
    json!({"operationId": id, "tags": ["OAuth"], "summary": summary, "description": description, "responses": responses})
}

fn register() -> Value {
    let mut operation = registers(
        "register",
        "Register a client (RFC 7591)",
        "As registration.mode says: with an initial access token or an access token with clients:write, or by anybody.",
        "201",
        &[400, 401, 403, 404, 408, 413, 415, 429, 500, 503],
    );
    let by_anybody = json!({});
    operation["security"] = json!([{"registration_token": []}, {"oauth2": ["clients:write"]}, by_anybody]);
    operation["requestBody"] =
        json!({"required": true, "content": reference("application/json", "ClientRegistrationRequest")});
    operation["responses"]["201"]["headers"]["Location"] = json!({"schema": {"type": "string"}});
    json!({"post": operation})
}

fn registration() -> Value {
    const WITH: &str = "With the client's registration access token.";
    const ALWAYS: [u16; 6] = [401, 403, 404, 429, 500, 503];
    const WITH_BODY: [u16; 10] = [400, 401, 403, 404, 408, 413, 415, 429, 500, 503];
    let security = json!([{"registration_token": []}]);
    let mut read = registers(
        "readRegistration",
        "Read a client's registration (RFC 7592)",
        WITH,
        "200",
        &ALWAYS,
    );
    let mut replace = registers(
        "replaceRegistration",
        "Replace a client's registration (RFC 7592)",
        WITH,
        "200",
        &WITH_BODY,
    );
    let mut delete = registers(
        "deleteRegistration",
        "Delete a client (RFC 7592)",
        WITH,
        "204",
        &ALWAYS,
    );
    for operation in [&mut read, &mut replace, &mut delete] {
        operation["security"] = security.clone();
    }
    replace["requestBody"] =
        json!({"required": true, "content": reference("application/json", "ClientReplacement")});
    let client_id = json!({
        "name": "client_id", "in": "path", "required": true,
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._~-]{1,64}$"},
    });
    json!({"parameters": [client_id], "get": read, "put": replace, "delete": delete})
}

/// An answer that is signed, encrypted or both, as the client is registered.
fn jwt() -> Value {
    json!({"schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]*){2,4}$"}})
}

fn document(id: &str, summary: &str, media: &str, schema: &Value) -> Value {
    let mut responses = json!({"200": {
        "description": "The document.", "headers": headers_of_success(), "content": {media: {"schema": schema}},
    }});
    for status in [429, 500, 503] {
        responses[status.to_string()] = json!({"$ref": format!("#/components/responses/Problem{status}")});
    }
    json!({"operationId": id, "tags": ["Documents"], "summary": summary, "security": [], "responses": responses})
}

/// A document that is worth keeping.
fn cached(id: &str, summary: &str, media: &str, schema: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    let mut described = document(id, summary, media, &schema);
    let headers = &mut described["responses"]["200"]["headers"];
    headers["Cache-Control"] = json!({"description": "public, max-age.", "schema": {"type": "string"}});
    headers["ETag"] = json!({"schema": {"type": "string"}});
    described["responses"]["304"] =
        json!({"description": "The one that If-None-Match names is still the present one."});
    described
}
