//! The longest values of the parameters of OAuth and OpenID Connect, wherever they come from: forms, queries, and request
//! objects. The API's description says the same, from here.

use super::Form;

/// The longest value in characters where the table says nothing else.
const OTHERS: usize = 8000;

/// Names with the longest value of each, in characters. What a client authenticates with is not here: it is right or wrong.
/// Neither are wishes, which are never the reason to refuse a request (OpenID Connect Core §3.1.2.1).
const LONGEST: &[(&str, usize)] = &[
    ("acr_values", OTHERS),
    ("claims", 4096),
    ("code", 1000),
    ("code_challenge", 128),
    ("code_challenge_method", OTHERS),
    ("code_verifier", 128),
    ("device_code", 1000),
    ("grant_type", OTHERS),
    ("id_token_hint", OTHERS),
    ("login_hint", OTHERS),
    ("max_age", OTHERS),
    ("nonce", 2048),
    ("post_logout_redirect_uri", 2000),
    ("prompt", OTHERS),
    ("redirect_uri", 2000),
    ("refresh_token", 1000),
    ("request", 16_384),
    ("request_uri", OTHERS),
    ("resource", 2000),
    ("response_mode", OTHERS),
    ("response_type", OTHERS),
    ("scope", 6499),
    ("state", 2048),
    ("token", 16_384),
    ("token_type_hint", 100),
];

/// Those whose bound their own rules keep, because more hangs on it than a refusal: a wrong verifier burns its code, and a
/// request object has an error of its own.
const KEPT_ELSEWHERE: [&str; 2] = ["code_verifier", "request"];

/// The longest value of a parameter, where it is bounded.
pub fn longest(name: &str) -> Option<usize> {
    LONGEST
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, longest)| *longest)
}

impl Form {
    /// The first parameter that is too long, in a sentence without its value.
    pub fn too_long(&self) -> Option<String> {
        self.iter().find_map(|(name, value)| {
            let longest = longest(name)?;
            // No character has less than one byte.
            let is_longer = value.len() > longest && value.chars().count() > longest;
            (is_longer && !KEPT_ELSEWHERE.contains(&name))
                .then(|| format!("{name} has at most {longest} characters"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let form = |name: &str, value: String| Form::from(vec![(name.to_owned(), value)]);
        assert_eq!(form("state", "ä".repeat(2048)).too_long(), None);
        assert_eq!(
            form("state", "a".repeat(2049)).too_long().as_deref(),
            Some("state has at most 2048 characters")
        );
        assert_eq!(form("ui_locales", "a".repeat(60_000)).too_long(), None);
    }
}
