//! Finds every SQL text in the source: `const NAME: &str = "…"` or `concat!("…", columns!(), live!("$6"))`, where the
//! macros are `macro_rules!` of the same file. Whatever is neither is reported, so that no statement escapes the tests.

use super::source::{Kind, SourceFile, Token, closing};
use std::collections::HashMap;

/// A statement of the crate.
#[derive(Debug)]
pub struct Statement {
    /// File and line.
    pub place: String,
    /// The constant's name; it contains `POSTGRES` or `SQLITE` when the text is for one engine only.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// The file's statements, and what looks like one but could not be read.
pub fn of(file: &SourceFile) -> (Vec<Statement>, Vec<String>) {
    let macros = Macros::of(&file.tokens);
    let mut statements = Vec::new();
    let mut unreadable = Vec::new();
    let mut read_until = 0;
    let talks_to_a_database = file.tokens.iter().any(|token| token.is_word("sqlx"));
    for index in 0..file.tokens.len() {
        let token = &file.tokens[index];
        let place = format!("{}:{}", file.path, token.line);
        if let Some((name, value)) = text_constant(&file.tokens, index) {
            read_until = value.1;
            match macros.value(&file.tokens[value.0..value.1]) {
                Some(text) if is_statement(&text) => statements.push(Statement { place, name, text }),
                Some(_) => {}
                // A text of another kind, in a file that talks to no database.
                None if !talks_to_a_database => {}
                None => unreadable.push(format!(
                    "{place} `{name}` is neither a literal nor concat! of literals"
                )),
            }
        } else if index >= read_until && !macros.contains(index) {
            // A statement's text outside of a constant, as in `sqlx::query("SELECT …")`.
            match &token.kind {
                Kind::Text(text) if is_statement(text) => {
                    unreadable.push(format!("{place} holds SQL outside of a `const … : &str`"));
                }
                _ => {}
            }
        }
    }
    (statements, unreadable)
}

/// Whether a text is SQL: it begins with a statement's words in capitals.
pub fn is_statement(text: &str) -> bool {
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    matches!(
        words.as_slice(),
        [
            "SELECT" | "WITH" | "UPDATE" | "PRAGMA" | "TRUNCATE" | "VACUUM" | "LISTEN" | "NOTIFY",
            ..
        ] | ["INSERT", "INTO" | "OR"]
            | ["DELETE", "FROM"]
            | [
                "CREATE" | "ALTER" | "DROP",
                "TABLE" | "INDEX" | "UNIQUE" | "SCHEMA" | "ROLE" | "TRIGGER"
            ]
    )
}

/// `const NAME: &str = value;` (or `&'static str`, or `static`) at `index`: the name and the value's range.
fn text_constant(tokens: &[Token], index: usize) -> Option<(String, (usize, usize))> {
    if !(tokens[index].is_word("const") || tokens[index].is_word("static")) {
        return None;
    }
    let name = tokens.get(index + 1)?.word()?.to_owned();
    let mut at = index + 2;
    for mark in [':', '&'] {
        if !tokens.get(at)?.is_mark(mark) {
            return None;
        }
        at += 1;
    }
    if tokens.get(at)?.is_word("static") {
        at += 1;
    }
    if !(tokens.get(at)?.is_word("str") && tokens.get(at + 1)?.is_mark('=')) {
        return None;
    }
    let start = at + 2;
    let end = (start..tokens.len()).find(|&end| tokens[end].is_mark(';'))?;
    Some((name, (start, end)))
}

/// The `macro_rules!` of a file.
struct Macros {
    by_name: HashMap<String, Macro>,
    ranges: Vec<(usize, usize)>,
}

/// One macro of one arm: its parameters and what it stands for.
struct Macro {
    parameters: Vec<String>,
    body: Vec<Token>,
}

impl Macros {
    fn of(tokens: &[Token]) -> Self {
        let mut found = Self {
            by_name: HashMap::new(),
            ranges: Vec::new(),
        };
        for index in 0..tokens.len().saturating_sub(3) {
            if !tokens[index].is_word("macro_rules") {
                continue;
            }
            let (Some(name), open) = (tokens[index + 2].word(), index + 3) else {
                continue;
            };
            let end = closing(tokens, open);
            found.ranges.push((index, end));
            if let Some(parsed) = Macro::parse(tokens, open + 1) {
                found.by_name.insert(name.to_owned(), parsed);
            }
        }
        found
    }

    fn contains(&self, index: usize) -> bool {
        self.ranges
            .iter()
            .any(|(start, end)| (*start..*end).contains(&index))
    }

    /// The text of a literal, of `concat!(…)` or of one of these macros.
    fn value(&self, tokens: &[Token]) -> Option<String> {
        match tokens {
            [token] => match &token.kind {
                Kind::Text(text) => Some(text.clone()),
                Kind::Word(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(number.clone())
                }
                _ => None,
            },
            [name, bang, rest @ ..] if bang.is_mark('!') && !rest.is_empty() => {
                let arguments = arguments(&rest[1..closing(rest, 0)]);
                if name.is_word("concat") {
                    return arguments
                        .into_iter()
                        .map(|argument| self.value(argument))
                        .collect();
                }
                let called = self.by_name.get(name.word()?)?;
                self.value(&called.with(&arguments)?)
            }
            _ => None,
        }
    }
}

impl Macro {
    fn parse(tokens: &[Token], pattern: usize) -> Option<Self> {
        let pattern_end = closing(tokens, pattern);
        let parameters = (pattern + 1..pattern_end)
            .filter(|&at| tokens[at].is_mark('$'))
            .map(|at| tokens[at + 1].word().map(str::to_owned))
            .collect::<Option<_>>()?;
        let body = pattern_end + 3;
        tokens
            .get(body)
            .filter(|token| token.is_mark('{') || token.is_mark('('))?;
        Some(Self {
            parameters,
            body: tokens[body + 1..closing(tokens, body)].to_vec(),
        })
    }

    /// The body with the arguments in the parameters' places.
    fn with(&self, arguments: &[&[Token]]) -> Option<Vec<Token>> {
        if arguments.len() != self.parameters.len() {
            return None;
        }
        let mut expanded = Vec::new();
        let mut index = 0;
        while let Some(token) = self.body.get(index) {
            let parameter = self.body.get(index + 1).and_then(Token::word);
            let position = parameter.and_then(|name| self.parameters.iter().position(|own| own == name));
            match position {
                Some(position) if token.is_mark('$') => {
                    expanded.extend_from_slice(arguments[position]);
                    index += 2;
                }
                _ => {
                    expanded.push(token.clone());
                    index += 1;
                }
            }
        }
        Some(expanded)
    }
}

/// Splits at the commas that stand in no bracket.
fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut index) = (0, 0);
    while index < tokens.len() {
        if matches!(tokens[index].kind, Kind::Mark('(' | '[' | '{')) {
            index = closing(tokens, index);
        } else if tokens[index].is_mark(',') {
            parts.push(&tokens[start..index]);
            start = index + 1;
        }
        index += 1;
    }
    if start < tokens.len() {
        parts.push(&tokens[start..]);
    }
    parts
}
