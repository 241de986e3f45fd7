//! In a real browser: what it makes of the pages' policies, redirects, cookies and CORS is its own judgement.

use crate::support::Engine;
use crate::support::peer::Peer;
use crate::support::people::PASSWORD;
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::webdriver::Chromium;
use grantor::types::AuthMethod;
use serde_json::json;

/// A site of its own: another host than the server's, as browsers see it.
fn site(peer: &Peer) -> String {
    peer.base.replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn people_sign_in_consent_and_sign_out_without_javascript() {
    let Some(chromium) = Chromium::start(false).await else {
        return;
    };
    let mut p = Provider::new(Engine::Sqlite).await;
    let shop = Peer::start().await;
    for page in ["/callback", "/bye"] {
        shop.serve(page, "text/html", "<title>Shop</title>");
    }
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.redirect_uris = vec![format!("{}/callback", site(&shop))];
        metadata.post_logout_redirect_uris = vec![format!("{}/bye", site(&shop))];
        metadata.require_consent = true;
    })
    .await;
    let asked = p.rp.ask(&p.app);
    chromium.go(&asked.url).await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium
        .type_into("input[name=password]", "not her password")
        .await;
    chromium.click("button[type=submit]").await;
    chromium.find("input[name=password]").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    chromium.click("button[name=decision][value=allow]").await;
    let back: url::Url = chromium.arrives_at(&p.rp.redirect_uri).await.parse().unwrap();
    let parameter = |name: &str| {
        let found = back.query_pairs().find(|(own, _)| own == name);
        found.unwrap_or_else(|| panic!("{name}: {back}")).1.into_owned()
    };
    assert_eq!(parameter("state"), asked.state);
    assert_eq!(parameter("iss"), p.app.issuer());
    let tokens = Tokens::of(
        p.rp.redeem_code(&p.app, &parameter("code"), &asked.pkce.verifier)
            .await,
    );
    p.rp.verify_id_token(&p.app, &tokens.id).await;

    // Without a hint the person is asked, then told.
    chromium.go(&format!("{}/oauth2/logout", p.app.base)).await;
    chromium.click("button[name=decision][value=allow]").await;
    chromium.find("h1").await;
    assert!(!p.rp.is_active(&p.app, &tokens.access).await);
    // With one, an application gets its person back at once.
    let asked = p.rp.ask(&p.app);
    chromium.go(&asked.url).await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    let back: url::Url = chromium.arrives_at(&p.rp.redirect_uri).await.parse().unwrap();
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned();
    let tokens = Tokens::of(p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await);
    let bye = format!("{}/bye", site(&shop));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("id_token_hint", &*tokens.id), ("post_logout_redirect_uri", &bye)])
        .finish();
    chromium
        .go(&format!("{}/oauth2/logout?{query}", p.app.base))
        .await;
    chromium.arrives_at(&bye).await;
    assert!(!p.rp.is_active(&p.app, &tokens.access).await);
    chromium.quit().await;
}

#[tokio::test]
async fn a_form_posts_itself_where_there_is_javascript_and_has_a_button_where_there_is_none() {
    let Some(chromium) = Chromium::start(true).await else {
        return;
    };
    let mut p = Provider::new(Engine::Sqlite).await;
    let shop = Peer::start().await;
    shop.serve("/callback", "text/html", "<title>Shop</title>");
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.redirect_uris = vec![format!("{}/callback", site(&shop))];
    })
    .await;
    chromium
        .go(&p.rp.ask_for(&p.app, &[("response_mode", "form_post")]).url)
        .await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    assert_eq!(
        chromium.arrives_at(&p.rp.redirect_uri).await,
        p.rp.redirect_uri,
        "nothing is in the address"
    );
    chromium.quit().await;
}

/// A single-page app on another origin gets and renews tokens with `fetch`; an origin that no client registered reads nothing.
#[tokio::test]
async fn a_single_page_app_gets_and_renews_tokens() {
    const POST: &str = "const answer = await fetch(parameters.url, {method: 'POST', body: new URLSearchParams(parameters.form)});
        return {status: answer.status, body: await answer.json(), limit: answer.headers.get('RateLimit')};";
    const GET: &str = "const answer = await fetch(parameters.url, {headers: {Authorization: 'Bearer ' + parameters.token}});
        return {status: answer.status, body: await answer.json()};";
    let Some(chromium) = Chromium::start(true).await else {
        return;
    };
    let mut p = Provider::new(Engine::Sqlite).await;
    let (spa, stranger) = (Peer::start().await, Peer::start().await);
    for (peer, path) in [(&spa, "/"), (&stranger, "/")] {
        peer.serve(path, "text/html", "<title>App</title>");
    }
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::None;
        metadata.redirect_uris = vec![format!("{}/", site(&spa))];
    })
    .await;
    let asked = p.rp.ask_for(&p.app, &[("scope", "openid email")]);
    chromium.go(&asked.url).await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    // It stands on loopback, where anybody could: the person is asked.
    chromium.click("button[name=decision][value=allow]").await;
    let back: url::Url = chromium.arrives_at(&p.rp.redirect_uri).await.parse().unwrap();
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .expect("a code")
        .1
        .into_owned();
    let token_url = format!("{}/oauth2/token", p.app.base);
    let userinfo_url = format!("{}/oauth2/userinfo", p.app.base);
    let form = json!({
        "grant_type": "authorization_code", "client_id": p.rp.client_id, "code": code,
        "redirect_uri": p.rp.redirect_uri, "code_verifier": asked.pkce.verifier,
    });
    let first = chromium.run(POST, &json!({"url": token_url, "form": form})).await;
    assert_eq!(first["status"], 200, "{first}");
    assert!(first["limit"].is_string(), "exposed: {first}");
    let refresh = |token: &serde_json::Value| json!({"url": token_url, "form": {"grant_type": "refresh_token", "client_id": p.rp.client_id, "refresh_token": token}});
    let second = chromium
        .run(POST, &refresh(&first["body"]["refresh_token"]))
        .await;
    assert_eq!(second["status"], 200, "{second}");
    let userinfo = json!({"url": userinfo_url, "token": second["body"]["access_token"]});
    let info = chromium.run(GET, &userinfo).await;
    assert_eq!(info["body"]["email"], "alice@example.com", "{info}");
    // An error can be read too.
    let refused = chromium.run(POST, &refresh(&json!("grt_x"))).await;
    assert_eq!(
        (&refused["status"], &refused["body"]["error"]),
        (&json!(400), &json!("invalid_grant")),
        "{refused}"
    );

    chromium.go(&format!("{}/", site(&stranger))).await;
    let read = chromium.run(GET, &userinfo).await;
    assert!(
        read["thrown"]
            .as_str()
            .is_some_and(|text| text.contains("TypeError")),
        "{read}"
    );
    let read = chromium
        .run(POST, &refresh(&second["body"]["refresh_token"]))
        .await;
    assert!(
        read["thrown"]
            .as_str()
            .is_some_and(|text| text.contains("TypeError")),
        "{read}"
    );
    let metadata = "const answer = await fetch(parameters.url); return await answer.json();";
    let url = format!("{}/.well-known/openid-configuration", p.app.base);
    let public = chromium.run(metadata, &json!({"url": url})).await;
    assert_eq!(
        public["issuer"],
        p.app.issuer(),
        "what is public is for everybody"
    );
    chromium.quit().await;
}
