//! What a server says while the store of the limits is away, seen from outside.

use crate::support::Engine;
use crate::support::limit_store::OwnRedis;
use crate::support::process::Installation;
use crate::support::tls::Authority;
use std::time::{Duration, Instant};

/// "Others fall back to local limits with an alert": one line when it goes, one when it is back; requests go on, limited.
#[tokio::test]
async fn an_outage_of_the_shared_store_is_told_once_and_limits_go_on() {
    let Some(mut redis) = OwnRedis::start() else {
        return;
    };
    let url = redis.url();
    let settings = [
        ("GRANTOR_REDIS_URL", url.as_str()),
        ("GRANTOR_LIMITS__STANDARD__RATE", "20"),
        ("GRANTOR_LIMITS__STANDARD__PERIOD_SECONDS", "86400"),
        ("GRANTOR_REDIS__TIMEOUT_MS", "5000"),
        ("GRANTOR_THROTTLE__MAX_DELAY_MS", "0"),
    ];
    let installation = Installation::new(Engine::Sqlite, &settings).await;
    let serving = installation.serve().await;
    let alerts = || {
        installation
            .output()
            .matches("\"alert\":\"shared_limits\"")
            .count()
    };
    let before = alerts();
    for _ in 0..5 {
        serving.http.get("/nothing").send().await.expect(404);
    }
    redis.kill();
    for _ in 5..20 {
        serving.http.get("/nothing").send().await.expect(404);
    }
    for _ in 0..5 {
        serving.http.get("/nothing").send().await.expect(429);
    }
    until("the outage is told", || alerts() == before + 1).await;
    assert!(installation.output().contains("every replica counts by itself"));
    serving.management.get("/health/ready").send().await.expect(503);
    redis.start_again();
    until("the end is told", || alerts() == before + 2).await;
    serving.management.get("/health/ready").send().await.expect(200);
    serving.http.get("/nothing").send().await.expect(429);
}

/// `rediss://`: whoever stands in between and has no certificate that the system trusts gets nothing.
#[tokio::test]
async fn the_store_is_reached_over_tls_when_its_certificate_is_trusted() {
    let Some(redis) = OwnRedis::start() else {
        return;
    };
    let authority = Authority::new();
    let tls = authority
        .in_front_of(&redis.url().replace("redis:", "http:"))
        .await;
    let url = tls.replace("https:", "rediss:");
    let trusted = authority.pem.to_string_lossy().into_owned();
    let settings = [
        ("GRANTOR_REDIS_URL", url.as_str()),
        ("GRANTOR_REDIS__TIMEOUT_MS", "5000"),
    ];
    let stranger = Installation::new(Engine::Sqlite, &settings).await;
    let port = stranger.base.rsplit(':').next().expect("a port").to_owned();
    let alone = stranger.spawn(&port, &mut stranger.command(&["serve"]));
    let told = || stranger.output().contains("every replica counts by itself");
    until("the untrusted store is told", told).await;
    alone.management.get("/health/ready").send().await.expect(503);
    let trusting = [&settings[..], &[("SSL_CERT_FILE", trusted.as_str())]].concat();
    let friend = Installation::new(Engine::Sqlite, &trusting).await;
    friend.serve().await;
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
