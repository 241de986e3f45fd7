//! The authorization request (RFC 6749 §4.1.1, OIDC Core §3.1.2.1), checked against the client's registration.

use super::decision::Prompt;
use super::redirect::{ResponseMode, ValidRedirect};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::require;
use crate::oauth::pkce::Challenge;
use crate::oidc::claims_request::{ClaimsRequest, Delivery};
use crate::protect::body::{Form, longest};
use crate::storage::clients::Client;
use crate::types::{GrantType, Resource, ScopeSet, is_admin_scope};

/// Most resources in one request.
const MAX_RESOURCES: usize = 20;

/// Everything that a request says, in types that cannot be wrong.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// `scope`, or the client's `default_scope`.
    pub scope: ScopeSet,
    /// `resource` (RFC 8707), or the client's first; empty means the issuer.
    pub resources: Vec<Resource>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `code_challenge`.
    pub challenge: Option<Challenge>,
    /// `prompt`.
    pub prompt: Prompt,
    /// `max_age`, or the client's `default_max_age`.
    pub max_age: Option<i64>,
    /// `claims`.
    pub claims: ClaimsRequest,
    /// `acr` values of which one is demanded.
    pub essential_acr: Vec<String>,
    /// `id_token_hint`, not verified yet.
    pub id_token_hint: Option<String>,
    /// `login_hint`, for the sign-in form.
    pub login_hint: Option<String>,
}

/// Where answers to a request go: known before the rest of it is read.
#[derive(Clone, Debug)]
pub struct ReturnPath {
    /// The redirect URI.
    pub redirect: ValidRedirect,
    /// `response_mode`; `query` while it is not known to be valid.
    pub mode: ResponseMode,
    /// `state`.
    pub state: Option<String>,
}

impl ReturnPath {
    /// Finds where answers go.
    ///
    /// # Errors
    /// A sentence for the page: nothing may be redirected (RFC 6749 §4.1.2.1).
    pub fn of(client: &Client, parameters: &Form) -> Result<Self, &'static str> {
        let redirect = ValidRedirect::of(client, parameters.get("redirect_uri"))?;
        // RFC 6749 §4.1.2: "The exact value received from the client", so one that is too long is not cut but dropped
        // here and refused below.
        let state = parameters
            .get("state")
            .filter(|state| longest("state").is_none_or(|most| state.chars().count() <= most))
            .map(str::to_owned);
        let mode = ResponseMode::parse(parameters.get("response_mode")).unwrap_or(ResponseMode::Query);
        Ok(Self {
            redirect,
            mode,
            state,
        })
    }
}

impl AuthorizationRequest {
    /// Reads the rest of a request, once it is known where errors go. `pkce_required` is the server's rule for the client.
    ///
    /// # Errors
    /// What is sent to the redirect URI.
    pub fn read(client: &Client, parameters: &Form) -> Result<Self, OauthError> {
        refuse_what_is_not_supported(client, parameters)?;
        if let Some(detail) = parameters.too_long() {
            return Err(OauthError::invalid_request(detail));
        }
        ResponseMode::parse(parameters.get("response_mode"))?;
        let scope = scope(client, parameters)?;
        let resources = resources(client, parameters.all("resource"), &scope)?;
        let claims = parameters
            .get("claims")
            .map(ClaimsRequest::parse)
            .transpose()?
            .unwrap_or_default();
        Ok(Self {
            essential_acr: claims.essential_values(Delivery::IdToken, "acr"),
            challenge: challenge(client, parameters)?,
            prompt: prompt(parameters.get("prompt"))?,
            max_age: max_age(parameters.get("max_age"))?.or(client.metadata.default_max_age),
            nonce: parameters.get("nonce").map(str::to_owned),
            id_token_hint: parameters.get("id_token_hint").map(str::to_owned),
            login_hint: parameters
                .get("login_hint")
                .filter(|hint| hint.len() <= 320)
                .map(str::to_owned),
            scope,
            resources,
            claims,
        })
    }
}

fn refuse_what_is_not_supported(client: &Client, parameters: &Form) -> Result<(), OauthError> {
    // OIDC Core §7.2.1.
    if parameters.get("registration").is_some() {
        return Err(OauthError::new(
            ErrorCode::RegistrationNotSupported,
            "registration is not supported",
        ));
    }
    // RFC 6749 §3.1.1: a missing response_type is an error, and so is one that is not understood.
    if require(parameters, "response_type")? != "code" {
        return Err(OauthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type must be code",
        ));
    }
    if !client.metadata.has_grant(GrantType::AuthorizationCode) {
        return Err(OauthError::new(
            ErrorCode::UnauthorizedClient,
            "The client is not registered for the grant authorization_code",
        ));
    }
    Ok(())
}

