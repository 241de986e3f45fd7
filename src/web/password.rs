//! `/account/password`: changing the own password. All other sessions and all families end with it (R-REF-15).

use super::account;
use super::attempt;
use super::login::Next;
use super::new_password::Problem;
use super::visited;
use crate::account::PasswordChange;
use crate::app::App;
use crate::page::{self, Layout};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::users::User;
use crate::types::Secret;
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Path below the issuer.
pub const PATH: &str = "/account/password";

#[derive(Template)]
#[template(path = "password.html")]
struct Page {
    layout: Layout,
    csrf: String,
    problem: Option<Problem>,
}

/// `GET /account/password`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| match visit.user().await? {
        Some(user) => show(visit, &user, None).await,
        None => Ok(visit.see_other(&Next::Password.sign_in())),
    })
    .await
}

/// `POST /account/password`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let (Some(session), Some(user)) = (visit.session(), visit.user().await?) else {
        return Ok(visit.see_other(&Next::Password.sign_in()));
    };
    visit.check_form(form, &["password", &session.id.to_string()], PATH)?;
    if let Some(problem) = Problem::of(form) {
        return show(visit, &user, Some(problem)).await;
    }
    attempt::count(visit).await?;
    let secret = |name: &str| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let (present, new) = (secret("password"), secret("new_password"));
    let (accounts, caller) = (&visit.app.accounts, visit.exchange.caller());
    let profile = accounts
        .profile(&user)
        .await
        .map_err(|fault| visit.fault(&fault))?;
    let change = async || {
        let session = Some(session);
        accounts
            .change_password(&user, &present, &new, session, caller, visit.now)
            .await
    };
    let is_right = |changed: &PasswordChange| !matches!(changed, PasswordChange::WrongPassword);
    let username = &profile.username;
    match attempt::at_account(visit, username, change, is_right, async || Ok(())).await? {
        PasswordChange::Changed(_, cookie) => {
            let mut response = visit.see_other(account::PASSWORD_CHANGED);
            match cookie {
                Some(cookie) => visit.set_session_cookie(&mut response, &cookie),
                None => visit.remove_session_cookie(&mut response),
            }
            Ok(response)
        }
        PasswordChange::WrongPassword => {
            attempt::failed(visit).await?;
            show(visit, &user, Some(Problem::Present)).await
        }
        PasswordChange::Weak(weak) => show(visit, &user, Some(Problem::weak(&weak))).await,
    }
}

async fn show(visit: &Visit<'_>, user: &User, problem: Option<Problem>) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session() else {
        return Ok(visit.see_other(&Next::Password.sign_in()));
    };
    let status = if problem.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let page = Page {
        layout: visit.layout_for(Some(user)).await?,
        csrf: visit.form_token(&["password", &session.id.to_string()])?,
        problem,
    };
    Ok(page::respond(status, &page))
}
