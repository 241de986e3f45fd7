//! What the OpenID Foundation's conformance plans Config, Basic, Form Post, Dynamic, Third-Party-Initiated Login, RP-Initiated,
//! Back-Channel and Front-Channel Logout and Session Management do to a server, one test for each thing that they check. The specifications' own MUSTs are shown in the files that are named after them.

mod back_channel;
mod basic;
mod config;
mod dynamic;
mod dynamic_requests;
mod every_plan;
mod front_channel;
mod logout;
mod protected_answers;
mod session_management;

use crate::support::provider::Provider;
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
use crate::support::user_agent::Page;
use crate::support::{Engine, TestApp};
use grantor::types::AuthMethod;

const USERINFO: &str = "/oauth2/userinfo";
const BYE: &str = "https://rp.example/bye";

/// A provider as the plans want it: a client without compulsory PKCE.
async fn provider() -> Provider {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = plan_client(&p.app, AuthMethod::ClientSecretBasic).await;
    p
}

async fn plan_client(app: &TestApp, method: AuthMethod) -> RelyingParty {
    RelyingParty::with(app, |metadata| {
        metadata.token_endpoint_auth_method = method;
        metadata.require_pkce = false;
        metadata.redirect_uris = vec![
            CALLBACK.to_owned(),
            format!("{CALLBACK}?dummy1=lorem&dummy2=ipsum"),
        ];
        metadata.post_logout_redirect_uris = vec![BYE.to_owned()];
    })
    .await
}

/// The request without PKCE, as most modules send it.
fn plain<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("code_challenge", ""), ("code_challenge_method", "")];
    all.extend(changes);
    all
}

async fn redeem(p: &Provider, code: &str) -> Tokens {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &*p.rp.redirect_uri),
    ];
    Tokens::of(p.rp.post(&p.app, "/oauth2/token", &fields).await)
}

/// A whole sign-in with these parameters.
async fn run(p: &mut Provider, changes: &[(&str, &str)]) -> Tokens {
    let asked = p.rp.ask_for(&p.app, &plain(changes));
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    redeem(p, &page.code()).await
}

async fn open(p: &mut Provider, changes: &[(&str, &str)]) -> Page {
    let asked = p.rp.ask_for(&p.app, &plain(changes));
    p.browser.open(&asked.url).await
}
