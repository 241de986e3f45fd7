//! The `claims` parameter (OIDC Core §5.5): which claims a client asks for one by one, and where it wants them.

use crate::types::Malformed;
use serde_json::{Map, Value};

/// Longest `claims` parameter that is read.
const MAX_LENGTH: usize = 4096;
/// Claims that one request may name.
const MAX_CLAIMS: usize = 100;

/// A request for single claims. Members that no specification names are ignored (§5.5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimsRequest(Map<String, Value>);

/// Where claims are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At the UserInfo endpoint.
    Userinfo,
    /// In the ID token.
    IdToken,
}

impl Delivery {
    const fn member(self) -> &'static str {
        match self {
            Self::Userinfo => "userinfo",
            Self::IdToken => "id_token",
        }
    }
}

impl ClaimsRequest {
    /// Reads the parameter's value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_LENGTH {
            return Err(Malformed("claims has at most 4096 characters"));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|_| Malformed("claims must be a JSON object (OpenID Connect Core section 5.5)"))?;
        let Value::Object(mut all) = value else {
            return Err(Malformed(
                "claims must be a JSON object (OpenID Connect Core section 5.5)",
            ));
        };
        all.retain(|name, _| name == Delivery::Userinfo.member() || name == Delivery::IdToken.member());
        for claims in all.values() {
            let claims = claims
                .as_object()
                .ok_or(Malformed("userinfo and id_token in claims must be objects"))?;
            if claims.len() > MAX_CLAIMS {
                return Err(Malformed("claims names at most 100 claims"));
            }
            if claims
                .values()
                .any(|claim| !(claim.is_null() || claim.is_object()))
            {
                return Err(Malformed("each claim in claims must be null or an object"));
            }
        }
        Ok(Self(all))
    }

    /// What was stored of an earlier request.
    pub fn from_stored(stored: &Map<String, Value>) -> Self {
        Self(stored.clone())
    }

    /// The form in which a grant keeps it.
    pub fn to_stored(&self) -> Map<String, Value> {
        self.0.clone()
    }

    /// Whether the claim was asked for.
    pub fn asks_for(&self, delivery: Delivery, claim: &str) -> bool {
        self.claim(delivery, claim).is_some()
    }

    /// The names of the claims asked for.
    pub fn names(&self, delivery: Delivery) -> impl Iterator<Item = &str> {
        self.0
            .get(delivery.member())
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|claims| claims.keys())
            .map(String::as_str)
    }

    /// The values that an essential claim may have (`value`, `values`); empty when it is not essential or any will do.
    pub fn essential_values(&self, delivery: Delivery, claim: &str) -> Vec<String> {
        let Some(Value::Object(asked)) = self.claim(delivery, claim) else {
            return Vec::new();
        };
        if asked.get("essential") != Some(&Value::Bool(true)) {
            return Vec::new();
        }
        Self::values(asked)
    }

    /// The values that a claim is asked to have, essential or not.
    pub fn requested_values(&self, delivery: Delivery, claim: &str) -> Vec<String> {
        match self.claim(delivery, claim) {
            Some(Value::Object(asked)) => Self::values(asked),
            _ => Vec::new(),
        }
    }

    fn values(asked: &Map<String, Value>) -> Vec<String> {
        let one = asked.get("value").into_iter();
        let many = asked
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        one.chain(many)
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    fn claim(&self, delivery: Delivery, claim: &str) -> Option<&Value> {
        self.0.get(delivery.member())?.as_object()?.get(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_5_the_parameter_is_read_and_the_unknown_ignored() {
        let asked = ClaimsRequest::parse(
            r#"{"userinfo":{"name":{"essential":true},"nickname":null},"id_token":{"acr":{"essential":true,"values":["aal2","aal3"]}},"other":1}"#,
        )
        .unwrap();
        assert!(asked.asks_for(Delivery::Userinfo, "name") && asked.asks_for(Delivery::Userinfo, "nickname"));
        assert!(!asked.asks_for(Delivery::IdToken, "name"));
        assert_eq!(asked.essential_values(Delivery::IdToken, "acr"), ["aal2", "aal3"]);
        assert_eq!(ClaimsRequest::from_stored(&asked.to_stored()), asked);
    }

    #[test]
    fn malformed_parameters_are_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "{",
            r#"{"userinfo":1}"#,
            r#"{"id_token":{"sub":"x"}}"#,
        ] {
            assert!(ClaimsRequest::parse(bad).is_err(), "{bad}");
        }
        assert!(ClaimsRequest::parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(5000))).is_err());
    }
}
