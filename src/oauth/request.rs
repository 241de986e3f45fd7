//! A request of a client to an endpoint that only clients may use (token, revocation, introspection).

use crate::app::App;
use crate::audit::{EventType, Outcome};
use crate::clients::authentication::{
    AuthenticationError, AuthenticationFailure, Occasion, Presented, Reason,
};
use crate::fault::Fault;
use crate::oauth::error::OauthError;
use crate::oauth::parameters::REPEATABLE;
use crate::protect::Exchange;
use crate::protect::body::Form;
use crate::storage::clients::Client;
use crate::surface::Refused;
use crate::tenants::Tenant;
use crate::types::{AuthMethod, Caller};
use actix_web::HttpRequest;
use actix_web::http::header;
use std::sync::Arc;

/// An authenticated client's request.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// At which tenant.
    pub tenant: Arc<Tenant>,
    /// The client; a public one has only named itself.
    pub client: Arc<Client>,
    /// How it proved who it is.
    pub method: AuthMethod,
    /// The form.
    pub parameters: Form,
    /// From where.
    pub caller: Caller,
}

/// What stands in the way of a request: an OAuth error, or a refusal that has its form already (a limit).
#[derive(Debug)]
pub enum Unserved {
    /// An error of the endpoint.
    Error(OauthError),
    /// A refusal of the layers around it.
    Refused(Refused),
}

impl From<OauthError> for Unserved {
    fn from(error: OauthError) -> Self {
        Self::Error(error)
    }
}

impl From<Fault> for Unserved {
    fn from(fault: Fault) -> Self {
        Self::Error(fault.into())
    }
}

impl From<Refused> for Unserved {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl ClientRequest {
    /// Checks the parameters, authenticates the client and counts the request as its own. `endpoint` is the path below
    /// the issuer.
    pub async fn read(
        app: &App,
        exchange: &Exchange,
        http: &HttpRequest,
        form: Form,
        endpoint: &str,
    ) -> Result<Self, Unserved> {
        let tenant = exchange.tenant();
        let parameters = form
            .without_repeats(&REPEATABLE)
            .map_err(|refusal| exchange.refuse(refusal))?;
        if let Some(detail) = parameters.too_long() {
            return Err(OauthError::invalid_request(detail).into());
        }
        let authorization: Vec<&[u8]> = http
            .headers()
            .get_all(header::AUTHORIZATION)
            .map(|value| value.as_bytes())
            .collect();
        // A caller who has guessed too often is not listened to, whatever it presents now.
        exchange.may_present_secret()?;
        let presented = Presented {
            authorization: &authorization,
            client_id: parameters.get("client_id"),
            client_secret: parameters.get("client_secret"),
            client_assertion_type: parameters.get("client_assertion_type"),
            client_assertion: parameters.get("client_assertion"),
        };
        let url = tenant.issuer.at(endpoint);
        let occasion = Occasion {
            tenant: tenant.id,
            issuer: &tenant.issuer,
            endpoint: &url,
            now: exchange.now(),
        };
        let authenticated = match app.authenticator.authenticate(&occasion, &presented).await {
            Ok(authenticated) => authenticated,
            Err(AuthenticationError::Fault(fault)) => return Err(fault.into()),
            Err(AuthenticationError::Refused(failure)) => {
                let basic = !authorization.is_empty();
                return Err(refuse(app, exchange, &failure, basic).await?);
            }
        };
        exchange.allow_origins(authenticated.client.metadata.cors_origins());
        if authenticated.client.metadata.is_public() {
            exchange.public_client(&authenticated.client.client_id);
        } else {
            exchange.client(&authenticated.client, None).await?;
        }
        Ok(Self {
            tenant: Arc::clone(tenant),
            client: authenticated.client,
            method: authenticated.method,
            parameters,
            caller: exchange.caller().clone(),
        })
    }
}

/// Records a failed authentication and counts it against the address (R-LIM-03, contract "Limits").
async fn refuse(
    app: &App,
    exchange: &Exchange,
    failure: &AuthenticationFailure,
    basic: bool,
) -> Result<Unserved, Unserved> {
    let tenant = exchange.tenant().id;
    let mut event = app
        .event(
            exchange.now(),
            EventType::ClientAuthentication,
            Outcome::Failure,
            tenant,
        )?
        .by(exchange.caller())
        .with("method", "oauth")
        .because(failure.reason.as_str());
    if let Some(claimed) = &failure.claimed {
        event = event.client(claimed);
    }
    if let Some(method) = failure.method {
        event = event.with("client_authentication", method.as_str());
    }
    app.audit.note(event);
    if failure.reason == Reason::KeysForbidden {
        let occasion = (exchange.now(), tenant);
        app.note_blocked(occasion, exchange.caller(), failure.claimed.as_ref(), "jwks_uri")?;
    }
    exchange.secret_failed().await?;
    Ok(if failure.reason.is_invalid_request() {
        OauthError::invalid_request(
            "The request has to identify one client, by one method (RFC 6749 section 2.3)",
        )
        .into()
    } else {
        // RFC 6749 §5.2: a client that tried with the Authorization header gets a challenge of the scheme it used.
        OauthError::invalid_client(basic.then_some("Basic")).into()
    })
}
