//! What a logout token says, who gets one, and when.

use super::*;

on_both_engines! {
    /// §2.4: "iss REQUIRED", "aud REQUIRED", "iat REQUIRED", "exp REQUIRED […] it is recommended that it be at most two minutes in
    /// the future", "jti REQUIRED", "events REQUIRED", "A Logout Token MUST contain either a sub or a sid Claim, and MAY contain
    /// both.", "The following Claim MUST NOT be used within the Logout Token: nonce". §2.5: "the OP uses an HTTP POST to the registered
    /// back-channel logout URI […] using the application/x-www-form-urlencoded encoding. […] includes the logout_token parameter".
    async fn s2_4_s2_5_the_client_gets_a_logout_token(engine: Engine) {
        let mut scene = Scene::new(engine).await;
        let tokens = scene.p.sign_in().await;
        scene.sign_out(&tokens).await;
        let received = scene.waits_for(1).await;
        let [received] = received.as_slice() else { panic!("it is told once: {received:?}") };
        assert_eq!(received.target, "POST /logout?a=b");
        assert!(received.headers.contains(&"content-type: application/x-www-form-urlencoded".to_owned()));
        assert_eq!(received.form.len(), 1);
        let claims = token_of(&scene.p.app, received).await;
        let id = claims_of(&tokens.id);
        assert_eq!(claims["aud"], scene.p.rp.client_id.as_str());
        assert_eq!((&claims["iss"], &claims["sub"], &claims["sid"]), (&id["iss"], &id["sub"], &id["sid"]));
        assert_eq!(header_of(received.field("logout_token"))["alg"], "RS256");
        scene.until(<[Delivery]>::is_empty).await;
        assert_eq!(scene.receiver.received().len(), 1);
    }

    /// §2: "OPs supporting back-channel logout need to keep track of the set of logged-in RPs so that they know what RPs to contact
    /// at their logout URIs to cause the End-User to be logged out." Clients without a URI, and other sessions, are left alone.
    async fn s2_every_client_of_the_session_is_told_and_no_other(engine: Engine) {
        let mut scene = Scene::new(engine).await;
        let second = Receiver::start().await;
        let shop = told(&scene.p.app, &second, |_| {}).await;
        let untold = RelyingParty::new(&scene.p.app).await;
        let elsewhere = Receiver::start().await;
        let bystander = told(&scene.p.app, &elsewhere, |_| {}).await;
        let alice = scene.p.alice.clone();
        let tokens = scene.p.sign_in().await;
        let at_shop = shop.sign_in(&scene.p.app, &mut scene.p.browser, &alice, "openid").await;
        scene.p.sign_in_for("openid offline_access").await;
        untold.sign_in(&scene.p.app, &mut scene.p.browser, &alice, "openid").await;
        let mut other = Browser::new(&scene.p.app);
        bystander.sign_in(&scene.p.app, &mut other, &alice, "openid").await;
        scene.p.rp.sign_in(&scene.p.app, &mut other, &alice, "openid").await;
        scene.sign_out(&tokens).await;
        let here = scene.waits_for(1).await;
        let there = arrived(&scene.p.app, &second, 1).await;
        scene.until(<[Delivery]>::is_empty).await;
        assert_eq!((here.len(), there.len(), elsewhere.received().len()), (1, 1, 0));
        let (here, there) = (token_of(&scene.p.app, &here[0]).await, token_of(&scene.p.app, &there[0]).await);
        assert_eq!((&here["sid"], &there["sid"]), (&sid_of(&tokens), &sid_of(&at_shop)));
        assert_ne!(here["sid"], there["sid"], "each client knows the session by another name");
        assert_ne!(here["jti"], there["jti"]);
        assert_eq!(there["aud"], shop.client_id.as_str());
    }

    /// §2.8: "If the logout succeeded, the RP MUST respond with HTTP 200 OK. However, note that some Web frameworks will substitute an
    /// HTTP 204 No Content response". A receiver that is down for an hour gets the token when it returns: signed at that time, with the
    /// same `jti`.
    async fn s2_5_a_receiver_that_was_down_for_an_hour_is_told_when_it_returns(engine: Engine) {
        let mut scene = Scene::new(engine).await;
        scene.receiver.becomes(Mood::HangsUp);
        let tokens = scene.p.sign_in().await;
        scene.sign_out(&tokens).await;
        scene.waits_for(1).await;
        let mut dues = Vec::new();
        while scene.p.app.now() < crate::support::app::START.plus_seconds(3600) {
            let queue = scene.until(|queue| queue.len() == 1 && queue[0].claim.is_none() && queue[0].attempts > 0).await;
            assert_eq!(queue[0].last_error.as_deref(), Some("the exchange with the target broke off"));
            dues.push(queue[0].due_at.micros_since(scene.p.app.now()));
            let attempts = queue[0].attempts;
            scene.p.app.advance(queue[0].due_at.micros_since(scene.p.app.now()) / 1_000_000 + 1);
            scene.until(|queue| queue[0].attempts > attempts).await;
        }
        assert!(dues[..4].windows(2).all(|pair| pair[0] < pair[1]), "the waits grow: {dues:?}");
        // It is back, and a while later it knows.
        scene.receiver.becomes(Mood::Answers(204));
        let before = scene.receiver.received().len();
        scene.until(|queue| queue.iter().all(|delivery| delivery.claim.is_none())).await;
        scene.p.app.advance(1080);
        let received = scene.waits_for(before + 1).await;
        scene.until(<[Delivery]>::is_empty).await;
        let last = token_of(&scene.p.app, received.last().unwrap()).await;
        assert_eq!(last["sid"], sid_of(&tokens));
        let jtis: Vec<_> = received.iter().map(|one| claims_of(one.field("logout_token"))["jti"].clone()).collect();
        assert!(jtis.iter().all(|jti| *jti == last["jti"]), "one message, one jti: {jtis:?}");
        let iats: Vec<_> = received.iter().map(|one| claims_of(one.field("logout_token"))["iat"].as_i64()).collect();
        assert!(iats.windows(2).all(|pair| pair[0] < pair[1]), "each attempt is signed anew: {iats:?}");
    }

    /// §2: the End-User is logged out by whatever ends the session: an administrator, another person in the same browser, a stolen
    /// refresh token, the account page, a new password, a disabled, revoked or deleted account, the absolute limit.
    async fn s2_every_way_to_end_a_session_tells_the_client(engine: Engine) {
        let mut scene = Scene::new(engine).await;
        let mut told = 0;
        for way in WAYS {
            let person = Person::new(&scene.p.app, way).await;
            scene.p.browser = Browser::new(&scene.p.app);
            let tokens = scene.p.rp.sign_in(&scene.p.app, &mut scene.p.browser, &person, "openid").await;
            scene.end(way, &person, &tokens).await;
            told += 1;
            let received = scene.waits_for(told).await;
            let claims = claims_of(received.last().unwrap().field("logout_token"));
            assert_eq!(claims["sid"], sid_of(&tokens), "{way}");
            assert_eq!(claims["sub"], person.id.to_string(), "{way}");
            scene.until(<[Delivery]>::is_empty).await;
            assert_eq!(scene.receiver.received().len(), told, "{way}: once");
        }
    }
}

