//! `keys`: signing keys, and the master key that wraps all keys.

use super::at::At;
use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::{migrate, print};
use crate::config::master_key;
use crate::fault::Fault;
use crate::keys::{KeyChange, KeyInfo, KeyRing, Purpose, PurposeRotated, PurposeRotation, Replaced};
use crate::storage::Store;
use crate::types::{Algorithm, Event, Kid, Timestamp};
use clap::{Args, Subcommand};
use serde_json::json;

/// List, replace and revoke signing keys, and change the master key
///
/// Running servers notice a change within two seconds. Each change is written to the audit log by the next server that
/// runs.
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the published signing keys
    #[command(after_help = "Example:\n  grantor keys list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the active signing key of one algorithm, or of all
    ///
    /// The next key becomes active, the old one stays published until the last token that it signed has expired, and a
    /// new next key is published. A next key that verifiers may not know yet is waited for; `activates_at` says how long.
    ///
    /// With --purpose it is the server's own key that is replaced: `mac` behind codes and refresh tokens, `seal` behind
    /// requests under way, `data` behind personal data, `enc_rsa` and `enc_ec` to which clients encrypt. With --compromised
    /// what the old key made is worth nothing from now on: after `mac` everybody signs in again at every application.
    ///
    /// With --all --compromised every key of the tenant that can be replaced gives way at once, the next ones too: for when
    /// whoever had the master key, or the running server, may have read them.
    #[command(
        after_help = "Examples:\n  grantor keys rotate --alg RS256\n  grantor keys rotate --purpose mac --immediate --compromised\n  grantor keys rotate --all --compromised"
    )]
    Rotate {
        /// Algorithm [default: all]
        #[arg(long, value_parser = algorithm)]
        alg: Option<Algorithm>,
        /// A key of the server's own instead of signing keys: mac, seal, data, enc_rsa or enc_ec
        #[arg(long, value_parser = purpose, conflicts_with = "alg", group = "what")]
        purpose: Option<Purpose>,
        /// All keys of the tenant, signing keys and the server's own
        #[arg(long, requires = "compromised", conflicts_with = "alg", group = "what")]
        all: bool,
        /// Do not wait: verifiers with an older copy of the published set may refuse tokens until they fetch it again
        #[arg(long)]
        immediate: bool,
        /// Take the old key away at once, with what it made (signing keys: `retire KID --now`)
        #[arg(long, requires = "what")]
        compromised: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take one signing key out of use
    ///
    /// An active key is replaced as by `rotate`; a next key is withdrawn. With --now the key counts as compromised: it is
    /// no longer published, and nothing that it signed is valid any more.
    #[command(after_help = "Example:\n  grantor keys retire x7Yt0Bq3T1u5dPZq8WkLmA --now")]
    Retire {
        /// The key's id, as `list` shows it
        #[arg(value_parser = kid)]
        kid: Kid,
        /// Revoke the key at once
        #[arg(long)]
        now: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Wrap every stored key of all tenants under the first master key
    ///
    /// To change the master key: add the new one second to GRANTOR_MASTER_KEY on every replica; then put it first; run
    /// this command; then remove the old one. Servers go on working all the while.
    #[command(after_help = "Example:\n  GRANTOR_MASTER_KEY=new:…,old:… grantor keys reseal")]
    Reseal {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Keys {
    pub(super) async fn run(self, context: Context) -> Outcome {
        migrate::require_current(&context).await?;
        let (ring, store) = ring(&context).await?;
        let tenant = self.at.find(&store, &context.config).await?.id;
        let now = context.clock.now();
        match self.command {
            Command::List { json } => Ok(print::records(&ring.list(tenant).await?, &COLUMNS, json)?),
            Command::Rotate {
                purpose: Some(purpose),
                immediate,
                compromised,
                json,
                ..
            } => {
                let how = PurposeRotation {
                    immediate,
                    compromised,
                };
                let rotated = ring.rotate_purpose(tenant, purpose, how, by_command, now).await?;
                rotated_purpose(purpose, rotated, json)
            }
            Command::Rotate { all: true, json, .. } => {
                let replaced = ring.replace_all(tenant, by_command, now).await?;
                if replaced.events.is_empty() {
                    return Err(Failure::Refused(NO_KEYS.to_owned()));
                }
                all_replaced(&replaced, json)
            }
            Command::Rotate {
                alg, immediate, json, ..
            } => {
                let change = ring.rotate(tenant, alg, immediate, by_command, now).await?;
                changed(change, json, || match alg {
                    Some(alg) => format!(
                        "there are no {alg} keys; the setting tokens.algorithms decides which there are"
                    ),
                    None => NO_KEYS.to_owned(),
                })
            }
            Command::Retire {
                kid,
                now: at_once,
                json,
            } => {
                let change = if at_once {
                    ring.revoke(tenant, &kid, by_command, now).await?
                } else {
                    ring.retire(tenant, &kid, by_command, now).await?
                };
                changed(change, json, || format!("there is no such key: {kid}"))
            }
            Command::Reseal { json } => reseal(&ring, &context, now, json).await,
        }
    }
}

const NO_KEYS: &str = "there are no keys yet: the first start of the server makes them";

const COLUMNS: [print::Column<KeyInfo>; 6] = [
    ("KID", |key| key.kid.to_string()),
    ("ALG", |key| key.alg.to_string()),
    ("STATE", |key| format!("{:?}", key.state).to_lowercase()),
    ("PUBLISHED SINCE", |key| key.created_at.to_string()),
    ("ACTIVE FROM", |key| time(key.activated_at.or(key.activates_at))),
    ("PUBLISHED UNTIL", |key| time(key.expires_at)),
];

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}

async fn ring(context: &Context) -> Result<(KeyRing, Store), Fault> {
    const CONNECTIONS: u32 = 2;
    let (master, _) = master_key::load_or_create(&context.config, &context.entropy)?;
    let store = Store::open(context.config.database.url.expose(), None, CONNECTIONS).await?;
    let ring = KeyRing::attach(
        store.clone(),
        context.clock.clone(),
        context.entropy.clone(),
        &context.config,
        master,
    )
    .await?;
    Ok((ring, store))
}

fn changed(change: Option<KeyChange>, json: bool, refusal: impl FnOnce() -> String) -> Outcome {
    match change {
        Some(change) => Ok(print::records(&change.keys, &COLUMNS, json)?),
        None => Err(Failure::Refused(refusal())),
    }
}

fn all_replaced(replaced: &Replaced, json: bool) -> Outcome {
    let purposes = replaced.purposes.iter();
    if json {
        let purposes: Vec<_> = purposes
            .map(|(purpose, key)| json!({ "purpose": purpose.as_str(), "key": key }))
            .collect();
        print::document(&json!({ "signing_keys": replaced.signing, "purpose_keys": purposes }))?;
        return Ok(());
    }
    print::records(&replaced.signing, &COLUMNS, false)?;
    for (purpose, key) in purposes {
        print::line(&format!("the {} key is {key} now", purpose.as_str()))?;
    }
    Ok(())
}

fn rotated_purpose(purpose: Purpose, rotated: PurposeRotated, json: bool) -> Outcome {
    let name = purpose.as_str();
    match rotated {
        PurposeRotated::Done {
            key, previous, until, ..
        } => {
            if json {
                print::document(
                    &json!({ "purpose": name, "key": key, "previous_key": previous, "previous_until": until }),
                )?;
            } else {
                print::line(&format!(
                    "the {name} key is {key} now; {previous} is removed at {until}"
                ))?;
            }
            Ok(())
        }
        PurposeRotated::NotRotated => Err(Failure::Refused(format!(
            "there is no {name} key that can be replaced: the first start of the server makes the keys"
        ))),
        PurposeRotated::NotBefore(at) => Err(Failure::Refused(format!(
            "replicas may not know the next {name} key before {at}; with --immediate they refuse what it makes until they do"
        ))),
    }
}

async fn reseal(ring: &KeyRing, context: &Context, now: Timestamp, json: bool) -> Outcome {
    let done = ring.reseal(by_command, now).await?;
    // Read anew: the ring has taken the master keys that were read before.
    let (master, _) = master_key::load_or_create(&context.config, &context.entropy)?;
    let id = master.wrapping_id();
    if json {
        print::document(
            &json!({ "master_key": id, "signing_keys": done.signing, "purpose_keys": done.purpose }),
        )?;
    } else {
        print::line(&format!(
            "{} signing keys and {} other keys were wrapped anew; all are under the master key \"{id}\" now",
            done.signing, done.purpose
        ))?;
    }
    Ok(())
}

/// What the audit log says about who it was.
fn by_command(event: Event) -> Event {
    event.with("method", "command_line")
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::parse(text).map_err(|why| why.to_string())
}

/// The purposes whose keys are replaced; what the others made has no end.
fn purpose(text: &str) -> Result<Purpose, String> {
    let found = Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.is_rotated() && purpose.as_str() == text);
    found.ok_or_else(|| "must be one of mac, seal, data, enc_rsa, enc_ec".to_owned())
}

fn kid(text: &str) -> Result<Kid, String> {
    Kid::parse(text).map_err(|why| why.to_string())
}
