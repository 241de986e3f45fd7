//! `/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0).
//!
//! Anybody can send a browser here. A session ends without a question only when an application shows by an ID token that
//! it belongs to this very session, and says where to go afterwards; the browser goes back only to a URI that is
//! registered for that application.

use super::frontchannel::Frames;
use crate::account::sid;
use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::fault::Fault;
use crate::jose::jwt::{self, Expect};
use crate::page::{self, Layout, Notice, Policy, Text, Tone};
use crate::protect::Exchange;
use crate::protect::body::{Form, FormBody};
use crate::protect::csrf;
use crate::storage::clients::Client;
use crate::storage::sessions::Session;
use crate::surface::Refusal;
use crate::types::ClientId;
use crate::visit::{Stop, Visit, see_other};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use askama::Template;
use std::sync::Arc;
use url::{Url, form_urlencoded};

/// Path below the issuer.
pub const PATH: &str = "/oauth2/logout";

/// Parameters that the question carries along.
const CARRIED: [&str; 5] = [
    "id_token_hint",
    "post_logout_redirect_uri",
    "state",
    "client_id",
    "ui_locales",
];
/// Longest query that a POST is turned into.
const MAX_QUERY: usize = 16 * 1024;

#[derive(Template)]
#[template(path = "logout.html")]
struct Question {
    layout: Layout,
    csrf: String,
    warning: Option<Text>,
    client: Option<String>,
    fields: Vec<(&'static str, String)>,
}

/// What the `id_token_hint` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// There is none.
    Absent,
    /// It is no ID token of this server, or one of another client than the request names.
    Invalid,
    /// An ID token of another session than this browser's.
    Elsewhere,
    /// An ID token of this browser's session.
    Here,
}

/// What the `post_logout_redirect_uri` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    /// There is none.
    Absent,
    /// The hint's client has registered it.
    Registered,
    /// It is not registered for the hint's client, or there is no hint that says which client that is.
    Unknown,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// Ask the person first.
    Ask,
    /// End the session, if there is one, and go back to the application.
    GoBack,
    /// End the session, if there is one, and say so here.
    SayGoodbye,
}

/// §2 and §3: without a hint, or with one of somebody else's session, "the OP MUST ask"; and the browser is not sent back
/// unless the hint tells for whom the URI is registered.
fn decide(signed_in: bool, hint: Hint, back: Return, confirmed: bool) -> Decision {
    let known = matches!(hint, Hint::Here | Hint::Elsewhere);
    let may_go_back = known && back == Return::Registered;
    if !signed_in || confirmed {
        return if may_go_back {
            Decision::GoBack
        } else {
            Decision::SayGoodbye
        };
    }
    if hint == Hint::Here && may_go_back {
        Decision::GoBack
    } else {
        Decision::Ask
    }
}

/// `GET /oauth2/logout`.
pub async fn get(app: web::Data<App>, exchange: Exchange, http: HttpRequest) -> HttpResponse {
    match Form::of_query(&http).and_then(bounded) {
        Ok(parameters) => answer(&app, &exchange, &http, &parameters).await,
        Err(refusal) => exchange.refuse(refusal).error_response(),
    }
}

/// `POST /oauth2/logout`: our own question answered, or the request of an application. The latter becomes a GET, since a
/// form that another site posts carries no `SameSite=Lax` cookie.
pub async fn post(
    app: web::Data<App>,
    exchange: Exchange,
    http: HttpRequest,
    form: FormBody,
) -> HttpResponse {
    let parameters = match bounded(form.0) {
        Ok(parameters) => parameters,
        Err(refusal) => return exchange.refuse(refusal).error_response(),
    };
    if parameters.get(csrf::FIELD).is_some() {
        return answer(&app, &exchange, &http, &parameters).await;
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter());
    let query = query.finish();
    let base = exchange.tenant().issuer.path();
    if query.len() > MAX_QUERY {
        // Too long to be carried along: what remains is the wish to sign out.
        return see_other(&format!("{base}{PATH}"));
    }
    see_other(&format!("{base}{PATH}?{query}"))
}

/// Parameters, each once and none too long.
fn bounded(parameters: Form) -> Result<Form, Refusal> {
    let parameters = parameters.without_repeats(&[])?;
    match parameters.too_long() {
        None => Ok(parameters),
        Some(detail) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{detail}."))),
    }
}

async fn answer(app: &App, exchange: &Exchange, http: &HttpRequest, parameters: &Form) -> HttpResponse {
    match Visit::begin(app, exchange, http).await {
        Ok(visit) => {
            let response = serve(&visit, parameters).await;
            visit.finish(response.unwrap_or_else(Stop::into_response))
        }
        Err(stop) => stop.into_response(),
    }
}