/// The scopes that a request means (RFC 6749 §3.3): those that it names, each registered for the client; otherwise the
/// client's default.
pub fn scope(client: &Client, parameters: &Form) -> Result<ScopeSet, OauthError> {
    let scope = match parameters.get("scope") {
        Some(text) => ScopeSet::parse(text).map_err(|why| OauthError::new(ErrorCode::InvalidScope, why.0))?,
        None => client.metadata.default_scope.clone(),
    };
    if scope.is_empty() {
        return Err(OauthError::new(
            ErrorCode::InvalidScope,
            "The request names no scope and the client has no default_scope",
        ));
    }
    refuse_unregistered(client, &scope)?;
    // OIDC Core §11: offline_access means a refresh token, which only clients registered for that grant get.
    if client.metadata.has_grant(GrantType::RefreshToken) {
        Ok(scope)
    } else {
        Ok(scope.filter(|scope| scope.as_str() != "offline_access"))
    }
}

/// R-GRT-11: a request may hold only scopes that are registered for the client.
pub fn refuse_unregistered(client: &Client, scope: &ScopeSet) -> Result<(), OauthError> {
    match scope
        .iter()
        .find(|scope| !client.metadata.scope.has(scope.as_str()))
    {
        None => Ok(()),
        Some(unregistered) => Err(OauthError::new(
            ErrorCode::InvalidScope,
            format!("The scope {unregistered} is not registered for the client"),
        )),
    }
}

/// The resources that a request means (RFC 8707 §2): those that it names, each registered for the client; otherwise the
/// client's first. A token with an admin scope is for the issuer alone.
///
/// # Errors
/// `invalid_target`.
pub fn resources<'p>(
    client: &Client,
    named: impl Iterator<Item = &'p str>,
    scope: &ScopeSet,
) -> Result<Vec<Resource>, OauthError> {
    let invalid_target = |why: String| OauthError::new(ErrorCode::InvalidTarget, why);
    let admin = scope.iter().any(|scope| is_admin_scope(scope.as_str()));
    let mut resources: Vec<Resource> = Vec::new();
    let too_many = || invalid_target(format!("A request names at most {MAX_RESOURCES} resources"));
    for (before, text) in named.enumerate() {
        if before == MAX_RESOURCES {
            return Err(too_many());
        }
        let resource = Resource::parse(text).map_err(|why| invalid_target(format!("resource: {}", why.0)))?;
        if !client.metadata.resources.contains(&resource) {
            return Err(invalid_target(
                "A resource of the request is not registered for the client".to_owned(),
            ));
        }
        if !resources.contains(&resource) {
            resources.push(resource);
        }
    }
    if admin && !resources.is_empty() {
        return Err(invalid_target(
            "A token with an admin scope is for the issuer alone: leave resource out".to_owned(),
        ));
    }
    if resources.is_empty() && !admin {
        resources.extend(client.metadata.resources.first().cloned());
    }
    Ok(resources)
}

/// RFC 7636 with S256 alone; OAuth 2.1 §7.5.2 makes it compulsory, and a confidential client may be registered as free
/// of it, which a public one never is.
fn challenge(client: &Client, parameters: &Form) -> Result<Option<Challenge>, OauthError> {
    match (
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
    ) {
        (Some(text), Some("S256")) => Ok(Some(Challenge::parse(text)?)),
        // RFC 7636 §4.3: a missing method means plain.
        (Some(_), _) => Err(OauthError::invalid_request("code_challenge_method must be S256")),
        (None, Some(_)) => Err(OauthError::invalid_request(
            "code_challenge_method came without code_challenge",
        )),
        (None, None) if client.metadata.needs_pkce() => Err(OauthError::invalid_request(
            "code_challenge is missing: this client has to use PKCE (RFC 7636)",
        )),
        (None, None) => Ok(None),
    }
}

fn prompt(text: Option<&str>) -> Result<Prompt, OauthError> {
    let mut prompt = Prompt::default();
    for value in text.into_iter().flat_map(|text| text.split(' ')) {
        match value {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            _ => {
                return Err(OauthError::invalid_request(
                    "prompt must be none, or any of login, consent and select_account",
                ));
            }
        }
    }
    // OIDC Core §3.1.2.1: "If this parameter contains none with any other value, an error is returned."
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return Err(OauthError::invalid_request(
            "prompt=none cannot be combined with another value",
        ));
    }
    Ok(prompt)
}

fn max_age(text: Option<&str>) -> Result<Option<i64>, OauthError> {
    let Some(text) = text else { return Ok(None) };
    let digits = text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(seconds) if digits => Ok(Some(seconds)),
        _ => Err(OauthError::invalid_request("max_age must be a number of seconds")),
    }
}
