//! Which of a user's claims a client gets (OIDC Core §5.1, §5.4, §5.5).

use super::claims_request::{ClaimsRequest, Delivery};
use crate::types::ScopeSet;
use serde_json::{Map, Value};

/// Scopes of OIDC Core §5.4 and the scope `roles` of this server, with the claims that each gives.
pub const SCOPE_CLAIMS: [(&str, &[&str]); 5] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    ("roles", &["roles"]),
];

/// Every claim that can be delivered about a user, for the metadata.
pub fn supported() -> impl Iterator<Item = &'static str> {
    SCOPE_CLAIMS.iter().flat_map(|(_, claims)| claims.iter().copied())
}

/// What the user has to agree to: the scopes of the request and those that stand for single claims in `claims`, as far
/// as the client is registered for them. The consent page speaks of scopes, so that a `claims` parameter cannot get more
/// than was shown there.
pub fn to_agree_to(scope: &ScopeSet, asked: &ClaimsRequest, registered: &ScopeSet) -> ScopeSet {
    let of_single_claims = registered.filter(|scope| {
        SCOPE_CLAIMS.iter().any(|(name, claims)| {
            *name == scope.as_str()
                && claims.iter().any(|claim| {
                    asked.asks_for(Delivery::Userinfo, claim) || asked.asks_for(Delivery::IdToken, claim)
                })
        })
    });
    scope.union(&of_single_claims)
}

/// Picks out of all that is known about a user what the scopes and single requests allow at one place. `registered` are
/// the client's scopes. `sub` is not among it: that is the caller's to add.
pub fn pick(
    all: &Map<String, Value>,
    scope: &ScopeSet,
    asked: &ClaimsRequest,
    registered: &ScopeSet,
    delivery: Delivery,
) -> Map<String, Value> {
    let mut picked = Map::new();
    for (name, claims) in SCOPE_CLAIMS {
        let whole_scope = delivery == Delivery::Userinfo && scope.has(name);
        for claim in claims {
            let single = registered.has(name) && asked.asks_for(delivery, claim);
            if (whole_scope || single)
                && let Some(value) = all.get(*claim)
            {
                picked.insert((*claim).to_owned(), value.clone());
            }
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user() -> Map<String, Value> {
        json!({"name": "Alice", "email": "a@example.com", "email_verified": true, "phone_number": "+1", "roles": ["admin"], "secret": 1})
            .as_object()
            .unwrap()
            .clone()
    }

    fn scopes(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    #[test]
    fn s5_4_a_scope_gives_its_claims_at_userinfo() {
        let (none, registered) = (ClaimsRequest::default(), scopes("openid email"));
        assert!(pick(&user(), &scopes("openid"), &none, &registered, Delivery::Userinfo).is_empty());
        let picked = pick(
            &user(),
            &scopes("openid email"),
            &none,
            &registered,
            Delivery::Userinfo,
        );
        assert_eq!(
            Value::Object(picked),
            json!({"email": "a@example.com", "email_verified": true})
        );
        let in_id_token = pick(
            &user(),
            &scopes("openid email"),
            &none,
            &registered,
            Delivery::IdToken,
        );
        assert!(in_id_token.is_empty(), "R-TOK-17");
    }

    #[test]
    fn s5_5_a_single_claim_comes_where_it_was_asked_for() {
        let (openid, registered) = (scopes("openid"), scopes("openid profile"));
        let text = r#"{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"name":null}}"#;
        let asked = ClaimsRequest::parse(text).unwrap();
        let picked = pick(&user(), &openid, &asked, &registered, Delivery::Userinfo);
        assert_eq!(
            Value::Object(picked),
            json!({"name": "Alice"}),
            "the client is not registered for e-mail"
        );
        let picked = pick(&user(), &openid, &asked, &registered, Delivery::IdToken);
        assert_eq!(Value::Object(picked), json!({"name": "Alice"}));
        assert_eq!(
            to_agree_to(&openid, &asked, &registered).to_string(),
            "openid profile"
        );
    }

    #[test]
    fn what_no_scope_names_never_leaves() {
        let asked = ClaimsRequest::parse(r#"{"userinfo":{"secret":null}}"#).unwrap();
        let all = scopes("openid profile email address phone roles");
        assert!(!pick(&user(), &all, &asked, &all, Delivery::Userinfo).contains_key("secret"));
    }
}