/// §2.4: "The same keys are used to sign […] Logout Tokens as are used for ID Tokens"; §2.6: the algorithm is that of
/// `id_token_signed_response_alg`.
#[tokio::test]
async fn s2_4_the_algorithm_is_that_of_id_tokens() {
    let mut scene = Scene::new(Engine::Sqlite).await;
    scene.p.rp = told(&scene.p.app, &scene.receiver, |metadata| {
        metadata.id_token_signed_response_alg = Some(Algorithm::ES256);
    })
    .await;
    let tokens = scene.p.sign_in().await;
    scene.sign_out(&tokens).await;
    let received = scene.waits_for(1).await;
    assert_eq!(header_of(received[0].field("logout_token"))["alg"], "ES256");
    token_of(&scene.p.app, &received[0]).await;
}

/// §2.4: "sub […] Subject Identifier": the one by which the client knows the user, also where it is pairwise.
#[tokio::test]
async fn s2_4_the_subject_is_the_one_that_the_client_knows() {
    let mut scene = Scene::new(Engine::Sqlite).await;
    scene.p.rp = told(&scene.p.app, &scene.receiver, |metadata| {
        metadata.subject_type = SubjectType::Pairwise;
    })
    .await;
    let tokens = scene.p.sign_in().await;
    scene.sign_out(&tokens).await;
    let received = scene.waits_for(1).await;
    let claims = token_of(&scene.p.app, &received[0]).await;
    assert_eq!(claims["sub"], claims_of(&tokens.id)["sub"]);
    assert_ne!(claims["sub"], scene.p.alice.id.to_string());
}

