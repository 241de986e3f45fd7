//! Parsers of single values. An error says what would be right; it never repeats what was written.

use crate::sealed::MasterKeys;
use crate::types::{Algorithm, GrantType, ScopeSet, Secret, is_loopback_host};
use ipnet::IpNet;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

/// Why a value is refused.
pub(super) type Reason = String;

/// A whole number within bounds.
pub(super) fn number<T: TryFrom<i64>>(text: &str, min: i64, max: i64) -> Result<T, Reason> {
    let number: i64 = text.parse().map_err(|_| "must be a whole number".to_owned())?;
    if !(min..=max).contains(&number) {
        return Err(format!("{number} is out of range"));
    }
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

/// A number of bytes, plain or with `KiB` or `MiB`.
pub(super) fn size(text: &str, min: i64, max: i64) -> Result<usize, Reason> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor: i64 = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err("must be a number of bytes, or one of KiB or MiB".to_owned()),
    };
    let bytes = digits
        .parse::<i64>()
        .ok()
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(|| "must be a number of bytes, or one of KiB or MiB".to_owned())?;
    number(&bytes.to_string(), min, max)
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Reason> {
    choice(text, &[("true", true), ("false", false)])
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Reason> {
    choices
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| "is none of the words that are understood".to_owned())
}

/// An address with a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Reason> {
    text.parse()
        .map_err(|_| "must be an IP address with a port".to_owned())
}

