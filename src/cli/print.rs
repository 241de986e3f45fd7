//! What commands print: records as a table for people or as JSON for programs.

use crate::telemetry::escape;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::{self, Write as _};

/// A column of a table: its heading and its cell of a record.
pub(super) type Column<T> = (&'static str, fn(&T) -> String);

/// Prints records to standard output: as one JSON array, or as a table with these columns.
pub(super) fn records<T: Serialize>(records: &[T], columns: &[Column<T>], json: bool) -> io::Result<()> {
    if json {
        return document(&records);
    }
    table(records, columns)
}

/// Prints records to standard output as a table with these columns.
pub(super) fn table<T>(records: &[T], columns: &[Column<T>]) -> io::Result<()> {
    line(aligned(records, columns).trim_end())
}

/// Prints one object: as JSON, or as a table of its members.
pub(super) fn object(object: &Map<String, Value>, json: bool) -> io::Result<()> {
    if json {
        return document(object);
    }
    let members: Vec<_> = object
        .keys()
        .map(|name| (name.clone(), member(object, name)))
        .collect();
    let columns: [Column<(String, String)>; 2] = [
        ("MEMBER", |member| member.0.clone()),
        ("VALUE", |member| member.1.clone()),
    ];
    records(&members, &columns, false)
}

/// A member of an object as a cell: lists of texts with spaces between, `-` for what is not there.
pub(super) fn member(object: &Map<String, Value>, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(entries)) if entries.iter().all(Value::is_string) => {
            let entries: Vec<_> = entries.iter().filter_map(Value::as_str).collect();
            entries.join(" ")
        }
        Some(value) => value.to_string(),
    }
}

/// Prints one JSON document to standard output.
pub(super) fn document(document: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string_pretty(document)?)
}

/// Prints a line, or several, to standard output.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints what went wrong to standard error. Nothing can be done if that fails.
pub(super) fn error(text: &str) {
    let lines: Vec<_> = text.lines().map(escape).collect();
    let _ = writeln!(io::stderr().lock(), "grantor: {}", lines.join("\n"));
}

fn aligned<T>(records: &[T], columns: &[Column<T>]) -> String {
    let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = vec![headings];
    rows.extend(
        records
            .iter()
            .map(|record| columns.iter().map(|(_, cell)| escape(&cell(record))).collect()),
    );
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_cannot_steer_the_terminal() {
        let columns: [Column<(&str, &str)>; 2] = [
            ("NAME", |record| record.0.to_owned()),
            ("VALUE", |record| record.1.to_owned()),
        ];
        let text = aligned(&[("a", "1"), ("longer\u{1b}[2J", "2")], &columns);
        assert_eq!(
            text,
            "NAME             VALUE\na                1\nlonger\\u{1b}[2J  2\n"
        );
    }
}
