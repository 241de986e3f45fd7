//! Makes an event storable: no control characters, bounded lengths, `metadata` as text. Whatever a caller sends, its
//! record can be written.

use crate::storage::audit::Record;
use crate::types::Event;
use serde_json::{Map, Value};

/// Longest values in bytes.
const IDENTIFIER: usize = 256;
const USER_AGENT: usize = 256;
const METADATA: usize = 8 * 1024;
/// Longest text within metadata that is too long as a whole.
const METADATA_TEXT: usize = 256;

/// The event as it is stored.
pub(super) fn record(event: Event) -> Record {
    Record {
        id: event.id,
        time: event.time,
        event_type: event.event_type.as_str(),
        outcome: event.outcome.as_str(),
        tenant: event.tenant,
        client_id: event.client_id.map(|text| clean(text, IDENTIFIER)),
        user_id: event.user_id.map(|text| clean(text, IDENTIFIER)),
        ip: event.ip.map(|text| clean(text, IDENTIFIER)),
        user_agent: event.user_agent.map(|text| clean(text, USER_AGENT)),
        request_id: event.request_id.map(|text| clean(text, IDENTIFIER)),
        token_family: event.token_family.map(|text| clean(text, IDENTIFIER)),
        metadata: metadata(event.metadata),
    }
}

/// The text without control characters and cut at a character's end; usually the same text, not copied.
fn clean(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
    }
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, "\u{fffd}");
        text.truncate(text.floor_char_boundary(longest));
    }
    text
}

/// One JSON text of at most 8 KiB.
fn metadata(members: Map<String, Value>) -> String {
    if members.is_empty() {
        return "{}".to_owned();
    }
    let text = as_text(&members);
    // JSON writes control characters other than \n, \t and the like as \u00XX, and only those.
    if text.len() <= METADATA && !text.contains("\\u00") {
        return text;
    }
    let longest = if text.len() > METADATA {
        METADATA_TEXT
    } else {
        METADATA
    };
    shortened(members, longest)
}

/// Cuts texts, then leaves out what does not fit: the small members first in, so that a reason survives a long list.
fn shortened(members: Map<String, Value>, longest: usize) -> String {
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (clean(name, IDENTIFIER), tidy(value, longest)))
        .collect();
    members.sort_by_key(|(_, value)| value.is_array() || value.is_object());
    let mut kept = Map::new();
    let mut left_out = 0_u32;
    let mut size = 0;
    for (name, value) in members {
        let length = name.len() + value.to_string().len() + 8;
        // Room for the braces and for the member `left_out`.
        if size + length < METADATA - 64 {
            size += length;
            kept.insert(name, value);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        kept.insert("left_out".into(), left_out.into());
    }
    as_text(&kept)
}

fn tidy(value: Value, longest: usize) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text, longest)),
        Value::Array(values) => values.into_iter().map(|value| tidy(value, longest)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (clean(name, IDENTIFIER), tidy(value, longest)))
            .collect(),
        other => other,
    }
}

fn as_text(members: &Map<String, Value>) -> String {
    // A map with text keys always is JSON.
    serde_json::to_string(members).unwrap_or_else(|_| "{}".to_owned())
}

/// Adds when it happened to a record that is stored much later.
pub(super) fn mark_late(record: &mut Record) {
    let occurred = format!("\"occurred_at\":\"{}\"}}", record.time);
    record.metadata.pop();
    if record.metadata.len() > 1 {
        record.metadata.push(',');
    }
    record.metadata.push_str(&occurred);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EventType, Outcome, TenantId, Timestamp};
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    fn event() -> Event {
        Event::new(
            Uuid::from_u128(1),
            Timestamp::from_seconds(0),
            TenantId::FIRST,
            EventType::Login,
            Outcome::Failure,
        )
    }

    #[test]
    fn an_ordinary_event_is_stored_as_it_is() {
        let stored = record(event().client("a").with("method", "password").with("n", 3));
        assert_eq!(stored.client_id.as_deref(), Some("a"));
        assert_eq!(stored.metadata, r#"{"method":"password","n":3}"#);
        assert_eq!(record(event()).metadata, "{}");
    }

    #[test]
    fn control_characters_are_replaced_and_long_texts_cut_at_a_character() {
        let mut bad = event()
            .client("a\0b\nc")
            .with("x", "q\0\u{1b}[2J")
            .with("y", "line\nbreak");
        bad.user_agent = Some("ä".repeat(200));
        let stored = record(bad);
        assert_eq!(stored.client_id.as_deref(), Some("a\u{fffd}b\u{fffd}c"));
        assert_eq!(stored.user_agent.unwrap(), "ä".repeat(128));
        assert!(
            stored.metadata.contains("q\u{fffd}\u{fffd}[2J"),
            "{}",
            stored.metadata
        );
    }

    #[test]
    fn the_reason_survives_metadata_that_is_too_long() {
        let long: Vec<_> = (0..2000).map(|n| format!("https://example.com/{n}")).collect();
        let stored = record(
            event()
                .with("changes", long)
                .with("text", "x".repeat(9000))
                .because("not_allowed"),
        );
        assert!(stored.metadata.len() <= METADATA);
        let members: Value = serde_json::from_str(&stored.metadata).unwrap();
        assert_eq!(members["failure_reason"], "not_allowed");
        assert_eq!(members["left_out"], 1);
        assert_eq!(members["text"].as_str().unwrap().len(), METADATA_TEXT);
    }

    #[test]
    fn a_late_record_says_when_it_happened() {
        for (members, expected) in [
            (json!({}), json!({"occurred_at": "1970-01-01T00:00:00.000Z"})),
            (
                json!({"a": 1}),
                json!({"a": 1, "occurred_at": "1970-01-01T00:00:00.000Z"}),
            ),
        ] {
            let mut late_event = event();
            late_event.metadata = members.as_object().unwrap().clone();
            let mut stored = record(late_event);
            mark_late(&mut stored);
            assert_eq!(serde_json::from_str::<Value>(&stored.metadata).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_event_is_storable(
            client in any::<String>(), agent in ".{0,2000}", names in prop::collection::vec(any::<String>(), 0..40),
            text in "(?s).{0,3000}",
        ) {
            let mut wild = event().client(client);
            wild.user_agent = Some(agent);
            for name in names {
                wild = wild.with(&name, json!({ "nested": [text.clone(), { text.clone(): text.clone() }] }));
            }
            let stored = record(wild);
            prop_assert!(stored.metadata.len() <= METADATA);
            prop_assert!(!stored.metadata.contains("\\u00"));
            prop_assert!(serde_json::from_str::<Value>(&stored.metadata).unwrap().is_object());
            for text in [stored.client_id.unwrap(), stored.user_agent.unwrap()] {
                prop_assert!(text.len() <= 256 && !text.contains(char::is_control));
            }
        }
    }
}
