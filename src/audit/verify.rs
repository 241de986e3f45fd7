//! Finds any changed, missing or reordered record, and says where.
//!
//! What is claimed is read before what is there: noted heads, then the anchor and the checkpoints, then the records. So a
//! log that is written meanwhile has everything that was claimed. Memory does not grow with the log, only with the number
//! of streams.

use super::chain::{Fields, START};
use super::checkpoint::{covered_heads, from_anchor_line, is_genuine};
use super::report::{Finding, Report};
use super::signer::fingerprint;
use crate::fault::Fault;
use crate::storage::audit::{self, StreamHead};
use crate::storage::audit_checkpoints::{self, Checkpoint};
use crate::storage::audit_heads::{self, NotedHead};
use crate::storage::audit_read::{self, Place, StoredEvent};
use crate::storage::{Conn, Store};
use crate::types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use uuid::Uuid;

/// Records and checkpoints that are read at once.
const PAGE: i64 = 500;

/// What to verify against.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a> {
    /// The main database, which notes heads and signing keys.
    pub main: &'a Store,
    /// The audit store.
    pub audit: &'a Store,
    /// Fingerprints of the keys that may have signed. Without any, those count that the main database noted.
    pub fingerprints: &'a [String],
    /// The anchor's lines.
    pub anchor: Option<&'a Path>,
}

impl Verification<'_> {
    /// Reads everything and reports.
    ///
    /// # Errors
    /// When a database or the anchor cannot be read. That something is wrong with the log is no error but a finding.
    pub async fn run(self) -> Result<Report, Fault> {
        let noted = audit_heads::all(self.main).await?;
        let mut pass = Pass {
            verification: self,
            trusted: self.trusted().await?,
            conn: self.audit.read().await?,
            report: Report::default(),
            missing: BTreeMap::new(),
        };
        if let Some(path) = self.anchor {
            pass.anchor(self.audit, path).await?;
        }
        pass.checkpoints(self.audit, &noted).await?;
        for head in noted
            .iter()
            .filter(|head| head.stream != audit_heads::CHECKPOINTS)
        {
            pass.claim(head.stream, head.sequence, &head.hash, &Source::Main)
                .await?;
        }
        let streams = audit::heads(self.audit).await?;
        pass.report_missing(&streams);
        for stream in streams {
            pass.stream(stream.stream).await?;
        }
        Ok(pass.report)
    }

    async fn trusted(&self) -> Result<BTreeSet<String>, Fault> {
        if !self.fingerprints.is_empty() {
            return Ok(self.fingerprints.iter().map(|text| text.to_lowercase()).collect());
        }
        let signers = audit_heads::signers(self.main).await?;
        Ok(signers
            .iter()
            .map(|signer| fingerprint(&signer.public_key))
            .collect())
    }
}

/// Who claims that a record is there.
enum Source {
    Main,
    Checkpoint(i64),
    Anchor(i64),
}

impl Source {
    fn says(&self) -> String {
        match self {
            Self::Main => "the main database has noted".to_owned(),
            Self::Checkpoint(number) => format!("checkpoint {number} covers"),
            Self::Anchor(number) => format!("checkpoint {number} of the anchor covers"),
        }
    }
}

/// One pass over the log.
struct Pass<'a> {
    verification: Verification<'a>,
    trusted: BTreeSet<String>,
    conn: Conn,
    report: Report,
    /// The last record of each stream that is claimed and not there.
    missing: BTreeMap<Uuid, (i64, String)>,
}

