//! The pieces of the hot path, each by itself. `scripts/bench` measures whole requests.

use criterion::{Criterion, criterion_group, criterion_main};
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::jose::jwt::{self, Expect};
use grantor::jose::{SigningKey, json};
use grantor::protect::limits::{Key, Limits, Tier};
use grantor::sealed::{SealingKey, aad};
use grantor::types::{Algorithm, ClientId, Kid, ScopeSet, Secret, TenantId, Timestamp, TokenHash};
use serde_json::json;
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn signatures(criterion: &mut Criterion) {
    let entropy = Entropy::seeded(1);
    let claims = json!({
        "iss": "https://login.example", "sub": "client", "aud": "https://login.example", "client_id": "client",
        "iat": NOW.seconds(), "exp": NOW.seconds() + 900, "jti": "0190c6a1-7e5c-7000-8000-000000000000",
        "scope": "orders:read orders:write",
    });
    let expect = Expect {
        typ: &["at+jwt"],
        issuer: "https://login.example",
        audience: Some("https://login.example"),
        leeway_s: 30,
        allow_expired: false,
    };
    for alg in Algorithm::ALL {
        let pkcs8 = SigningKey::generate(alg, 2048, &entropy).expect("a key");
        let kid = Kid::parse("bench").expect("a kid");
        let key = SigningKey::from_pkcs8(kid, alg, &pkcs8, &entropy).expect("a key");
        let token = key.sign_jwt("at+jwt", &claims).expect("a token");
        criterion.bench_function(&format!("sign {alg}"), |bencher| {
            bencher.iter(|| key.sign_jwt("at+jwt", black_box(&claims)));
        });
        criterion.bench_function(&format!("verify {alg}"), |bencher| {
            bencher.iter(|| jwt::verify(black_box(&token), &expect, |_| Some(key.verifying()), NOW));
        });
    }
}

fn limits(criterion: &mut Criterion) {
    let config = Config::from_pairs(&[]).expect("the defaults");
    let limits = Limits::new(config.limits, None, NOW);
    let client = ClientId::parse("client").expect("a client id");
    criterion.bench_function("take a limit (GCRA)", |bencher| {
        bencher.iter(|| {
            let key = Key::Client(TenantId::FIRST, black_box(&client));
            limits.take_here(limits.layer(Tier::Standard, key).as_slice(), NOW)
        });
    });
}

fn small_things(criterion: &mut Criterion) {
    let entropy = Entropy::seeded(1);
    let secret = entropy.token("gcs_").expect("a secret");
    criterion.bench_function("hash a client secret", |bencher| {
        bencher.iter(|| TokenHash::of(black_box(secret.expose())));
    });
    criterion.bench_function("parse three scopes", |bencher| {
        bencher.iter(|| ScopeSet::parse(black_box("openid profile orders:read")));
    });
    let body = br#"{"client_name":"shop","grant_types":["client_credentials"],"scope":"orders:read","enabled":true}"#;
    criterion.bench_function("parse a JSON object", |bencher| {
        bencher.iter(|| json::object(black_box(body)))
    });
    let key = SealingKey::new("k1", &[7; 32]).expect("a key");
    let about = aad(&["users", "email", "1"]);
    let plain = Secret::new("person@mail.example".to_owned());
    criterion.bench_function("seal a field", |bencher| {
        bencher.iter(|| key.seal(&entropy, &about, black_box(plain.expose().as_bytes())));
    });
}

criterion_group!(hot, signatures, limits, small_things);
criterion_main!(hot);
