//! The audit store is blocked while codes are redeemed, tokens rotated and replayed, and then released: nothing is issued that is
//! not audited, nothing is lost that was not issued, and what takes rights away happened all the same (design.md, Order).

use crate::support::http::{Answer, Call};
use crate::support::people::{PASSWORD, Person};
use crate::support::provider::{Provider, history, refused};
use crate::support::relying_party::{RelyingParty, Tokens};
use crate::support::user_agent::Browser;
use crate::support::{Engine, TestApp};
use futures_util::future::join_all;
use grantor::types::GrantType;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};

/// Holds the audit store's tables so that nobody else can write.
pub enum Blockade {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Blockade {
    pub async fn of(app: &TestApp) -> Self {
        match &app.db.audit_url {
            Some(url) => {
                let mut conn = SqliteConnection::connect(url).await.unwrap();
                sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
                Self::Sqlite(conn)
            }
            None => {
                let mut conn = PgConnection::connect(&app.db.url).await.unwrap();
                sqlx::query("BEGIN").execute(&mut conn).await.unwrap();
                let lock = "LOCK TABLE audit.audit_events IN ACCESS EXCLUSIVE MODE";
                sqlx::query(lock).execute(&mut conn).await.unwrap();
                Self::Postgres(conn)
            }
        }
    }

