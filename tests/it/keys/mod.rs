//! The key ring on both engines, with several replicas over one database.

mod first_start;

use crate::support::TestDb;
use grantor::clock::Clock;
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::fault::Fault;
use grantor::keys::KeyRing;
use grantor::sealed::MasterKeys;
use grantor::types::Timestamp;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// Two master keys; the first is the one of [`Replica::open`].
const MASTER: [&str; 2] = [
    "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "b:HxAREhMUFRYXGBkaGwABAgMEBQYHCAkKCwwNDg8cHR4=",
];

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
