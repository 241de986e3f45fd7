//! Pages for people: signing in, agreeing, and the own account. Plain HTML forms that work without JavaScript.
//!
//! Each form carries a token that is bound to the browser and to what the form is for (`protect::csrf`); each change
//! commits together with the event that records it.

mod account;
mod attempt;
mod attributes;
mod consent;
mod device_approval;
mod login;
mod new_password;
mod password;
mod profile;
mod request;
mod scope_texts;
mod user_agent;

use crate::app::App;
use crate::protect::Exchange;
use crate::protect::routes::{Policy, Routes};
use crate::visit::{Stop, Visit, see_other};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};

/// The pages of this module.
pub fn routes(routes: &mut Routes) {
    let page = Policy::PAGE;
    let journey = Policy::JOURNEY;
    routes.add(Method::GET, "/", page, home);
    routes.add(Method::GET, "/.well-known/change-password", page, change_password);
    routes.add(Method::GET, login::PATH, journey, login::get);
    routes.add(Method::POST, login::PATH, journey, login::post);
    routes.add(Method::POST, new_password::PATH, journey, new_password::post);
    routes.add(Method::GET, consent::PATH, journey, consent::get);
    routes.add(Method::POST, consent::PATH, journey, consent::post);
    routes.add(Method::GET, device_approval::PATH, page, device_approval::get);
    routes.add(Method::POST, device_approval::PATH, page, device_approval::post);
    routes.add(Method::GET, account::PATH, page, account::get);
    routes.add(Method::POST, account::END_SESSION, page, account::end_session);
    routes.add(Method::POST, account::END_FAMILY, page, account::end_family);
    routes.add(Method::POST, account::WITHDRAW, page, account::withdraw);
    routes.add(Method::GET, attributes::PATH, page, attributes::get);
    routes.add(Method::POST, attributes::PATH, page, attributes::post);
    routes.add(Method::GET, profile::PATH, page, profile::get);
    routes.add(Method::POST, profile::PATH, page, profile::post);
    routes.add(Method::GET, password::PATH, page, password::get);
    routes.add(Method::POST, password::PATH, page, password::post);
}

/// `GET /`.
async fn home(exchange: Exchange) -> HttpResponse {
    see_other(&format!("{}{}", exchange.tenant().issuer.path(), account::PATH))
}

/// `GET /.well-known/change-password`: where password managers look (W3C, A Well-Known URL for Changing Passwords).
async fn change_password(exchange: Exchange) -> HttpResponse {
    see_other(&format!("{}{}", exchange.tenant().issuer.path(), password::PATH))
}

/// Serves one request of a person: looks at the cookies, calls `serve`, and answers with whatever came of it.
async fn visited<F>(app: &App, exchange: &Exchange, http: &HttpRequest, serve: F) -> HttpResponse
where
    F: AsyncFnOnce(&Visit<'_>) -> Result<HttpResponse, Stop>,
{
    match Visit::begin(app, exchange, http).await {
        Ok(visit) => {
            let response = serve(&visit).await;
            visit.finish(response.unwrap_or_else(Stop::into_response))
        }
        Err(stop) => stop.into_response(),
    }
}
