//! The code that a person reads on one device and types on another (RFC 8628 §6.1).

use super::Malformed;
use std::fmt;

/// RFC 8628 §6.1: consonants alone, so that no words appear, and none that is taken for a digit.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a code: 20⁸ codes, about 34.5 bits. Guesses are limited by address, and codes live for minutes.
const LENGTH: usize = 8;
/// Letters before the hyphen.
const HALF: usize = LENGTH / 2;
/// Random bytes from here on would make some letters likelier than others.
const FAIR: u8 = 240;

/// A user code: eight letters, shown as `WDJB-MJHT`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Reads what a person typed. RFC 8628 §6.1: "the server should ignore any characters like punctuation that are not in
    /// the user-code character set", and case.
    ///
    /// # Errors
    /// When what is left are not eight letters of the alphabet. A letter or digit that no code has is not ignored: with
    /// it something else was meant.
    pub fn parse(typed: &str) -> Result<Self, Malformed> {
        const MALFORMED: Malformed = Malformed("must be the eight letters that the device shows");
        let mut code = String::with_capacity(LENGTH);
        for c in typed.chars().filter(|c| c.is_alphanumeric()) {
            let c = c.to_ascii_uppercase();
            let known = u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !known || code.len() == LENGTH {
                return Err(MALFORMED);
            }
            code.push(c);
        }
        if code.len() == LENGTH {
            Ok(Self(code))
        } else {
            Err(MALFORMED)
        }
    }

    /// Makes a code of random bytes, each letter as likely as any other. Bytes are taken from `random` until there are
    /// enough that are of use.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn draw<E>(mut random: impl FnMut() -> Result<[u8; 16], E>) -> Result<Self, E> {
        let mut code = String::with_capacity(LENGTH);
        loop {
            for byte in random()?.into_iter().filter(|byte| *byte < FAIR) {
                if let Some(letter) = ALPHABET.get(usize::from(byte) % ALPHABET.len()) {
                    code.push(char::from(*letter));
                }
                if code.len() == LENGTH {
                    return Ok(Self(code));
                }
            }
        }
    }

    /// The eight letters, without the hyphen: the one form in which it is hashed and compared.
    pub fn letters(&self) -> &str {
        &self.0
    }
}

/// As a person reads it.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at_checked(HALF).unwrap_or((&self.0, ""));
        write!(f, "{first}-{second}")
    }
}

/// Hidden: whoever knows a code that waits can answer it.
impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::convert::Infallible;

    #[test]
    fn s6_1_a_code_is_read_whatever_its_case_and_punctuation() {
        for typed in [
            "WDJB-MJHT",
            "wdjbmjht",
            " wdjb mjht ",
            "WDJB\u{2013}MJHT",
            "w.d.j.b_m/j:h'T",
        ] {
            let code = UserCode::parse(typed).unwrap();
            assert_eq!((code.letters(), &*code.to_string()), ("WDJBMJHT", "WDJB-MJHT"));
        }
        for bad in [
            "",
            "-",
            "WDJB-MJH",
            "WDJB-MJHTT",
            "WDJA-MJHT",
            "WDJB-MJH7",
            "ＷDJB-MJHT",
            "WDJBMJHTé",
        ] {
            assert!(UserCode::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", UserCode::parse("WDJBMJHT").unwrap()), "UserCode");
    }

    #[test]
    fn s6_1_every_letter_is_as_likely_as_any_other() {
        let mut byte = 0u8;
        let mut all_bytes = || -> Result<[u8; 16], Infallible> {
            Ok(std::array::from_fn(|_| {
                byte = byte.wrapping_add(1);
                byte
            }))
        };
        let mut counts = std::collections::BTreeMap::new();
        let mut seen = HashSet::new();
        // 15 × 16 usable bytes of 256, four codes for 32 of them: 240 letters in 30 codes are each byte once.
        for _ in 0..30 {
            let Ok(code) = UserCode::draw(&mut all_bytes);
            for letter in code.letters().chars() {
                *counts.entry(letter).or_insert(0) += 1;
            }
            seen.insert(code.letters().to_owned());
        }
        assert_eq!(counts.len(), ALPHABET.len());
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read_back_and_nothing_breaks_the_parser(bytes: [u8; 16], typed: String) {
            let mut salt = 0u8;
            let drawn = UserCode::draw(|| {
                salt = salt.wrapping_add(7);
                Ok::<_, Infallible>(bytes.map(|byte| byte.wrapping_add(salt)))
            });
            let Ok(code) = drawn;
            let read = UserCode::parse(&code.to_string()).unwrap();
            prop_assert_eq!(read.letters(), code.letters());
            if let Ok(code) = UserCode::parse(&typed) {
                prop_assert!(code.letters().bytes().all(|byte| ALPHABET.contains(&byte)));
            }
        }
    }
}
