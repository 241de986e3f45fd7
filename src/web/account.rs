//! `/account`: what is known about oneself, where one is signed in, and which applications have access.

use super::login::Next;
use super::request::{initial, name_of};
use super::scope_texts;
use super::user_agent;
use super::visited;
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::fault::Fault;
use crate::oauth::family::{self, End};
use crate::page::{self, Language, Layout, Text};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::storage::grants::{self, Grant};
use crate::storage::sessions::{self, Session};
use crate::storage::users::User;
use crate::storage::{consents, outbox};
use crate::types::{ClientId, GrantId, SessionId};
use crate::visit::{Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// Path below the issuer.
pub const PATH: &str = "/account";
/// The same after the password was changed.
pub const PASSWORD_CHANGED: &str = "/account?done=password";
/// The same after attributes were changed.
pub const ATTRIBUTES_CHANGED: &str = "/account?done=attributes";
/// The same after the profile was changed.
pub const PROFILE_CHANGED: &str = "/account?done=profile";
/// Where sessions are ended.
pub const END_SESSION: &str = "/account/sessions";
/// Where single authorizations are ended.
pub const END_FAMILY: &str = "/account/grants";
/// Where agreements are withdrawn.
pub const WITHDRAW: &str = "/account/consents";

/// Most entries of each list.
const MAX_SHOWN: i64 = 100;

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    layout: Layout,
    csrf: String,
    sign_out: String,
    done: Option<Text>,
    facts: Vec<(Text, String)>,
    /// Whether there is more that can be seen or changed.
    attributes: bool,
    editable: bool,
    password_set: Option<String>,
    sessions: Vec<SessionRow>,
    consents: Vec<ConsentRow>,
    grants: Vec<GrantRow>,
}

struct SessionRow {
    id: String,
    device: String,
    handheld: bool,
    address: String,
    signed_in: String,
    last_seen: String,
    is_this: bool,
}

struct ConsentRow {
    client_id: String,
    client: String,
    initial: String,
    scopes: Vec<String>,
    since: String,
}

struct GrantRow {
    id: String,
    client: String,
    initial: String,
    since: String,
    until: String,
    offline: bool,
}

/// `GET /account`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    visited(&app, &exchange, &http, async |visit| {
        let query = Form::of_query(&http).map_err(|refusal| exchange.refuse(refusal))?;
        let done = match query.get("done") {
            Some("profile") => Some(Text::new("account-profile-changed")),
            Some("password") => Some(Text::new("account-password-changed")),
            Some("attributes") => Some(Text::new("attributes-changed")),
            Some("session") => Some(Text::new("account-session-ended")),
            Some("grant") => Some(Text::new("account-grant-ended")),
            Some("consent") => Some(Text::new("account-consent-withdrawn")),
            _ => None,
        };
        let (Some(session), Some(user)) = (visit.session(), visit.user().await?) else {
            return Ok(visit.see_other(&Next::Account.sign_in()));
        };
        let page = Page {
            done,
            ..read(visit, session, &user).await?
        };
        Ok(page::respond(StatusCode::OK, &page))
    })
    .await
}

async fn read(visit: &Visit<'_>, session: &Session, user: &User) -> Result<Page, Stop> {
    let rows = async {
        let filter = sessions::Filter {
            user: Some(user.id),
            after: None,
        };
        let (tenant, now) = (visit.tenant, visit.now);
        let mut conn = visit.app.store.read().await?;
        let sessions = sessions::list(&mut conn, tenant, filter, now, MAX_SHOWN).await?;
        let consents = consents::list(&mut conn, tenant, Some(user.id), None, None, MAX_SHOWN).await?;
        let grants = grants::list_live(&mut conn, tenant, Some(user.id), None, None, MAX_SHOWN, now).await?;
        Ok((sessions, consents, grants))
    };
    let (sessions, consents, grants) = rows.await.map_err(|fault| visit.fault(&fault))?;
    let id = session.id.to_string();
    let layout = visit.layout_for(Some(user)).await?;
    let language = layout.language;
    let mut page = Page {
        layout,
        csrf: visit.form_token(&["account", &id])?,
        sign_out: visit.form_token(&["logout", &id])?,
        done: None,
        facts: facts(visit, user).await?,
        editable: !visit.app.config.profile.editable.is_empty(),
        password_set: user.password_changed_at.map(|at| language.when(at)),
        attributes: super::attributes::any(visit.app),
        sessions: Vec::new(),
        consents: Vec::new(),
        grants: Vec::new(),
    };
    page.sessions = sessions
        .into_iter()
        .map(|row| SessionRow {
            device: user_agent::describe(&row.user_agent, language),
            handheld: user_agent::is_handheld(&row.user_agent),
            signed_in: language.when(row.auth_time),
            last_seen: language.when(row.last_seen_at),
            is_this: row.id == session.id,
            id: row.id.to_string(),
            address: row.ip,
        })
        .collect();
    let languages = visit.exchange.languages();
    for row in consents {
        let client = client_name(visit, &row.client_id, language).await?;
        page.consents.push(ConsentRow {
            initial: initial(&client),
            client,
            client_id: row.client_id.to_string(),
            scopes: scope_texts::describe(&visit.app.config.scopes, &row.scope, &languages),
            since: language.when(row.granted_at),
        });
    }
    for row in grants {
        let client = client_name(visit, &row.client_id, language).await?;
        page.grants.push(GrantRow {
            initial: initial(&client),
            client,
            id: row.id.to_string(),
            since: language.when(row.created_at),
            until: language.when(row.expires_at),
            offline: row.offline,
        });
    }
    Ok(page)
}

