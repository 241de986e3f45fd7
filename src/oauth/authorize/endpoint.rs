//! `/oauth2/authorize`: fetches what a `Turn` needs and sends what comes of it.

use super::PATH;
use super::interaction::Interaction;
use super::opened::{Stopped, open, reopen};
use super::redirect::{AuthorizationResponse, ResponseMode};
use super::turn::Turn;
use crate::app::App;
use crate::fault::Fault;
use crate::page;
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::protect::csrf::Browser;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

/// The query parameter that stands for a request under way.
pub const INTERACTION: &str = "interaction";
/// Longest query that a POST is turned into.
const MAX_QUERY: usize = 16 * 1024;

/// `POST /oauth2/authorize` (OIDC Core §3.1.2.1): becomes a GET before the session is looked at, since a form that
/// another site posts carries no `SameSite=Lax` cookie.
pub async fn post(exchange: Exchange, form: FormBody) -> HttpResponse {
    if form.0.get("client_id").is_none() {
        return Stopped::unknown_client(&exchange).respond(&exchange);
    }
    if let Some(detail) = form.0.too_long() {
        return Stopped::page(&exchange, detail).respond(&exchange);
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(form.0.iter());
    let query = query.finish();
    if query.len() > MAX_QUERY {
        let detail = "The request of the application is too long.";
        return Stopped::page(&exchange, detail).respond(&exchange);
    }
    let base = exchange.tenant().issuer.path();
    see_other(&format!("{base}{PATH}?{query}"))
}

/// `GET /oauth2/authorize`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    match serve(&app, &exchange, &http).await {
        Ok(response) => response,
        Err(stopped) => stopped.respond(&exchange),
    }
}

async fn serve(app: &App, exchange: &Exchange, http: &HttpRequest) -> Result<HttpResponse, Stopped> {
    let tenant = exchange.tenant().id;
    let now = exchange.now();
    let fault = |fault: Fault| Stopped::fault(exchange, &fault);
    let query = Form::of_query(http).map_err(|refusal| Stopped::Page(exchange.refuse(refusal)))?;
    let keys = app.keys.of(tenant).await.map_err(fault)?;
    if app.cookies.may_be_missing(http.headers()) {
        // SameSite=Strict: this hit came from another site without its cookies; the next one is this site's own.
        return Ok(page::go_on(exchange.layout(), &exchange.target(http)));
    }
    let browser = Browser::of(app.cookies, &app.entropy, tenant, http.headers()).map_err(fault)?;
    let resumed = match query.get(INTERACTION) {
        Some(text) => {
            let opened = Interaction::open(app, &keys, tenant, text, browser.hash(), now)
                .await
                .map_err(fault)?;
            // The page cannot say more: the request itself is what could not be read.
            Some(opened.ok_or_else(|| Stopped::over(exchange, "error-sign-in-expired-advice"))?)
        }
        None => None,
    };
    let opened = match &resumed {
        Some(interaction) => reopen(app, exchange, interaction).await?,
        None => open(app, exchange, &keys, browser.hash(), query).await?,
    };
    let turn = Turn {
        app,
        exchange,
        tenant,
        keys: &keys,
        opened: &opened,
        now,
    };
    turn.take(http, browser, resumed).await
}

/// Sends an answer to the client: a redirect (RFC 9700 §4.12: 303, so that no form data follows), or the form of
/// `form_post`.
pub fn respond(exchange: &Exchange, answer: &AuthorizationResponse) -> HttpResponse {
    match answer.mode {
        ResponseMode::Query => see_other(&answer.location()),
        ResponseMode::FormPost => page::form_post(
            exchange.layout(),
            answer.redirect.uri(),
            &answer.redirect.form_action(),
            answer.parameters(),
        ),
    }
}

pub(super) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
