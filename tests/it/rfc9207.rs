//! RFC 9207, OAuth 2.0 Authorization Server Issuer Identification.

use crate::support::Engine;
use crate::support::html;
use crate::support::provider::Provider;
use crate::support::user_agent::Browser;

/// §2: "In authorization responses to the client, including error responses, an authorization server supporting this
/// specification MUST indicate its identity by including the "iss" parameter in the response." "The value […] MUST be identical
/// to the value of the issuer identifier" (§2.3 for metadata: `authorization_response_iss_parameter_supported`).
#[tokio::test]
async fn s2_iss_is_in_every_response() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let issuer = p.app.issuer().to_owned();
    let metadata = p.app.metadata().await;
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(metadata["issuer"], *issuer);
    let none = p.rp.ask_for(&p.app, &[("prompt", "none")]);
    let refused = Browser::new(&p.app).open(&none.url).await;
    assert_eq!(refused.error(), "login_required");
    assert_eq!(refused.parameter("iss").as_deref(), Some(&*issuer));
    for (name, value) in [
        ("response_type", "token"),
        ("scope", "unheard_of"),
        ("code_challenge", ""),
        ("resource", "urn:x"),
    ] {
        let page = p.browser.open(&p.rp.ask_for(&p.app, &[(name, value)]).url).await;
        page.error();
        assert_eq!(page.parameter("iss").as_deref(), Some(&*issuer), "{name}");
    }
    let page = p.browser.authorize(&p.rp.ask(&p.app).url, &p.alice).await;
    page.code();
    assert_eq!(page.parameter("iss").as_deref(), Some(&*issuer));
}

/// §2 for the response mode `form_post`: the form carries it too.
#[tokio::test]
async fn s2_iss_is_in_a_posted_form() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.sign_in().await;
    for (name, value) in [("state", "x"), ("scope", "unheard_of")] {
        let asked =
            p.rp.ask_for(&p.app, &[("response_mode", "form_post"), (name, value)]);
        let page = p.browser.open(&asked.url).await;
        let form = html::forms(&page.html()).remove(0);
        assert_eq!(form.value("iss"), Some(p.app.issuer()));
        assert_eq!(form.action, p.rp.redirect_uri);
    }
}

/// §2: the identity does not follow the address that a request names.
#[tokio::test]
async fn s2_iss_does_not_follow_the_host_header() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let url = p.rp.ask_for(&p.app, &[("prompt", "none")]).url;
    let answer = p.app.http.get(&url).header("host", "evil.example").send().await;
    let location = answer.header("location").to_owned();
    if answer.status.is_redirection() {
        let iss: String = url::form_urlencoded::byte_serialize(p.app.issuer().as_bytes()).collect();
        assert!(location.contains(&format!("iss={iss}")), "{location}");
    } else {
        assert!(answer.status.is_client_error(), "{}", answer.text());
    }
    let tokens = p.sign_in().await;
    assert_eq!(tokens.access_claims()["iss"], p.app.issuer());
}