/// A path.
pub(super) fn path(text: &str) -> Result<PathBuf, Reason> {
    if text.is_empty() {
        return Err("names no file".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Networks, comma separated; none where the text is empty.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, Reason> {
    list(text)
        .map(|entry| {
            entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| "must be networks such as 10.0.0.0/8, separated by commas".to_owned())
        })
        .collect()
}

/// Some of `words`, comma separated, in the order of `words`; perhaps none.
pub(super) fn subset(text: &str, words: &[&'static str]) -> Result<Vec<&'static str>, Reason> {
    if let Some(other) = list(text).find(|entry| !words.contains(entry)) {
        return Err(format!("names {other}, which is none of {}", words.join(", ")));
    }
    let chosen = words
        .iter()
        .filter(|word| list(text).any(|entry| entry == **word));
    Ok(chosen.copied().collect())
}

/// Algorithms, comma separated, each once.
pub(super) fn algorithms(text: &str) -> Result<Vec<Algorithm>, Reason> {
    let mut algorithms = Vec::new();
    for entry in list(text) {
        let algorithm = algorithm(entry)?;
        if algorithms.contains(&algorithm) {
            return Err(format!("names {algorithm} twice"));
        }
        algorithms.push(algorithm);
    }
    if algorithms.is_empty() {
        return Err("names no algorithm".to_owned());
    }
    Ok(algorithms)
}

/// One algorithm.
pub(super) fn algorithm(text: &str) -> Result<Algorithm, Reason> {
    Algorithm::parse(text).map_err(words)
}

/// Scopes that anybody may be given: none of the admin API.
pub(super) fn scopes_for_anybody(text: &str) -> Result<ScopeSet, Reason> {
    let scopes = ScopeSet::parse(text).map_err(words)?;
    match scopes.admin().iter().next() {
        None => Ok(scopes),
        Some(scope) => Err(format!(
            "{scope} is a scope of the admin API, which only an administrator gives"
        )),
    }
}

/// Grant types, separated by spaces, each once.
pub(super) fn grant_types(text: &str) -> Result<Vec<GrantType>, Reason> {
    let mut grants = Vec::new();
    for entry in text.split([' ', ',']).filter(|entry| !entry.is_empty()) {
        let grant = GrantType::parse(entry).map_err(words)?;
        if grants.contains(&grant) {
            return Err(format!("names {grant} twice"));
        }
        grants.push(grant);
    }
    if grants.is_empty() {
        return Err("names no grant type".to_owned());
    }
    Ok(grants)
}

/// The URL of a database.
pub(super) fn database(text: &str) -> Result<Secret, Reason> {
    let understood = if is_postgres(text) {
        sqlx::postgres::PgConnectOptions::from_str(text).is_ok()
    } else if text.starts_with("sqlite:") {
        sqlx::sqlite::SqliteConnectOptions::from_str(text).is_ok()
    } else {
        false
    };
    if understood {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("is not the URL of a database".to_owned())
    }
}

/// Whether a database URL names PostgreSQL.
pub(super) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

/// A whole number within bounds, or nothing at all.
pub(super) fn number_or_off(text: &str, min: i64, max: i64) -> Result<Option<u32>, Reason> {
    if text == "off" {
        return Ok(None);
    }
    number(text, min, max).map(Some)
}

/// A fraction with at most two digits, as percent.
pub(super) fn percent(text: &str, min: u32, max: u32) -> Result<u32, Reason> {
    let digits = text
        .strip_prefix("0.")
        .filter(|digits| (1..=2).contains(&digits.len()));
    let percent = digits
        .and_then(|digits| format!("{digits:0<2}").parse().ok())
        .filter(|percent| (min..=max).contains(percent));
    percent.ok_or_else(|| "is not a fraction in that range, such as 0.5".to_owned())
}

/// A Redis or Valkey, over TLS or not.
pub(super) fn redis(text: &str) -> Result<Secret, Reason> {
    let has_scheme = text.starts_with("redis:") || text.starts_with("rediss:");
    if has_scheme && redis::Client::open(text).is_ok() {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("is not the URL of a Redis or Valkey".to_owned())
    }
}

/// Where audit checkpoints go: a file, or a URL over https (http on loopback only).
pub(super) fn anchor(text: &str) -> Result<String, Reason> {
    if !text.contains("://") {
        path(text)?;
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).map_err(|_| "must be a path or a URL".to_owned())?;
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(text.to_owned()),
        ("http", Some(host)) if is_loopback_host(&host) => Ok(text.to_owned()),
        ("file", _) if url.to_file_path().is_ok() => Ok(text.to_owned()),
        _ => Err("must be a path, an https URL, or an http URL on a loopback host".to_owned()),
    }
}

/// The text of the master keys.
pub(super) fn master_key(text: &str) -> Result<Secret, Reason> {
    MasterKeys::parse(text)?;
    Ok(Secret::new(text.to_owned()))
}

/// A secret that machines hold: printable ASCII without spaces, so that it fits in any header, and no placeholder.
pub(super) fn machine_secret(text: &str, min: usize) -> Result<Secret, Reason> {
    if text.len() < min || text.len() > 512 {
        return Err(format!("must have {min} to 512 characters"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be printable ASCII without spaces".to_owned());
    }
    refuse_placeholder(text)?;
    Ok(Secret::new(text.to_owned()))
}

/// A password of a person: 8 to 256 code points (NIST SP 800-63B §5.1.1.2) and no placeholder.
pub(super) fn password(text: &str) -> Result<Secret, Reason> {
    if !(8..=256).contains(&text.chars().count()) {
        return Err("must have 8 to 256 characters".to_owned());
    }
    refuse_placeholder(text)?;
    Ok(Secret::new(text.to_owned()))
}

/// A user name: 1 to 64 code points, or an e-mail address.
pub(super) fn username(text: &str) -> Result<String, Reason> {
    let most = if text.contains('@') { 254 } else { 64 };
    if text.trim().is_empty() || text.chars().count() > most {
        return Err("must have 1 to 64 characters, or be an e-mail address".to_owned());
    }
    Ok(text.to_owned())
}

/// A log filter that neither turns the log off nor lets anything write at the level `trace`, at which libraries write
/// out headers and packets.
pub(super) fn log_filter(text: &str) -> Result<String, Reason> {
    let filter = EnvFilter::builder()
        .parse(text)
        .map_err(|_| "must be a level or a list of target=level".to_owned())?;
    match filter.max_level_hint() {
        Some(LevelFilter::TRACE) | None => Err(
            "a level below debug, or a word that is no level, would log what must not be logged".to_owned(),
        ),
        Some(LevelFilter::OFF) => Err("the log cannot be turned off".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}

/// Refuses what stands in examples and templates for a secret that was never filled in.
pub(super) fn refuse_placeholder(text: &str) -> Result<(), Reason> {
    if is_placeholder(text) {
        return Err("is a placeholder, not a secret; make one with `openssl rand -base64 32`".to_owned());
    }
    Ok(())
}

/// Whether a text is a word that stands for a secret, such a word with digits and signs around it, something still to
/// be filled in, or a repetition of one short text.
pub(super) fn is_placeholder(text: &str) -> bool {
    const WORDS: [&str; 22] = [
        "admin",
        "changeit",
        "changeme",
        "default",
        "demo",
        "dummy",
        "example",
        "foobar",
        "grantor",
        "letmein",
        "masterkey",
        "mypassword",
        "mysecret",
        "none",
        "password",
        "passwort",
        "placeholder",
        "qwerty",
        "secret",
        "test",
        "todo",
        "token",
    ];
    const MARKS: [&str; 4] = ["changeme", "replaceme", "placeholder", "yoursecret"];
    let lower = text.to_lowercase();
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let to_be_filled_in = (lower.starts_with('<') && lower.ends_with('>')) || lower.starts_with("${");
    to_be_filled_in
        || WORDS.contains(&letters.as_str())
        || MARKS.iter().any(|mark| letters.contains(mark))
        || (1..=4).any(|period| repeats(&lower, period))
        || WORDS
            .iter()
            .any(|word| letters.starts_with(word) && repeats(&letters, word.len()))
        || "01234567890123456789".contains(&lower)
        || "abcdefghijklmnopqrstuvwxyz".contains(&lower)
}

/// Whether a text is its first `period` bytes over and over, at least twice, the last time perhaps cut.
fn repeats(text: &str, period: usize) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 * period && bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b)
}

/// The cores that this process may use.
pub(super) fn cores() -> i64 {
    std::thread::available_parallelism().map_or(1, |cores| i64::try_from(cores.get()).unwrap_or(1))
}

/// The words of an error, as a reason.
pub(super) fn words(error: impl Display) -> Reason {
    error.to_string()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_bounds_and_its_type() {
        assert_eq!(number::<u32>("5", 5, 9), Ok(5));
        for bad in ["4", "10", "", "5.0", " 5", "99999999999999999999", "0x5"] {
            assert!(number::<u32>(bad, 5, 9).is_err(), "{bad}");
        }
        assert!(number::<u8>("300", 1, 1000).is_err());
    }

    #[test]
    fn a_size_has_bytes_or_a_binary_unit() {
        assert_eq!(size("65536", 1, 1 << 20), Ok(65_536));
        assert_eq!(size("64 KiB", 1, 1 << 20), Ok(65_536));
        assert_eq!(size("1MiB", 1, 1 << 20), Ok(1 << 20));
        for bad in [
            "2 MiB",
            "64 kB",
            "KiB",
            "-1",
            "1.5 MiB",
            "9223372036854775807 MiB",
            "",
        ] {
            assert!(size(bad, 1, 1 << 20).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_cidrs_or_addresses() {
        let parsed = networks("10.0.0.0/8, ::1").unwrap();
        assert_eq!(
            parsed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "::1/128"]
        );
        assert!(networks("").unwrap().is_empty());
        assert!(networks("10.0.0.0/33").is_err());
        assert!(networks("proxy").is_err());
    }

    #[test]
    fn algorithms_are_named_exactly_and_once() {
        assert_eq!(
            algorithms("ES256, EdDSA").unwrap(),
            [Algorithm::ES256, Algorithm::EdDSA]
        );
        for bad in ["", "es256", "HS256", "none", "ES256,ES256"] {
            assert!(algorithms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_never_filled_in_is_a_placeholder() {
        for bad in [
            "changeme",
            "CHANGE-ME",
            "please-change-me-now",
            "secret",
            "Secret123!",
            "password",
            "P-a-s-s-w-o-r-d",
            "xxxxxxxx",
            "abababab",
            "abcabcabca",
            "passwordpasswordpassword",
            "password1password2",
            "<your secret>",
            "${SECRET}",
            "00000000000000000000000000000000",
            "12345678",
            "replace_me_with_something_else_1234567",
        ] {
            assert!(is_placeholder(bad), "{bad}");
        }
        for good in [
            "correct horse battery staple",
            "Zk3vV0d9sO1pQmYx4u7wB2n6c8r5t1a0",
            "my secret garden of 1987",
        ] {
            assert!(!is_placeholder(good), "{good}");
        }
    }

    #[test]
    fn a_log_filter_stays_between_error_and_debug() {
        for good in [
            "info",
            "debug",
            "error",
            "warn,grantor=debug",
            "grantor::oauth=debug,info",
        ] {
            assert!(log_filter(good).is_ok(), "{good}");
        }
        for bad in ["trace", "info,hyper=trace", "inof", "off", "grantor=loud"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_anchor_is_a_file_or_goes_over_https() {
        for good in [
            "/var/lib/anchor.log",
            "anchors/a",
            "https://anchor.example/put",
            "http://127.0.0.1:9/x",
        ] {
            assert!(anchor(good).is_ok(), "{good}");
        }
        for bad in ["", "http://anchor.example/", "ftp://x/y", "https://"] {
            assert!(anchor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_database_url_names_one_of_two_engines() {
        for good in [
            "sqlite://data/grantor.db",
            "sqlite::memory:",
            "postgres://u:p@db/x",
            "postgresql://db/x",
        ] {
            assert!(database(good).is_ok(), "{good}");
        }
        for bad in ["", "mysql://db/x", "data/grantor.db", "postgres://[", "postgres"] {
            assert!(database(bad).is_err(), "{bad}");
        }
    }
}
