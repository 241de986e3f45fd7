//! RFC 9101, JWT-Secured Authorization Request, with what OpenID Connect Core §6 and FAPI 2.0 Message Signing add.

mod encrypted;
mod object;
mod reference;
mod request;

use crate::support::Engine;
use crate::support::peer::Peer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{Asked, CALLBACK, RelyingParty, Tokens};
use crate::support::request_object::ClientKey;
use crate::support::user_agent::{Browser, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::{Algorithm, AuthMethod};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PAR: &str = "/oauth2/par";

/// A provider whose client signs with a key.
async fn signing(engine: Engine, alg: &'static str) -> (Provider, ClientKey) {
    let key = ClientKey::new("k1", alg);
    let mut p = Provider::with(engine, &[("outgoing.allow", "127.0.0.0/8")]).await;
    p.rp = RelyingParty::signing(&p.app, &key, |_| {}).await;
    p.sign_in().await;
    (p, key)
}

/// Opens a request object alone.
async fn open(p: &mut Provider, object: &str) -> Page {
    let url = p.rp.with_object(&p.app, object, &[]);
    p.browser.open(&url).await
}

async fn redeem(p: &Provider, asked: &Asked, page: &Page) -> Tokens {
    Tokens::of(p.rp.redeem(&p.app, asked, page).await)
}

/// Pushes a request object.
async fn push(p: &Provider, object: &str) -> crate::support::http::Answer {
    p.rp.post(&p.app, PAR, &[("request", object)]).await
}