impl Pass<'_> {
    /// Compares a claim with what is there.
    async fn claim(
        &mut self,
        stream: Uuid,
        sequence: i64,
        hash: &[u8],
        source: &Source,
    ) -> Result<(), Fault> {
        match audit_read::hash_at(&mut self.conn, stream, sequence).await? {
            Some(found) if found == hash => {}
            Some(_) => {
                let problem = format!("{} it with another hash: it was replaced", source.says());
                self.report.add(Finding::record(stream, sequence, problem));
            }
            None => {
                let last = self.missing.entry(stream).or_insert((0, String::new()));
                if last.0 < sequence {
                    *last = (sequence, source.says());
                }
            }
        }
        Ok(())
    }

    /// Streams that are gone, and tails that were cut. A gap within a stream is found when that is read.
    fn report_missing(&mut self, streams: &[StreamHead]) {
        for (stream, (claimed, says)) in std::mem::take(&mut self.missing) {
            let head = streams
                .iter()
                .find(|head| head.stream == stream)
                .map_or(0, |head| head.sequence);
            let problem = match head {
                0 => format!("the stream is missing: {says} its record {claimed}"),
                head if head < claimed => {
                    format!("its end was cut: {says} record {claimed}, but the last one is {head}")
                }
                _ => continue,
            };
            self.report.add(Finding::stream(stream, problem));
        }
    }

    /// The chain of checkpoints, its signatures, and what it says about the streams.
    async fn checkpoints(&mut self, store: &Store, noted: &[NotedHead]) -> Result<(), Fault> {
        let noted = noted.iter().find(|head| head.stream == audit_heads::CHECKPOINTS);
        let (mut number, mut hash, mut time) = (0, START.to_vec(), Timestamp::from_micros(i64::MIN));
        loop {
            let page = audit_checkpoints::after(store, number, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for checkpoint in page {
                self.report.checkpoints += 1;
                let own = checkpoint.number;
                if own != number + 1 {
                    self.missing_checkpoints(number + 1, own - 1);
                } else if checkpoint.previous_hash != hash {
                    self.report
                        .add(Finding::checkpoint(own, "it does not follow the one before it"));
                }
                if checkpoint.time < time {
                    self.report
                        .add(Finding::checkpoint(own, "its time is before its predecessor's"));
                }
                if noted.is_some_and(|noted| noted.sequence == own && noted.hash != checkpoint.hash) {
                    let problem = "the main database has noted it with another hash: it was replaced";
                    self.report.add(Finding::checkpoint(own, problem));
                }
                self.checkpoint(&checkpoint, &Source::Checkpoint(own)).await?;
                (number, hash, time) = (own, checkpoint.hash, checkpoint.time);
            }
        }
        if let Some(noted) = noted.filter(|noted| noted.sequence > number) {
            self.missing_checkpoints(number + 1, noted.sequence);
        }
        Ok(())
    }

    fn missing_checkpoints(&mut self, first: i64, last: i64) {
        let problem = if first == last {
            "it is missing".to_owned()
        } else {
            format!("it and those up to {last} are missing")
        };
        self.report.add(Finding::checkpoint(first, problem));
    }

    /// One checkpoint by itself: signature, key, and each head that it covers.
    async fn checkpoint(&mut self, checkpoint: &Checkpoint, source: &Source) -> Result<(), Fault> {
        let number = checkpoint.number;
        if !is_genuine(checkpoint) {
            self.report.add(Finding::checkpoint(
                number,
                "its signature does not match its content: it was changed",
            ));
            return Ok(());
        }
        let key = fingerprint(&checkpoint.public_key);
        if !self.is_trusted(&key).await? {
            let problem = format!("it is signed with a key that is not trusted, fingerprint {key}");
            self.report.add(Finding::checkpoint(number, problem));
            return Ok(());
        }
        if !self.report.fingerprints.contains(&key) {
            self.report.fingerprints.push(key);
        }
        for head in covered_heads(&checkpoint.heads).unwrap_or_default() {
            let hash = hex::decode(&head.hash).unwrap_or_default();
            self.claim(head.stream, head.sequence, &hash, source).await?;
        }
        Ok(())
    }

    /// A key is noted before its first checkpoint, but perhaps after this pass began.
    async fn is_trusted(&mut self, key: &str) -> Result<bool, Fault> {
        if !self.trusted.contains(key) && self.verification.fingerprints.is_empty() {
            self.trusted = self.verification.trusted().await?;
        }
        Ok(self.trusted.contains(key))
    }

    /// The anchor: each of its checkpoints has to be there, and the same.
    async fn anchor(&mut self, store: &Store, path: &Path) -> Result<(), Fault> {
        let unreadable = |error: std::io::Error| {
            Fault::internal(format!("the audit anchor {} cannot be read", path.display())).caused_by(error)
        };
        let mut lines = BufReader::new(File::open(path).await.map_err(unreadable)?).lines();
        while let Some(line) = lines.next_line().await.map_err(unreadable)? {
            let Some(anchored) = from_anchor_line(&line) else {
                self.report.torn_anchor_lines += 1;
                continue;
            };
            self.report.anchored += 1;
            let number = anchored.number;
            let stored = audit_checkpoints::after(store, number - 1, 1).await?.pop();
            match stored.filter(|stored| stored.number == number) {
                Some(stored) if stored == anchored => continue,
                Some(_) => {
                    let problem = "it differs from the anchor's: one of them was replaced";
                    self.report.add(Finding::checkpoint(number, problem));
                }
                None => {
                    let problem = "it is in the anchor but not in the audit store";
                    self.report.add(Finding::checkpoint(number, problem));
                }
            }
            self.checkpoint(&anchored, &Source::Anchor(number)).await?;
        }
        Ok(())
    }

    /// The records of a stream from its beginning.
    async fn stream(&mut self, stream: Uuid) -> Result<(), Fault> {
        self.report.streams += 1;
        let mut before = Before {
            sequence: 0,
            hash: Some(START.to_vec()),
            time: Timestamp::from_micros(i64::MIN),
        };
        loop {
            let page = audit_read::records(&mut self.conn, stream, before.sequence, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for place in page {
                self.report.records += 1;
                let Place {
                    sequence: Some(sequence),
                    event,
                } = place
                else {
                    let problem = "a record's place cannot be read: it was changed";
                    self.report.add(Finding::stream(stream, problem));
                    return Ok(());
                };
                self.gap(stream, &mut before, sequence);
                match event {
                    Ok(event) => self.record(&mut before, event),
                    Err(why) => {
                        let problem = format!("it cannot be read: it was changed ({why})");
                        self.report.add(Finding::record(stream, sequence, problem));
                        before.hash = None;
                    }
                }
                before.sequence = sequence;
            }
        }
    }

    fn gap(&mut self, stream: Uuid, before: &mut Before, sequence: i64) {
        let (first, last) = (before.sequence + 1, sequence - 1);
        if first > last {
            return;
        }
        let problem = if first == last {
            "it is missing".to_owned()
        } else {
            format!("it and those up to {last} are missing")
        };
        self.report.add(Finding::record(stream, first, problem));
        before.hash = None;
    }

    fn record(&mut self, before: &mut Before, event: StoredEvent) {
        let mut problems = Vec::new();
        if event.hash != Fields::stored(&event).hash() {
            problems.push("its content does not match its hash: it was changed");
        }
        if before
            .hash
            .as_ref()
            .is_some_and(|hash| *hash != event.previous_hash)
        {
            problems.push("it does not follow the record before it: one of the two was replaced");
        }
        if event.time < before.time {
            problems.push("its time is before its predecessor's");
        }
        for problem in problems {
            self.report.add(Finding {
                event: Some(event.id),
                time: Some(event.time),
                ..Finding::record(event.stream, event.sequence, problem)
            });
        }
        before.hash = Some(event.hash);
        before.time = event.time.max(before.time);
    }
}

/// The record before the one that is read.
struct Before {
    sequence: i64,
    /// `None` where it is missing or cannot be read.
    hash: Option<Vec<u8>>,
    time: Timestamp,
}

/// How far the audit store is ahead of what the main database has noted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// Records that are not noted.
    pub records: i64,
    /// Seconds between the newest record and the newest note.
    pub seconds: i64,
}

impl Lead {
    /// Whether the main database looks restored from a backup: heads are noted every second, so a lead of more than
    /// 10 minutes and 10,000 records does not come from a crash.
    pub fn looks_restored(self) -> bool {
        self.seconds > 600 && self.records > 10_000
    }
}

/// Compares the audit store with the heads that the main database has noted.
///
/// # Errors
/// When a database does not answer.
pub async fn lead(main: &Store, store: &Store) -> Result<Lead, Fault> {
    let noted = audit_heads::all(main).await?;
    let streams = audit::heads(store).await?;
    let records = streams
        .iter()
        .map(|head| {
            let noted = noted.iter().find(|noted| noted.stream == head.stream);
            (head.sequence - noted.map_or(0, |noted| noted.sequence)).max(0)
        })
        .sum();
    let newest = streams.iter().map(|head| head.time).max();
    let newest_note = noted.iter().map(|noted| noted.noted_at).max();
    let seconds = match (newest, newest_note) {
        (Some(newest), Some(note)) => newest.micros_since(note) / 1_000_000,
        (Some(_), None) => i64::MAX,
        _ => 0,
    };
    Ok(Lead { records, seconds })
}
