//! Pages of lists: `limit` and an opaque `cursor`.

use super::problem;
use crate::protect::body::Form;
use crate::surface::Refusal;
use crate::types::{ClientId, Malformed, Timestamp, UserId, Violation, base64url};
use actix_web::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Entries of a page where nothing is said.
const DEFAULT: i64 = 20;
/// Most entries of a page.
const MAX: i64 = 100;

/// The place after which a page starts: a time, and what tells two entries of one time apart.
pub type Place = (Timestamp, String);

/// How many entries are asked for.
///
/// # Errors
/// 400 for anything but 1 to 100.
pub fn limit(query: &Form) -> Result<i64, Refusal> {
    let Some(text) = query.get("limit") else {
        return Ok(DEFAULT);
    };
    let digits = text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|limit| digits && (1..=MAX).contains(limit))
        .ok_or_else(|| {
            problem::invalid(vec![Violation::new(
                "limit",
                "must be a whole number from 1 to 100",
            )])
        })
}

/// Where the page starts.
///
/// # Errors
/// 400 for what is not a cursor of ours. A cursor allows nothing that its bearer may not see anyway, so it is checked
/// for its form only.
pub fn after(query: &Form) -> Result<Option<Place>, Refusal> {
    let Some(cursor) = query.get("cursor") else {
        return Ok(None);
    };
    let place = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<(i64, String)>(&bytes).ok())
        .filter(|(_, name)| !name.is_empty() && name.len() <= 64 && name.is_ascii());
    match place {
        Some((micros, name)) => Ok(Some((Timestamp::from_micros(micros), name))),
        None => Err(problem::invalid(vec![Violation::new(
            "cursor",
            "must be the next_cursor of a page",
        )])),
    }
}

/// The user whose entries are asked for.
///
/// # Errors
/// 400 for what is no user's id.
pub fn user(query: &Form) -> Result<Option<UserId>, Refusal> {
    filter(query, "user_id", str::parse)
}

/// The client whose entries are asked for.
///
/// # Errors
/// 400 for what is no client's id.
pub fn client(query: &Form) -> Result<Option<ClientId>, Refusal> {
    filter(query, "client_id", ClientId::parse)
}

fn filter<T>(
    query: &Form,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Malformed>,
) -> Result<Option<T>, Refusal> {
    let wrong = |malformed: Malformed| problem::invalid(vec![Violation::new(name, malformed.0)]);
    query.get(name).map(parse).transpose().map_err(wrong)
}

/// A page, with a cursor where another one follows.
pub fn answer(items: Vec<Value>, next: Option<Place>) -> HttpResponse {
    let next = next.map(|(time, name)| base64url(json!([time.micros(), name]).to_string().as_bytes()));
    HttpResponse::Ok().json(json!({"items": items, "next_cursor": next}))
}

/// The entries of a page out of one more than were asked for, and whether another page follows.
pub fn cut<T>(mut entries: Vec<T>, limit: i64) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    (entries, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!(limit(&query("")).unwrap(), 20);
        assert_eq!(limit(&query("limit=100")).unwrap(), 100);
        for bad in [
            "0",
            "101",
            "999999999",
            "-1",
            "abc",
            "1.5",
            "%2B1",
            "1;DROP",
            "0x1",
        ] {
            assert!(limit(&query(&format!("limit={bad}"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_cursors_are_cursors() {
        let good = base64url(b"[7,\"a\"]");
        let place = after(&query(&format!("cursor={good}"))).unwrap();
        assert_eq!(place, Some((Timestamp::from_micros(7), "a".to_owned())));
        for bad in [
            "x",
            "W10",
            &base64url(b"[7,\"\"]"),
            &base64url(b"[\"7\",\"a\"]"),
            &base64url(b"[7,\"\xc3\xa4\"]"),
        ] {
            assert!(after(&query(&format!("cursor={bad}"))).is_err(), "{bad}");
        }
    }
}
