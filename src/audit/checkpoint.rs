//! Checkpoints: one numbered, signed chain over the heads of all streams.
//!
//! Every replica makes them, and covers the streams of all: a number is claimed by inserting it, and who comes second
//! looks again. A checkpoint names the streams that went on since the one before; a stream that has ended stays covered by
//! the last one that names it.

use super::anchor::Anchor;
use super::chain::{Hasher, START};
use super::signer::{AuditSigner, is_signed};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::storage::Store;
use crate::storage::audit::{self, StreamHead};
use crate::storage::audit_checkpoints::{self, Checkpoint};
use crate::storage::audit_heads;
use crate::types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use tokio::sync::Mutex;
use uuid::Uuid;

/// How far a head's time may lie before the last checkpoint's although that does not cover it: clocks differ. Covering
/// twice does no harm.
const MARGIN_S: i64 = 600;
/// Checkpoints that are looked through at the start for what they cover.
const LOOK_BACK: i64 = 50;
/// Checkpoints that wait for an anchor that does not answer.
const WAITING: usize = 1024;

/// A stream's head in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CoveredHead {
    pub stream: Uuid,
    pub sequence: i64,
    /// In hexadecimal.
    pub hash: String,
}

/// A checkpoint as a line in the anchor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnchoredCheckpoint {
    pub number: i64,
    pub time: Timestamp,
    pub heads: Vec<CoveredHead>,
    pub previous_hash: String,
    pub hash: String,
    pub key_id: String,
    pub public_key: String,
    pub signature: String,
}

/// Makes the checkpoints of this process.
#[derive(Debug)]
pub(super) struct Checkpointer {
    pub main: Store,
    pub store: Store,
    pub clock: Clock,
    pub signer: AuditSigner,
    pub anchor: Option<Anchor>,
    pub state: Mutex<State>,
}

/// What is known of the checkpoints so far.
#[derive(Debug, Default)]
pub(super) struct State {
    number: i64,
    covered: HashMap<Uuid, i64>,
    is_signer_noted: bool,
    unanchored: VecDeque<String>,
}

impl Checkpointer {
    /// Makes a checkpoint if a stream went on since the last one. Gives its number.
    ///
    /// # Errors
    /// When a database does not answer; the next attempt covers what this one would have.
    pub async fn checkpoint(&self) -> Result<Option<i64>, Fault> {
        let mut state = self.state.lock().await;
        if !state.is_signer_noted {
            let (id, key) = (self.signer.id(), self.signer.public_key());
            audit_heads::note_signer(&self.main, id, key, self.clock.now()).await?;
            state.is_signer_noted = true;
        }
        let made = self.claim(&mut state).await?;
        if let Some(checkpoint) = &made {
            self.publish(checkpoint, &mut state).await;
        }
        self.send_to_anchor(&mut state).await;
        Ok(made.map(|checkpoint| checkpoint.number))
    }

    async fn claim(&self, state: &mut State) -> Result<Option<Checkpoint>, Fault> {
        loop {
            let last = audit_checkpoints::last(&self.store).await?;
            self.learn(state, last.as_ref()).await?;
            let since = last.as_ref().map_or(Timestamp::from_micros(0), |last| {
                last.time.plus_seconds(-MARGIN_S)
            });
            let recent = audit::heads_since(&self.store, since).await?;
            state
                .covered
                .retain(|stream, _| recent.iter().any(|head| head.stream == *stream));
            let changed: Vec<_> = recent
                .iter()
                .filter(|head| {
                    state
                        .covered
                        .get(&head.stream)
                        .is_none_or(|covered| *covered < head.sequence)
                })
                .collect();
            if changed.is_empty() {
                return Ok(None);
            }
            let checkpoint = self.sign(last.as_ref(), &changed)?;
            if audit_checkpoints::insert(&self.store, &checkpoint).await? {
                return Ok(Some(checkpoint));
            }
        }
    }

