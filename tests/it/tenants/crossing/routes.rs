//! Every route of the surface table.

use super::loot::Loot;
use super::presented::{self, Piece};
use super::{DIRECTIONS, Engine, World, everything_of, worlds};
use crate::support::http::Answer;
use crate::surface::{self, Access};
use grantor::protect::routes::RouteInfo;
use grantor::types::{FIRST_TENANT_SCOPES, TenantId};

on_both_engines! {
    /// R-CI-05, R-ATZ-04, R-ATZ-06, R-ATZ-23.
    async fn every_route_takes_what_another_tenant_issued_for_what_nobody_issued(engine: Engine) {
        let worlds = worlds(engine).await;
        for (from, to) in DIRECTIONS.map(|(from, to)| (&worlds[from], &worlds[to])) {
            let before = everything_of(&from.app).await;
            let nobodys = from.loot.spoiled();
            for route in surface::routes(&to.app) {
                for piece in presented::at(&route) {
                    crosses(piece, &route, from, to, &nobodys).await;
                }
            }
            assert_eq!(everything_of(&from.app).await, before, "what was tried at {} changed {}", to.app.base, from.app.base);
        }
        for world in &worlds {
            is_as_it_was(world).await;
        }
    }
}

/// Presents a piece at a route, once as its tenant issued it and once as nobody did.
async fn crosses(piece: Piece, route: &RouteInfo, from: &World, to: &World, nobodys: &Loot) {
    let name = format!(
        "{piece:?} of {} at {} of {}",
        from.app.base,
        surface::name(route),
        to.app.base
    );
    let of_tenants =
        matches!(surface::access(route), Access::Admin(scope) if FIRST_TENANT_SCOPES.contains(&scope));
    let elsewhere = of_tenants && to.app.tenant != TenantId::FIRST;
    // Tenants are objects of the first tenant alone; there, those of others are its own.
    if of_tenants && piece == Piece::Object && (elsewhere || from.app.tenant != TenantId::FIRST) {
        return;
    }
    let answer = presented::present(piece, &from.loot, to, route)
        .await
        .send()
        .await;
    let expected = presented::present(piece, nobodys, to, route).await.send().await;
    assert_eq!(
        seen(&answer, &from.loot, &to.loot),
        seen(&expected, nobodys, &to.loot),
        "{name}"
    );
    let text = answer.text();
    for private in [&from.person.username, from.loot.get("user")] {
        assert!(!text.contains(private), "{name} shows {private}: {text}");
    }
    let status = answer.status.as_u16();
    match piece {
        Piece::Bearer(_)
        | Piece::Secret
        | Piece::Assertion
        | Piece::Registration
        | Piece::OwnRegistration => {
            assert_eq!(status, if elsewhere { 404 } else { 401 }, "{name}: {text}");
        }
        Piece::Object => assert_eq!(status, 404, "{name}: {text}"),
        // Who has no session has nothing to protect.
        Piece::Form(_) if route.path == "/oauth2/logout" => assert_eq!(status, 200, "{name}: {text}"),
        Piece::Form(_) => assert!(matches!(status, 303 | 400 | 403), "{name}: {status} {text}"),
        Piece::Typed => assert_eq!(status, 400, "{name}: {text}"),
        Piece::Query(..) => assert_eq!(status, 400, "{name}: {text}"),
        Piece::Code | Piece::Field("refresh_token" | "device_code", _) => {
            assert_eq!(answer.oauth_error(400), "invalid_grant", "{name}");
        }
        Piece::Field(..) if route.path.ends_with("introspect") => {
            assert_eq!(text, r#"{"active":false}"#, "{name}");
        }
        Piece::Anything
        | Piece::Field(..)
        | Piece::Asked(..)
        | Piece::Client
        | Piece::Silent
        | Piece::Hint
        | Piece::Mine(..) => {}
    }
}

/// What an answer tells whoever asked: all of it that is not random, and not what was asked with.
fn seen(answer: &Answer, presented: &Loot, own: &Loot) -> (u16, String, Vec<String>, String) {
    let cookies = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap());
    let cookies = cookies
        .map(|line| line.split('=').next().unwrap().to_owned())
        .collect();
    let plain = |text: &str| own.without(&presented.without(text));
    (
        answer.status.as_u16(),
        plain(answer.header("location")),
        cookies,
        plain(&answer.text()),
    )
}

/// Everything that was tried out elsewhere is good at home: nothing was used up, and no theft was seen in it.
async fn is_as_it_was(world: &World) {
    let World { app, rp, loot, .. } = world;
    for token in ["access", "refresh"] {
        assert!(
            rp.is_active(app, loot.get(token)).await,
            "{token} of {}",
            app.base
        );
    }
    let fields = [
        ("token", "x"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", loot.get("assertion")),
    ];
    app.http
        .post("/oauth2/introspect")
        .form(&fields)
        .send()
        .await
        .expect(200);
    let registration = format!("/oauth2/register/{}", loot.get("registered"));
    app.http
        .get(&registration)
        .bearer(loot.get("registration"))
        .send()
        .await
        .expect(200);
    let register = app.http.post("/oauth2/register").bearer(loot.get("initial"));
    let body = serde_json::json!({"redirect_uris": ["https://rp.example/cb"]});
    register.json(&body).send().await.expect(201);
    let mut browser = world.browser.clone();
    let pushed = rp.refer(app, loot.get("request_uri"));
    browser.open(&pushed).await.code();
    let page = browser
        .open(&format!("/device?ticket={}", loot.get("ticket")))
        .await;
    page.decision_form();
    let page = browser
        .open(&format!("/login?interaction={}", loot.get("interaction")))
        .await;
    page.sign_in_form();
    browser.open("/account").await.answer.expect(200);
    rp.redeem_code(app, loot.get("code"), loot.get("verifier"))
        .await
        .expect(200);
    rp.refresh(app, loot.get("refresh")).await.expect(200);
}