/// §2.7: "Refresh tokens issued without the offline_access property to a session being logged out SHOULD be revoked. Refresh tokens
/// issued with the offline_access property normally SHOULD NOT be revoked."
#[tokio::test]
async fn s2_7_refresh_tokens_end_unless_they_are_offline() {
    let mut scene = Scene::new(Engine::Sqlite).await;
    let tokens = scene.p.sign_in().await;
    let offline = scene.p.sign_in_for("openid offline_access").await;
    scene.sign_out(&tokens).await;
    scene
        .p
        .rp
        .refresh(&scene.p.app, &tokens.refresh)
        .await
        .expect(400);
    Tokens::of(scene.p.rp.refresh(&scene.p.app, &offline.refresh).await);
}

/// §2.1: "backchannel_logout_supported", "backchannel_logout_session_supported".
#[tokio::test]
async fn s2_1_metadata_says_so() {
    let app = TestApp::spawn_with(Engine::Sqlite, &[PATIENT]).await;
    let metadata = app.metadata().await;
    assert_eq!(metadata["backchannel_logout_supported"], true);
    assert_eq!(metadata["backchannel_logout_session_supported"], true);
}

/// §2.2: "The backchannel_logout_uri […] MUST be an absolute URI […]. The backchannel_logout_uri MUST NOT include a fragment component.",
/// "This URL SHOULD use the https scheme", which is the rule here.
#[tokio::test]
async fn s2_2_the_address_that_is_registered() {
    let admin = crate::admin::Admin::new(TestApp::spawn(Engine::Sqlite).await).await;
    let body = |uri: &str| {
        json!({
            "redirect_uris": ["https://rp.example/cb"], "backchannel_logout_uri": uri,
            "backchannel_logout_session_required": true,
        })
    };
    for good in ["https://rp.example/out", "https://other.example:8443/out?a=b"] {
        let read = admin.post("/clients", &body(good)).await.expect(201).json();
        assert_eq!(read["backchannel_logout_uri"], good);
        assert_eq!(read["backchannel_logout_session_required"], true);
    }
    for bad in [
        "https://rp.example/out#x",
        "http://rp.example/out",
        "/out",
        "https:///out",
        "ftp://rp.example/",
        "x",
    ] {
        let refused = admin.post("/clients", &body(bad)).await;
        assert_eq!(
            crate::admin::pointers(&refused),
            ["/backchannel_logout_uri"],
            "{bad}"
        );
    }
}

/// §2.4: "A Logout Token MUST contain either a sub or a sid Claim" and "sid […] REQUIRED" where
/// `backchannel_logout_session_required` is: it is there for every client. "The alg with the value none MUST NOT be used for the Logout
/// Token", whatever was registered for ID tokens.
#[tokio::test]
async fn s2_4_every_client_is_told_the_session() {
    let mut scene = Scene::new(Engine::Sqlite).await;
    for required in [true, false] {
        scene.p.browser = Browser::new(&scene.p.app);
        scene.p.rp = told(&scene.p.app, &scene.receiver, |metadata| {
            metadata.backchannel_logout_session_required = required;
        })
        .await;
        let tokens = scene.p.sign_in().await;
        scene.sign_out(&tokens).await;
        let count = if required { 1 } else { 2 };
        let received = scene.waits_for(count).await;
        let token = received.last().unwrap().field("logout_token");
        let claims = claims_of(token);
        assert_eq!(claims["sid"], sid_of(&tokens));
        assert_eq!(claims["sub"], scene.p.alice.id.to_string());
        assert_ne!(header_of(token)["alg"], "none");
        assert!(claims.get("nonce").is_none());
    }
}