    /// Takes note of what checkpoints of other replicas cover.
    async fn learn(&self, state: &mut State, last: Option<&Checkpoint>) -> Result<(), Fault> {
        let Some(last) = last.filter(|last| last.number > state.number) else {
            return Ok(());
        };
        let from = state.number.max(last.number - LOOK_BACK);
        for checkpoint in audit_checkpoints::after(&self.store, from, LOOK_BACK).await? {
            state.number = checkpoint.number;
            for head in covered_heads(&checkpoint.heads).unwrap_or_default() {
                let covered = state.covered.entry(head.stream).or_default();
                *covered = head.sequence.max(*covered);
            }
        }
        Ok(())
    }

    fn sign(&self, last: Option<&Checkpoint>, heads: &[&StreamHead]) -> Result<Checkpoint, Fault> {
        let heads: Vec<_> = heads
            .iter()
            .map(|head| CoveredHead {
                stream: head.stream,
                sequence: head.sequence,
                hash: hex::encode(&head.hash),
            })
            .collect();
        // Milliseconds, so that the time reads back from the anchor's text.
        let now = Timestamp::from_micros(self.clock.now().micros().div_euclid(1_000) * 1_000);
        let mut checkpoint = Checkpoint {
            number: last.map_or(0, |last| last.number) + 1,
            time: last.map_or(now, |last| last.time.max(now)),
            heads: heads_text(&heads)?,
            previous_hash: last.map_or(START.to_vec(), |last| last.hash.clone()),
            hash: Vec::new(),
            key_id: self.signer.id().to_owned(),
            public_key: self.signer.public_key().to_vec(),
            signature: Vec::new(),
        };
        checkpoint.hash = hash(&checkpoint).to_vec();
        checkpoint.signature = self.signer.sign(&checkpoint.hash);
        Ok(checkpoint)
    }

    /// Makes a checkpoint known outside of the audit store: in the log and in the main database, and queues it for the
    /// anchor.
    async fn publish(&self, checkpoint: &Checkpoint, state: &mut State) {
        let (number, hash) = (checkpoint.number, hex::encode(&checkpoint.hash));
        let signature = hex::encode(&checkpoint.signature);
        tracing::info!(
            number,
            hash,
            signature,
            key_id = checkpoint.key_id,
            heads = checkpoint.heads,
            "audit checkpoint {number}"
        );
        state.number = number;
        for head in covered_heads(&checkpoint.heads).unwrap_or_default() {
            state.covered.insert(head.stream, head.sequence);
        }
        let now = self.clock.now();
        let noted = audit_heads::note(
            &self.main,
            audit_heads::CHECKPOINTS,
            number,
            &checkpoint.hash,
            now,
        )
        .await;
        if let Err(fault) = noted {
            tracing::warn!("audit checkpoint {number} could not be noted in the main database: {fault}");
        }
        if self.anchor.is_some() {
            if state.unanchored.len() == WAITING {
                state.unanchored.pop_front();
            }
            state.unanchored.extend(anchor_line(checkpoint));
        }
    }

    async fn send_to_anchor(&self, state: &mut State) {
        let Some(anchor) = &self.anchor else {
            return;
        };
        while let Some(line) = state.unanchored.front() {
            if let Err(fault) = anchor.send(line.clone()).await {
                let waiting = state.unanchored.len();
                tracing::warn!("{waiting} audit checkpoints wait for the anchor: {fault}");
                metrics::counter!("grantor_audit_anchor_failures_total").increment(1);
                return;
            }
            state.unanchored.pop_front();
        }
    }
}

/// The hash of a checkpoint, over everything before it and over the key.
pub(super) fn hash(checkpoint: &Checkpoint) -> [u8; 32] {
    let mut hasher = Hasher::new(b"grantor audit checkpoint 1");
    hasher.part(&checkpoint.number.to_be_bytes());
    hasher.part(&checkpoint.time.micros().to_be_bytes());
    hasher.part(checkpoint.heads.as_bytes());
    hasher.part(&checkpoint.previous_hash);
    hasher.part(checkpoint.key_id.as_bytes());
    hasher.part(&checkpoint.public_key);
    hasher.finish()
}

