//! What becomes of a stolen refresh token, from outside: requirements R-REF-11 to R-REF-18 over HTTP, on both engines and
//! with two replicas. What `family_model.rs` searches through at the storage, these tests tell as stories.

use crate::support::html::{self, Form};
use crate::support::http::Http;
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{Provider, history, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::{Browser, Page};
use crate::support::{Engine, TestApp};
use futures_util::future::join_all;
use grantor::types::AuthMethod;
use reqwest::Method;
use serde_json::{Value, json};

on_both_engines! {
    /// R-REF-04 to -06, RFC 9700 §4.14.2: "If a refresh token is compromised and subsequently used by both the attacker and the
    /// legitimate client, one of them will present an invalidated refresh token, which will inform the authorization server of
    /// the breach. The authorization server cannot determine which party submitted the invalid refresh token, but it will revoke
    /// the active refresh token."
    async fn a_replayed_token_ends_the_family_and_the_session(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        let bystander = p.rp.sign_in(&p.app, &mut Browser::new(&p.app), &p.alice, "openid").await;
        let first = p.sign_in().await;
        let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
        p.app.advance(1);
        let third = Tokens::of(p.rp.refresh(&other, &second.refresh).await);
        assert!(p.rp.is_active(&other, &third.access).await);
        assert_eq!(p.silent(&mut p.browser.clone()).await, None);

        refused(p.rp.refresh(&other, &first.refresh).await, 400, "invalid_grant");

        refused(p.rp.refresh(&p.app, &third.refresh).await, 400, "invalid_grant");
        for tokens in [&first, &second, &third] {
            for app in [&p.app, &other] {
                assert!(!p.rp.is_active(app, &tokens.access).await);
            }
        }
        other.http.get("/oauth2/userinfo").bearer(&third.access).send().await.expect(401);
        assert_eq!(p.silent(&mut p.browser.clone()).await.as_deref(), Some("login_required"));
        p.browser.open(&p.rp.ask(&p.app).url).await.sign_in_form();
        // Another session of the same person is not concerned.
        Tokens::of(p.rp.refresh(&p.app, &bystander.refresh).await);

        let log = history(&p.app, &first.family()).await;
        let told: Vec<_> = log.iter().map(|record| (&*record.event_type, &*record.outcome)).collect();
        for want in [
            ("authorization_granted", "success"), ("token_issued", "success"), ("token_refresh", "success"),
            ("refresh_reuse_detected", "failure"), ("family_revoked", "success"), ("token_refresh", "failure"),
        ] {
            assert!(told.contains(&want), "{want:?} is missing: {told:?}");
        }
        let successes = told.iter().filter(|told| **told == ("token_refresh", "success")).count();
        assert_eq!(successes, 2, "{told:?}");
        assert!(log.iter().all(|record| record.client_id.as_deref() == Some(&*p.rp.client_id)));
        let alice = p.alice.id.to_string();
        assert!(log.iter().all(|record| record.user_id.as_deref() == Some(&*alice)), "{log:#?}");
        let generations: Vec<_> = log.iter().filter(|r| r.event_type == "token_refresh" && r.outcome == "success")
            .map(|record| record.meta("generation")).collect();
        assert_eq!(generations, [2, 3], "the lineage can be read from the log (R-REF-09)");
    }

    /// R-REF-03: "N parallel uses give at most one success, in one DB transaction, across instances."
    async fn twenty_parallel_rotations_have_one_success_at_most(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        for _ in 0..3 {
            let tokens = p.sign_in().await;
            let rotate = |index: usize| {
                let app = if index.is_multiple_of(2) { &p.app } else { &other };
                p.rp.refresh(app, &tokens.refresh)
            };
            let answers = join_all((0..20).map(rotate)).await;
            let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status.is_success());
            assert!(good.len() <= 1, "{} successes", good.len());
            for answer in bad {
                refused(answer, 400, "invalid_grant");
            }
            // What came second was a replay: what came first is over too.
            for answer in good {
                let winner = Tokens::of(answer);
                refused(p.rp.refresh(&p.app, &winner.refresh).await, 400, "invalid_grant");
                assert!(!p.rp.is_active(&other, &winner.access).await);
            }
        }
    }

    /// R-REF-19 with the window: a lost answer repeated gives the same successor, also at another replica and all at once, and
    /// costs nobody anything.
    async fn in_the_retry_window_a_lost_answer_comes_again(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        p.rp = RelyingParty::with(&p.app, |metadata| metadata.refresh_token_retry_seconds = 30).await;
        let first = p.sign_in().await;
        let lost = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
        p.app.advance(20);
        let again = Tokens::of(p.rp.refresh(&other, &first.refresh).await);
        assert_eq!(again.refresh, lost.refresh);
        assert_ne!(again.access, lost.access);
        let next = Tokens::of(p.rp.refresh(&p.app, &again.refresh).await);
        let raced = join_all((0..8).map(|_| p.rp.refresh(&other, &next.refresh))).await;
        let successors: Vec<_> = raced.into_iter().map(|answer| Tokens::of(answer).refresh).collect();
        assert!(successors.iter().all(|token| *token == successors[0]), "also in parallel");
        Tokens::of(p.rp.refresh(&p.app, &successors[0]).await);
        let log = history(&p.app, &first.family()).await;
        let repeated = log.iter().filter(|record| record.meta("repeated") == true).count();
        assert_eq!(repeated, 1 + 7, "every repeat is audited");
    }

    /// The same window is no door for thieves: another client, a successor that was used, and time end it.
    async fn the_retry_window_has_its_limits(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let thief = RelyingParty::with(&p.app, |metadata| metadata.refresh_token_retry_seconds = 30).await;
        p.rp = RelyingParty::with(&p.app, |metadata| metadata.refresh_token_retry_seconds = 30).await;
        for story in ["another client", "its successor was used", "too late"] {
            let first = p.sign_in().await;
            let mut newest = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
            match story {
                "another client" => refused(thief.refresh(&p.app, &first.refresh).await, 400, "invalid_grant"),
                "too late" => {
                    p.app.advance(31);
                    refused(p.rp.refresh(&p.app, &first.refresh).await, 400, "invalid_grant")
                }
                _ => {
                    newest = Tokens::of(p.rp.refresh(&p.app, &newest.refresh).await);
                    refused(p.rp.refresh(&p.app, &first.refresh).await, 400, "invalid_grant")
                }
            };
            refused(p.rp.refresh(&p.app, &newest.refresh).await, 400, "invalid_grant");
            assert!(!p.rp.is_active(&p.app, &newest.access).await, "{story}");
        }
    }
}

