//! A person's browser at a page: which browser it is, who is signed in there, and whether a form that it sends is one of
//! ours.

use crate::account::Current;
use crate::app::App;
use crate::fault::Fault;
use crate::keys::TenantKeys;
use crate::page::{self, Layout, Notice, Text, Tone};
use crate::protect::Exchange;
use crate::protect::body::Form;
use crate::protect::cookies::Cookie;
use crate::protect::csrf::{self, Browser};
use crate::storage::sessions::Session;
use crate::storage::users::{self, User};
use crate::surface::Refused;
use crate::types::{Secret, TenantId, Timestamp};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use std::sync::Arc;

/// A request of a person's browser.
pub struct Visit<'a> {
    /// The server.
    pub app: &'a App,
    /// The request.
    pub exchange: &'a Exchange,
    /// At which tenant.
    pub tenant: TenantId,
    /// When.
    pub now: Timestamp,
    /// The tenant's keys.
    pub keys: Arc<TenantKeys>,
    /// The browser.
    pub browser: Browser,
    /// The session cookie, whatever it is worth.
    pub cookie: Option<Secret>,
    /// The living session of that cookie, also one that has idled too long.
    pub current: Option<Current>,
    http: &'a HttpRequest,
}

/// An answer in place of what the visitor wanted.
#[derive(Debug)]
pub struct Stop(Box<HttpResponse>);

impl Stop {
    /// The answer.
    pub fn into_response(self) -> HttpResponse {
        *self.0
    }
}

impl From<HttpResponse> for Stop {
    fn from(response: HttpResponse) -> Self {
        Self(Box::new(response))
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        refused.error_response().into()
    }
}

impl<'a> Visit<'a> {
    /// Looks at the cookies of a request.
    ///
    /// # Errors
    /// The page to show instead: when something does not answer, when a limit is used up, or when the browser has to come
    /// again from a page of this server, so that its `SameSite=Strict` cookies come along.
    pub async fn begin(app: &'a App, exchange: &'a Exchange, http: &'a HttpRequest) -> Result<Self, Stop> {
        let (tenant, now) = (exchange.tenant().id, exchange.now());
        if let Ok(query) = Form::of_query(http) {
            exchange.wish_for_languages(query.get("ui_locales"));
        }
        let cookies = app.cookies;
        if http.method() == Method::GET && cookies.may_be_missing(http.headers()) {
            return Err(page::go_on(exchange.layout(), &exchange.target(http)).into());
        }
        let failed = |fault: Fault| Stop::from(exchange.fault(&fault));
        let keys = app.keys.of(tenant).await.map_err(failed)?;
        let browser = Browser::of(cookies, &app.entropy, tenant, http.headers()).map_err(failed)?;
        let cookie = cookies.read(Cookie::Session, tenant, http.headers());
        let current = match &cookie {
            Some(cookie) => app
                .accounts
                .session(tenant, cookie.expose(), now)
                .await
                .map_err(failed)?,
            None => None,
        };
        if let Some(Current::Fresh(session)) = &current {
            exchange.user(session.user_id).await?;
        }
        Ok(Self {
            app,
            exchange,
            tenant,
            now,
            keys,
            browser,
            cookie,
            current,
            http,
        })
    }

    /// The session, if it may be used without signing in again.
    pub fn session(&self) -> Option<&Session> {
        match &self.current {
            Some(Current::Fresh(session)) => Some(session),
            Some(Current::Idle(_)) | None => None,
        }
    }

    /// The session, also one that has idled too long.
    pub fn any_session(&self) -> Option<&Session> {
        match &self.current {
            Some(Current::Fresh(session) | Current::Idle(session)) => Some(session),
            None => None,
        }
    }

    /// Who is signed in.
    pub async fn user(&self) -> Result<Option<User>, Stop> {
        let Some(session) = self.session() else {
            return Ok(None);
        };
        let found = async {
            let mut conn = self.app.store.read().await?;
            users::find(&mut conn, self.tenant, session.user_id).await
        };
        found.await.map_err(|fault| self.fault(&fault))
    }

    /// The layout of a page for nobody in particular.
    pub fn layout(&self) -> Layout {
        self.exchange.layout()
    }

