//! `/consent`: what an application asks for, and the user's answer.

use super::request::{INTERACTION, Underway, initial, name_of};
use super::scope_texts;
use super::{account, visited};
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::fault::Fault;
use crate::oauth::authorize::request::AuthorizationRequest;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oidc::claims::to_agree_to;
use crate::page::{self, Layout, Notice, Policy, Text, Tone};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::sessions::{self, Interaction, Session};
use crate::storage::{consents, outbox};
use crate::types::ScopeSet;
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use url::Url;

/// Path below the issuer.
pub const PATH: &str = "/consent";

#[derive(Template)]
#[template(path = "consent.html")]
struct Page {
    layout: Layout,
    csrf: String,
    interaction: String,
    client: String,
    initial: String,
    logo: Option<String>,
    host: String,
    home: Option<String>,
    terms: Option<String>,
    privacy: Option<String>,
    scopes: Vec<String>,
    unverifiable: bool,
    unchecked: bool,
}

/// What the page is about.
struct Asked<'v> {
    underway: Underway,
    scope: ScopeSet,
    session: &'v Session,
}

/// `GET /consent`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let query = Form::of_query(&http).map_err(|refusal| exchange.refuse(refusal))?;
        show(visit, &Asked::of(visit, &query).await?).await
    })
    .await
}

/// `POST /consent`.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| serve(visit, &form.0).await).await
}

async fn serve(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    let asked = Asked::of(visit, form).await?;
    let again = format!("{PATH}?{INTERACTION}={}", asked.underway.text);
    visit.check_form(form, &asked.purpose().each_ref().map(String::as_str), &again)?;
    match form.get("decision") {
        Some("allow") => {
            asked.allow(visit).await.map_err(|fault| visit.fault(&fault))?;
            Ok(visit.see_other(&asked.underway.resume()))
        }
        Some("deny") => asked.deny(visit),
        _ => Ok(visit.see_other(&again)),
    }
}

impl<'v> Asked<'v> {
    /// Reads the request again: client, redirect URI and scopes may have changed since it came.
    async fn of(visit: &'v Visit<'_>, form: &Form) -> Result<Self, Stop> {
        let Some(underway) = Underway::of(visit, form).await? else {
            return Err(nothing_asked(visit));
        };
        let Some(session) = visit.session() else {
            // Signed out, or idle for too long, meanwhile: the request itself knows that a sign-in comes first.
            return Err(visit.see_other(&underway.resume()).into());
        };
        let opened = &underway.opened;
        let request = AuthorizationRequest::read(&opened.client, &opened.parameters)
            .map_err(|error| opened.refuse(error).respond(visit.exchange))?;
        let scope = to_agree_to(
            &visit.app.config.scope_claims,
            &request.scope,
            &request.claims,
            &opened.client.metadata.scope,
        );
        Ok(Self {
            scope,
            underway,
            session,
        })
    }

    /// What the form's token is bound to: an answer holds for what was shown, to whom it was shown.
    fn purpose(&self) -> [String; 5] {
        [
            "consent".to_owned(),
            self.underway.interaction.id.to_string(),
            self.session.id.to_string(),
            self.session.user_id.to_string(),
            self.scope.to_string(),
        ]
    }

    /// Keeps the agreement, together with what had been agreed before, and the record of it, in one transaction.
    async fn allow(&self, visit: &Visit<'_>) -> Result<(), Fault> {
        let (app, now, tenant) = (visit.app, visit.now, visit.tenant);
        let client = &self.underway.opened.client.client_id;
        let user = self.session.user_id;
        let event = self.event(visit, Outcome::Success)?;
        let id = app.entropy.uuid_v7(now)?;
        let mut tx = app.store.begin().await?;
        let before = consents::find(&mut tx, tenant, user, client).await?;
        let scope = before.map_or_else(|| self.scope.clone(), |before| before.scope.union(&self.scope));
        consents::give(&mut tx, tenant, user, client, id, &scope, now).await?;
        let request = self.underway.interaction.id;
        sessions::note_interaction(&mut tx, tenant, self.session.id, request, Interaction::Consent).await?;
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        app.audit.deliver(event).await;
        Ok(())
    }

    /// Tells the client (RFC 6749 §4.1.2.1).
    fn deny(&self, visit: &Visit<'_>) -> Result<HttpResponse, Stop> {
        let event = self
            .event(visit, Outcome::Failure)
            .map_err(|fault| visit.fault(&fault))?;
        visit.app.audit.note(event.because("denied_by_user"));
        let error = OauthError::new(ErrorCode::AccessDenied, "The user did not agree");
        Ok(self.underway.opened.refuse(error).respond(visit.exchange))
    }

    fn event(&self, visit: &Visit<'_>, outcome: Outcome) -> Result<Event, Fault> {
        Ok(visit
            .app
            .event(visit.now, EventType::Consent, outcome, visit.tenant)?
            .by(visit.exchange.caller())
            .client(&self.underway.opened.client.client_id)
            .user(self.session.user_id)
            .with("scope", self.scope.to_string())
            .with("session_id", self.session.id.to_string()))
    }
}

async fn show(visit: &Visit<'_>, asked: &Asked<'_>) -> Result<HttpResponse, Stop> {
    let opened = &asked.underway.opened;
    let metadata = &opened.client.metadata;
    let redirect = &opened.back.redirect;
    // A picture is fetched from wherever the client says, before anybody has agreed to anything, and lends trust: only an
    // administrator's client shows one.
    let unchecked = opened.client.registered_itself();
    let user = visit.user().await?;
    let layout = visit.layout_for(user.as_ref()).await?;
    let said = metadata.said_in(layout.language.tag());
    let logo = said.logo_uri.filter(|_| !unchecked).and_then(web_address);
    let address = |uri: Option<&str>| uri.and_then(web_address).map(String::from);
    let client = name_of(&opened.client, layout.language);
    let languages = visit.exchange.languages();
    let on_device = || layout.with("consent-app-on-device", "scheme", redirect.form_action());
    let page = Page {
        csrf: visit.form_token(&asked.purpose().each_ref().map(String::as_str))?,
        interaction: asked.underway.text.clone(),
        initial: initial(&client),
        client,
        logo: logo.as_ref().map(ToString::to_string),
        host: redirect.host().unwrap_or_else(on_device),
        home: address(said.client_uri),
        terms: address(said.tos_uri),
        privacy: address(said.policy_uri),
        scopes: scope_texts::describe(&visit.app.config.scopes, &asked.scope, &languages),
        unchecked,
        unverifiable: metadata.is_public() && redirect.is_unverifiable(),
        layout,
    };
    let mut response = page::respond(StatusCode::OK, &page);
    let logo_origin = logo.map(|logo| logo.origin().ascii_serialization());
    let images: Vec<&str> = logo_origin.as_deref().into_iter().collect();
    let target = redirect.form_action();
    let policy = Policy {
        forms: &[&target],
        images: &images,
        ..Policy::default()
    };
    page.layout.allow(&mut response, policy);
    Ok(response)
}

/// What may stand in a link of ours: stored text is not taken at its word.
pub(super) fn web_address(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http"))
}

fn nothing_asked(visit: &Visit<'_>) -> Stop {
    Notice::new(
        visit.layout(),
        Tone::Info,
        Text::new("consent-nothing-title"),
        Text::new("consent-nothing-advice"),
    )
    .link(&visit.path(account::PATH), Text::new("go-to-account"))
    .request(visit.exchange.request_id())
    .respond(StatusCode::BAD_REQUEST)
    .into()
}