    pub async fn lift(self) {
        match self {
            Self::Sqlite(mut conn) => {
                sqlx::query("ROLLBACK").execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
            Self::Postgres(mut conn) => {
                sqlx::query("ROLLBACK").execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
        }
    }
}

/// Asks until the server has recovered, which it does by itself.
pub async fn recovered(mut ask: impl AsyncFnMut() -> Answer) -> Tokens {
    let started = Instant::now();
    loop {
        let answer = ask().await;
        if answer.status.as_u16() != 503 {
            return Tokens::of(answer);
        }
        assert!(started.elapsed() < Duration::from_secs(20), "it does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

on_both_engines! {
    async fn nothing_is_lost_and_nothing_is_forgiven(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let machine = RelyingParty::with(&p.app, |metadata| metadata.grant_types = vec![GrantType::ClientCredentials]).await;
        let asked = p.rp.ask(&p.app);
        let code = p.browser.authorize(&asked.url, &p.alice).await.code();
        let held = p.sign_in().await;
        let bob = Person::new(&p.app, "bob").await;
        let mut bobs_browser = Browser::new(&p.app);
        let stolen = p.rp.sign_in(&p.app, &mut bobs_browser, &bob, "openid").await;
        let newest = Tokens::of(p.rp.refresh(&p.app, &stolen.refresh).await);
        let unwanted = p.sign_in().await;

        let blockade = Blockade::of(&p.app).await;
        let grant = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let started = Instant::now();
        let silent = p.rp.ask_for(&p.app, &[("prompt", "none")]);
        let mut her_browser = p.browser.clone();
        let (redeemed, rotated, own, replayed, revoked, authorized) = tokio::join!(
            p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier),
            p.rp.refresh(&p.app, &held.refresh),
            machine.post(&p.app, "/oauth2/token", &grant),
            p.rp.refresh(&p.app, &stolen.refresh),
            p.rp.revoke(&p.app, &unwanted.refresh),
            her_browser.open(&silent.url),
        );
        assert!(started.elapsed() < Duration::from_secs(9), "each answers within 5 s: {:?}", started.elapsed());
        for answer in [&redeemed, &rotated, &own] {
            assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
            assert!(!answer.header("retry-after").is_empty());
            assert!(!answer.text().contains("access_token"));
        }
        assert_eq!(authorized.parameter("code"), None);
        assert_eq!(authorized.error(), "temporarily_unavailable");
        refused(replayed, 400, "invalid_grant");
        revoked.expect(200);
        assert!(!p.rp.is_active(&p.app, &unwanted.access).await);
        assert!(!p.rp.is_active(&p.app, &newest.access).await, "what takes away happens all the same");
        blockade.lift().await;

        let first = recovered(async || p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await).await;
        let second = recovered(async || p.rp.refresh(&p.app, &held.refresh).await).await;
        recovered(async || machine.post(&p.app, "/oauth2/token", &grant).await).await;
        for tokens in [&first, &second] {
            assert!(p.rp.is_active(&p.app, &tokens.access).await);
            let log = history(&p.app, &tokens.family()).await;
            assert!(!log.iter().any(|record| record.event_type == "family_revoked"), "{log:#?}");
        }
        Tokens::of(p.rp.refresh(&p.app, &first.refresh).await);
        refused(p.rp.refresh(&p.app, &newest.refresh).await, 400, "invalid_grant");
        assert_eq!(p.silent(&mut bobs_browser).await.as_deref(), Some("login_required"));
        // The outbox delivers what could not be written meanwhile.
        p.app.app.audit.deliver_outbox().await.unwrap();
        let log = history(&p.app, &unwanted.family()).await;
        assert!(log.iter().any(|record| record.event_type == "family_revoked"), "{log:#?}");
        let log = history(&p.app, &stolen.family()).await;
        for want in ["refresh_reuse_detected", "family_revoked"] {
            assert!(log.iter().any(|record| record.event_type == want), "{want}: {log:#?}");
        }
    }

    /// A rotation that is refused for want of its record, again and again, costs nobody the family, with a retry window and
    /// without.
    async fn a_rotation_that_could_not_be_recorded_is_put_back(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let patient = RelyingParty::with(&p.app, |metadata| metadata.refresh_token_retry_seconds = 60).await;
        let strict = p.rp.clone();
        let mut stories = Vec::new();
        for rp in [strict, patient] {
            let first = rp.sign_in(&p.app, &mut p.browser, &p.alice, "openid").await;
            let second = Tokens::of(rp.refresh(&p.app, &first.refresh).await);
            stories.push((rp, first, second));
        }
        let blockade = Blockade::of(&p.app).await;
        for _ in 0..2 {
            let blocked = stories.iter().map(|(rp, _, second)| rp.refresh(&p.app, &second.refresh));
            for answer in join_all(blocked).await {
                assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
            }
        }
        blockade.lift().await;
        let mut rotated = Vec::new();
        for (rp, first, second) in &stories {
            let third = recovered(async || rp.refresh(&p.app, &second.refresh).await).await;
            assert!(rp.is_active(&p.app, &third.access).await);
            let generations: Vec<_> = history(&p.app, &third.family()).await.iter()
                .filter(|record| record.event_type == "token_refresh" && record.outcome == "success")
                .map(|record| record.meta("generation")).collect();
            assert!(generations.iter().all(|generation| *generation == 2 || *generation == 3), "{generations:?}");
            rotated.push((rp, first, third));
        }
        // The generation before the put-back one is as used as it was.
        for (rp, first, third) in rotated {
            refused(rp.refresh(&p.app, &first.refresh).await, 400, "invalid_grant");
            assert!(!rp.is_active(&p.app, &third.access).await);
        }
    }

    /// A sign-in or consent that a request asked for, and a pushed request itself, are good for one code. One that could not be
    /// recorded is none: nobody has to start again, and afterwards they are as used up as ever.
    async fn what_a_code_rests_on_is_given_back_when_it_could_not_be_recorded(engine: Engine) {
        let mut p = Provider::new(engine).await;
        for (pushed, prompt) in [(false, "login"), (true, "login"), (true, "consent"), (true, "")] {
            let asked = p.rp.ask_for(&p.app, &[("prompt", prompt)]);
            let url = if pushed { p.rp.pushed(&p.app, &asked).await } else { asked.url.clone() };
            let mut target = url.clone();
            if !prompt.is_empty() {
                let page = p.browser.open(&url).await;
                let form = match prompt {
                    "login" => page.sign_in_form().fill("username", &p.alice.username).fill("password", PASSWORD),
                    _ => page.decision_form().press("decision", "allow"),
                };
                let done = p.browser.submit_only(&page, &form).await;
                target = done.url.join(done.answer.header("location")).unwrap().to_string();
            }
            let blockade = Blockade::of(&p.app).await;
            for _ in 0..2 {
                let page = p.browser.open(&target).await;
                assert_eq!(page.error(), "temporarily_unavailable", "{prompt}");
            }
            blockade.lift().await;
            let started = Instant::now();
            let page = loop {
                let page = p.browser.open(&target).await;
                if page.parameter("error").as_deref() != Some("temporarily_unavailable") {
                    break page;
                }
                assert!(started.elapsed() < Duration::from_secs(20), "it does not recover");
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
            let again = p.browser.open(&target).await;
            if pushed {
                again.expect_error_page(400);
            } else {
                again.sign_in_form();
            }
        }
    }

    /// The same code or refresh token again, here and at another replica, while its first use waits for a blocked audit store:
    /// nothing has left the server, so it is no theft, also without a retry window. Once a use stands, its repetition is.
    async fn a_repetition_of_what_is_put_back_is_no_theft(engine: Engine) {
        let mut p = Provider::new(engine).await;
        let other = p.app.replica().await;
        let asked = p.rp.ask(&p.app);
        let code = p.browser.authorize(&asked.url, &p.alice).await.code();
        let held = p.sign_in().await;
        let blockade = Blockade::of(&p.app).await;
        let started = Instant::now();
        let code_form = [
            ("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", &*p.rp.redirect_uri),
            ("code_verifier", &*asked.pkce.verifier),
        ];
        let refresh_form = [("grant_type", "refresh_token"), ("refresh_token", &*held.refresh)];
        let mut calls = Vec::new();
        for (millis, app) in [(0, &p.app), (700, &p.app), (1_000, &other)] {
            for form in [&code_form[..], &refresh_form[..]] {
                calls.push(later(millis, p.rp.call(app, "/oauth2/token", form)));
            }
        }
        let answers = join_all(calls).await;
        assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
        for answer in answers {
            assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
            assert!(!answer.header("retry-after").is_empty());
        }
        blockade.lift().await;
        let first = recovered(async || p.rp.redeem_code(&p.app, &code, &asked.pkce.verifier).await).await;
        let second = recovered(async || p.rp.refresh(&p.app, &held.refresh).await).await;
        for tokens in [&first, &second] {
            assert!(p.rp.is_active(&p.app, &tokens.access).await);
            let log = history(&p.app, &tokens.family()).await;
            assert!(!log.iter().any(|record| record.event_type == "family_revoked"), "{log:#?}");
        }
        // Now that they stand: theft, at whichever replica, and at once.
        let started = Instant::now();
        refused(p.rp.redeem_code(&other, &code, &asked.pkce.verifier).await, 400, "invalid_grant");
        refused(p.rp.refresh(&p.app, &held.refresh).await, 400, "invalid_grant");
        assert!(started.elapsed() < Duration::from_secs(4), "the record says so: {:?}", started.elapsed());
        for tokens in [&first, &second] {
            assert!(!p.rp.is_active(&p.app, &tokens.access).await);
        }
    }
}

/// Sends a request after so many milliseconds.
async fn later(millis: u64, call: Call<'_>) -> Answer {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    call.send().await
}