async fn client_name(visit: &Visit<'_>, id: &ClientId, language: Language) -> Result<String, Stop> {
    let found = visit.app.clients.find(visit.tenant, id).await;
    let client = found.map_err(|fault| visit.fault(&fault))?;
    Ok(client.map_or_else(|| id.to_string(), |client| name_of(&client, language)))
}

/// The profile, as far as it says something.
async fn facts(visit: &Visit<'_>, user: &User) -> Result<Vec<(Text, String)>, Stop> {
    let profile = visit.app.accounts.profile(user).await;
    let profile = profile.map_err(|fault| visit.fault(&fault))?;
    let roles = profile.roles.join(", ");
    let spoken = profile.locale.map(|tag| super::profile::name_of_language(&tag));
    let all = [
        ("account-username", Some(profile.username)),
        ("account-name", profile.name),
        ("account-given-name", profile.given_name),
        ("account-family-name", profile.family_name),
        ("account-email", profile.email),
        ("account-phone", profile.phone_number),
        ("profile-nickname", profile.nickname),
        ("profile-birthdate", profile.birthdate),
        ("profile-website", profile.website),
        ("profile-zoneinfo", profile.zoneinfo),
        ("profile-locale", spoken),
        ("account-roles", Some(roles)),
    ];
    let told = |(name, value): (&'static str, Option<String>)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((Text::new(name), value))
    };
    Ok(all.into_iter().filter_map(told).collect())
}

/// `POST /account/sessions`: ends one of the own sessions.
pub async fn end_session(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    change(
        &app,
        &exchange,
        &http,
        &form.0,
        "session",
        async |visit, own, form| {
            let Some(id) = form.get("session").and_then(|id| id.parse::<SessionId>().ok()) else {
                return Ok(());
            };
            let mut conn = visit.app.store.read().await?;
            let found = sessions::find_live(&mut conn, visit.tenant, id, visit.now).await?;
            drop(conn);
            // Somebody else's session is as good as none.
            if found.is_some_and(|session| session.user_id == own.user_id) {
                let event = event(visit, own, EventType::SessionEnded)?;
                let accounts = &visit.app.accounts;
                accounts
                    .end_session(visit.tenant, id, "user", event, visit.now)
                    .await?;
            }
            Ok(())
        },
    )
    .await
}

/// `POST /account/grants`: ends one authorization of an application.
pub async fn end_family(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    change(
        &app,
        &exchange,
        &http,
        &form.0,
        "grant",
        async |visit, own, form| {
            let Some(id) = form.get("grant").and_then(|id| id.parse::<GrantId>().ok()) else {
                return Ok(());
            };
            let mut conn = visit.app.store.read().await?;
            let found: Option<Grant> = grants::find_live(&mut conn, visit.tenant, id, visit.now).await?;
            drop(conn);
            if let Some(grant) = found.filter(|grant| grant.user_id == own.user_id) {
                let caller = visit.exchange.caller();
                family::end(visit.app, &grant, End::Revoked, caller, "user", None, visit.now).await?;
            }
            Ok(())
        },
    )
    .await
}

/// `POST /account/consents`: withdraws an agreement; all that was granted on it ends (R-REF-15).
pub async fn withdraw(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    change(
        &app,
        &exchange,
        &http,
        &form.0,
        "consent",
        async |visit, own, form| {
            let Some(client) = form.get("client_id").and_then(|id| ClientId::parse(id).ok()) else {
                return Ok(());
            };
            let event = event(visit, own, EventType::ConsentWithdrawn)?.client(&client);
            let mut tx = visit.app.store.begin().await?;
            let withdrawn =
                consents::withdraw(&mut tx, visit.tenant, own.user_id, &client, visit.now).await?;
            if let Some(consent) = withdrawn {
                let event = event.with("scope", consent.scope.to_string());
                outbox::insert(&mut tx, &event).await?;
                tx.commit().await?;
                visit.app.audit.deliver(event).await;
            }
            Ok(())
        },
    )
    .await
}

/// A change of something that belongs to the one who is signed in. What is gone already is no error: the page that
/// follows shows how things are.
async fn change<F>(
    app: &App,
    exchange: &Exchange,
    http: &HttpRequest,
    form: &Form,
    done: &str,
    make: F,
) -> HttpResponse
where
    F: AsyncFnOnce(&Visit<'_>, &Session, &Form) -> Result<(), Fault>,
{
    visited(app, exchange, http, async |visit| {
        let Some(session) = visit.session() else {
            return Ok(visit.see_other(&Next::Account.sign_in()));
        };
        visit.check_form(form, &["account", &session.id.to_string()], PATH)?;
        make(visit, session, form)
            .await
            .map_err(|fault| visit.fault(&fault))?;
        Ok(visit.see_other(&format!("{PATH}?done={done}")))
    })
    .await
}

fn event(visit: &Visit<'_>, own: &Session, event_type: EventType) -> Result<Event, Fault> {
    let event = visit
        .app
        .event(visit.now, event_type, Outcome::Success, visit.tenant)?;
    Ok(event
        .by(visit.exchange.caller())
        .user(own.user_id)
        .with("by", "user"))
}
