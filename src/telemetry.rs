//! The log: one line per event, as JSON with a stable schema or as text for people.
//!
//! A JSON line has `timestamp` (RFC 3339, UTC, milliseconds), `level`, `message`, `target` and the event's fields beside
//! them. No value can begin a new line or steer a terminal: control characters are escaped in both forms.

use crate::clock::Clock;
use crate::config::LogConfig;
use crate::types::Timestamp;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::panic;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Members that every line has; an event's field of that name gets an underscore.
const OWN_MEMBERS: [&str; 4] = ["timestamp", "level", "message", "target"];

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output: the server, which prints nothing else there.
    Stdout,
    /// Standard error: commands, whose answers go to standard output.
    Stderr,
}

/// Starts the log for the rest of the process, and lets panics be logged by their place alone: their text may hold
/// anything, a secret too (R-SEC-13). Only the first call has an effect.
pub fn start(config: &LogConfig, clock: Clock, output: Output) {
    // The configuration has parsed the filter already.
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let layer = Lines {
        json: config.json,
        colour: !config.json && output.is_terminal(),
        clock,
        output,
    };
    let started = tracing_subscriber::registry()
        .with(layer.with_filter(filter).with_filter(filter_fn(is_fit)))
        .try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map_or_else(String::new, ToString::to_string);
            let thread = std::thread::current().name().unwrap_or("").to_owned();
            tracing::error!(location = place, thread, "a thread panicked");
        }));
    }
}

/// Libraries log headers and frames at `debug`, hence credentials: they are heard from `info` upwards only.
fn is_fit(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next() == Some("grantor");
    own || *metadata.level() <= Level::INFO
}

impl Output {
    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Writes a whole line at once, so that lines of several threads do not mix. A log that cannot be written must not
    /// stop the server.
    fn write(self, line: &str) {
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Self::Stderr => io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// Writes every event as one line.
struct Lines {
    json: bool,
    colour: bool,
    clock: Clock,
    output: Output,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (at, metadata) = (self.clock.now(), event.metadata());
        let text = if self.json {
            let mut line = JsonLine::begin(at, *metadata.level(), metadata.target());
            event.record(&mut line);
            line.end()
        } else {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let line = Line {
                at,
                level: *metadata.level(),
                target: metadata.target(),
                fields,
            };
            line.pretty(self.colour)
        };
        self.output.write(&text);
    }
}

/// A line of JSON, written while the event's fields are visited: there is one for every request, so it costs no tree
/// of values.
struct JsonLine {
    text: String,
    has_message: bool,
}

impl JsonLine {
    fn begin(at: Timestamp, level: Level, target: &str) -> Self {
        let mut line = Self {
            text: String::with_capacity(768),
            has_message: false,
        };
        let _ = write!(
            line.text,
            "{{\"timestamp\":\"{at}\",\"level\":\"{level}\",\"target\":\""
        );
        let _ = Escaped(&mut line.text).write_str(target);
        line.text.push('"');
        line
    }

    fn end(mut self) -> String {
        self.text.push_str(if self.has_message {
            "}\n"
        } else {
            ",\"message\":\"\"}\n"
        });
        self.text
    }

    fn name(&mut self, name: &str) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.text.push_str(",\"");
        let _ = Escaped(&mut self.text).write_str(name);
        if name == "message" {
            self.has_message = true;
        } else if OWN_MEMBERS.contains(&name) {
            self.text.push('_');
        }
        self.text.push_str("\":");
    }

    /// A value whose text is JSON already.
    fn bare(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    fn text(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.name(name);
        self.text.push('"');
        let _ = Escaped(&mut self.text).write_fmt(value);
        self.text.push('"');
    }
}

impl Visit for JsonLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field.name(), value);
        } else {
            self.bare(field.name(), "null");
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field.name(), format_args!("{value}"));
    }
}

/// Writes the inside of a JSON string. JSON itself lets DEL, C1 controls and marks of direction stand; a terminal would
/// obey them, so they are escaped too.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if c != '"' && c != '\\' && !steers(c) {
                continue;
            }
            self.0.push_str(text.get(plain..at).unwrap_or_default());
            plain = at + c.len_utf8();
            match c {
                '"' | '\\' => {
                    self.0.push('\\');
                    self.0.push(c);
                }
                // None of them is beyond the basic plane.
                c => write!(self.0, "\\u{:04x}", u32::from(c))?,
            }
        }
        self.0.push_str(text.get(plain..).unwrap_or_default());
        Ok(())
    }
}

