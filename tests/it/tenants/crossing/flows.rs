//! Whole flows across tenants, for what the same text at one route does not show.

use super::{DIRECTIONS, Engine, TWIN, World, worlds};
use crate::support::relying_party::claims_of;
use crate::support::user_agent::Browser;
use serde_json::{Value, json};

on_both_engines! {
    /// RFC 9101 §4: the object's `aud` is the issuer. The client has the same id and key in both tenants.
    async fn a_signed_request_for_one_tenant_is_refused_by_the_others(engine: Engine) {
        let worlds = worlds(engine).await;
        for (from, to) in DIRECTIONS.map(|(from, to)| (&worlds[from], &worlds[to])) {
            let object = from.loot.get("object");
            let target = |world: &World| format!("{}/oauth2/authorize?client_id={TWIN}&request={object}", world.app.base);
            let refused = Browser::new(&to.app).open(&target(to)).await;
            assert_eq!(refused.error(), "invalid_request_object");
            Browser::new(&from.app).open(&target(from)).await.sign_in_form();
        }
    }

    /// RFC 9207, RFC 8414 §3.3: whoever mixes tenants up is told whose the answer is.
    async fn what_a_tenant_issues_names_it(engine: Engine) {
        let mut worlds = worlds(engine).await;
        for (world, tenant) in worlds.iter_mut().zip([Value::Null, json!("acme"), json!("beta")]) {
            let issuer = Value::from(world.app.issuer());
            for token in ["access", "admin"] {
                let claims = claims_of(world.loot.get(token));
                assert_eq!(claims["tenant"], tenant);
                assert_eq!(claims["iss"], issuer);
                assert_eq!(claims["aud"], issuer);
            }
            let id = world.rp.verify_id_token(&world.app, world.loot.get("id")).await;
            assert_eq!(id["iss"], issuer);
            let World { app, rp, browser, .. } = world;
            for more in [("prompt", "none"), ("prompt", "create")] {
                let page = browser.open(&rp.ask_for(app, &[more]).url).await;
                assert_eq!(page.parameter("iss").map(Value::from), Some(issuer.clone()));
            }
        }
    }

    /// One browser, signed in everywhere at once: each tenant sees its own person, and a logout ends one session.
    async fn sessions_of_several_tenants_live_side_by_side(engine: Engine) {
        let worlds = worlds(engine).await;
        let mut browser = Browser::new(&worlds[0].app);
        for world in &worlds {
            for word in ["browser", "session", "state", "device"] {
                let cookie = world.browser.cookie(word).unwrap();
                // Every path of the host gets it, so that only its name keeps it apart.
                assert_eq!(cookie.path, "/");
                browser.put(cookie);
            }
        }
        let silent = |world: &World| world.rp.ask_for(&world.app, &[("prompt", "none")]).url;
        let signed_in = async |browser: &mut Browser| {
            let mut found = Vec::new();
            for world in &worlds {
                let page = browser.open(&format!("{}/account", world.app.base)).await.html();
                let others = worlds.iter().filter(|other| page.contains(&other.person.username));
                found.push(others.map(|other| other.person.username.clone()).collect::<Vec<_>>());
                assert_eq!(found.last().unwrap().is_empty(), browser.open(&silent(world)).await.parameter("error").is_some());
            }
            found
        };
        assert_eq!(signed_in(&mut browser).await, [["zuleika"], ["quentin"], ["yolande"]]);
        let page = browser.open(&format!("{}/oauth2/logout", worlds[1].app.base)).await;
        browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        assert_eq!(signed_in(&mut browser).await, [vec!["zuleika"], vec![], vec!["yolande"]]);
    }

    /// The Host header and what proxies say decide nothing: the issuer is configured.
    async fn the_host_of_a_request_names_no_tenant_and_no_issuer(engine: Engine) {
        let worlds = worlds(engine).await;
        for world in &worlds {
            for (name, value) in [
                ("host", "acme.evil.example"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-prefix", "/t/beta"),
                ("forwarded", "host=evil.example;proto=https"),
                ("x-original-url", "/t/beta/oauth2/jwks"),
                ("x-rewrite-url", "/t/beta/oauth2/jwks"),
            ] {
                let call = world.app.http.get("/.well-known/openid-configuration").header(name, value);
                let metadata = call.send().await.expect(200).json();
                assert_eq!(metadata["issuer"], world.app.issuer(), "{name}");
                let page = world.app.http.get("/").header(name, value).send().await.expect(303);
                let below = world.app.issuer().split_once("//").unwrap().1.split_once('/').map_or("", |(_, path)| path);
                let account = format!("/{below}/account").replace("//", "/");
                assert_eq!(page.header("location"), account, "{name}");
            }
        }
    }
}
