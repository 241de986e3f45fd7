//! OpenID Connect Core 1.0, as far as the code flow goes.

mod authentication;
mod claims;
mod subjects;
mod together;
mod tokens;

use crate::support::provider::Provider;
use crate::support::relying_party::Tokens;
use serde_json::Value;

const USERINFO: &str = "/oauth2/userinfo";

/// What UserInfo says to a token.
async fn userinfo(p: &Provider, tokens: &Tokens) -> Value {
    p.app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .send()
        .await
        .expect(200)
        .json()
}

/// Signs in at `p.rp` with an authorization request changed by `changes`.
async fn sign_in(p: &mut Provider, changes: &[(&str, &str)]) -> Tokens {
    let asked = p.rp.ask_for(&p.app, changes);
    let page = p.browser.authorize(&asked.url, &p.alice).await;
    Tokens::of(p.rp.redeem(&p.app, &asked, &page).await)
}