    /// The layout of a page for the one who is signed in, whose `locale` counts from here on.
    pub async fn layout_for(&self, user: Option<&User>) -> Result<Layout, Stop> {
        let Some(user) = user else {
            return Ok(self.layout());
        };
        let profile = self.app.accounts.profile(user).await;
        let profile = profile.map_err(|fault| self.fault(&fault))?;
        if let Some(tag) = &profile.locale {
            self.exchange.locale_is(tag);
        }
        Ok(Layout {
            signed_in_as: profile.username,
            ..self.layout()
        })
    }

    /// A path of this server as a browser has to ask for it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.exchange.tenant().issuer.path())
    }

    /// The token for a form on the page.
    pub fn form_token(&self, purpose: &[&str]) -> Result<String, Stop> {
        self.browser
            .form_token(&self.keys, purpose)
            .map_err(|fault| self.fault(&fault))
    }

    /// Refuses a form that was not made for this browser and purpose, or was sent from elsewhere. `again` is the path of
    /// the page where the form can be had anew.
    pub fn check_form(&self, form: &Form, purpose: &[&str], again: &str) -> Result<(), Stop> {
        self.exchange.wish_for_languages(form.get("ui_locales"));
        let refuse = |title, detail| {
            let (title, detail) = (Text::new(title), Text::new(detail));
            let notice = Notice::new(self.layout(), Tone::Error, title, detail)
                .link(&self.path(again), Text::new("open-page-again"))
                .request(self.exchange.request_id());
            Err(notice.respond(StatusCode::FORBIDDEN).into())
        };
        if !csrf::is_own_form(&self.exchange.tenant().issuer, self.http.headers()) {
            return refuse("form-elsewhere-title", "form-elsewhere-advice");
        }
        if self.browser.new_cookie().is_some() {
            return refuse("form-cookies-title", "form-cookies-advice");
        }
        let token = form.get(csrf::FIELD).unwrap_or_default();
        if !self.browser.is_form_token(&self.keys, purpose, token) {
            return refuse("form-outdated-title", "form-outdated-advice");
        }
        Ok(())
    }

    /// Our own fault, as a page.
    pub fn fault(&self, fault: &Fault) -> Stop {
        self.exchange.fault(fault).into()
    }

    /// Sends the browser on to a path of this server.
    pub fn see_other(&self, path: &str) -> HttpResponse {
        see_other(&self.path(path))
    }

    /// The same for a page that belongs to no request: it goes on in the languages that were wished for.
    pub fn see_page(&self, path: &str) -> HttpResponse {
        let wished = self.exchange.wished_languages().replace(' ', "+");
        if wished.is_empty() {
            return self.see_other(path);
        }
        let joint = if path.contains('?') { '&' } else { '?' };
        self.see_other(&format!("{path}{joint}ui_locales={wished}"))
    }

    /// Gives a browser that is new here its cookie.
    #[must_use]
    pub fn finish(&self, mut response: HttpResponse) -> HttpResponse {
        if let Some(cookie) = self.browser.new_cookie() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Gives the browser the cookie of a session.
    pub fn set_session_cookie(&self, response: &mut HttpResponse, value: &Secret) {
        let cookie = self.app.cookies.set(Cookie::Session, self.tenant, value);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }

    /// What the browser's cookie says which device it is, whatever that is worth.
    pub fn device(&self) -> Option<Secret> {
        let cookies = self.app.cookies;
        cookies.read(Cookie::Device, self.tenant, self.http.headers())
    }

    /// Sets the cookie of a device on which somebody has signed in.
    pub fn set_device_cookie(&self, response: &mut HttpResponse, value: &Secret) {
        let cookie = self.app.cookies.set(Cookie::Device, self.tenant, value);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }

    /// Takes the session's cookie away, and what frames could tell by.
    pub fn remove_session_cookie(&self, response: &mut HttpResponse) {
        if self.app.config.session.management {
            let cookie = self.app.cookies.remove(Cookie::State, self.tenant);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        let cookie = self.app.cookies.remove(Cookie::Session, self.tenant);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Sends a browser on after a form was served: 303, so that no form data follows (RFC 9700 §4.12).
pub fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
