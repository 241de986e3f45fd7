//! `audit verify` and `audit export`.

use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::{migrate, print};
use crate::audit::{Event, EventType, Outcome as EventOutcome, Verification, document};
use crate::storage::audit_read::{self, After, Filter, StoredEvent};
use crate::storage::{Store, outbox};
use crate::types::{Caller, TenantId, Timestamp};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Records that are read at once.
const PAGE: i64 = 500;

/// Verify the audit log, or export it
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find any changed, missing or reordered record, and say where
    ///
    /// Checks every hash, the order, the signed checkpoints, and what the main database and the anchor know of the log.
    /// Needs no key and may run beside the servers. Exits with 1 when something was found.
    #[command(
        after_help = "Example:\n  grantor audit verify --anchor /mnt/worm/anchor.jsonl --fingerprint 3b1f…"
    )]
    Verify(Verify),
    /// Print records, newest first
    ///
    /// The export itself is recorded as `audit_read`.
    #[command(
        after_help = "Example:\n  grantor audit export --json --since 2026-08-01T00:00:00Z --event-type login > august.jsonl"
    )]
    Export(Export),
}

#[derive(Debug, Args)]
struct Verify {
    /// File with the anchored checkpoints [default: the one of the configuration]
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// Fingerprint of a key that may have signed, as printed at first start; repeatable [default: the keys that the
    /// main database has noted]
    #[arg(long, value_name = "HEX")]
    fingerprint: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// From this time on, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Before this time, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only this type of event
    #[arg(long, value_name = "TYPE", value_parser = event_type)]
    event_type: Option<String>,
    /// Only `success` or `failure`
    #[arg(long, value_parser = ["success", "failure"])]
    outcome: Option<String>,
    /// Only this client
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Only this user
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// Only this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Only this token family
    #[arg(long, value_name = "ID")]
    token_family: Option<String>,
    /// Only this request
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Print one JSON object per line, with each record's place in the chain
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self, context: Context) -> Outcome {
        migrate::require_current(&context).await?;
        let database = &context.config.database;
        let (audit_url, audit_schema) = database.audit();
        let main = migrate::open(&database.url, None).await?;
        let store = migrate::open(&audit_url, audit_schema).await?;
        match self.command {
            Command::Verify(command) => command.run(&context, &main, &store).await,
            Command::Export(command) => command.run(&context, &main, &store).await,
        }
    }
}

impl Verify {
    async fn run(self, context: &Context, main: &Store, store: &Store) -> Outcome {
        if let Some(wrong) = self.fingerprint.iter().find(|text| !is_fingerprint(text)) {
            return Err(Failure::Usage(format!(
                "--fingerprint {wrong}: a fingerprint has 64 hexadecimal digits"
            )));
        }
        let configured = context.config.audit.anchor.as_ref();
        let anchor = self.anchor.or_else(|| {
            // A URL cannot be read back; a file is there once a checkpoint was made.
            let file = configured
                .filter(|anchor| !anchor.contains("://"))
                .map(PathBuf::from);
            file.filter(|file| file.exists())
        });
        let verification = Verification {
            main,
            audit: store,
            fingerprints: &self.fingerprint,
            anchor: anchor.as_deref(),
        };
        let report = verification.run().await?;
        if self.json {
            print::document(&report)?;
        } else {
            print::line(&report.to_string())?;
        }
        if report.is_clean() {
            Ok(())
        } else {
            Err(Failure::Found)
        }
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Export {
    async fn run(self, context: &Context, main: &Store, store: &Store) -> Outcome {
        let json = self.json;
        let filter = Filter {
            since: self.since,
            until: self.until,
            event_type: self.event_type,
            outcome: self.outcome,
            client_id: self.client_id,
            user_id: self.user_id,
            ip: self.ip,
            token_family: self.token_family,
            request_id: self.request_id,
        };
        record_reading(context, main, &filter).await?;
        let mut after = None;
        loop {
            let mut conn = store.read().await?;
            let page = audit_read::list(&mut conn, TenantId::FIRST, &filter, after, PAGE).await?;
            // Whoever reads the output may be slow.
            drop(conn);
            for event in &page {
                print::line(&if json { json_line(event) } else { text_line(event) })?;
            }
            let Some(last) = page.last().filter(|_| page.len() as i64 == PAGE) else {
                return Ok(());
            };
            after = Some(After {
                time: last.time,
                id: last.id,
            });
        }
    }
}

/// Reading the log is an event too. A server delivers it from the outbox, since this command does not write a stream.
async fn record_reading(context: &Context, main: &Store, filter: &Filter) -> Outcome {
    let now = context.clock.now();
    let id = context.entropy.uuid_v7(now)?;
    let event = Event::new(
        id,
        now,
        TenantId::FIRST,
        EventType::AuditRead,
        EventOutcome::Success,
    )
    .by(&Caller::system(context.entropy.uuid_v4()?))
    .with("method", "command_line")
    .with("filter", filter_document(filter));
    let mut tx = main.begin().await?;
    outbox::insert(&mut tx, &event).await?;
    tx.commit().await?;
    Ok(())
}

/// What was asked for, without what was left open.
fn filter_document(filter: &Filter) -> Value {
    let mut document = json!({
        "since": filter.since,
        "until": filter.until,
        "event_type": filter.event_type,
        "outcome": filter.outcome,
        "client_id": filter.client_id,
        "user_id": filter.user_id,
        "ip": filter.ip,
        "token_family": filter.token_family,
        "request_id": filter.request_id,
    });
    if let Some(members) = document.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    document
}

fn json_line(event: &StoredEvent) -> String {
    let mut document = document(event);
    let place = [
        ("stream", json!(event.stream)),
        ("sequence", json!(event.sequence)),
        ("previous_hash", json!(hex::encode(&event.previous_hash))),
        ("hash", json!(hex::encode(&event.hash))),
    ];
    if let Some(members) = document.as_object_mut() {
        members.extend(place.map(|(name, value)| (name.to_owned(), value)));
    }
    document.to_string()
}

fn text_line(event: &StoredEvent) -> String {
    let mut parts = vec![
        event.time.to_string(),
        event.event_type.clone(),
        event.outcome.clone(),
    ];
    let members = [
        ("client", &event.client_id),
        ("user", &event.user_id),
        ("ip", &event.ip),
        ("family", &event.token_family),
        ("request", &event.request_id),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            parts.push(format!("{name}={value}"));
        }
    }
    if event.metadata != "{}" {
        parts.push(event.metadata.clone());
    }
    crate::telemetry::escape(&parts.join(" "))
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be an RFC 3339 time, such as 2026-08-01T00:00:00Z".to_owned())
}

fn event_type(text: &str) -> Result<String, String> {
    if EventType::ALL.iter().any(|known| known.as_str() == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<_> = EventType::ALL.iter().map(|known| known.as_str()).collect();
    Err(format!("must be one of: {}", known.join(", ")))
}
