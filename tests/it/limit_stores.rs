//! Limits on both stores: what is configured passes, the next does not; several replicas that share a store count
//! together, and go on by themselves while it is away.

use crate::support::http::Http;
use crate::support::limit_store::{LimitStore, OwnRedis, PATIENCE_MS};
use crate::support::{Engine, TestApp};
use grantor::clock::Clock;
use grantor::config::{Config, Limit, LimitConfig};
use grantor::protect::Resting;
use grantor::protect::limits::{Decision, Key, Layer, Limits, Tier};
use grantor::types::{ClientId, TenantId, Timestamp, UserId};
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const START: Timestamp = Timestamp::from_seconds(1_782_864_000);

/// Writes a test once and runs it on both stores.
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: LimitStore) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn check($store: LimitStore) $body

            #[tokio::test]
            async fn memory() {
                check(LimitStore::Memory).await;
            }

            #[tokio::test]
            async fn redis() {
                if LimitStore::Redis.is_available() {
                    check(LimitStore::Redis).await;
                }
            }
        }
    )+};
}

fn config(pairs: &[(&str, &str)]) -> LimitConfig {
    Config::from_pairs(pairs).expect("a configuration").limits
}

/// Somebody that a tier counts.
fn somebody(tier: Tier, client: &ClientId, n: u8) -> Key<'_> {
    match tier {
        Tier::Global => Key::All,
        Tier::PerTenant => Key::Tenant(TenantId(uuid::Uuid::from_u128(u128::from(n)))),
        Tier::PerUser => Key::User(TenantId::FIRST, UserId(uuid::Uuid::from_u128(u128::from(n)))),
        Tier::Expensive | Tier::PerKey => Key::Client(TenantId::FIRST, client),
        _ => Key::Address(IpAddr::from([10, 0, 0, n])),
    }
}

