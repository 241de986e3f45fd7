//! "Front-channel": in a real browser, which loads the frames.

use super::{provider, run};
use crate::support::peer::Peer;
use crate::support::people::PASSWORD;
use crate::support::provider::Provider;
use crate::support::relying_party::{RelyingParty, Tokens, claims_of};
use crate::support::webdriver::Chromium;
use url::Url;

/// An application with a site of its own that has its logout page in frames.
async fn application(p: &Provider, site: &str) -> RelyingParty {
    RelyingParty::with(&p.app, |metadata| {
        metadata.require_pkce = false;
        metadata.redirect_uris = vec![format!("{site}/callback")];
        metadata.post_logout_redirect_uris = vec![format!("{site}/bye")];
        metadata.frontchannel_logout_uri = Some(format!("{site}/frontchannel?from=op"));
        metadata.frontchannel_logout_session_required = true;
    })
    .await
}

async fn site() -> Peer {
    let peer = Peer::start().await;
    for page in ["/callback", "/frontchannel", "/bye"] {
        peer.serve(page, "text/html", "<!doctype html><title>Shop</title>");
    }
    peer
}

/// The code flow in the browser, which types a password where it is asked for one.
async fn sign_in(p: &Provider, chromium: &Chromium, rp: &RelyingParty) -> Tokens {
    let asked = rp.ask(&p.app);
    chromium.go(&asked.url).await;
    if chromium.find_now("input[name=username]").await.is_some() {
        chromium.type_into("input[name=username]", "alice").await;
        chromium.type_into("input[name=password]", PASSWORD).await;
        chromium.click("button[type=submit]").await;
    }
    let back: Url = chromium.arrives_at(&rp.redirect_uri).await.parse().unwrap();
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .expect("a code")
        .1
        .into_owned();
    Tokens::of(rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await)
}

/// The parameters of the frame that a site was asked for.
fn framed(peer: &Peer) -> Vec<(String, String)> {
    let asked = peer.asked();
    let frames: Vec<_> = asked
        .iter()
        .filter(|target| target.starts_with("/frontchannel"))
        .collect();
    let [frame] = frames.as_slice() else {
        panic!("{asked:?}")
    };
    let url = Url::parse("http://x").unwrap().join(frame).unwrap();
    url.query_pairs().into_owned().collect()
}

/// "needs `frontchannel_logout_supported`, `..._session_supported`, `sid` in the ID Token (the module breaks off without)".
#[tokio::test]
async fn front_channel_metadata_and_sid() {
    let mut p = provider().await;
    let metadata = p.app.metadata().await;
    assert_eq!(metadata["frontchannel_logout_supported"], true);
    assert_eq!(metadata["frontchannel_logout_session_supported"], true);
    let tokens = run(&mut p, &[]).await;
    assert!(claims_of(&tokens.id)["sid"].is_string());
}

/// "an iframe of `frontchannel_logout_uri?iss=..&sid=..` before going to the post-logout URI": the browser loads the frames of all
/// applications of the session under the page's policy, and then goes on by itself, with JavaScript and without.
#[tokio::test]
async fn front_channel_the_frames_are_loaded_before_the_way_back() {
    for javascript in [true, false] {
        let Some(chromium) = Chromium::start(javascript).await else {
            return;
        };
        let p = provider().await;
        let (one, other) = (site().await, site().await);
        let shop = application(&p, &one.base.replace("127.0.0.1", "localhost")).await;
        let blog = application(&p, &other.base).await;
        let at_shop = sign_in(&p, &chromium, &shop).await;
        let at_blog = sign_in(&p, &chromium, &blog).await;
        let bye = format!("{}/bye", one.base.replace("127.0.0.1", "localhost"));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("id_token_hint", &*at_shop.id),
                ("post_logout_redirect_uri", &*bye),
                ("state", "xyz"),
            ])
            .finish();
        chromium
            .go(&format!("{}/oauth2/logout?{query}", p.app.base))
            .await;
        let back = chromium.arrives_at(&bye).await;
        assert_eq!(back, format!("{bye}?state=xyz"));
        for (peer, tokens) in [(&one, &at_shop), (&other, &at_blog)] {
            let sid = claims_of(&tokens.id)["sid"].as_str().unwrap().to_owned();
            let expected = [("from", "op"), ("iss", p.app.issuer()), ("sid", &*sid)];
            assert_eq!(
                framed(peer),
                expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
            );
        }
        let asked = one.asked();
        let at = |prefix: &str| {
            asked
                .iter()
                .position(|target| target.starts_with(prefix))
                .unwrap()
        };
        assert!(at("/frontchannel") < at("/bye"), "{asked:?}");
        // Nobody is signed in any more: the browser is asked for a password.
        chromium.go(&shop.ask(&p.app).url).await;
        chromium.find("input[name=password]").await;
        chromium.quit().await;
    }
}
