//! `application/x-www-form-urlencoded`, in a body or a query, without leniency: what two parsers could read in two ways
//! is refused.

use crate::surface::{Invalid, Refusal};
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use std::collections::HashSet;
use std::fmt;

/// More parameters than any request has.
const MAX_PARAMETERS: usize = 256;

/// The parameters of a form in their order. Values may be secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses the text of a body or query.
    ///
    /// # Errors
    /// 400 for an incomplete percent-encoding, text that is not UTF-8, NUL, and more than 256 parameters.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = Vec::new();
        for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(refusal(format!("At most {MAX_PARAMETERS} parameters are taken.")));
            }
            let (name, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (
                    pair.get(..at).unwrap_or(pair),
                    pair.get(at + 1..).unwrap_or_default(),
                ),
                None => (pair, &b""[..]),
            };
            let name = decode(name).map_err(|why| refusal(format!("A parameter's name {why}.")))?;
            let value = decode(value).map_err(|why| at(&name, why))?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The parameters of a request's URL.
    ///
    /// # Errors
    /// As [`Form::parse`].
    pub fn of_query(request: &HttpRequest) -> Result<Self, Refusal> {
        Self::parse(request.query_string().as_bytes())
    }

    /// Refuses parameters that come more than once, apart from those that may.
    ///
    /// > Request and response parameters MUST NOT be included more than once. (RFC 6749 §3.1, §3.2)
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub fn without_repeats(self, may_repeat: &[&str]) -> Result<Self, Refusal> {
        let mut seen = HashSet::with_capacity(self.0.len());
        let repeated = self
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|&name| !seen.insert(name) && !may_repeat.contains(&name));
        match repeated {
            Some(name) => Err(at(name, "must not be repeated")),
            None => Ok(self),
        }
    }

    /// The value of a parameter. One without a value counts as absent.
    ///
    /// > Parameters sent without a value MUST be treated as if they were omitted from the request. (RFC 6749 §3.1, §3.2)
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may be repeated, without empty ones.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// All parameters in their order, also empty ones.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl From<Vec<(String, String)>> for Form {
    fn from(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

fn decode(text: &[u8]) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("has an incomplete percent-encoding"),
            },
            byte => byte,
        });
    }
    if bytes.contains(&0) {
        return Err("contains NUL");
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8")
}

fn hex(byte: &u8) -> Option<u8> {
    char::from(*byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn refusal(detail: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, detail)
}

/// A refusal that names the parameter. A name that is no plain word is not repeated.
fn at(name: &str, why: &str) -> Refusal {
    let plain = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let name = if plain { name } else { "with an unusual name" };
    refusal(format!("The parameter {name} {why}.")).errors(vec![Invalid {
        pointer: name.to_owned(),
        detail: why.to_owned(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::form_urlencoded;

    fn pairs(text: &str) -> Vec<(String, String)> {
        Form::parse(text.as_bytes()).unwrap().0
    }

    #[test]
    fn a_form_is_decoded() {
        let expected = [("a", "b c"), ("ä", "&="), ("empty", ""), ("none", "")];
        let expected: Vec<_> = expected
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        assert_eq!(pairs("a=b+c&%C3%A4=%26=&&empty=&none"), expected);
        let form = Form(expected);
        assert_eq!(
            (form.get("a"), form.get("empty"), form.get("x")),
            (Some("b c"), None, None)
        );
        assert_eq!(format!("{form:?}"), r#"["a", "ä", "empty", "none"]"#);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "a=%C3", "a=b%00c", "%00=b", "%ff=b",
        ] {
            let refusal = Form::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{bad}");
        }
        assert!(Form::parse(b"a=\xff").is_err());
        assert!(Form::parse("a&".repeat(256).as_bytes()).is_ok());
        assert!(Form::parse("a&".repeat(257).as_bytes()).is_err());
    }

    #[test]
    fn rfc6749_s3_2_a_parameter_comes_once_unless_it_may_repeat() {
        let form = Form::parse(b"resource=a&resource=b&scope=x").unwrap();
        let form = form.without_repeats(&["resource"]).unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        let refusal = form.without_repeats(&[]).unwrap_err();
        assert!(format!("{refusal:?}").contains("The parameter resource must not be repeated."));
        let empty = Form::parse(b"client_id=&client_id=a").unwrap();
        assert!(empty.without_repeats(&[]).is_err(), "an empty one counts too");
    }

    proptest! {
        #[test]
        fn what_others_encode_is_read_back(pairs in proptest::collection::vec(("[^\0]{1,20}", "[^\0]{0,20}"), 0..20)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(Form::parse(text.as_bytes()).unwrap().0, pairs);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(form) = Form::parse(&bytes) {
                for (name, value) in form.iter() {
                    prop_assert!(!name.contains('\0') && !value.contains('\0'));
                }
            }
        }
    }
}
