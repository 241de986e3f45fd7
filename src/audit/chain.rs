//! What is hashed: every member of a record with its length before it, so that no two records look the same, together
//! with its place and the hash of its predecessor.

use crate::storage::audit::{Hash, Head, Link, Record};
use crate::storage::audit_read::StoredEvent;
use crate::types::Timestamp;
use ring::digest;
use uuid::Uuid;

/// Keeps these hashes apart from all others.
const EVENT: &[u8] = b"grantor audit event 1";

/// The predecessor's hash of a stream's first record.
pub(super) const START: Hash = [0; 32];

/// Where a record stands after `head`. Its time never goes back.
pub(super) fn link(stream: Uuid, head: &Head, record: &Record) -> Link {
    let sequence = head.sequence + 1;
    let time = record.time.max(head.time);
    Link {
        sequence,
        time,
        previous_hash: head.hash,
        hash: Fields::of(record, stream, sequence, time, &head.hash).hash(),
    }
}

/// A record's members by reference, in the order in which they are hashed.
pub(super) struct Fields<'a> {
    pub stream: Uuid,
    pub sequence: i64,
    pub previous_hash: &'a [u8],
    pub id: Uuid,
    pub time: Timestamp,
    pub event_type: &'a str,
    pub outcome: &'a str,
    pub tenant: Uuid,
    pub client_id: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub token_family: Option<&'a str>,
    pub metadata: &'a str,
}

impl<'a> Fields<'a> {
    /// The members of a record at a place.
    pub fn of(
        record: &'a Record,
        stream: Uuid,
        sequence: i64,
        time: Timestamp,
        previous_hash: &'a Hash,
    ) -> Self {
        Self {
            stream,
            sequence,
            previous_hash,
            id: record.id,
            time,
            event_type: record.event_type,
            outcome: record.outcome,
            tenant: record.tenant.0,
            client_id: record.client_id.as_deref(),
            user_id: record.user_id.as_deref(),
            ip: record.ip.as_deref(),
            user_agent: record.user_agent.as_deref(),
            request_id: record.request_id.as_deref(),
            token_family: record.token_family.as_deref(),
            metadata: &record.metadata,
        }
    }

    /// The members of a record as it lies in the store.
    pub fn stored(event: &'a StoredEvent) -> Self {
        Self {
            stream: event.stream,
            sequence: event.sequence,
            previous_hash: &event.previous_hash,
            id: event.id,
            time: event.time,
            event_type: &event.event_type,
            outcome: &event.outcome,
            tenant: event.tenant_id.0,
            client_id: event.client_id.as_deref(),
            user_id: event.user_id.as_deref(),
            ip: event.ip.as_deref(),
            user_agent: event.user_agent.as_deref(),
            request_id: event.request_id.as_deref(),
            token_family: event.token_family.as_deref(),
            metadata: &event.metadata,
        }
    }

    /// SHA-256 over all of them.
    pub fn hash(&self) -> Hash {
        let mut hasher = Hasher::new(EVENT);
        hasher.part(self.stream.as_bytes());
        hasher.part(&self.sequence.to_be_bytes());
        hasher.part(self.previous_hash);
        hasher.part(self.id.as_bytes());
        hasher.part(&self.time.micros().to_be_bytes());
        hasher.part(self.event_type.as_bytes());
        hasher.part(self.outcome.as_bytes());
        hasher.part(self.tenant.as_bytes());
        hasher.optional(self.client_id);
        hasher.optional(self.user_id);
        hasher.optional(self.ip);
        hasher.optional(self.user_agent);
        hasher.optional(self.request_id);
        hasher.optional(self.token_family);
        hasher.part(self.metadata.as_bytes());
        hasher.finish()
    }
}

/// SHA-256 over parts, each after its length in four bytes, big-endian; an absent part is the length `ffffffff`.
pub(super) struct Hasher(digest::Context);

impl Hasher {
    pub fn new(purpose: &[u8]) -> Self {
        let mut hasher = Self(digest::Context::new(&digest::SHA256));
        hasher.part(purpose);
        hasher
    }

    pub fn part(&mut self, bytes: &[u8]) {
        // Parts are a few KiB at most; a longer one could not be told from an absent one.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
        self.0.update(&length.to_be_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.part(text.as_bytes()),
            None => self.0.update(&u32::MAX.to_be_bytes()),
        }
    }

    pub fn finish(self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TenantId;

    fn record() -> Record {
        Record {
            id: Uuid::from_u128(7),
            time: Timestamp::from_seconds(1),
            event_type: "login",
            outcome: "success",
            tenant: TenantId::FIRST,
            client_id: Some("ab".into()),
            user_id: None,
            ip: Some("::1".into()),
            user_agent: None,
            request_id: None,
            token_family: None,
            metadata: "{}".into(),
        }
    }

    fn hash(record: &Record) -> Hash {
        Fields::of(record, Uuid::from_u128(1), 1, record.time, &START).hash()
    }

    #[test]
    fn every_member_and_place_changes_the_hash() {
        let base = record();
        let mut seen = std::collections::HashSet::from([hash(&base)]);
        let changes: [fn(&mut Record); 12] = [
            |r| r.id = Uuid::from_u128(8),
            |r| r.time = Timestamp::from_seconds(2),
            |r| r.event_type = "logout",
            |r| r.outcome = "failure",
            |r| r.tenant = TenantId(Uuid::from_u128(2)),
            |r| r.client_id = None,
            |r| r.client_id = Some(String::new()),
            // The same bytes in other members.
            |r| (r.client_id, r.user_id) = (Some("a".into()), Some("b".into())),
            |r| (r.client_id, r.user_id) = (None, Some("ab".into())),
            |r| r.ip = None,
            |r| r.request_id = Some("x".into()),
            |r| r.metadata = "{\"a\":1}".into(),
        ];
        for change in changes {
            let mut changed = record();
            change(&mut changed);
            assert!(seen.insert(hash(&changed)), "{changed:?}");
        }
        let stream = Uuid::from_u128(1);
        for (stream, sequence, previous) in [
            (Uuid::from_u128(2), 1, START),
            (stream, 2, START),
            (stream, 1, [1; 32]),
        ] {
            assert!(seen.insert(Fields::of(&base, stream, sequence, base.time, &previous).hash()));
        }
    }

    /// The form of what is hashed is for ever: records that are stored must still verify.
    #[test]
    fn the_hash_of_a_known_record_stays() {
        assert_eq!(
            hex::encode(hash(&record())),
            "aa2320855e0b8f3655a86ed314db747f891c889c554e97efc176bc97b90517e3"
        );
    }
}