/// A line for people.
struct Line<'a> {
    at: Timestamp,
    level: Level,
    target: &'a str,
    fields: Fields,
}

impl Line<'_> {
    fn pretty(self, colour: bool) -> String {
        let (before, after) = match self.level {
            _ if !colour => ("", ""),
            Level::ERROR => ("\x1b[31m", "\x1b[0m"),
            Level::WARN => ("\x1b[33m", "\x1b[0m"),
            _ => ("\x1b[2m", "\x1b[0m"),
        };
        let mut line = format!(
            "{} {before}{:5}{after} {}",
            self.at,
            self.level,
            escape(&self.fields.message)
        );
        for (name, value) in &self.fields.others {
            let text = match value {
                Value::String(text) if !text.is_empty() && !text.contains(' ') => escape(text),
                value => escape(&value.to_string()),
            };
            let _ = write!(line, " {name}={text}");
        }
        let _ = writeln!(line, " ({})", self.target);
        line
    }
}

/// An event's fields, typed as far as JSON has the types.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        match (name, value.into()) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) if OWN_MEMBERS.contains(&name) => {
                self.others.insert(format!("{name}_"), value);
            }
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}

/// A text without anything that begins a line or steers a terminal.
pub fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown: Box<dyn Iterator<Item = char>> = if steers(c) {
                Box::new(c.escape_unicode())
            } else {
                Box::new(std::iter::once(c))
            };
            shown
        })
        .collect()
}

/// Control characters, line separators and marks that change the direction of writing.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, others: &[(&str, Value)]) -> Line<'static> {
        Line {
            at: Timestamp::from_micros(1_700_000_000_123_456),
            level: Level::WARN,
            target: "grantor::x",
            fields: Fields {
                message: message.to_owned(),
                others: others
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
            },
        }
    }

    fn json(message: &str, others: &[(&str, &str)]) -> String {
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        let mut line = JsonLine::begin(at, Level::WARN, "grantor::x");
        line.text("message", format_args!("{message}"));
        for (name, value) in others {
            line.text(name, format_args!("{value}"));
        }
        line.bare("duration_ms", 5);
        line.end()
    }

    #[test]
    fn r_log_04_a_json_line_is_an_object_with_stable_members() {
        let text = json("slow", &[("agent", "a\"b\\"), ("level", "own"), ("r#type", "t")]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "timestamp": "2023-11-14T22:13:20.123Z", "level": "WARN", "message": "slow",
                "target": "grantor::x", "duration_ms": 5, "agent": "a\"b\\", "level_": "own", "type": "t"
            })
        );
    }

    #[test]
    fn r_log_14_no_value_forges_a_line() {
        let evil = "x\n{\"level\":\"INFO\"}\r\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{202e}";
        for text in [
            json(evil, &[("agent", evil)]),
            line(evil, &[("agent", evil.into())]).pretty(false),
        ] {
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
            assert!(!text.trim_end_matches('\n').chars().any(steers), "{text:?}");
        }
        let back: Value = serde_json::from_str(&json(evil, &[])).unwrap();
        assert_eq!(back["message"], evil);
    }

    #[test]
    fn libraries_are_heard_from_info_upwards() {
        use std::sync::{Arc, Mutex};

        struct Heard(Arc<Mutex<Vec<String>>>);
        impl<S: Subscriber> Layer<S> for Heard {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                let mut fields = Fields::default();
                event.record(&mut fields);
                self.0.lock().unwrap().push(fields.message);
            }
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let subscriber =
            tracing_subscriber::registry().with(Heard(heard.clone()).with_filter(filter_fn(is_fit)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "hyper::client", "authorization: canary");
            tracing::info!(target: "hyper::client", "library");
            tracing::debug!(target: "grantor::oauth", "own");
            tracing::debug!(target: "grantorish", "other");
        });
        assert_eq!(*heard.lock().unwrap(), ["library", "own"]);
    }
}
