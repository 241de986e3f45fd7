//! The authentication tier: exact, by address, shared by replicas.

use super::{Ground, START};
use crate::support::http::Http;
use crate::support::{Engine, TestDb};
use grantor::config::Config;
use grantor::protect::attempts::Attempts;
use grantor::storage::attempts as table;
use std::net::IpAddr;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn attempts(store: grantor::storage::Store, settings: &[(&str, &str)]) -> Attempts {
    Attempts::new(store, &Config::from_pairs(settings).unwrap().limits)
}

on_both_engines! {
    /// R-LIM-03, -05, -22, -41: the sixth within 15 minutes is refused, right or wrong, whoever is named.
    async fn r_lim_03_the_sixth_attempt_is_refused(engine: Engine) {
        let ground = Ground::on(TestDb::new(engine).await, &[]).await;
        let http = ground.http();
        let sign_in = |password: &'static str| http.post("/login").form(&[("username", "a"), ("password", password)]);
        for remaining in (0..5).rev() {
            // R-LIM-32: what a stranger says of its address gives it nothing.
            let spoofed = format!("198.51.100.{remaining}");
            let call = sign_in("wrong").header("x-forwarded-for", &spoofed);
            let call = call.header("forwarded", &format!("for={spoofed}"));
            let answer = call.send().await.expect(403);
            assert_eq!(answer.header("x-ratelimit-limit"), "5");
            assert_eq!(answer.header("x-ratelimit-remaining"), remaining.to_string());
            assert_eq!(answer.header("ratelimit-policy"), "\"authentication\";q=5;w=900");
        }
        let refused = sign_in("right").send().await.expect(429);
        assert_eq!(refused.header("retry-after"), "900");
        assert!(refused.text().contains("Too many login attempts, please try again later"));
        let url = format!("http://{}", ground.running.address);
        let elsewhere = Http::from_address(&url, "127.0.0.2".parse().unwrap());
        elsewhere.post("/login").form(&[("password", "right")]).send().await.expect(204);
        ground.clock.advance_seconds(900);
        sign_in("right").send().await.expect(204);
    }

    async fn as_many_pass_as_are_configured_over_all_replicas(engine: Engine) {
        let db = TestDb::new(engine).await;
        let mut replicas = Vec::new();
        for _ in 0..3 {
            replicas.push(attempts(db.stores().await.0, &[]));
        }
        let mut running = Vec::new();
        for n in 0..30 {
            let replica = replicas[n % replicas.len()].clone();
            running.push(tokio::spawn(async move { replica.take(HERE, START).await.unwrap().passed }));
        }
        let mut passed = 0;
        for attempt in running {
            passed += usize::from(attempt.await.unwrap());
        }
        assert_eq!(passed, 5);
        // What the other replicas did is known without a database read, once it was looked at.
        let late = attempts(db.stores().await.0, &[]);
        assert_eq!(late.blocked(HERE, START), None);
        late.refresh(START).await.unwrap();
        assert!(!late.blocked(HERE, START).unwrap().passed);
        assert_eq!(late.blocked(HERE, START.plus_seconds(900)), None);
        // The restart of a replica forgets nothing.
        assert!(!late.take(HERE, START.plus_seconds(899)).await.unwrap().passed);
        assert!(late.take(HERE, START.plus_seconds(900)).await.unwrap().passed);
    }

    /// R-LIM-32: an IPv6 subscriber is one party, and a site with many networks has ten times the limit of one.
    async fn ipv6_addresses_are_counted_by_network_and_by_site(engine: Engine) {
        let db = TestDb::new(engine).await;
        let attempts = attempts(db.stores().await.0, &[]);
        let take = async |network: u16, host: u16| {
            let address = format!("2001:db8:1:{network:x}::{host:x}").parse().unwrap();
            attempts.take(address, START).await.unwrap().passed
        };
        for n in 0..5 {
            assert!(take(0, n).await);
        }
        assert!(!take(0, 9).await, "another address of the same network");
        for n in 1..10 {
            for _ in 0..5 {
                assert!(take(n, 1).await, "{n}");
            }
        }
        assert!(!take(10, 1).await, "the site has used up its own");
        let unused: IpAddr = "2001:db8:1:ffff::1".parse().unwrap();
        assert!(!attempts.blocked(unused, START).unwrap().passed);
        assert!(!attempts.peek(unused, START).await.unwrap().passed);
        let elsewhere = "2001:db8:2::1".parse().unwrap();
        assert!(attempts.take(elsewhere, START).await.unwrap().passed);
        // What is given back counts for neither.
        attempts.give_back("2001:db8:1:1::1".parse().unwrap(), START).await.unwrap();
        assert!(take(1, 2).await);
        assert!(!take(10, 1).await);
        assert!(attempts.forget(unused).await.unwrap());
        assert!(take(10, 1).await);
    }

    async fn a_log_that_says_nothing_any_more_is_purged(engine: Engine) {
        let db = TestDb::new(engine).await;
        let attempts = attempts(db.stores().await.0, &[]);
        attempts.take(HERE, START).await.unwrap();
        let purge = async |at: i64| {
            let mut conn = db.main.write().await.unwrap();
            table::purge(&mut conn, START.plus_seconds(at), 100).await.unwrap()
        };
        assert_eq!(purge(899).await, 0);
        assert_eq!(purge(900).await, 1);
        assert!(attempts.take(HERE, START.plus_seconds(900)).await.unwrap().passed);
    }
}

#[tokio::test]
async fn failed_client_authentications_count_and_successful_ones_do_not() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    for _ in 0..10 {
        http.post("/oauth2/token")
            .form(&[("client", "one")])
            .send()
            .await
            .expect(200);
    }
    for _ in 0..5 {
        http.post("/oauth2/token")
            .form(&[("secret", "wrong")])
            .send()
            .await
            .expect(401);
    }
    let refused = http
        .post("/oauth2/token")
        .form(&[("client", "one")])
        .send()
        .await
        .expect(429);
    assert_eq!(
        refused.json()["error_description"],
        "Too many login attempts, please try again later"
    );
}

#[tokio::test]
async fn only_failures_count_where_that_is_configured() {
    let ground = Ground::new(&[("limits.authentication.count", "failures")]).await;
    let http = ground.http();
    let sign_in = |password: &'static str| http.post("/login").form(&[("password", password)]);
    for _ in 0..10 {
        sign_in("right").send().await.expect(204);
    }
    for _ in 0..5 {
        sign_in("wrong").send().await.expect(403);
    }
    sign_in("right").send().await.expect(429);
    sign_in("wrong").send().await.expect(429);
}

#[tokio::test]
async fn nobody_may_try_while_attempts_cannot_be_counted() {
    let ground = Ground::new(&[]).await;
    let http = ground.http();
    // The database answers no more: the table is gone.
    let mut conn = ground.db.main.write().await.unwrap();
    let grantor::storage::Conn::Sqlite(conn, _) = &mut conn else {
        unreachable!()
    };
    sqlx::query("DROP TABLE authentication_attempts")
        .execute(&mut **conn)
        .await
        .unwrap();
    let answer = http.post("/login").form(&[("password", "right")]).send().await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    let answer = http
        .post("/oauth2/token")
        .form(&[("secret", "wrong")])
        .send()
        .await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
}