/// Contract "Retry window": "for public clients without a sender-constraining key at most 10, and from the same address".
#[tokio::test]
async fn a_public_clients_retry_is_short_and_from_the_same_address() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::None;
        metadata.refresh_token_retry_seconds = 60;
    })
    .await;
    let first = p.sign_in().await;
    let second = Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    p.app.advance(9);
    assert_eq!(
        Tokens::of(p.rp.refresh(&p.app, &first.refresh).await).refresh,
        second.refresh
    );
    p.app.advance(2);
    refused(p.rp.refresh(&p.app, &first.refresh).await, 400, "invalid_grant");
    let first = p.sign_in().await;
    Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
    let elsewhere = Http::from_address(&p.app.base, "127.0.0.2".parse().unwrap());
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*first.refresh),
        ("client_id", &p.rp.client_id),
    ];
    refused(
        elsewhere.post("/oauth2/token").form(&fields).send().await,
        400,
        "invalid_grant",
    );
    assert!(
        history(&p.app, &first.family())
            .await
            .iter()
            .any(|record| record.event_type == "refresh_reuse_detected")
    );
}

/// R-REF-11: "A refresh may narrow scope and audience but never widen", and the refused request costs nothing.
#[tokio::test]
async fn r_ref_11_a_refused_widening_leaves_the_token_as_it_was() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in_for("openid orders:read").await;
    for scope in [
        "openid orders:read orders:write",
        "email",
        "clients:read",
        "\"",
        "openid  orders:read",
    ] {
        refused(
            p.rp.refresh_with(&p.app, &tokens.refresh, &[("scope", scope)])
                .await,
            400,
            "invalid_scope",
        );
    }
    let narrow = Tokens::of(
        p.rp.refresh_with(&p.app, &tokens.refresh, &[("scope", "orders:read")])
            .await,
    );
    assert_eq!(narrow.access_claims()["scope"], "orders:read");
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
}

