//! `/device`: where a person types the code that a device shows, and answers what the device asks for (RFC 8628 §3.3).
//!
//! The code is always typed or confirmed, never taken from the link alone, and before the answer the page says which
//! application asks, from where, when, and under which code (§5.4, remote phishing: somebody else's device would get the
//! access). A code that was right gives the browser a ticket, so that it survives the sign-in: bound to this browser,
//! and worth nothing once the request is over.

use super::attempt;
use super::login::Next;
use super::{account, consent, request, scope_texts, user_agent, visited};
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::fault::Fault;
use crate::oauth::authorize::code::scope_without_role;
use crate::oauth::authorize::request::refuse_unregistered;
use crate::oauth::device::user_code_hash;
use crate::page::{self, Layout, Notice, Text, Tone};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::clients::Client;
use crate::storage::device_requests::{self, DeviceRequest};
use crate::storage::grants::{self, Grant, GrantState, SALT_LENGTH};
use crate::storage::sessions::Session;
use crate::storage::{consents, outbox};
use crate::types::{GrantId, GrantType, Timestamp, UserCode, base64url};
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::Map;
use sqlx::types::Json;
use std::sync::Arc;

/// Path below the issuer.
pub use crate::oauth::device::PAGE as PATH;

/// The parameter that stands for a code that was typed in this browser.
const TICKET: &str = "ticket";
/// Longest ticket.
const MAX_TICKET: usize = 128;
/// Longest text that is shown again in the code's field.
const MAX_SHOWN: usize = 40;

#[derive(Template)]
#[template(path = "device.html")]
struct CodePage {
    layout: Layout,
    csrf: String,
    user_code: String,
    prefilled: bool,
    problem: Option<Text>,
}

#[derive(Template)]
#[template(path = "device_approval.html")]
struct ApprovalPage {
    layout: Layout,
    csrf: String,
    ticket: String,
    client: String,
    user_code: String,
    scopes: Vec<String>,
    asked_at: String,
    device: String,
    address: String,
    home: Option<String>,
    terms: Option<String>,
    privacy: Option<String>,
}

/// A request that waits, and the client that asks.
struct Waiting {
    code: UserCode,
    ticket: String,
    request: DeviceRequest,
    client: Arc<Client>,
}

/// A ticket in a parameter, if it could be one.
pub(super) fn ticket_of(text: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (text.len() <= MAX_TICKET && text.bytes().all(is_plain)).then(|| text.to_owned())
}

/// The page's path with a ticket.
pub(super) fn path(ticket: &str) -> String {
    format!("{PATH}?{TICKET}={ticket}")
}

/// `GET /device`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let query = Form::of_query(&http).map_err(|refusal| exchange.refuse(refusal))?;
        match query.get(TICKET) {
            Some(ticket) => {
                let waiting = Waiting::of(visit, ticket).await?;
                match waiting.session(visit) {
                    Some(session) => show(visit, &waiting, session).await,
                    None => Ok(visit.see_page(&waiting.sign_in())),
                }
            }
            None => ask(visit, query.get("user_code").unwrap_or_default(), None).await,
        }
    })
    .await
}

/// `POST /device`: a code, or an answer.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| match form.0.get(TICKET) {
        Some(ticket) => answer(visit, &form.0, ticket).await,
        None => enter(visit, &form.0).await,
    })
    .await
}