async fn serve(visit: &Visit<'_>, parameters: &Form) -> Result<HttpResponse, Stop> {
    visit.exchange.wish_for_languages(parameters.get("ui_locales"));
    let request = LogoutRequest::read(visit, parameters)
        .await
        .map_err(|fault| visit.fault(&fault))?;
    let session = visit.any_session();
    // A form that was answered after its session had ended has nothing left to protect.
    let confirmed = match (session, parameters.get(csrf::FIELD)) {
        (Some(session), Some(_)) => {
            visit.check_form(parameters, &["logout", &session.id.to_string()], PATH)?;
            parameters.get("decision") == Some("allow")
        }
        _ => false,
    };
    let decision = decide(session.is_some(), request.hint, request.back, confirmed);
    if let (Decision::Ask, Some(session)) = (decision, session) {
        return request.ask(visit, parameters, session);
    }
    let mut frames = None;
    if let Some(session) = session {
        let found = Frames::of(visit, session).await;
        frames = Some(found.map_err(|fault| visit.fault(&fault))?).filter(|frames| !frames.is_empty());
        end(visit, &request, session)
            .await
            .map_err(|fault| visit.fault(&fault))?;
    }
    let mut response = match (decision, frames) {
        (Decision::GoBack, Some(frames)) => {
            frames.page(visit.layout(), Some(&request.location(parameters)), None)
        }
        (Decision::GoBack, None) => see_other(&request.location(parameters)),
        (_, Some(frames)) => frames.page(visit.layout(), None, request.warning()),
        (_, None) => request.goodbye(visit),
    };
    if visit.cookie.is_some() {
        visit.remove_session_cookie(&mut response);
    }
    Ok(response)
}

/// Ends the session; families without `offline_access` end with it.
async fn end(visit: &Visit<'_>, request: &LogoutRequest, session: &Session) -> Result<(), Fault> {
    let app = visit.app;
    let mut event = app
        .event(visit.now, EventType::Logout, Outcome::Success, visit.tenant)?
        .by(visit.exchange.caller())
        .user(session.user_id);
    if let Some(client) = &request.client {
        event = event.client(&client.client_id);
    }
    app.accounts
        .end_session(visit.tenant, session.id, "logout", event, visit.now)
        .await?;
    Ok(())
}

/// A request to sign out, looked at.
struct LogoutRequest {
    hint: Hint,
    /// The client that the hint was issued to.
    client: Option<Arc<Client>>,
    back: Return,
    uri: Option<String>,
}

impl LogoutRequest {
    async fn read(visit: &Visit<'_>, parameters: &Form) -> Result<Self, Fault> {
        let uri = parameters.get("post_logout_redirect_uri").map(ToOwned::to_owned);
        let (hint, client) = hint(visit, parameters).await?;
        let is_registered = |uri: &String| {
            let registered = client
                .as_ref()
                .map(|client| &client.metadata.post_logout_redirect_uris);
            // §3.1: "the value MUST have been previously registered", exactly.
            registered.is_some_and(|registered| registered.contains(uri))
        };
        let back = match &uri {
            None => Return::Absent,
            Some(uri) if is_registered(uri) => Return::Registered,
            Some(_) => Return::Unknown,
        };
        Ok(Self {
            hint,
            client,
            back,
            uri,
        })
    }