/// R-REF-12: "use by another client fails and counts as reuse of that family", with its audit record.
#[tokio::test]
async fn r_ref_12_another_client_with_the_token_is_a_thief() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let thief = RelyingParty::public(&p.app).await;
    let tokens = p.sign_in().await;
    // Naming a scope or a resource along with it makes no difference.
    let more = [("scope", "openid")];
    refused(
        thief.refresh_with(&p.app, &tokens.refresh, &more).await,
        400,
        "invalid_grant",
    );
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    assert!(!p.rp.is_active(&p.app, &tokens.access).await);
    assert_eq!(
        p.silent(&mut p.browser.clone()).await.as_deref(),
        Some("login_required")
    );
    let log = history(&p.app, &tokens.family()).await;
    let found = log
        .iter()
        .find(|record| record.event_type == "refresh_reuse_detected")
        .expect("an audit row");
    assert_eq!(found.meta("presented_by"), *thief.client_id);
}

/// R-REF-13: "Family lifetime is absolute: rotation does not extend beyond `family_created + refresh_ttl`."
#[tokio::test]
async fn r_ref_13_no_rotation_moves_the_end() {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.refresh_token_ttl = Some(7200)).await;
    let mut tokens = p.sign_in_for("openid offline_access").await;
    let end = p.rp.introspect(&p.app, &tokens.refresh).await["exp"]
        .as_i64()
        .unwrap();
    assert_eq!(end, p.app.now().seconds() + 7200);
    for _ in 0..3 {
        p.app.advance(2300);
        tokens = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        assert_eq!(p.rp.introspect(&p.app, &tokens.refresh).await["exp"], end);
    }
    // No access token outlives its family.
    assert_eq!(tokens.json["expires_in"], 300);
    assert_eq!(tokens.access_claims()["exp"], end);
    p.app.advance(300);
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
}

on_both_engines! {
    /// R-REF-15: "Logout, password change/reset, MFA reset, user disable, consent withdrawal and client revocation end all
    /// families concerned."
    async fn r_ref_15_what_ends_the_families_concerned(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        let bob = Person::new(&p.app, "bob").await;
        let shop = RelyingParty::with(&p.app, |metadata| metadata.require_consent = true).await;
        let bobs = shop.sign_in(&p.app, &mut Browser::new(&p.app), &bob, "openid").await;
        let mut bobs_token = bobs.refresh;
        for cause in ["logout", "own password", "password reset", "revoke", "disable", "consent", "client", "client disabled"] {
            p.browser.forget();
            p.alice = Person::new(&p.app, &format!("alice-{}", cause.replace(' ', "-"))).await;
            let here = shop.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
            let kept = shop.sign_in(&p.app, &mut p.browser, &p.alice, "openid offline_access").await;
            end(cause, &p, &shop).await;
            refused(shop.refresh(&other, &here.refresh).await, 400, "invalid_grant");
            let outlives = cause == "logout" || cause == "session";
            assert_eq!(shop.refresh(&other, &kept.refresh).await.status.is_success(), outlives, "{cause}");
            if !cause.starts_with("client") {
                // Nobody else is concerned.
                bobs_token = Tokens::of(shop.refresh(&other, &bobs_token).await).refresh;
            }
        }
        refused(shop.refresh(&other, &bobs_token).await, 400, "invalid_grant");
    }
}