/// The page that asks for the code.
async fn ask(visit: &Visit<'_>, typed: &str, problem: Option<Text>) -> Result<HttpResponse, Stop> {
    let user = visit.user().await?;
    let status = match problem {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let page = CodePage {
        layout: visit.layout_for(user.as_ref()).await?,
        csrf: visit.form_token(&["device"])?,
        user_code: typed.chars().take(MAX_SHOWN).collect(),
        prefilled: !typed.is_empty() && problem.is_none(),
        problem,
    };
    Ok(page::respond(status, &page))
}

/// Takes a typed code. RFC 8628 §5.1: "the authorization server SHOULD rate-limit user code attempts".
async fn enter(visit: &Visit<'_>, form: &Form) -> Result<HttpResponse, Stop> {
    visit.check_form(form, &["device"], PATH)?;
    let typed = form.get("user_code").unwrap_or_default();
    if typed.trim().is_empty() {
        return ask(visit, "", Some(Text::new("device-code-missing"))).await;
    }
    let counted = visit.exchange.short_secret_attempt().await;
    counted.map_err(|refused| attempt::limited(visit, refused, "user_code"))?;
    if let Ok(code) = UserCode::parse(typed)
        && find(visit, &code).await?.is_some()
    {
        visit.exchange.was_right().await?;
        return Ok(visit.see_page(&path(&seal(visit, &code)?)));
    }
    let event = visit
        .app
        .event(
            visit.now,
            EventType::DeviceCodeEntered,
            Outcome::Failure,
            visit.tenant,
        )
        .map_err(|fault| visit.fault(&fault))?;
    let event = event.by(visit.exchange.caller()).with("method", "user_code");
    visit.app.audit.note(event.because("wrong_user_code"));
    // The same for a code that never was, is over, or was answered already.
    ask(visit, typed, Some(Text::new("device-code-wrong"))).await
}

/// The request that waits under a code, if its client may still ask for it.
async fn find(visit: &Visit<'_>, code: &UserCode) -> Result<Option<(DeviceRequest, Arc<Client>)>, Stop> {
    let found = async {
        let hash = user_code_hash(&visit.keys, code)?;
        let mut conn = visit.app.store.read().await?;
        let found = device_requests::find_waiting(&mut conn, visit.tenant, &hash, visit.now).await?;
        drop(conn);
        let Some(request) = found else { return Ok(None) };
        let client = visit
            .app
            .clients
            .find_enabled(visit.tenant, &request.client_id)
            .await?;
        let may_ask = |client: &Arc<Client>| {
            client.metadata.has_grant(GrantType::DeviceCode)
                && refuse_unregistered(client, &request.scope).is_ok()
        };
        Ok(client.filter(may_ask).map(|client| (request, client)))
    };
    found.await.map_err(|fault: Fault| visit.fault(&fault))
}

/// The ticket for a code that was typed in this browser.
fn seal(visit: &Visit<'_>, code: &UserCode) -> Result<String, Stop> {
    let token = visit.form_token(&["device ticket", code.letters()])?;
    Ok(format!("{}.{token}", code.letters()))
}

impl Waiting {
    /// The request that a ticket stands for.
    async fn of(visit: &Visit<'_>, ticket: &str) -> Result<Self, Stop> {
        let parts = ticket.split_once('.');
        let code = parts.and_then(|(code, token)| {
            let code = UserCode::parse(code).ok()?;
            let purpose = ["device ticket", code.letters()];
            visit
                .browser
                .is_form_token(&visit.keys, &purpose, token)
                .then_some(code)
        });
        let Some(code) = code else { return Err(over(visit)) };
        match find(visit, &code).await? {
            Some((request, client)) => Ok(Self {
                ticket: seal(visit, &code)?,
                code,
                request,
                client,
            }),
            None => Err(over(visit)),
        }
    }

    /// The session in which it may be answered: the client's `default_max_age` asks for a sign-in that is not older, or
    /// was made since the device asked.
    fn session<'v>(&self, visit: &'v Visit<'_>) -> Option<&'v Session> {
        let max_age = self.client.metadata.default_max_age;
        visit.session().filter(|session| {
            session.auth_time >= self.request.created_at
                || max_age.is_none_or(|max_age| session.auth_time.plus_seconds(max_age) > visit.now)
        })
    }

    fn sign_in(&self) -> String {
        Next::Device(self.ticket.clone()).sign_in()
    }

    /// What the form's token is bound to: an answer holds for the request that was shown, to whom it was shown.
    fn purpose(&self, session: &Session) -> [String; 4] {
        [
            "device answer".to_owned(),
            base64url(self.request.handle_hash.as_bytes()),
            session.id.to_string(),
            session.user_id.to_string(),
        ]
    }
}

async fn show(visit: &Visit<'_>, waiting: &Waiting, session: &Session) -> Result<HttpResponse, Stop> {
    let metadata = &waiting.client.metadata;
    let address = |uri: Option<&str>| uri.and_then(consent::web_address).map(String::from);
    let (texts, scope) = (&visit.app.config.scopes, &waiting.request.scope);
    let user = visit.user().await?;
    let layout = visit.layout_for(user.as_ref()).await?;
    let said = metadata.said_in(layout.language.tag());
    let page = ApprovalPage {
        csrf: visit.form_token(&waiting.purpose(session).each_ref().map(String::as_str))?,
        ticket: waiting.ticket.clone(),
        client: request::name_of(&waiting.client, layout.language),
        user_code: waiting.code.to_string(),
        scopes: scope_texts::describe(texts, scope, &visit.exchange.languages()),
        asked_at: layout.when(waiting.request.created_at),
        device: user_agent::describe(&waiting.request.user_agent, layout.language),
        address: waiting.request.ip.clone(),
        home: address(said.client_uri),
        terms: address(said.tos_uri),
        privacy: address(said.policy_uri),
        layout,
    };
    Ok(page::respond(StatusCode::OK, &page))
}

/// Takes the person's answer. Of several at once the first one holds.
async fn answer(visit: &Visit<'_>, form: &Form, ticket: &str) -> Result<HttpResponse, Stop> {
    visit.exchange.wish_for_languages(form.get("ui_locales"));
    let waiting = Waiting::of(visit, ticket).await?;
    let Some(session) = waiting.session(visit) else {
        // Signed out, or idle for too long, meanwhile.
        return Ok(visit.see_page(&waiting.sign_in()));
    };
    let purpose = waiting.purpose(session);
    visit.check_form(
        form,
        &purpose.each_ref().map(String::as_str),
        &path(&waiting.ticket),
    )?;
    let (done, tone, title, detail) = match form.get("decision") {
        Some("allow") => {
            let missing = scope_without_role(visit.app, session, &waiting.request.scope).await;
            if let Some(scope) = missing.map_err(|fault| visit.fault(&fault))? {
                return Ok(not_yours_to_give(visit, &scope));
            }
            let (title, detail) = (Text::new("device-allowed-title"), Text::new("device-allowed"));
            (allow(visit, &waiting, session).await, Tone::Good, title, detail)
        }
        Some("deny") => {
            let (title, detail) = (Text::new("device-denied-title"), Text::new("device-denied"));
            (deny(visit, &waiting, session).await, Tone::Info, title, detail)
        }
        _ => return Ok(visit.see_page(&path(&waiting.ticket))),
    };
    if !done.map_err(|fault| visit.fault(&fault))? {
        return Err(over(visit));
    }
    let user = visit.user().await?;
    let layout = visit.layout_for(user.as_ref()).await?;
    let client = request::name_of(&waiting.client, layout.language);
    Ok(Notice::new(layout, tone, title, detail.with("client", client))
        .link(&visit.path(account::PATH), Text::new("go-to-account"))
        .respond(StatusCode::OK))
}

/// Agreement and grant, together with their records, in one transaction. `false` when the request has been answered
/// already or is over.
async fn allow(visit: &Visit<'_>, waiting: &Waiting, session: &Session) -> Result<bool, Fault> {
    let (app, now, tenant) = (visit.app, visit.now, visit.tenant);
    let (client, asked) = (&waiting.client, &waiting.request);
    let id = GrantId(app.entropy.uuid_v7(now)?);
    let consent_id = app.entropy.uuid_v7(now)?;
    let salt: [u8; SALT_LENGTH] = app.entropy.bytes()?;
    let agreed = record(visit, waiting, session, EventType::Consent, Outcome::Success)?;
    let approved = record(
        visit,
        waiting,
        session,
        EventType::DeviceApproved,
        Outcome::Success,
    )?
    .family(id);
    let mut tx = app.store.begin().await?;
    if !device_requests::approve(&mut tx, asked, id, session.id, now).await? {
        return Ok(false);
    }
    let before = consents::find(&mut tx, tenant, session.user_id, &client.client_id).await?;
    let scope = before.map_or_else(|| asked.scope.clone(), |before| before.scope.union(&asked.scope));
    let consent = consents::give(
        &mut tx,
        tenant,
        session.user_id,
        &client.client_id,
        consent_id,
        &scope,
        now,
    )
    .await?;
    let ttl_s = client.metadata.effective_refresh_token_ttl(&app.config.tokens);
    let grant = Grant {
        consent_epoch: Some(consent.epoch),
        // Counted from sign-in, and no rotation moves it (R-REF-13).
        expires_at: session.auth_time.plus_seconds(ttl_s),
        ..granted(client, asked, session, id, &salt, now)
    };
    grants::insert(&mut tx, &grant).await?;
    for event in [&agreed, &approved] {
        outbox::insert(&mut tx, event).await?;
    }
    tx.commit().await?;
    for event in [agreed, approved] {
        app.audit.deliver(event).await;
    }
    Ok(true)
}

/// The token family: bound to no session, since the device is not where the person signed in.
fn granted(
    client: &Client,
    asked: &DeviceRequest,
    session: &Session,
    id: GrantId,
    salt: &[u8],
    now: Timestamp,
) -> Grant {
    Grant {
        tenant_id: asked.tenant_id,
        id,
        client_id: client.client_id.clone(),
        user_id: session.user_id,
        session_id: None,
        scope: asked.scope.clone(),
        resources: asked.resources.clone(),
        claims: Json(Map::new()),
        nonce: None,
        auth_time: session.auth_time,
        acr: session.acr.clone(),
        amr: session.amr.clone(),
        redirect_uri: String::new(),
        redirect_uri_sent: false,
        code_challenge: None,
        confirmation: None,
        offline: asked.scope.has("offline_access"),
        user_epoch: session.user_epoch,
        client_epoch: client.epoch,
        consent_epoch: None,
        state: GrantState::Pending,
        generation: 0,
        salt: salt.to_vec(),
        previous_salt: None,
        rotated_at: None,
        rotated_ip: None,
        code_expires_at: asked.expires_at,
        created_at: now,
        expires_at: now,
        revoked_at: None,
        revoke_reason: None,
    }
}

/// `false` when the request has been answered already or is over.
async fn deny(visit: &Visit<'_>, waiting: &Waiting, session: &Session) -> Result<bool, Fault> {
    let event = record(visit, waiting, session, EventType::DeviceDenied, Outcome::Failure)?;
    let event = event.because("denied_by_user");
    let mut tx = visit.app.store.begin().await?;
    if !device_requests::deny(&mut tx, &waiting.request, visit.now).await? {
        return Ok(false);
    }
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    visit.app.audit.deliver(event).await;
    Ok(true)
}

fn record(
    visit: &Visit<'_>,
    waiting: &Waiting,
    session: &Session,
    event_type: EventType,
    outcome: Outcome,
) -> Result<Event, Fault> {
    Ok(visit
        .app
        .event(visit.now, event_type, outcome, visit.tenant)?
        .by(visit.exchange.caller())
        .client(&waiting.client.client_id)
        .user(session.user_id)
        .with("method", "device")
        .with("scope", waiting.request.scope.to_string())
        .with("session_id", session.id.to_string())
        .with("device_ip", waiting.request.ip.as_str()))
}

fn not_yours_to_give(visit: &Visit<'_>, scope: &str) -> HttpResponse {
    let title = Text::new("device-forbidden-title");
    let detail = Text::new("device-forbidden").with("scope", scope);
    Notice::new(visit.layout(), Tone::Error, title, detail)
        .request(visit.exchange.request_id())
        .respond(StatusCode::FORBIDDEN)
}

/// The page for a request that is over, was answered, or was opened in another browser.
fn over(visit: &Visit<'_>) -> Stop {
    Notice::new(
        visit.layout(),
        Tone::Error,
        Text::new("device-over-title"),
        Text::new("device-over"),
    )
    .link(&visit.path(PATH), Text::new("device-type-another"))
    .request(visit.exchange.request_id())
    .respond(StatusCode::BAD_REQUEST)
    .into()
}
