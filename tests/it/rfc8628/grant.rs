//! From the codes to the tokens, on both engines: waiting, answering, guessing, taking away.

use super::*;

on_both_engines! {
    /// §1: the whole way, at two replicas; §3.5: "authorization_pending"; §3.2's members.
    async fn s3_a_device_gets_what_its_owner_agrees_to(engine: Engine) {
        let mut p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid offline_access orders:read").await;
        assert!(codes.device.starts_with("gdc_") && codes.device.len() == 47, "256 random bits: {}", codes.json);
        let uri = format!("{}/device", p.app.issuer());
        assert_eq!(codes.json["verification_uri"], uri);
        assert_eq!(codes.json["verification_uri_complete"], format!("{uri}?user_code={}", codes.user));
        assert_eq!((&codes.json["expires_in"], &codes.json["interval"]), (&600.into(), &5.into()));
        refused(poll(&other, &p.rp, &codes.device).await, 400, "authorization_pending");
        approve(&mut p, &codes).await;
        p.app.advance(5);
        let tokens = Tokens::of(poll(&other, &p.rp, &codes.device).await);
        assert_eq!(tokens.json["scope"], "openid offline_access orders:read");
        let claims = tokens.access_claims();
        assert_eq!(claims["sub"], p.alice.id.to_string());
        let id = p.rp.verify_id_token(&p.app, &tokens.id).await;
        assert_eq!((&id["acr"], &id["amr"][0]), (&"aal1".into(), &"pwd".into()));
        assert_eq!(id["auth_time"], claims["auth_time"]);
        assert!(!id.contains_key("sid") && !id.contains_key("nonce"), "{id:?}");
        let renewed = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        assert_eq!(renewed.family(), tokens.family());
        let history = history(&p.app, &tokens.family()).await;
        let types: Vec<_> = history.iter().map(|record| record.event_type.as_str()).collect();
        for needed in ["device_approved", "token_issued", "token_refresh"] {
            assert!(types.contains(&needed), "{types:?}");
        }
        let issued = history.iter().find(|record| record.event_type == "token_issued").expect("a record");
        assert_eq!(issued.meta("grant_type"), GRANT);
        assert_eq!(recorded(&p.app, "device_requested").await, 1);
        assert_eq!(recorded(&p.app, "consent").await, 1);
    }

    /// §3.5: "slow_down … the interval MUST be increased by 5 seconds for this and all subsequent requests", also when they
    /// go to different replicas.
    async fn s3_5_polling_too_early_raises_the_interval_for_good(engine: Engine) {
        let p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "authorization_pending");
        p.app.advance(4);
        let told = refused(poll(&other, &p.rp, &codes.device).await, 400, "slow_down");
        assert!(told.contains("10 seconds"), "{told}");
        p.app.advance(9);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
        p.app.advance(15);
        refused(poll(&other, &p.rp, &codes.device).await, 400, "authorization_pending");
        p.app.advance(14);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
    }

    /// §3.5: "access_denied: The authorization request was denied."
    async fn s3_5_a_refusal_reaches_the_device(engine: Engine) {
        let mut p = provider(engine).await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        let page = answer(&mut p.browser, &p.alice, &codes.user, "deny").await;
        assert!(page.html().contains("was not connected"), "{}", page.html());
        for _ in 0..2 {
            refused(poll(&p.app, &p.rp, &codes.device).await, 400, "access_denied");
        }
        assert_eq!(recorded(&p.app, "device_denied").await, 1);
        // The answer stands.
        enter(&mut p.browser, &codes.user).await.expect_code_refused();
    }

    /// §3.5: "expired_token: The device_code has expired, and the device authorization session has concluded." What was
    /// agreed to is too late then as well.
    async fn s3_5_both_codes_expire(engine: Engine) {
        let mut p = provider(engine).await;
        let (waiting, agreed) = (begin(&p.app, &p.rp, "openid").await, begin(&p.app, &p.rp, "openid").await);
        approve(&mut p, &agreed).await;
        let page = decide(&mut p.browser, &p.alice, &waiting.user).await;
        p.app.advance(600);
        for codes in [&waiting, &agreed] {
            refused(poll(&p.app, &p.rp, &codes.device).await, 400, "expired_token");
        }
        let late = p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        late.expect_error_page(400);
        enter(&mut p.browser, &waiting.user).await.expect_code_refused();
        // An hour later nothing is left of them.
        p.app.advance(3_700);
        jobs::run(&p.app.app).await;
        refused(poll(&p.app, &p.rp, &waiting.device).await, 400, "invalid_grant");
    }

    /// §3.4: the device code is used once; of many polls at once one gets the tokens, and what it got is good.
    async fn s3_4_a_device_code_is_single_use(engine: Engine) {
        let mut p = provider(engine).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &codes).await;
        let polls = (0..20).map(|i| poll(if i % 2 == 0 { &p.app } else { &other }, &p.rp, &codes.device));
        let (good, bad): (Vec<_>, Vec<_>) = join_all(polls).await.into_iter().partition(|answer| answer.status.as_u16() == 200);
        assert_eq!(good.len(), 1);
        for answer in bad {
            refused(answer, 400, "invalid_grant");
        }
        let tokens = Tokens::of(good.into_iter().next().expect("one"));
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
        // §3.5 has devices ask again after a timeout: no theft.
        p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
        let reasons: BTreeSet<_> = history(&p.app, &tokens.family()).await.iter()
            .filter(|record| record.outcome == "failure").map(|record| record.meta("failure_reason").to_string()).collect();
        assert_eq!(reasons, BTreeSet::from(["\"device_code_used\"".to_owned()]));
    }

    /// RFC 6749 §5.2 (§3.5): a code that "was issued to another client" is `invalid_grant`; only the device has it, so that it
    /// is taken for stolen, before and after its owner has agreed.
    async fn s3_5_a_device_code_is_its_clients_alone(engine: Engine) {
        let mut p = provider(engine).await;
        let thief = RelyingParty::with(&p.app, television).await;
        let waiting = begin(&p.app, &p.rp, "openid").await;
        refused(poll(&p.app, &thief, &waiting.device).await, 400, "invalid_grant");
        refused(poll(&p.app, &p.rp, &waiting.device).await, 400, "access_denied");
        enter(&mut p.browser, &waiting.user).await.expect_code_refused();
        let agreed = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &agreed).await;
        let tokens = Tokens::of(poll(&p.app, &p.rp, &agreed.device).await);
        refused(poll(&p.app, &thief, &agreed.device).await, 400, "invalid_grant");
        refused(p.rp.refresh(&p.app, &tokens.refresh).await, 400, "invalid_grant");
        p.app.http.get("/oauth2/userinfo").bearer(&tokens.access).send().await.expect(401);
        assert_eq!(recorded(&p.app, "device_code_misused").await, 2);
        assert_eq!(recorded(&p.app, "family_revoked").await, 1);
    }

    /// §3.3: allowing and refusing at once: one of the two holds, and the device hears the same.
    async fn s3_3_of_two_answers_at_once_one_holds(engine: Engine) {
        let mut p = provider(engine).await;
        for _ in 0..4 {
            let codes = begin(&p.app, &p.rp, "openid").await;
            let page = decide(&mut p.browser, &p.alice, &codes.user).await;
            let form = page.decision_form();
            let (yes, no) = (form.clone().press("decision", "allow"), form.press("decision", "deny"));
            let (mut one, mut other) = (p.browser.clone(), p.browser.clone());
            let (yes, no) = tokio::join!(one.submit(&page, &yes), other.submit(&page, &no));
            let statuses = [yes.answer.status.as_u16(), no.answer.status.as_u16()];
            let answer = poll(&p.app, &p.rp, &codes.device).await;
            match statuses {
                [200, 400] => drop(answer.expect(200)),
                [400, 200] => drop(refused(answer, 400, "access_denied")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// §5.1: "it is RECOMMENDED to rate-limit user code attempts": wrong ones count against the address, at both replicas, in
    /// the counter that failed sign-ins are counted in; no more are looked at however many come at once.
    async fn s5_1_user_codes_cannot_be_guessed(engine: Engine) {
        let mut p = provider_with(engine, &[("limits.authentication.rate", "5")]).await;
        let other = p.app.replica().await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        // Right ones do not count.
        for _ in 0..7 {
            assert!(matches!(enter(&mut p.browser, &codes.user).await.ask(), Some(Ask::SignIn(_))));
        }
        for wrong in ["BBBB-BBBB", "AAAA-AAAA", "x"] {
            enter(&mut p.browser, wrong).await.expect_code_refused();
        }
        let mut there = Browser::new(&other);
        let page = there.open("/device").await;
        let guesses: Vec<_> = ["CCCC-CCCC", "DDDD-DDDD", "FFFF-FFFF", "GGGG-GGGG", "HHHH-HHHH", &codes.user]
            .iter().map(|code| (there.clone(), code_form(&page).fill("user_code", code))).collect();
        let tried = guesses.into_iter().map(|(mut browser, form)| {
            let page = page.clone();
            async move { browser.submit_only(&page, &form).await.answer.status.as_u16() }
        });
        let statuses = join_all(tried).await;
        let wrong = statuses.iter().filter(|status| **status == 400).count();
        assert!(wrong <= 2 && statuses.iter().filter(|status| **status == 303).count() <= 1, "{statuses:?}");
        // Used up: the right one as well, and a sign-in.
        while enter(&mut p.browser, "JJJJ-JJJJ").await.answer.status.as_u16() != 429 {}
        assert_eq!(enter(&mut p.browser, &codes.user).await.answer.status.as_u16(), 429);
        let page = p.browser.open("/login").await;
        let page = p.browser.submit(&page, &p.alice.fill_in(page.sign_in_form())).await;
        assert_eq!(page.answer.status.as_u16(), 429);
        p.app.advance(901);
        let again = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &again).await;
        assert!(recorded(&p.app, "device_code_entered").await >= 3);
    }

    /// Contract "Limits": "At the token endpoint failed client authentications count, and wrong device codes."
    async fn s5_2_device_codes_cannot_be_guessed(engine: Engine) {
        let p = provider_with(engine, &[("limits.authentication.rate", "5")]).await;
        let codes = begin(&p.app, &p.rp, "openid").await;
        for _ in 0..5 {
            refused(poll(&p.app, &p.rp, "gdc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await, 400, "invalid_grant");
        }
        let answer = poll(&p.app, &p.rp, &codes.device).await.expect(429);
        assert!(!answer.header("retry-after").is_empty());
        p.app.advance(901);
        // Polls that find nothing new are no guesses.
        let codes = begin(&p.app, &p.rp, "openid").await;
        for _ in 0..8 {
            assert_eq!(poll(&p.app, &p.rp, &codes.device).await.status.as_u16(), 400);
        }
    }

    /// §5.4: "the authorization server SHOULD inform the user that they are authorizing a device": the code is confirmed even
    /// where the link brought it, and the page says who asks, for what, from where and when, and warns.
    async fn s5_4_a_link_alone_connects_nothing(engine: Engine) {
        let mut p = provider(engine).await;
        p.sign_in_at_login().await;
        let codes = begin(&p.app, &p.rp, "openid orders:read").await;
        let link = codes.json["verification_uri_complete"].as_str().expect("a link").to_owned();
        let page = p.browser.open(&link).await;
        assert!(page.ask().is_none(), "nothing can be decided yet: {}", page.html());
        let form = code_form(&page);
        assert_eq!(form.value("user_code"), Some(&*codes.user));
        assert!(page.html().contains("the one that your own device shows"), "{}", page.html());
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "authorization_pending");
        let page = p.browser.submit(&page, &form).await;
        let html = page.html();
        for part in ["Example TV", &codes.user, "orders:read", "127.0.0.1", "1 Jul 2026, 00:00 UTC", "Is this the code on your device"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // A ticket is worth nothing in another browser, where somebody else is signed in or not.
        let mut victim = Browser::new(&p.app);
        let url = page.url.to_string();
        assert!(url.contains("ticket="), "{url}");
        victim.open(&url).await.expect_error_page(400);
        // Neither is a form that was made for another page, browser or person.
        let stolen = page.decision_form().press("decision", "allow");
        let refused_page = victim.submit(&page, &stolen).await;
        assert!(refused_page.answer.status.is_client_error());
        let foreign = p.browser.post_from(&page.url, &pairs(&stolen), &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]).await;
        foreign.expect_error_page(403);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "slow_down");
    }

    /// What the agreement rests on is looked at when the device asks: the user, the client, the consent. And what came of it
    /// ends with them, though not with the browser's session.
    async fn s3_5_what_was_agreed_to_can_be_taken_away(engine: Engine) {
        let mut p = provider(engine).await;
        let admin = p.app.admin_token("users:write grants:read grants:write").await;
        // Signing out in the browser ends nothing: the device is not the browser.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        execute(&p.app.app.store, "UPDATE sessions SET ended_at = created_at").await;
        let kept = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
        p.rp.refresh(&p.app, &kept.refresh).await.expect(200);
        // The list of grants shows it, without a session.
        let list = p.app.http.get("/admin/v1/grants").bearer(&admin).send().await.expect(200).json();
        assert_eq!((&list["items"][0]["session_id"], &list["items"][0]["client_id"]), (&Value::Null, &Value::from(&*p.rp.client_id)), "{list}");
        // A withdrawn consent, between agreement and poll and after it.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        let page = p.browser.open("/account").await;
        let withdraw = html::forms(&page.html()).into_iter().find(|form| form.has("consent") || form.action.ends_with("/account/consents"));
        p.browser.submit(&page, &withdraw.expect("it can be withdrawn")).await;
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
        p.app.http.get("/oauth2/userinfo").bearer(&kept.access).send().await.expect(401);
        // A user who was revoked.
        let codes = begin(&p.app, &p.rp, "openid").await;
        approve(&mut p, &codes).await;
        let path = format!("/admin/v1/users/{}/revoke", p.alice.id);
        p.app.http.post(&path).bearer(&admin).json(&serde_json::json!({})).send().await.expect(204);
        refused(poll(&p.app, &p.rp, &codes.device).await, 400, "invalid_grant");
    }

    /// Nothing is issued that is not audited: without its record a device gets no codes, and no tokens, and the tokens are
    /// there for the next poll. What a person answers holds all the same, and is on record later.
    async fn nothing_is_lost_while_the_audit_store_is_away(engine: Engine) {
        let mut p = provider(engine).await;
        let agreed = begin(&p.app, &p.rp, "openid offline_access").await;
        approve(&mut p, &agreed).await;
        let open = begin(&p.app, &p.rp, "openid").await;
        let page = decide(&mut p.browser, &p.alice, &open.user).await;
        let blockade = Blockade::of(&p.app).await;
        let (asked, polled) = tokio::join!(
            p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]),
            poll(&p.app, &p.rp, &agreed.device),
        );
        for answer in [asked, polled] {
            assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
            assert!(!answer.header("retry-after").is_empty() && !answer.text().contains("_code"), "{}", answer.text());
        }
        let answered = p.browser.submit(&page, &page.decision_form().press("decision", "allow")).await;
        assert_eq!(answered.answer.status.as_u16(), 200, "{}", answered.html());
        blockade.lift().await;
        let tokens = recovered(async || poll(&p.app, &p.rp, &agreed.device).await).await;
        Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
        let tokens = recovered(async || poll(&p.app, &p.rp, &open.device).await).await;
        p.app.app.audit.deliver_outbox().await.expect("it is delivered");
        let history = history(&p.app, &tokens.family()).await;
        assert!(history.iter().any(|record| record.event_type == "device_approved"), "{history:#?}");
    }

    /// R-VAL, design "quota per client and address": waiting requests are bounded.
    async fn waiting_requests_are_bounded(engine: Engine) {
        let p = provider_with(engine, &[("device.max_pending_per_client", "3"), ("device.max_pending_per_address", "4")]).await;
        for _ in 0..3 {
            begin(&p.app, &p.rp, "openid").await;
        }
        let answer = p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]).await.expect(429);
        assert!(!answer.header("retry-after").is_empty());
        let second = RelyingParty::with(&p.app, television).await;
        begin(&p.app, &second, "openid").await;
        second.post(&p.app, ENDPOINT, &[("scope", "openid")]).await.expect(429);
        // Those that are over make room.
        p.app.advance(601);
        begin(&p.app, &p.rp, "openid").await;
    }
}