/// Does it as people and administrators do.
async fn end(cause: &str, p: &Provider, shop: &RelyingParty) {
    let mut browser = p.browser.clone();
    let user = format!("/admin/v1/users/{}", p.alice.id);
    let client = format!("/admin/v1/clients/{}", shop.client_id);
    match cause {
        "logout" => {
            let page = browser.open("/oauth2/logout").await;
            let form = page.decision_form().press("decision", "allow");
            browser.submit(&page, &form).await;
        }
        "own password" => {
            let page = browser.open("/account/password").await;
            let form = own_form(&page, "/account/password");
            let new = "another rabbit, another hole";
            let form = form
                .fill("password", PASSWORD)
                .fill("new_password", new)
                .fill("new_password_again", new);
            browser.submit(&page, &form).await.answer.expect(200);
        }
        "consent" => {
            let page = browser.open("/account").await;
            let form = own_form(&page, "/account/consents");
            assert_eq!(form.value("client_id"), Some(&*shop.client_id));
            browser.submit(&page, &form).await.answer.expect(200);
        }
        "session" => {
            let token = p.app.admin_token("sessions:read sessions:write").await;
            let list = format!("/admin/v1/sessions?user_id={}", p.alice.id);
            let found = p
                .app
                .http
                .get(&list)
                .bearer(&token)
                .send()
                .await
                .expect(200)
                .json();
            let session = format!("/admin/v1/sessions/{}", found["items"][0]["id"].as_str().unwrap());
            admin(&p.app, Method::DELETE, &session, json!({})).await;
        }
        "password reset" => {
            let change = json!({"password": "set by the helpdesk, to be changed"});
            admin(&p.app, Method::PATCH, &user, change).await;
        }
        "disable" => admin(&p.app, Method::PATCH, &user, json!({"enabled": false})).await,
        "revoke" => admin(&p.app, Method::POST, &format!("{user}/revoke"), json!({})).await,
        "delete" => admin(&p.app, Method::DELETE, &user, json!({})).await,
        "client" => {
            admin(&p.app, Method::POST, &format!("{client}/revoke"), json!({})).await;
            admin(&p.app, Method::PATCH, &client, json!({"enabled": true})).await;
        }
        "client disabled" => {
            admin(&p.app, Method::PATCH, &client, json!({"enabled": false})).await;
            admin(&p.app, Method::PATCH, &client, json!({"enabled": true})).await;
        }
        other => panic!("{other}"),
    }
}

/// An administrator's change.
async fn admin(app: &TestApp, method: Method, path: &str, change: Value) {
    let token = app.admin_token("users:write clients:write sessions:write").await;
    let call = app.http.call(method.clone(), path).bearer(&token);
    let call = if method == Method::PATCH {
        call.json(&change)
    } else {
        call
    };
    let answer = call.send().await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
}

/// The form of a page that goes to a path.
fn own_form(page: &Page, action: &str) -> Form {
    let found = html::forms(&page.html())
        .into_iter()
        .find(|form| form.action == action);
    found.unwrap_or_else(|| panic!("no form for {action}: {}", page.html()))
}

