//! What the claims of OpenID Connect Core §5.1 may look like.

use crate::account::username::is_unseen;
use crate::types::{Malformed, absolute_uri};

/// Longest name, in code points.
const MAX_NAME: usize = 200;
/// Longest part of an address, in code points.
const MAX_ADDRESS: usize = 500;

pub(super) fn name(text: &str) -> Result<(), Malformed> {
    plain(text, MAX_NAME)
}

pub(super) fn address_line(text: &str) -> Result<(), Malformed> {
    plain(text, MAX_ADDRESS)
}

/// OIDC Core §5.1.1: these members "MAY contain multiple lines, separated by newlines. Newlines can be represented either
/// as a carriage return/line feed pair ("\r\n") or as a single line feed character".
pub(super) fn address_lines(text: &str) -> Result<(), Malformed> {
    plain(&text.replace("\r\n", "\n").replace('\n', " "), MAX_ADDRESS)
}

/// Text of one line. Joiners are letters of Indic scripts' and emoji's spelling; what turns the direction of writing is
/// refused, and so is markup.
fn plain(text: &str, max: usize) -> Result<(), Malformed> {
    let joiner = |c| {
        matches!(
            c,
            ' ' | '\u{A0}' | '\u{200C}' | '\u{200D}' | '\u{FE0E}' | '\u{FE0F}' | '\u{3000}'
        )
    };
    if text.is_empty() || text.chars().count() > max {
        return Err(Malformed(if max == MAX_NAME {
            "must be 1 to 200 characters"
        } else {
            "must be 1 to 500 characters"
        }));
    }
    if text.chars().any(|c| is_unseen(c) && !joiner(c)) {
        return Err(Malformed("must not contain control or format characters"));
    }
    if text.contains(['<', '>']) {
        return Err(Malformed("must not contain < or >"));
    }
    Ok(())
}

pub(super) fn web_page(text: &str) -> Result<(), Malformed> {
    let fits = absolute_uri(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none()
    });
    if fits {
        Ok(())
    } else {
        Err(Malformed(
            "must be an http or https URL of at most 2000 characters",
        ))
    }
}

/// OIDC Core §5.1: "E.164 is RECOMMENDED as the format of this Claim, for example, +1 (425) 555-1212. … If the phone
/// number contains an extension, it is RECOMMENDED that the extension be represented using the RFC 3966 syntax."
pub(super) fn phone_number(text: &str) -> Result<(), Malformed> {
    let (number, extension) = text.split_once(";ext=").unwrap_or((text, "0"));
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let fits = number.starts_with('+')
        && number
            .bytes()
            .skip(1)
            .all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'(' | b')' | b'-' | b'.'))
        && (4..=15).contains(&digits)
        && number.len() <= 40
        && (1..=10).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_digit());
    if fits {
        Ok(())
    } else {
        Err(Malformed(
            "must be an international phone number such as +1 (425) 555-1212, with at most 15 digits",
        ))
    }
}

/// OIDC Core §5.1: "represented as an ISO 8601-1 YYYY-MM-DD format. The year MAY be 0000, indicating that it is omitted.
/// To represent only the year, YYYY format is allowed."
pub(super) fn birthdate(text: &str) -> Result<(), Malformed> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse::<u16>().ok())?
    };
    let date = || {
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let dashes = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
        // Without a year every day that some year has.
        let year = if year == 0 { 2000 } else { i32::from(year) };
        let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
        let day = u8::try_from(day).ok()?;
        (dashes && time::Date::from_calendar_date(year, month, day).is_ok()).then_some(())
    };
    let year_only = text.len() == 4 && number(0, 4).is_some_and(|year| year > 0);
    if year_only || date().is_some() {
        Ok(())
    } else {
        Err(Malformed("must be a date as YYYY-MM-DD, 0000-MM-DD or YYYY"))
    }
}

pub(super) fn zoneinfo(text: &str) -> Result<(), Malformed> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
    if fits {
        Ok(())
    } else {
        Err(Malformed("must be a time zone such as Europe/Paris"))
    }
}

/// OIDC Core §5.1: a BCP 47 language tag; "some implementations have used an underscore as the separator rather than a
/// dash, for example, en_US; Relying Parties MAY choose to accept this locale syntax as well".
pub(super) fn locale(text: &str) -> Result<(), Malformed> {
    let fits = text.len() <= 35
        && text.split(['-', '_']).enumerate().all(|(position, part)| {
            (1..=8).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
                && (position > 0 || (part.len() > 1 && part.bytes().all(|b| b.is_ascii_alphabetic())))
        });
    if fits {
        Ok(())
    } else {
        Err(Malformed("must be a language tag such as en-US"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_as_their_specification_says() {
        for (check, good, bad) in [
            (
                birthdate as fn(&str) -> Result<(), Malformed>,
                &["1852-05-04", "0000-02-29", "1999", "2024-02-29"][..],
                &[
                    "",
                    "0000",
                    "1999-13-01",
                    "1999-1-01",
                    "99-01-01",
                    "1999-01-01T",
                    "+999",
                    "1999/01/01",
                    "é999",
                ][..],
            ),
            (
                phone_number,
                &["+1 (425) 555-1212", "+4915112345678", "+56 (2) 687 2400;ext=1"],
                &[
                    "",
                    "425 555",
                    "+",
                    "+1234567890123456",
                    "+1 555 CALL",
                    "+1425551212;ext=",
                    "+1425551212;x=1",
                ],
            ),
            (
                locale,
                &["en", "en-US", "en_US", "zh-Hant-TW"],
                &["", "e", "1a", "en-", "en US", "en-toolongpart"],
            ),
            (
                web_page,
                &["https://a.example/x?y#z"],
                &["", "/x", "ftp://a", "https://u@a.example", "https://ä.example"],
            ),
            (
                name,
                &["O'Brien", "山田 太郎", "Ṣọlá\u{200D}", "AT&T"],
                &["", "a\u{7}", "a\u{2028}b", "<x>"],
            ),
        ] {
            for text in good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }
}