async fn take(limits: &Limits, layers: &[Layer<'_>], now: Timestamp) -> Decision {
    limits.take(&[], layers, now).await.expect("there are layers")
}

on_both_stores! {
    /// "For each limit: the configured number passes and the next does not." Whichever of several replicas is asked.
    async fn the_configured_number_passes_and_the_next_does_not(store: LimitStore) {
        let config = config(&[
            ("limits.global.rate", "40"),
            ("limits.global.burst", "37"),
            ("limit.per_second_cap", "25"),
            ("limit.per_tenant_cap", "35"),
        ]);
        let clock = Clock::manual(START);
        let replicas = store.replicas(3, &config, &clock, START).await;
        let client = ClientId::parse("client").unwrap();
        for tier in Tier::ALL {
            let Some(layer) = replicas[0].layer(tier, somebody(tier, &client, 1)) else { continue };
            for n in 0..layer.limit.burst {
                let decision = take(&replicas[n as usize % replicas.len()], &[layer], START).await;
                assert!(decision.passed, "{tier:?} {n}");
                assert_eq!((decision.limit, decision.remaining), (layer.limit.burst, layer.limit.burst - n - 1));
            }
            for replica in &replicas {
                let refused = take(replica, &[layer], START).await;
                assert!(!refused.passed, "{tier:?}");
                assert_eq!(refused.remaining, 0);
                let later = START.plus_seconds(i64::from(refused.reset_s) - 1);
                if refused.reset_s > 1 {
                    assert!(!take(replica, &[layer], later).await.passed, "{tier:?}: not a second earlier");
                }
            }
            let wait = take(&replicas[0], &[layer], START).await.reset_s;
            assert!(take(&replicas[0], &[layer], START.plus_seconds(i64::from(wait))).await.passed, "{tier:?}");
            if tier != Tier::Global && tier != Tier::Expensive && tier != Tier::PerKey {
                let other = replicas[0].layer(tier, somebody(tier, &client, 2)).unwrap();
                assert!(take(&replicas[0], &[other], START).await.passed, "{tier:?}: others are untouched");
            }
        }
    }

    /// R-LIM-17: "a caller polling above the rate still recovers at refill speed".
    async fn who_polls_faster_than_the_refill_is_not_starved(store: LimitStore) {
        let config = config(&[("limits.standard.rate", "1"), ("limits.standard.period_seconds", "1")]);
        let clock = Clock::manual(START);
        let replicas = store.replicas(2, &config, &clock, START).await;
        let layer = replicas[0].layer(Tier::Standard, Key::Address(IpAddr::from([10, 0, 0, 1]))).unwrap();
        let mut passed = 0;
        for n in 0..=50_usize {
            let now = START.plus_micros(200_000 * n as i64);
            passed += u32::from(take(&replicas[n % replicas.len()], &[layer], now).await.passed);
        }
        assert_eq!(passed, 11);
    }

    /// R-LIM-11: all layers are taken or none.
    async fn a_refusal_costs_no_other_limit_anything(store: LimitStore) {
        let config = config(&[("limits.sensitive.rate", "2")]);
        let clock = Clock::manual(START);
        let replicas = store.replicas(2, &config, &clock, START).await;
        let address = Key::Address(IpAddr::from([10, 0, 0, 1]));
        let layers = [
            replicas[0].layer(Tier::Standard, address).unwrap(),
            replicas[0].layer(Tier::Sensitive, Key::Operation("/x", &address)).unwrap(),
        ];
        for n in 0..20_usize {
            let decision = take(&replicas[n % replicas.len()], &layers, START).await;
            assert_eq!((decision.passed, decision.tier), (n < 2, Tier::Sensitive), "{n}");
        }
        let standard = take(&replicas[0], &layers[..1], START).await;
        assert_eq!(standard.remaining, 100 - 3);
    }
}

fn limits() -> impl Strategy<Value = Limit> {
    let rate = prop_oneof![1u32..20, Just(7), Just(1_000_000_000)];
    let burst = prop_oneof![1u32..20, Just(1_000_000_000)];
    (rate, 1u32..90, burst).prop_map(|(rate, period_s, burst)| Limit {
        rate,
        period_s,
        burst,
    })
}

/// Three replicas that share a store decide like one that counts in memory, which is shown to be an exact token bucket
/// beside its source: to the microsecond, whatever the limit.
#[test]
fn replicas_that_share_a_store_decide_like_one() {
    if !LimitStore::Redis.is_available() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let any = config(&[]);
    let steps = proptest::collection::vec(0i64..3_000_000, 1..60);
    proptest!(ProptestConfig::with_cases(60), |(limit in limits(), steps in steps)| {
        runtime.block_on(async {
            let clock = Clock::manual(START);
            let replicas = LimitStore::Redis.replicas(3, &any, &clock, START).await;
            let model = Limits::new(any.clone(), None, START);
            let mut now = START;
            for (n, step) in steps.iter().enumerate() {
                now = now.plus_micros(*step);
                let layer = Layer { tier: Tier::Standard, key: Key::All, limit };
                let here = take(&replicas[n % 3], &[layer], now).await;
                let expected = take(&model, &[layer], now).await;
                prop_assert_eq!(here.passed, expected.passed, "step {}", n);
                // A replica that knows itself that the limit is used up may know less of when it will not be.
                if here.passed {
                    prop_assert_eq!(here, expected, "step {}", n);
                }
            }
            Ok(())
        })?;
    });
}

/// R-LIM-15: "200 parallel on 2 instances, limit 100 → exactly 100 pass."
#[tokio::test]
async fn r_lim_15_of_200_at_once_at_two_replicas_exactly_100_pass() {
    let Some(redis) = OwnRedis::start() else { return };
    let url = redis.url();
    let settings = [
        ("redis_url", url.as_str()),
        ("redis.timeout_ms", PATIENCE_MS),
        ("limits.standard.rate", "100"),
        ("limits.standard.period_seconds", "86400"),
    ];
    let one = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let other = one.replica().await;
    let client = one.client("orders:read", |_| {}).await;
    let calls = (0..200).map(|n| {
        let http = if n % 2 == 0 { &one.http } else { &other.http };
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        http.post("/oauth2/token")
            .basic(&client.id, &client.secret)
            .form(&form)
            .send()
    });
    let answers = futures_util::future::join_all(calls).await;
    let count = |status: u16| {
        answers
            .iter()
            .filter(|answer| answer.status.as_u16() == status)
            .count()
    };
    assert_eq!((count(200), count(429)), (100, 100));
    for app in [&one, &other] {
        assert!(
            app.app
                .edge
                .render_metrics(Resting::default())
                .contains("grantor_limits_shared 1")
        );
    }
}

/// A replica whose clock is wrong gives nobody more: the store's own clock decides.
#[tokio::test]
async fn the_clock_is_the_stores() {
    if !LimitStore::Redis.is_available() {
        return;
    }
    let config = config(&[
        ("limits.standard.rate", "5"),
        ("limits.standard.period_seconds", "86400"),
    ]);
    let replicas = LimitStore::Redis
        .replicas(2, &config, &Clock::System, START)
        .await;
    let layer = replicas[0].layer(Tier::Standard, Key::All).unwrap();
    for _ in 0..5 {
        assert!(take(&replicas[0], &[layer], START).await.passed);
    }
    for days in [0, 1, 1000] {
        assert!(
            !take(&replicas[1], &[layer], START.plus_seconds(days * 86_400))
                .await
                .passed
        );
    }
}

/// Who does not say who it is is counted by address over all replicas, also where a client was expected.
#[tokio::test]
async fn callers_without_credentials_are_counted_together() {
    let Some(redis) = OwnRedis::start() else { return };
    let url = redis.url();
    let settings = [
        ("redis_url", url.as_str()),
        ("redis.timeout_ms", PATIENCE_MS),
        ("limits.standard.rate", "10"),
    ];
    let one = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let other = one.replica().await;
    for n in 0..14 {
        let http = if n % 2 == 0 { &one.http } else { &other.http };
        let answer = http.get("/oauth2/userinfo").send().await;
        assert_eq!(answer.status, if n < 10 { 401 } else { 429 }, "{n}");
        let remaining: i32 = answer.header("x-ratelimit-remaining").parse().unwrap();
        assert_eq!(remaining, (9 - n).max(0));
    }
}

/// What lies in the store names nobody and is forgotten.
#[tokio::test]
async fn r_lim_16_keys_name_nobody_and_expire() {
    let Some(redis) = OwnRedis::start() else { return };
    let settings = [
        ("redis_url", redis.url()),
        ("redis.timeout_ms", PATIENCE_MS.to_owned()),
    ];
    let mut settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    settings.extend([
        ("limits.standard.rate", "10"),
        ("limits.standard.period_seconds", "10"),
    ]);
    let app = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    app.http.get("/nothing").send().await.expect(404);
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(keys.len() >= 3, "probe, global and address: {keys:?}");
    let mut shortest = i64::MAX;
    for key in &keys {
        let name = key.strip_prefix("{grantor}:").expect("the prefix");
        assert_eq!(name.len(), 22, "128 bits of a hash");
        let value: String = redis::cmd("GET")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(value.bytes().all(|b| b.is_ascii_digit() || b == b' '), "{value}");
        let ttl: i64 = redis::cmd("PTTL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(ttl > 0, "{key} is kept for ever");
        if ttl > 10_000 {
            shortest = shortest.min(ttl);
        }
    }
    assert!(
        (10_000..=22_000).contains(&shortest),
        "twice the time to fill: {shortest}"
    );
}

/// "It is killed and restarted under load": nobody gets a 5xx, no replica lets more through than its own limit, readiness
/// and metrics tell, and counting together begins again without a restart.
#[tokio::test]
async fn the_store_is_killed_and_restarted_under_load() {
    const LIMIT: usize = 60;
    let Some(mut redis) = OwnRedis::start() else {
        return;
    };
    let (url, limit) = (redis.url(), LIMIT.to_string());
    let settings = [
        ("redis_url", url.as_str()),
        ("redis.timeout_ms", PATIENCE_MS),
        ("limits.standard.rate", limit.as_str()),
        ("limits.standard.period_seconds", "86400"),
    ];
    let one = TestApp::spawn_with(Engine::Sqlite, &settings).await;
    let other = one.replica().await;
    // Together, while the store is there.
    let mut passed = ask(&[&one.http, &other.http], 20).await;
    assert_eq!(passed, 20);
    redis.kill();
    passed += ask(&[&one.http, &other.http], 40).await;
    for app in [&one, &other] {
        until(|| app.app.edge.limits().is_shared() == Some(false)).await;
    }
    assert!(
        one.app
            .edge
            .render_metrics(Resting::default())
            .contains("grantor_limits_shared 0")
    );
    passed += ask(&[&one.http, &other.http], 40).await;
    assert_eq!(passed, 100, "each replica goes on by itself");
    // Attempts at secrets are counted in the database, over both.
    let stranger = |app: &TestApp| Http::from_address(&app.base, IpAddr::from([127, 0, 0, 2]));
    for n in 0..8 {
        let http = stranger(if n % 2 == 0 { &one } else { &other });
        let call = http.post("/oauth2/token").basic("admin", "wrong");
        let answer = call.form(&[("grant_type", "client_credentials")]).send().await;
        assert_eq!(answer.status, if n < 5 { 401 } else { 429 }, "{n}");
    }
    redis.start_again();
    passed += ask(&[&one.http, &other.http], 100).await;
    assert_eq!(
        passed,
        2 * LIMIT,
        "no replica lets more through than its own limit"
    );
    for app in [&one, &other] {
        until(|| app.app.edge.limits().is_shared() == Some(true)).await;
    }
    // A store that has lost its memory does not make a replica forget.
    assert_eq!(ask(&[&one.http, &other.http], 10).await, 0);
}

/// Sends so many requests at once, in turn to each; how many passed. All others are refused in order.
async fn ask(https: &[&Http], count: usize) -> usize {
    let calls = (0..count).map(|n| https[n % https.len()].get("/nothing").send());
    let answers = futures_util::future::join_all(calls).await;
    for answer in &answers {
        assert!([404, 429].contains(&answer.status.as_u16()), "{}", answer.status);
        assert!(!answer.header("ratelimit-policy").is_empty());
    }
    answers.iter().filter(|answer| answer.status == 404).count()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
