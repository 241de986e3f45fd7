//! RFC 7636, Proof Key for Code Exchange.

use crate::support::Engine;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, Pkce, RelyingParty, Tokens};

/// Appendix B: the example of the specification works end to end.
#[tokio::test]
async fn appendix_b_the_example() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let pair = Pkce::of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(pair.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let asked = p.rp.ask_for(&p.app, &[("code_challenge", &pair.challenge)]);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    p.rp.redeem_code(&p.app, &code, &pair.verifier).await.expect(200);
}

/// §4.3: "code_challenge_method OPTIONAL, defaults to "plain" if not present in the request." §4.4.1: "If the server
/// requires Proof Key for Code Exchange (PKCE) by OAuth public clients and the client does not send the "code_challenge" in
/// the request, the authorization endpoint MUST return the authorization error response with the "error" value set to
/// "invalid_request". […] If the server supporting PKCE does not support the requested transformation, the authorization
/// endpoint MUST return the authorization error response with "error" value set to "invalid_request"."
#[tokio::test]
async fn s4_4_1_a_challenge_is_required_and_s256() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let public = RelyingParty::public(&p.app).await;
    let good = Pkce::new();
    let short = &good.challenge[..42];
    let long = format!("{}A", good.challenge);
    for rp in [&p.rp, &public] {
        for (challenge, method) in [
            ("", ""),
            ("", "S256"),
            (&*good.challenge, ""),
            (&good.challenge, "plain"),
            (&good.challenge, "s256"),
            (&good.challenge, "S512"),
            (short, "S256"),
            (&long, "S256"),
            (&good.challenge.replace('A', "+"), "S25"),
        ] {
            let changes = [("code_challenge", challenge), ("code_challenge_method", method)];
            let page = p
                .browser
                .authorize(&rp.ask_for(&p.app, &changes).url, &p.alice)
                .await;
            assert_eq!(page.error(), "invalid_request", "{challenge} {method}");
        }
    }
}

on_both_engines! {
    /// §4.6: "If the values are not equal, an error response indicating "invalid_grant" as described in Section 5.2 of
    /// [RFC6749] MUST be returned." The code is burnt by it: whoever has it did not get it from the server.
    async fn s4_6_a_wrong_verifier_burns_the_code(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = Pkce::new();
        for wrong in [&*other.verifier, "", "short", &"x".repeat(129), &format!("{}+", other.verifier)] {
            let asked = p.rp.ask(&p.app);
            let code = p.browser.authorize(&asked.url, &p.alice).await.code();
            let mut fields = vec![("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", CALLBACK)];
            if !wrong.is_empty() {
                fields.push(("code_verifier", wrong));
            }
            refused(p.rp.post(&p.app, "/oauth2/token", &fields).await, 400, "invalid_grant");
            refused(p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await, 400, "invalid_grant");
        }
    }
}

/// §4.6 with the challenge itself as verifier: `plain` is not understood at the token endpoint either.
#[tokio::test]
async fn s4_6_the_challenge_is_no_verifier() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = p.rp.ask(&p.app);
    let code = p.browser.authorize(&asked.url, &p.alice).await.code();
    refused(
        p.rp.redeem_code(&p.app, &code, &asked.pkce.challenge).await,
        400,
        "invalid_grant",
    );
}

/// §5: "Clients […] that support this extension" meet servers that do not demand it: a confidential client that is free of
/// PKCE may use it, and then has to; a verifier without a challenge is refused (RFC 9700 §4.8.2: "the authorization server
/// MUST ensure that if there was no code_challenge in the authorization request, a request to the token endpoint containing a
/// code_verifier is rejected").
#[tokio::test]
async fn s5_a_client_that_is_free_of_pkce() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.require_pkce = false).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let fields = |code: &str| -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".into()),
            ("code", code.into()),
            ("redirect_uri", CALLBACK.into()),
        ]
    };
    let code = p
        .browser
        .authorize(&p.rp.ask_for(&p.app, &without).url, &p.alice)
        .await
        .code();
    let fields_of_code = fields(&code);
    let borrowed: Vec<_> = fields_of_code
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    Tokens::of(p.rp.post(&p.app, "/oauth2/token", &borrowed).await);
    let code = p.browser.open(&p.rp.ask_for(&p.app, &without).url).await.code();
    refused(
        p.rp.redeem_code(&p.app, &code, &Pkce::new().verifier).await,
        400,
        "invalid_grant",
    );
    let asked = p.rp.ask(&p.app);
    let code = p.browser.open(&asked.url).await.code();
    let fields_of_code = fields(&code);
    let borrowed: Vec<_> = fields_of_code
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    refused(
        p.rp.post(&p.app, "/oauth2/token", &borrowed).await,
        400,
        "invalid_grant",
    );
    let asked = p.rp.ask(&p.app);
    let code = p.browser.open(&asked.url).await.code();
    p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier)
        .await
        .expect(200);
}
