//! JSON that has one meaning (RFC 8259 §4: names within an object SHOULD be unique; here they are), no NUL and a bounded
//! depth.

use crate::surface::{Invalid, Refusal};
use actix_web::http::StatusCode;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Parses a JSON text of at most `max_depth` nested arrays and objects.
///
/// # Errors
/// 400 with the place (JSON pointer, or line and column) and the reason.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, Refusal> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict {
        path: Path::Root,
        depth: max_depth,
        found: &found,
    };
    let result = strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    result.map_err(|error| match found.take() {
        Some(invalid) => {
            let place = if invalid.pointer.is_empty() {
                "the body"
            } else {
                &invalid.pointer
            };
            Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("The JSON at {place} {}.", invalid.detail),
            )
            .errors(vec![invalid])
        }
        None => Refusal::new(
            StatusCode::BAD_REQUEST,
            format!(
                "The body is not valid JSON (line {}, column {}).",
                error.line(),
                error.column()
            ),
        ),
    })
}

/// The way to a value, kept on the stack: it is written out only for an error.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Element(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
                write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Element(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    path: Path<'a>,
    depth: usize,
    found: &'a RefCell<Option<Invalid>>,
}

impl Strict<'_> {
    fn wrong<E: de::Error>(&self, path: Path<'_>, detail: String) -> E {
        *self.found.borrow_mut() = Some(Invalid {
            pointer: path.to_string(),
            detail,
        });
        E::custom("refused")
    }

    fn text<E: de::Error>(&self, text: String) -> Result<String, E> {
        if text.contains('\0') {
            return Err(self.wrong(self.path, "must not contain NUL".to_owned()));
        }
        Ok(text)
    }

    fn deeper<E: de::Error>(&self) -> Result<usize, E> {
        self.depth
            .checked_sub(1)
            .ok_or_else(|| self.wrong(self.path, "is nested too deeply".to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.wrong(self.path, "is not a number".to_owned()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.text(value.to_owned()).map(Value::String)
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        self.text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut elements = Vec::new();
        loop {
            let path = Path::Element(&self.path, elements.len());
            let seed = Strict {
                path,
                depth,
                found: self.found,
            };
            match access.next_element_seed(seed)? {
                Some(element) => elements.push(element),
                None => return Ok(Value::Array(elements)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let name = self.text(name)?;
            let path = Path::Member(&self.path, &name);
            if members.contains_key(&name) {
                return Err(self.wrong(path, "is there twice".to_owned()));
            }
            let seed = Strict {
                path,
                depth,
                found: self.found,
            };
            let value = access.next_value_seed(seed)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused(text: &str) -> String {
        format!("{:?}", parse(text.as_bytes(), 4).unwrap_err())
    }

    #[test]
    fn ordinary_json_is_read() {
        let text = r#" {"a": [1, -2, 2.5, "ä\n", null, true], "b": {"c": {}}} "#;
        let value = parse(text.as_bytes(), 4).unwrap();
        assert_eq!(
            value,
            json!({"a": [1, -2, 2.5, "ä\n", null, true], "b": {"c": {}}})
        );
    }

    #[test]
    fn a_repeated_member_is_named_by_its_pointer() {
        let refusal = refused(r#"{"a": [0, {"b/c": 1, "d": 2, "b/c": 3}]}"#);
        assert!(
            refusal.contains("/a/1/b~1c") && refusal.contains("is there twice"),
            "{refusal}"
        );
    }

    #[test]
    fn nul_is_refused_in_values_and_names() {
        assert!(refused(r#"{"a": ["x\u0000"]}"#).contains("The JSON at /a/0 must not contain NUL."));
        assert!(refused(r#"{"\u0000": 1}"#).contains("must not contain NUL"));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse(b"[[[[1]]]]", 4).is_ok());
        assert!(refused("[[[[[1]]]]]").contains("is nested too deeply"));
        assert!(parse("[".repeat(10_000).as_bytes(), 32).is_err());
        assert!(parse("{\"a\":".repeat(10_000).as_bytes(), 64).is_err());
    }

    #[test]
    fn a_syntax_error_is_named_by_line_and_column() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1}x",
            "nul",
            "'a'",
            "01",
            "NaN",
            "\u{feff}{}",
            "\"\\ud800\"",
        ] {
            assert!(refused(bad).contains("not valid JSON"), "{bad}");
        }
        assert!(parse(b"\"\xff\"", 4).is_err());
        assert!(refused("{\n \"a\": x}").contains("line 2"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_as_serde_json_does_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = parse(&bytes, 32) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }
    }
}
