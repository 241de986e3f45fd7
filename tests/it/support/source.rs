//! The crate's own source as tokens, for tests about its form (module arrows, SQL texts).

use std::path::{Path, PathBuf};

/// A file below `src/`.
pub struct SourceFile {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    /// How many lines it has.
    pub lines: usize,
    /// Its tokens without comments and without `#[cfg(test)]` modules.
    pub tokens: Vec<Token>,
}

/// A token and the line where it stands, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The line.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// What the tests tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Identifier, keyword, number, lifetime or character.
    Word(String),
    /// A string literal's value.
    Text(String),
    /// Any other character.
    Mark(char),
}

impl Token {
    /// Whether it is this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    /// Whether it is this character.
    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// The word, if it is one.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Text(_) | Kind::Mark(_) => None,
        }
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src/`, in order of path.
pub fn files() -> Vec<SourceFile> {
    let mut paths = Vec::new();
    collect(&root().join("src"), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "src/ was not found");
    paths.iter().map(|path| read(path)).collect()
}

/// The end of the group that opens at `start` with `(`, `[` or `{`: the index of its closing bracket.
pub fn closing(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    panic!("line {}: a bracket is not closed", tokens[start].line);
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of src/ is read") {
        let path = entry.expect("an entry is read").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> SourceFile {
    let text = std::fs::read_to_string(path).expect("a source file is read");
    let relative = path.strip_prefix(root()).expect("it is below the root");
    SourceFile {
        path: relative.to_string_lossy().replace('\\', "/"),
        lines: text.lines().count(),
        tokens: without_tests(tokens(&text)),
    }
}

fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        let opens_tests = tokens[index].is_mark('#')
            && tokens.get(index + 2).is_some_and(|token| token.is_word("cfg"))
            && tokens.get(index + 4).is_some_and(|token| token.is_word("test"))
            && tokens.get(index + 5).is_some_and(|token| token.is_mark(')'));
        if opens_tests {
            let is_end = |token: &Token| token.is_mark('{') || token.is_mark(';');
            let end = (index..tokens.len())
                .find(|&at| is_end(&tokens[at]))
                .expect("an item follows");
            index = if tokens[end].is_mark('{') {
                closing(&tokens, end)
            } else {
                end
            } + 1;
        } else {
            kept.push(tokens[index].clone());
            index += 1;
        }
    }
    kept
}

/// Splits Rust source into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let line = self.line;
        let kind = match self.peek(0)? {
            '"' => self.string(),
            '\'' => self.character_or_lifetime(),
            c if c.is_alphanumeric() || c == '_' => self.word_or_prefixed_string(),
            c => {
                self.bump();
                Kind::Mark(c)
            }
        };
        Some(Token { line, kind })
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => {
                    self.bump();
                }
                (Some('/'), Some('/')) => while self.peek(0).is_some() && self.bump() != Some('\n') {},
                (Some('/'), Some('*')) => self.skip_block_comment(),
                _ => return,
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.bump() {
            match (c, self.peek(0)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => continue,
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) -> Kind {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => break,
                '\\' => self.escape(&mut text),
                c => text.push(c),
            }
        }
        Kind::Text(text)
    }

    fn escape(&mut self, text: &mut String) {
        match self.bump() {
            Some('\n') => {
                while self.peek(0).is_some_and(char::is_whitespace) {
                    self.bump();
                }
            }
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(c) => text.push(c),
            None => {}
        }
    }

    fn raw_string(&mut self) -> Kind {
        let mut hashes = 0;
        while self.peek(0) == Some('#') {
            self.bump();
            hashes += 1;
        }
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        Kind::Text(text)
    }

    fn character_or_lifetime(&mut self) -> Kind {
        let is_character = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        self.bump();
        if !is_character {
            return self.word();
        }
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '\'' => break,
                '\\' => text.extend(self.bump()),
                c => text.push(c),
            }
        }
        Kind::Word(text)
    }

    fn word_or_prefixed_string(&mut self) -> Kind {
        let prefix: String = (0..3).map_while(|ahead| self.peek(ahead)).collect();
        for raw in ["r\"", "r#\"", "r##", "br\"", "br#"] {
            if prefix.starts_with(raw) {
                self.at += raw.find(['"', '#']).unwrap_or(0);
                return self.raw_string();
            }
        }
        if prefix.starts_with("b\"") || prefix.starts_with("c\"") {
            self.bump();
            return self.string();
        }
        if prefix.starts_with("b'") {
            self.bump();
            return self.character_or_lifetime();
        }
        self.word()
    }

    fn word(&mut self) -> Kind {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            self.bump();
        }
        Kind::Word(word)
    }
}
