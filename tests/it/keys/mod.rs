//! The key ring on both engines, with several replicas over one database.

mod command;
mod compromise;
mod first_start;
mod outage;
mod reseal;
mod rotation;
mod timeline;

use crate::support::TestDb;
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::fault::Fault;
use grantor::jose::VerifyingKey;
use grantor::keys::KeyRing;
use grantor::sealed::MasterKeys;
use grantor::types::{Event, TenantId, Timestamp};
use serde_json::Value;
use std::collections::HashMap;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// Two master keys; the first is the one of [`Replica::open`].
const MASTER: [&str; 2] = [
    "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "b:HxAREhMUFRYXGBkaGwABAgMEBQYHCAkKCwwNDg8cHR4=",
];

const TENANT: TenantId = TenantId::FIRST;
/// The cheapest keys to make.
const ES256: &[(&str, &str)] = &[("tokens.algorithms", "ES256"), ("token.alg", "ES256")];
const DAY: i64 = 86_400;

/// Opens a ring as a replica with a store of its own does.
async fn open(db: &TestDb, clock: &Clock, settings: &[(&str, &str)]) -> KeyRing {
    try_open(db, clock, settings, MASTER[0]).await.unwrap()
}

async fn try_open(
    db: &TestDb,
    clock: &Clock,
    settings: &[(&str, &str)],
    master: &str,
) -> Result<KeyRing, Fault> {
    let (store, _) = db.stores().await;
    let config = Config::from_pairs(settings).unwrap();
    let master = MasterKeys::parse(master).unwrap();
    KeyRing::open(store, clock.clone(), Entropy::system(), &config, master).await
}

/// What a verifier makes of the published set.
fn published(jwks: &[u8]) -> HashMap<String, VerifyingKey> {
    let set: Value = serde_json::from_slice(jwks).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["use"] == "sig")
        .map(|key| VerifyingKey::from_jwk(key).unwrap())
        .map(|key| (key.kid().to_string(), key))
        .collect()
}

/// For a change that nobody in particular asked for.
fn nobody(event: Event) -> Event {
    event
}
