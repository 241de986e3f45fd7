//! The page between a sign-in with a password that somebody else set and everything else: a password of one's own.

use super::attempt;
use super::login::{self, Errand};
use super::visited;
use crate::account::policy::WeakPassword;
use crate::account::{PasswordChange, SignIn};
use crate::app::App;
use crate::page::{self, Layout, Text};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::types::Secret;
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Path below the issuer.
pub const PATH: &str = "/login/password";

#[derive(Template)]
#[template(path = "new_password.html")]
struct Page {
    layout: Layout,
    csrf: String,
    interaction: String,
    next: String,
    username: String,
    problem: Option<Problem>,
}

/// What is wrong with a password form: shown at the field that it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The present password is another one.
    Present,
    /// The new password is refused.
    New(Vec<Text>),
    /// The two entries of the new password differ.
    Again,
}

impl Problem {
    /// The new password is refused, for this reason.
    pub fn weak(weak: &WeakPassword) -> Self {
        Self::New(weak.texts())
    }

    /// What can be said about a form before any password is looked at.
    pub fn of(form: &Form) -> Option<Self> {
        let new = form.get("new_password").unwrap_or_default();
        (form.get("new_password_again") != Some(new)).then_some(Self::Again)
    }
}

/// Shows the page, with what was wrong with the form that was sent from it.
pub(super) fn ask(
    visit: &Visit<'_>,
    errand: &Errand,
    username: &str,
    problem: Option<Problem>,
) -> Result<HttpResponse, Stop> {
    let status = if problem.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let page = Page {
        layout: visit.layout(),
        csrf: visit.form_token(&["new password", errand.interaction()])?,
        interaction: errand.interaction().to_owned(),
        next: errand.next.text(),
        username: username.to_owned(),
        problem,
    };
    let mut response = page::respond(status, &page);
    errand.policy(&page.layout, &mut response);
    Ok(response)
}

/// `POST /login/password`: proves the password that was set, and replaces it.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let errand = Errand::of(visit, form).await?;
    visit.check_form(form, &["new password", errand.interaction()], &errand.sign_in())?;
    let secret = |name: &str| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let (username, present, new) = (
        form.get("username").unwrap_or_default(),
        secret("password"),
        secret("new_password"),
    );
    if let Some(problem) = Problem::of(form) {
        return ask(visit, &errand, username, Some(problem));
    }
    attempt::count(visit).await?;
    let user = match attempt::sign_in(visit, username, &present).await? {
        SignIn::PasswordChangeNeeded(user) => user,
        // Sent twice, or changed in another window meanwhile.
        SignIn::SignedIn(user) => return login::complete(visit, &errand, username, &user).await,
        SignIn::Refused => {
            attempt::failed(visit).await?;
            return ask(visit, &errand, username, Some(Problem::Present));
        }
    };
    let (accounts, caller) = (&visit.app.accounts, visit.exchange.caller());
    let changed = accounts
        .change_password(&user, &present, &new, None, caller, visit.now)
        .await
        .map_err(|fault| visit.fault(&fault))?;
    match changed {
        PasswordChange::Changed(..) => {}
        PasswordChange::WrongPassword => return ask(visit, &errand, username, Some(Problem::Present)),
        PasswordChange::Weak(weak) => {
            return ask(visit, &errand, username, Some(Problem::weak(&weak)));
        }
    }
    // From here on it is a sign-in like any other, with a record of its own.
    match attempt::sign_in(visit, username, &new).await? {
        SignIn::SignedIn(user) => login::complete(visit, &errand, username, &user).await,
        SignIn::PasswordChangeNeeded(_) | SignIn::Refused => Ok(visit.see_page(&errand.sign_in())),
    }
}