    /// Where to go back to, with `state` as it came (§2).
    fn location(&self, parameters: &Form) -> String {
        let uri = self.uri.as_deref().unwrap_or_default();
        let Some(state) = parameters.get("state") else {
            return uri.to_owned();
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("state", state);
        let joint = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{joint}{}", query.finish())
    }

    /// Why the browser will not go back to the application that sent it.
    fn warning(&self) -> Option<Text> {
        match (self.hint, self.back) {
            (Hint::Invalid, _) => Some(Text::new("logout-unknown-application")),
            (_, Return::Unknown) => Some(Text::new("logout-unknown-address")),
            (_, Return::Absent | Return::Registered) => None,
        }
    }

    fn ask(&self, visit: &Visit<'_>, parameters: &Form, session: &Session) -> Result<HttpResponse, Stop> {
        let carry = |name: &'static str| parameters.get(name).map(|value| (name, value.to_owned()));
        let layout = visit.layout();
        let client = self.client.as_ref();
        let name = client.and_then(|client| client.metadata.said_in(layout.language.tag()).client_name);
        let page = Question {
            layout,
            csrf: visit.form_token(&["logout", &session.id.to_string()])?,
            warning: self.warning(),
            client: name.map(str::to_owned),
            fields: CARRIED.into_iter().filter_map(carry).collect(),
        };
        let mut response = page::respond(StatusCode::OK, &page);
        if self.back == Return::Registered
            && let Some(origin) = self.uri.as_deref().and_then(|uri| Url::parse(uri).ok())
        {
            // Chrome applies form-action to the redirect that follows.
            let target = match origin.origin() {
                url::Origin::Opaque(_) => format!("{}:", origin.scheme()),
                origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            };
            let policy = Policy {
                forms: &[&target],
                ..Policy::default()
            };
            page.layout.allow(&mut response, policy);
        }
        Ok(response)
    }

    fn goodbye(&self, visit: &Visit<'_>) -> HttpResponse {
        let notice = |tone| {
            let (title, detail) = (Text::new("logout-done-title"), Text::new("logout-done"));
            let sign_in = Text::new("sign-in-again");
            Notice::new(visit.layout(), tone, title, detail).link(&visit.path("/login"), sign_in)
        };
        match self.warning() {
            None => notice(Tone::Good).respond(StatusCode::OK),
            Some(warning) => notice(Tone::Info).and(warning).respond(StatusCode::BAD_REQUEST),
        }
    }
}

/// Looks at the hint: an ID token of this server, expired or not (§4: "The OP SHOULD accept ID Tokens when the RP
/// identified by the ID Token's aud claim and/or sid claim has a current session or had a recent session at the OP, even
/// when the exp time has passed").
async fn hint(visit: &Visit<'_>, parameters: &Form) -> Result<(Hint, Option<Arc<Client>>), Fault> {
    let Some(token) = parameters.get("id_token_hint") else {
        return Ok((Hint::Absent, None));
    };
    let app = visit.app;
    let expect = Expect {
        typ: &["JWT"],
        issuer: visit.exchange.tenant().issuer.as_str(),
        audience: None,
        leeway_s: app.config.tokens.leeway_s,
        allow_expired: true,
    };
    let verified = jwt::verify(token, &expect, |kid| visit.keys.verifying_hint(kid), visit.now);
    let Ok(claims) = verified else {
        return Ok((Hint::Invalid, None));
    };
    let Some(client_id) = claims.str("aud").and_then(|id| ClientId::parse(id).ok()) else {
        return Ok((Hint::Invalid, None));
    };
    // §2: "When both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier matches the
    // one used when issuing the ID Token."
    if parameters
        .get("client_id")
        .is_some_and(|named| named != client_id.as_str())
    {
        return Ok((Hint::Invalid, None));
    }
    let Some(client) = app.clients.find_enabled(visit.tenant, &client_id).await? else {
        return Ok((Hint::Invalid, None));
    };
    let here = match visit.any_session() {
        Some(session) => claims.str("sid") == Some(&sid(&visit.keys, session.id, &client_id)?),
        None => false,
    };
    Ok((if here { Hint::Here } else { Hint::Elsewhere }, Some(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINTS: [Hint; 4] = [Hint::Absent, Hint::Invalid, Hint::Elsewhere, Hint::Here];
    const RETURNS: [Return; 3] = [Return::Absent, Return::Registered, Return::Unknown];

    /// Every combination, against the rules told the other way round.
    #[test]
    fn s3_hint_session_and_uri_as_a_table() {
        for signed_in in [true, false] {
            for hint in HINTS {
                for back in RETURNS {
                    for confirmed in [true, false] {
                        let context = format!("{signed_in} {hint:?} {back:?} {confirmed}");
                        match decide(signed_in, hint, back, confirmed) {
                            Decision::GoBack => {
                                assert_eq!(back, Return::Registered, "{context}");
                                assert!(matches!(hint, Hint::Here | Hint::Elsewhere), "{context}");
                                assert!(!signed_in || confirmed || hint == Hint::Here, "{context}");
                            }
                            Decision::SayGoodbye => assert!(!signed_in || confirmed, "{context}"),
                            Decision::Ask => assert!(signed_in && !confirmed, "{context}"),
                        }
                    }
                }
            }
        }
        assert_eq!(
            decide(true, Hint::Here, Return::Registered, false),
            Decision::GoBack
        );
        assert_eq!(
            decide(false, Hint::Elsewhere, Return::Registered, false),
            Decision::GoBack
        );
        assert_eq!(decide(true, Hint::Here, Return::Absent, false), Decision::Ask);
    }
}
