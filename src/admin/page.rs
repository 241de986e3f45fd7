//! Pages of lists: `limit` and an opaque `cursor`.

use super::problem;
use crate::protect::body::Form;
use crate::surface::Refusal;
use crate::types::{ClientId, Malformed, Timestamp, UserId, Violation};
use actix_web::HttpResponse;
use serde_json::{Value, json};
use uuid::Uuid;

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

/// Where the page of a list starts whose entries have names.
///
/// # Errors
/// 400 for what is not a cursor of ours. A cursor allows nothing that its bearer may not see anyway, so it is checked
/// for its form only.
pub fn after(query: &Form) -> Result<Option<Place>, Refusal> {
    cursor(query, |name| {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
        fits.then(|| name.to_owned())
    })
}

/// Where the page of a list starts whose entries have ids.
///
/// # Errors
/// As [`after`].
pub fn after_id(query: &Form) -> Result<Option<(Timestamp, Uuid)>, Refusal> {
    cursor(query, |text| {
        let id = Uuid::try_parse(text).ok()?;
        (id.hyphenated().to_string() == text).then_some(id)
    })
}

/// What the cursor of a list of named entries looks like: microseconds, and a name. Whatever looks so is one, so that the
/// API's description can say exactly what is accepted.
pub const CURSOR_BY_NAME: &str = "^[0-9]{1,16}\\.[A-Za-z0-9._~-]{1,64}$";
/// The same of a list whose entries have ids.
pub const CURSOR_BY_ID: &str = "^[0-9]{1,16}\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

fn cursor<T>(query: &Form, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<(Timestamp, T)>, Refusal> {
    let Some(cursor) = query.get("cursor") else {
        return Ok(None);
    };
    let place = || {
        let (micros, entry) = cursor.split_once('.')?;
        let digits = micros.len() <= 16 && micros.bytes().all(|b| b.is_ascii_digit());
        let micros = micros.parse().ok().filter(|_| digits)?;
        Some((Timestamp::from_micros(micros), parse(entry)?))
    };
    let violation = || Violation::new("cursor", "must be the next_cursor of a page of this list");
    place()
        .map(Some)
        .ok_or_else(|| problem::invalid(vec![violation()]))
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
    let next = next.map(|(time, name)| format!("{}.{name}", time.micros()));
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
        let place = after(&query("cursor=7.a.b-c")).unwrap();
        assert_eq!(place, Some((Timestamp::from_micros(7), "a.b-c".to_owned())));
        let long = format!("7.{}", "a".repeat(65));
        for bad in [
            "x",
            "7",
            "7.",
            ".a",
            "%2B7.a",
            "-7.a",
            "7.%C3%A4",
            "12345678901234567.a",
            &long,
        ] {
            assert!(after(&query(&format!("cursor={bad}"))).is_err(), "{bad}");
            assert!(after_id(&query(&format!("cursor={bad}"))).is_err(), "{bad}");
        }
        let id = "0190a5a0-0000-7000-8000-00000000000a";
        let place = after_id(&query(&format!("cursor=7.{id}"))).unwrap();
        assert_eq!(place, Some((Timestamp::from_micros(7), id.parse().unwrap())));
        for bad in [
            "7.a".to_owned(),
            format!("7.{}", id.to_uppercase()),
            format!("7.{}", id.replace('-', "")),
        ] {
            assert!(after_id(&query(&format!("cursor={bad}"))).is_err(), "{bad}");
        }
    }
}
