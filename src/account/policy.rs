//! Which passwords are accepted: NIST SP 800-63B-4 §3.1.1.2.
//!
//! 8 to 256 code points of any kind, no rules of composition, no expiry. What is commonly used, was in breaches, or
//! follows from who the user is and where it signs in is refused. That is judged without any network: zxcvbn's ranked
//! lists of passwords, names and words, keyboard walks, repetitions and dates, together with the user's own words. What
//! an attacker would try among the first million guesses counts as on the list, so that `Password123!` is refused as
//! `password` is.

use super::password::{MAX_LENGTH, Password, Passwords};
use crate::fault::Fault;
use zxcvbn::feedback::Feedback;
use zxcvbn::zxcvbn;

/// Shortest password, in code points.
pub const MIN_LENGTH: usize = 8;
/// What is guessed with fewer tries is refused.
const MIN_GUESSES: u64 = 1_000_000;
/// Shorter words of the context say nothing.
const MIN_WORD: usize = 3;

/// What is wrong with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// It is too short or too long.
    Length,
    /// It contains what nobody can type.
    ControlCharacters,
    /// It is commonly used or easily guessed.
    Guessable,
    /// It is the one that it should replace.
    SameAsBefore,
}

/// Why a password is refused, and what would help.
#[derive(Clone, Debug, PartialEq)]
pub struct WeakPassword {
    /// What is wrong.
    pub weakness: Weakness,
    /// Why it is easily guessed, and what would be better.
    pub feedback: Option<Feedback>,
}

impl WeakPassword {
    const fn of(weakness: Weakness) -> Self {
        Self {
            weakness,
            feedback: None,
        }
    }

    /// The password that it should replace.
    pub const fn same_as_before() -> Self {
        Self::of(Weakness::SameAsBefore)
    }
}

/// As a sentence's end, for administrators: "must …" or "is …".
impl std::fmt::Display for WeakPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.weakness {
            Weakness::Length => "must have 8 to 256 characters",
            Weakness::ControlCharacters => "must not contain control characters",
            Weakness::Guessable => "is commonly used or easily guessed",
            Weakness::SameAsBefore => "must be another one than before",
        })?;
        let Some(feedback) = &self.feedback else {
            return Ok(());
        };
        let warning = feedback.warning().map(|warning| warning.to_string());
        let suggestions = feedback.suggestions().iter().map(ToString::to_string);
        let hints: Vec<String> = warning.into_iter().chain(suggestions).collect();
        if hints.is_empty() {
            return Ok(());
        }
        write!(f, ". {}", hints.join(" "))
    }
}

/// Judges a password that somebody wants to use. `context` holds what an attacker knows: username, e-mail address,
/// names, the issuer's host.
///
/// # Errors
/// Unavailable when too many passwords wait to be hashed or judged.
pub async fn judge(
    passwords: &Passwords,
    typed: &str,
    context: &[&str],
) -> Result<Result<Password, WeakPassword>, Fault> {
    let password = match shape(typed) {
        Ok(password) => password,
        Err(weak) => return Ok(Err(weak)),
    };
    let words: Vec<String> = context.iter().flat_map(|text| words(text)).collect();
    passwords.beside(move || strength(password, &words)).await
}

fn shape(typed: &str) -> Result<Password, WeakPassword> {
    let length = WeakPassword::of(Weakness::Length);
    if typed.chars().any(char::is_control) {
        return Err(WeakPassword::of(Weakness::ControlCharacters));
    }
    let password = Password::new(typed).ok_or_else(|| length.clone())?;
    let count = password.normal().expose().chars().count();
    if (MIN_LENGTH..=MAX_LENGTH).contains(&count) {
        Ok(password)
    } else {
        Err(length)
    }
}

fn strength(password: Password, words: &[String]) -> Result<Password, WeakPassword> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password.normal().expose(), &words);
    if estimate.guesses() >= MIN_GUESSES {
        return Ok(password);
    }
    Err(WeakPassword {
        weakness: Weakness::Guessable,
        feedback: estimate.feedback().cloned(),
    })
}

/// A text of the context as a whole and its parts: the words of a name, the labels of a host, both sides of an address.
fn words(text: &str) -> Vec<String> {
    let sides = text.split(['@', ' ']);
    let parts = text.split(|c: char| !c.is_alphanumeric());
    std::iter::once(text)
        .chain(sides)
        .chain(parts)
        .filter(|word| word.chars().count() >= MIN_WORD)
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(typed: &str) -> Result<(), WeakPassword> {
        let words: Vec<_> = [
            "alice.liddell@wonder.example",
            "Alice Liddell",
            "login.example.org",
        ]
        .iter()
        .flat_map(|text| words(text))
        .collect();
        shape(typed)
            .and_then(|password| strength(password, &words))
            .map(drop)
    }

    #[test]
    fn length_is_counted_in_code_points_and_nothing_else_is_asked_for() {
        for good in [
            "kwijtzamp",
            "all lower case words",
            "山田さん太郎だよね",
            "ðŸ  spaces   within",
            "\u{1F980}\u{1F427}\u{1F98A}\u{1F989}\u{1F40C}\u{1F41D}\u{1F422}\u{1F419}",
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        let long = "kT9z!pQ4".repeat(32);
        assert_eq!(judged(&long), Ok(()));
        for bad in ["", "kT9z!pQ", "e\u{301}\u{E9}Q7zx", &format!("{long}x")] {
            assert_eq!(judged(bad).unwrap_err().weakness, Weakness::Length, "{bad}");
        }
        for bad in ["kT9z!pQ4\0", "kT9z!pQ4\n", "kT9z!\u{7F}pQ4"] {
            assert_eq!(judged(bad).unwrap_err().weakness, Weakness::ControlCharacters);
        }
    }

    #[test]
    fn common_and_breached_passwords_are_refused_with_a_hint() {
        for bad in [
            "password",
            "PASSWORD",
            "Password123!",
            "P@ssw0rd2026",
            "12345678",
            "qwertyuiop",
            "aaaaaaaa",
            "abcdefgh",
            "letmein123",
            "iloveyou2",
            "Welcome1",
            "changeme123",
            "11111111",
            "hunter2hunter2",
        ] {
            let weak = judged(bad).unwrap_err();
            assert_eq!(weak.weakness, Weakness::Guessable, "{bad}");
            assert!(weak.texts().len() > 1, "{bad}");
            assert!(
                weak.to_string()
                    .starts_with("is commonly used or easily guessed. "),
                "{weak}"
            );
        }
    }

    #[test]
    fn what_follows_from_user_and_server_is_refused() {
        for bad in [
            "alice.liddell@wonder.example",
            "alice.liddell",
            "Liddell2026",
            "lleddilecila",
            "login.example.org",
            "alicealice",
        ] {
            assert!(judged(bad).is_err(), "{bad}");
        }
        assert_eq!(judged("alice fell into a burrow"), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_judged(typed in "\\PC{8,40}", word in "\\PC{0,20}") {
            if let Ok(password) = shape(&typed) {
                let _ = strength(password, &words(&word));
            }
        }
    }
}