/// Whether its hash and signature are those of its content.
pub(super) fn is_genuine(checkpoint: &Checkpoint) -> bool {
    checkpoint.hash == hash(checkpoint)
        && is_signed(&checkpoint.public_key, &checkpoint.hash, &checkpoint.signature)
}

/// The heads that a checkpoint covers; `None` when the text is no list of heads.
pub(super) fn covered_heads(text: &str) -> Option<Vec<CoveredHead>> {
    serde_json::from_str(text).ok()
}

fn heads_text(heads: &[CoveredHead]) -> Result<String, Fault> {
    serde_json::to_string(heads)
        .map_err(|error| Fault::internal("heads of audit streams are no JSON").caused_by(error))
}

/// A checkpoint as a line of JSON.
fn anchor_line(checkpoint: &Checkpoint) -> Option<String> {
    let anchored = AnchoredCheckpoint {
        number: checkpoint.number,
        time: checkpoint.time,
        heads: covered_heads(&checkpoint.heads)?,
        previous_hash: hex::encode(&checkpoint.previous_hash),
        hash: hex::encode(&checkpoint.hash),
        key_id: checkpoint.key_id.clone(),
        public_key: hex::encode(&checkpoint.public_key),
        signature: hex::encode(&checkpoint.signature),
    };
    serde_json::to_string(&anchored).ok()
}

/// A line of the anchor as a checkpoint; `None` for anything else.
pub(super) fn from_anchor_line(line: &str) -> Option<Checkpoint> {
    let anchored: AnchoredCheckpoint = serde_json::from_str(line).ok()?;
    Some(Checkpoint {
        number: anchored.number,
        time: anchored.time,
        heads: heads_text(&anchored.heads).ok()?,
        previous_hash: hex::decode(anchored.previous_hash).ok()?,
        hash: hex::decode(anchored.hash).ok()?,
        key_id: anchored.key_id,
        public_key: hex::decode(anchored.public_key).ok()?,
        signature: hex::decode(anchored.signature).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    fn checkpoint() -> Checkpoint {
        let pkcs8 = AuditSigner::generate(&Entropy::system()).unwrap();
        let signer = AuditSigner::from_pkcs8("k", &pkcs8).unwrap();
        let head = CoveredHead {
            stream: Uuid::from_u128(1),
            sequence: 3,
            hash: hex::encode([7; 32]),
        };
        let mut checkpoint = Checkpoint {
            number: 2,
            time: Timestamp::from_seconds(5),
            heads: heads_text(&[head]).unwrap(),
            previous_hash: vec![1; 32],
            hash: Vec::new(),
            key_id: "k".into(),
            public_key: signer.public_key().to_vec(),
            signature: Vec::new(),
        };
        checkpoint.hash = hash(&checkpoint).to_vec();
        checkpoint.signature = signer.sign(&checkpoint.hash);
        checkpoint
    }

    #[test]
    fn a_checkpoint_comes_back_from_its_line_in_the_anchor() {
        let checkpoint = checkpoint();
        let line = anchor_line(&checkpoint).unwrap();
        assert!(!line.contains('\n'));
        let read = from_anchor_line(&line).unwrap();
        assert_eq!(read, checkpoint);
        assert!(is_genuine(&read));
        assert_eq!(from_anchor_line(&line[..line.len() - 3]), None);
    }

    #[test]
    fn any_change_is_seen() {
        let changes: [fn(&mut Checkpoint); 7] = [
            |c| c.number += 1,
            |c| c.time = c.time.plus_micros(1),
            |c| c.heads = c.heads.replace(":3,", ":2,"),
            |c| c.previous_hash[0] ^= 1,
            |c| c.key_id.push('x'),
            |c| c.public_key[0] ^= 1,
            |c| c.signature[0] ^= 1,
        ];
        for change in changes {
            let mut changed = checkpoint();
            change(&mut changed);
            assert!(!is_genuine(&changed), "{changed:?}");
            // A new hash does not help without the key.
            changed.hash = hash(&changed).to_vec();
            assert!(!is_genuine(&changed), "{changed:?}");
        }
    }
}
