//! A call of the admin API: who makes it, what it says, and how it ends.

use super::problem;
use super::schema;
use crate::app::App;
use crate::audit::{Event, EventType, Outcome};
use crate::bearer;
use crate::clients::Unregistered;
use crate::fault::Fault;
use crate::protect::Exchange;
use crate::protect::body::{Form, JsonBody};
use crate::surface::{Refusal, Refused};
use crate::tenants::Tenant;
use crate::types::{
    ADMIN_SCOPES, ClientId, FIRST_TENANT_SCOPES, ScopeSet, TenantId, Timestamp, UserId, Violation,
    is_admin_scope, role_allows,
};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::future::{Ready, ready};
use std::rc::Rc;

/// A call. Cheap to clone.
#[derive(Clone)]
pub struct Call(Rc<Inner>);

struct Inner {
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    payload: RefCell<Payload>,
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The client that the token was issued to.
    pub client_id: ClientId,
    /// The user on whose behalf; none for a client's own.
    pub user_id: Option<UserId>,
    /// The admin scopes that the actor has at this moment.
    scope: ScopeSet,
}

/// What a handler gives.
pub type Answer = Result<HttpResponse, Stop>;

/// How a call ends without an answer.
pub enum Stop {
    /// The caller's doing.
    Refusal(Refusal),
    /// Our own fault.
    Fault(Fault),
    /// A refusal that has its form already.
    Error(actix_web::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unregistered> for Stop {
    fn from(unregistered: Unregistered) -> Self {
        match unregistered {
            Unregistered::Invalid(violations) => problem::invalid(violations).into(),
            Unregistered::Taken { pointer, detail } => problem::conflict(pointer, detail).into(),
            Unregistered::NotAllowed(_) => {
                problem::forbidden("A caller cannot give what it does not have itself.").into()
            }
            Unregistered::Fault(fault) => fault.into(),
        }
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Error(refused.into())
    }
}

impl From<actix_web::Error> for Stop {
    fn from(error: actix_web::Error) -> Self {
        Self::Error(error)
    }
}

impl Actor {
    /// Whether the actor has every one of these admin scopes. Whoever lacks one may not give it, nor touch who has it.
    pub fn may_touch(&self, scope: &ScopeSet) -> bool {
        scope.admin().is_subset(&self.scope)
    }

    /// Whether the actor has every admin scope that these roles allow. Whoever lacks one may not give such a role, nor
    /// touch who has it.
    pub fn may_touch_roles(&self, roles: &[String]) -> bool {
        let lacks = |scope: &&str| role_allows(roles, scope) && !self.scope.has(scope);
        !ADMIN_SCOPES.iter().any(lacks)
    }

    /// For the audit log.
    pub fn told(&self) -> Value {
        match self.user_id {
            None => json!({"client_id": self.client_id}),
            Some(user_id) => json!({"client_id": self.client_id, "user_id": user_id}),
        }
    }
}

impl Call {
    /// The server's parts.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// The tenant that is administered.
    pub fn tenant(&self) -> TenantId {
        self.0.exchange.tenant().id
    }

    /// The same with its name, issuer and settings.
    pub fn realm(&self) -> &Tenant {
        self.0.exchange.tenant()
    }

    /// When the request arrived.
    pub fn now(&self) -> Timestamp {
        self.0.exchange.now()
    }

    /// A parameter in the path; empty where the route has none of that name.
    pub fn path(&self, name: &str) -> &str {
        self.0.http.match_info().get(name).unwrap_or_default()
    }

    /// A header that comes once, as text.
    ///
    /// # Errors
    /// 400 when it comes several times or is no text.
    pub fn header(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.http.headers().get_all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        match text {
            Some(text) => Ok(Some(text)),
            None => Err(problem::invalid(vec![Violation::new(
                name,
                "must come once, as printable text",
            )])),
        }
    }

    /// The parameters of the query, each at most once and none but these.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn query(&self, known: &[&str]) -> Result<Form, Refusal> {
        let form = Form::of_query(&self.0.http)?.without_repeats(&[])?;
        let unknown = form.iter().any(|(name, _)| !known.contains(&name));
        if unknown {
            let detail = if known.is_empty() {
                "takes no parameters".to_owned()
            } else {
                format!("takes only the parameters {}", known.join(", "))
            };
            return Err(problem::invalid(vec![Violation::new("", detail)]));
        }
        // A filter that says nothing would be left out in silence.
        let empty: Vec<_> = form
            .iter()
            .filter(|(_, value)| value.is_empty())
            .map(|(name, _)| Violation::new(name, "must not be empty"))
            .collect();
        if empty.is_empty() {
            Ok(form)
        } else {
            Err(problem::invalid(empty))
        }
    }

    /// The body, whatever it says.
    ///
    /// # Errors
    /// 400 when it is no JSON; 408 and 413 where it does not arrive or is too large.
    pub async fn json(&self) -> Result<Value, Stop> {
        let mut payload = self.0.payload.replace(Payload::None);
        let JsonBody(body) = JsonBody::from_request(&self.0.http, &mut payload).await?;
        Ok(body)
    }

    /// The body, valid by its schema.
    ///
    /// # Errors
    /// 400 with everything that is wrong; otherwise as [`Self::json`].
    pub async fn body(&self, schema: &str) -> Result<Value, Stop> {
        let body = self.json().await?;
        let violations = schema::violations(schema, &body)?;
        if violations.is_empty() {
            Ok(body)
        } else {
            Err(problem::invalid(violations).into())
        }
    }

    /// An audit event of this call: who, whence, and when.
    ///
    /// # Errors
    /// When there is no randomness for its id.
    pub fn event(&self, actor: &Actor, event_type: EventType) -> Result<Event, Fault> {
        let event = self
            .app()
            .event(self.now(), event_type, Outcome::Success, self.tenant())?;
        Ok(self.signed(event, actor))
    }

    /// An event with who was it, and whence.
    pub fn signed(&self, event: Event, actor: &Actor) -> Event {
        event.by(self.0.exchange.caller()).with("actor", actor.told())
    }

    /// Notes that the actor was refused for want of a right, and says so.
    ///
    /// # Errors
    /// Always: with the 403.
    pub fn deny<T>(
        &self,
        actor: &Actor,
        target: &ClientId,
        reason: &'static str,
        detail: &'static str,
    ) -> Result<T, Stop> {
        self.deny_about(actor, |event| event.client(target), reason, detail)
    }

    /// The same about something else than a client, which `about` names in the event.
    ///
    /// # Errors
    /// Always: with the 403.
    pub fn deny_about<T>(
        &self,
        actor: &Actor,
        about: impl FnOnce(Event) -> Event,
        reason: &'static str,
        detail: &'static str,
    ) -> Result<T, Stop> {
        let event = self
            .app()
            .event(
                self.now(),
                EventType::AccessDenied,
                Outcome::Failure,
                self.tenant(),
            )?
            .by(self.0.exchange.caller())
            .with("actor", actor.told())
            .because(reason);
        self.app().audit.note(about(event));
        Err(problem::forbidden(detail).into())
    }

    /// Whether the caller's token allows an operation, and whose it is.
    ///
    /// # Errors
    /// 404 for what only the first tenant has, 401 without a good token, 403 without the scope, 429 when a limit is used up.
    pub async fn authorize(&self, scope: &str) -> Result<Actor, Stop> {
        if FIRST_TENANT_SCOPES.contains(&scope) && !self.realm().is_first() {
            return Err(problem::not_found().into());
        }
        let mut headers = self.0.http.headers().get_all(header::AUTHORIZATION);
        let token = match (headers.next(), headers.next()) {
            (Some(one), None) => bearer::token_of(one.as_bytes()),
            _ => None,
        };
        let Some(token) = token else {
            return Err(problem::unauthenticated().into());
        };
        let (app, now) = (self.app(), self.now());
        let realm = self.realm();
        let token = match bearer::verify(app, realm, token, Some(realm.issuer.as_str()), now).await? {
            Ok(token) => token,
            Err(reason) => {
                let event = self.refusal(EventType::AccessDenied, reason)?;
                app.audit.note(event);
                return Err(problem::invalid_token().into());
            }
        };
        let user_id = token.grant.as_ref().map(|grant| grant.user_id);
        self.0.exchange.client(&token.client, user_id).await?;
        let actor = Actor {
            client_id: token.client.client_id.clone(),
            user_id,
            scope: bearer::admin_scopes(app, &token).await?,
        };
        debug_assert!(is_admin_scope(scope), "operations need admin scopes");
        if actor.scope.has(scope) {
            return Ok(actor);
        }
        let event = self
            .refusal(EventType::ScopeViolation, "insufficient_scope")?
            .client(&actor.client_id)
            .with("actor", actor.told())
            .with("scope", scope);
        app.audit.note(event);
        Err(problem::insufficient_scope(scope).into())
    }

    fn refusal(&self, event_type: EventType, reason: &str) -> Result<Event, Fault> {
        let event = self
            .app()
            .event(self.now(), event_type, Outcome::Failure, self.tenant())?;
        Ok(event
            .by(self.0.exchange.caller())
            .with("method", "admin")
            .with("path", self.0.http.match_pattern().unwrap_or_default())
            .because(reason))
    }

    /// The answer, or the refusal in its place.
    pub fn finish(&self, result: Answer) -> Result<HttpResponse, actix_web::Error> {
        match result {
            Ok(answer) => Ok(answer),
            Err(Stop::Refusal(refusal)) => Err(self.0.exchange.refuse(refusal).into()),
            Err(Stop::Fault(fault)) => Err(self.0.exchange.fault(&fault).into()),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

impl FromRequest for Call {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(http: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut call = || {
            let app = http
                .app_data::<web::Data<App>>()
                .ok_or_else(|| actix_web::error::ErrorInternalServerError("the server has no parts"))?;
            Ok(Self(Rc::new(Inner {
                app: app.clone(),
                exchange: Exchange::of(http)?,
                http: http.clone(),
                payload: RefCell::new(payload.take()),
            })))
        };
        ready(call())
    }
}
