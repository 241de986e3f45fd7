//! Pushed authorization requests (RFC 9126): a client tells its request here, and sends people on with a reference.

use crate::app::App;
use crate::oauth::answer;
use crate::oauth::authorize::opened::refuse_unsigned;
use crate::oauth::authorize::pushed::{self, Quota, Request};
use crate::oauth::authorize::request::{AuthorizationRequest, ReturnPath};
use crate::oauth::authorize::{hint, object};
use crate::oauth::error::OauthError;
use crate::oauth::request::{ClientRequest, Unserved};
use crate::protect::Exchange;
use crate::protect::address::limit_key;
use crate::protect::body::{Form, FormBody};
use crate::surface::Refusal;
use crate::types::Secret;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

/// Path below the issuer.
pub const PATH: &str = "/oauth2/par";

/// Parameters that say who the client is, and nothing about the request (§2.1).
const OF_THE_CLIENT: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];
/// Largest request, in bytes of names and values.
const MAX_REQUEST: usize = 16 * 1024;

/// `POST /oauth2/par`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    match push(&app, &exchange, &http, form.0).await {
        // §2.2: "the server MUST generate a request URI and provide it in the response with a 201 HTTP status code".
        Ok(uri) => HttpResponse::Created()
            .insert_header(("cache-control", "no-store"))
            .json(json!({"request_uri": uri.expose(), "expires_in": app.config.par.ttl_s})),
        Err(unserved) => answer::unserved(&exchange, unserved),
    }
}

async fn push(app: &App, exchange: &Exchange, http: &HttpRequest, form: Form) -> Result<Secret, Unserved> {
    let request = ClientRequest::read(app, exchange, http, form, PATH).await?;
    let client = &request.client;
    // §2.1: "The request_uri authorization request parameter is one exception, and it MUST NOT be provided."
    if request.parameters.iter().any(|(name, _)| name == "request_uri") {
        return Err(
            OauthError::invalid_request("request_uri must not be pushed (RFC 9126 section 2.1)").into(),
        );
    }
    let (parameters, signed) = match request.parameters.get("request") {
        Some(object) => {
            let verified = object::verify(app, exchange, client, &request.tenant.issuer, object);
            (verified.await?, true)
        }
        None => (of_the_request(&request), false),
    };
    refuse_unsigned(client, signed)?;
    if parameters
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > MAX_REQUEST
    {
        let detail = "An authorization request has at most 16 KiB";
        return Err(exchange
            .refuse(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
            .into());
    }
    // §2.1, item 3: "The authorization server MUST validate the pushed request as it would an authorization request sent to
    // the authorization endpoint."
    ReturnPath::of(client, &parameters).map_err(OauthError::invalid_request)?;
    let asked = AuthorizationRequest::read(client, &parameters)?;
    let keys = app.keys.of(client.tenant_id).await?;
    hint::wanted(app, &request.tenant.issuer, &keys, client, &asked, exchange.now()).await?;
    let kept = Request {
        parameters: owned(parameters.iter()),
        signed,
    };
    let quota = quota(app, &request);
    let pushed = pushed::push(app, &keys, client, &kept, &quota, exchange.now()).await?;
    pushed.ok_or_else(|| {
        let detail = "Too many pushed authorization requests wait for their browsers.";
        let seconds = u32::try_from(app.config.par.ttl_s).unwrap_or(u32::MAX);
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(seconds);
        exchange.refuse(refusal).into()
    })
}

/// The form without what authenticated the client, but with its name, which the header alone may have said.
fn of_the_request(request: &ClientRequest) -> Form {
    let about_the_request = |(name, _): &(&str, &str)| *name != "client_id" && !OF_THE_CLIENT.contains(name);
    let mut parameters = owned(request.parameters.iter().filter(about_the_request));
    parameters.push(("client_id".to_owned(), request.client.client_id.to_string()));
    Form::from(parameters)
}

fn owned<'f>(parameters: impl Iterator<Item = (&'f str, &'f str)>) -> Vec<(String, String)> {
    parameters
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Contract "Limits": a client that has only named itself must not use up what belongs to that name.
fn quota(app: &App, request: &ClientRequest) -> Quota {
    if request.client.metadata.is_public() {
        Quota {
            counted_for: format!("address {}", limit_key(request.caller.address)),
            most: app.config.par.max_per_address,
        }
    } else {
        Quota {
            counted_for: format!("client {}", request.client.client_id),
            most: app.config.par.max_per_client,
        }
    }
}