on_both_engines! {
    /// R-REF-16: "Users and admins can list and revoke families (per device) singly": on the account's page, while other
    /// families go on.
    async fn r_ref_16_a_person_ends_one_family(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let shop = RelyingParty::with(&p.app, |metadata| metadata.client_name = Some("The Other Shop".to_owned())).await;
        let kept = p.sign_in().await;
        let ended = shop.sign_in(&p.app, &mut p.browser, &p.alice, "openid offline_access").await;
        let bob = Person::new(&p.app, "bob").await;
        let mut bobs_browser = Browser::new(&p.app);
        let bobs = shop.sign_in(&p.app, &mut bobs_browser, &bob, "openid").await;
        let page = p.browser.open("/account").await;
        assert!(page.html().contains("The Other Shop") && page.html().contains("Example Shop"));
        let forms = html::forms(&page.html());
        let of = |tokens: &Tokens| {
            let family = tokens.family();
            forms.iter().find(|form| form.value("grant") == Some(&family)).cloned()
        };
        assert!(of(&bobs).is_none(), "nobody sees what is another's");
        let form = of(&ended).expect("the family is listed");
        // Another person cannot end it, with whatever form.
        let mut foreign = form.clone().fill("grant", &bobs.family());
        p.browser.clone().submit(&page, &foreign).await;
        foreign = form.clone();
        bobs_browser.submit(&page, &foreign).await;
        assert!(shop.is_active(&p.app, &bobs.access).await && shop.is_active(&p.app, &ended.access).await);
        p.browser.submit(&page, &form).await.answer.expect(200);
        refused(shop.refresh(&p.app, &ended.refresh).await, 400, "invalid_grant");
        assert!(!shop.is_active(&p.app, &ended.access).await);
        Tokens::of(p.rp.refresh(&p.app, &kept.refresh).await);
        Tokens::of(shop.refresh(&p.app, &bobs.refresh).await);
    }
}

/// R-REF-17: "All refresh failures look alike to the caller (400 `invalid_grant`, same text) whether unknown, expired, reused or
/// revoked; the true reason is only in audit."
#[tokio::test]
async fn r_ref_17_all_failures_look_alike() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let expired = p.sign_in().await;
    p.app.advance(604_800);
    p.browser.forget();
    let used = p.sign_in().await;
    Tokens::of(p.rp.refresh(&p.app, &used.refresh).await);
    p.browser.forget();
    let revoked = p.sign_in().await;
    p.rp.revoke(&p.app, &revoked.refresh).await.expect(200);
    let stolen = p.sign_in().await;
    let thief = RelyingParty::new(&p.app).await;
    let mut answers = vec![thief.refresh(&p.app, &stolen.refresh).await];
    for token in [
        "grt_unknown",
        "x",
        &expired.refresh,
        &used.refresh,
        &revoked.refresh,
        &stolen.refresh,
        &stolen.access,
    ] {
        answers.push(p.rp.refresh(&p.app, token).await);
    }
    let shape = |answer: &crate::support::http::Answer| {
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| !name.contains("ratelimit") && name != "date" && name != "x-correlation-id")
            .collect();
        headers.sort();
        (answer.status, answer.body.clone(), headers)
    };
    for answer in &answers {
        assert_eq!(shape(answer), shape(&answers[0]), "{}", answer.text());
    }
    refused(answers.remove(0), 400, "invalid_grant");
    let reasons: std::collections::HashSet<String> = p
        .app
        .audit_log()
        .await
        .iter()
        .filter(|record| record.event_type == "token_refresh" && record.outcome == "failure")
        .map(|record| record.meta("failure_reason").to_string())
        .collect();
    assert!(reasons.len() >= 4, "the log knows better: {reasons:?}");
}

/// R-REF-18: "Every refresh, success or failure, yields an audit event `token_refresh` with family id."
#[tokio::test]
async fn r_ref_18_every_refresh_is_audited() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let tokens = p.sign_in().await;
    Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
    let log = history(&p.app, &tokens.family()).await;
    let outcomes: Vec<_> = log
        .iter()
        .filter(|record| record.event_type == "token_refresh")
        .map(|record| &*record.outcome)
        .collect();
    assert_eq!(outcomes, ["success", "failure", "failure"]);
    for record in &log {
        assert!(
            !record.metadata.contains("grt_") && !record.metadata.contains("alice@"),
            "{record:?}"
        );
    }
}
