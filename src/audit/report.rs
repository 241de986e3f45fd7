//! What verification found.

use crate::types::Timestamp;
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// Findings that a report lists singly.
const LISTED: usize = 1000;

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Streams that were read.
    pub streams: u64,
    /// Records that were read.
    pub records: u64,
    /// Checkpoints that were read.
    pub checkpoints: u64,
    /// Checkpoints of the anchor that were compared.
    pub anchored: u64,
    /// Lines of the anchor that are no checkpoint, as a crash during writing leaves them.
    pub torn_anchor_lines: u64,
    /// Fingerprints of the keys that signed the checkpoints.
    pub fingerprints: Vec<String>,
    /// What is wrong, the first 1000.
    pub findings: Vec<Finding>,
    /// Further findings that are not listed.
    pub findings_left_out: u64,
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stream concerned.
    pub stream: Option<Uuid>,
    /// The record's place in it.
    pub sequence: Option<i64>,
    /// The record's id as it is stored now.
    pub event: Option<Uuid>,
    /// The record's time as it is stored now.
    pub time: Option<Timestamp>,
    /// The number of the checkpoint concerned.
    pub checkpoint: Option<i64>,
    /// What is wrong.
    pub problem: String,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }
}

impl Finding {
    /// Something about a record.
    pub(super) fn record(stream: Uuid, sequence: i64, problem: impl Into<String>) -> Self {
        Self {
            stream: Some(stream),
            sequence: Some(sequence),
            problem: problem.into(),
            ..Self::default()
        }
    }

    /// Something about a stream as a whole.
    pub(super) fn stream(stream: Uuid, problem: impl Into<String>) -> Self {
        Self {
            stream: Some(stream),
            problem: problem.into(),
            ..Self::default()
        }
    }

    /// Something about a checkpoint.
    pub(super) fn checkpoint(number: i64, problem: impl Into<String>) -> Self {
        Self {
            checkpoint: Some(number),
            problem: problem.into(),
            ..Self::default()
        }
    }
}

/// The place, then what is wrong there.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = Vec::new();
        if let Some(number) = self.checkpoint {
            place.push(format!("checkpoint {number}"));
        }
        if let Some(stream) = self.stream {
            place.push(format!("stream {stream}"));
        }
        if let Some(sequence) = self.sequence {
            place.push(format!("record {sequence}"));
        }
        if let (Some(id), Some(time)) = (self.event, self.time) {
            place.push(format!("event {id} of {time}"));
        }
        write!(f, "{}: {}", place.join(", "), self.problem)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} records in {} streams, {} checkpoints, {} of the anchor compared",
            self.records, self.streams, self.checkpoints, self.anchored
        )?;
        if self.torn_anchor_lines > 0 {
            writeln!(
                f,
                "{} lines of the anchor are no checkpoint; a crash while one was written leaves such a line",
                self.torn_anchor_lines
            )?;
        }
        for fingerprint in &self.fingerprints {
            writeln!(f, "signed with the key whose fingerprint is {fingerprint}")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = self.findings.len() as u64 + self.findings_left_out;
        match count {
            0 => f.write_str("the audit log is complete and unchanged"),
            1 => f.write_str("1 finding: the audit log was changed"),
            _ => write!(f, "{count} findings: the audit log was changed"),
        }
    }
}
