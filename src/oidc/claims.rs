//! Which of a user's claims a client gets (OIDC Core §5.1, §5.4, §5.5).

use super::claims_request::{ClaimsRequest, Delivery};
use crate::storage::clients::ClientMetadata;
use crate::types::ScopeSet;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The attributes that scopes of the deployment give as claims, beyond the standard ones: scope, then names.
pub type ScopeClaims = BTreeMap<String, Vec<String>>;

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
pub fn supported(custom: &ScopeClaims) -> Vec<&str> {
    let mut names = Vec::new();
    for (_, claim) in pairs(custom) {
        if !names.contains(&claim) {
            names.push(claim);
        }
    }
    names
}

/// Each scope that gives claims, for the metadata.
pub fn scopes(custom: &ScopeClaims) -> Vec<&str> {
    let standard = SCOPE_CLAIMS.iter().map(|(scope, _)| *scope);
    let known = ["openid", "offline_access"];
    let is_new = |scope: &&str| !known.contains(scope) && !SCOPE_CLAIMS.iter().any(|(own, _)| own == scope);
    known
        .into_iter()
        .chain(standard)
        .chain(custom.keys().map(String::as_str).filter(is_new))
        .collect()
}

/// Every scope with each claim that it gives.
fn pairs(custom: &ScopeClaims) -> impl Iterator<Item = (&str, &str)> {
    let standard = SCOPE_CLAIMS
        .iter()
        .flat_map(|(scope, claims)| claims.iter().map(|claim| (*scope, *claim)));
    let custom = custom
        .iter()
        .flat_map(|(scope, claims)| claims.iter().map(|claim| (scope.as_str(), claim.as_str())));
    standard.chain(custom)
}

/// What the user has to agree to: the scopes of the request and those that stand for single claims in `claims`, as far
/// as the client is registered for them. The consent page speaks of scopes, so that a `claims` parameter cannot get more
/// than was shown there.
pub fn to_agree_to(
    custom: &ScopeClaims,
    scope: &ScopeSet,
    asked: &ClaimsRequest,
    registered: &ScopeSet,
) -> ScopeSet {
    let of_single_claims = registered.filter(|scope| {
        pairs(custom).any(|(name, claim)| {
            name == scope.as_str()
                && (asked.asks_for(Delivery::Userinfo, claim) || asked.asks_for(Delivery::IdToken, claim))
        })
    });
    scope.union(&of_single_claims)
}

/// Picks out of all that is known about a user what the scopes and single requests allow at one place, and what an
/// administrator lets this client have (`attributes`). `sub` is not among it: that is the caller's to add.
pub fn pick(
    custom: &ScopeClaims,
    all: &Map<String, Value>,
    scope: &ScopeSet,
    asked: &ClaimsRequest,
    client: &ClientMetadata,
    delivery: Delivery,
) -> Map<String, Value> {
    let at_userinfo = delivery == Delivery::Userinfo;
    let of_scopes = pairs(custom).filter(|(name, claim)| {
        let single = client.scope.has(name) && asked.asks_for(delivery, claim);
        (at_userinfo && scope.has(name)) || single
    });
    // An attribute of the client's own is told like that of a scope: at UserInfo, elsewhere where it is asked for.
    let of_client = client
        .attributes
        .iter()
        .map(String::as_str)
        .filter(|claim| at_userinfo || asked.asks_for(delivery, claim));
    of_scopes
        .map(|(_, claim)| claim)
        .chain(of_client)
        .filter_map(|claim| Some((claim.to_owned(), all.get(claim)?.clone())))
        .collect()
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

    fn client(text: &str) -> ClientMetadata {
        ClientMetadata {
            scope: scopes(text),
            ..ClientMetadata::default()
        }
    }

    fn custom() -> ScopeClaims {
        ScopeClaims::from([("hr".to_owned(), vec!["department".to_owned()])])
    }

    #[test]
    fn attributes_come_by_scope_and_by_client() {
        let mut all = user();
        all.insert("department".to_owned(), json!("sales"));
        all.insert("level".to_owned(), json!(3));
        let none = ClaimsRequest::default();
        let told = |scope: &str, client: &ClientMetadata, asked: &ClaimsRequest, delivery| {
            let picked = pick(&custom(), &all, &scopes(scope), asked, client, delivery);
            picked.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let plain = client("openid hr");
        assert_eq!(told("openid", &plain, &none, Delivery::Userinfo), "");
        assert_eq!(told("openid hr", &plain, &none, Delivery::Userinfo), "department");
        assert_eq!(told("openid hr", &plain, &none, Delivery::IdToken), "");
        let text = r#"{"id_token":{"department":null,"level":null}}"#;
        let asked = ClaimsRequest::parse(text).unwrap();
        assert_eq!(told("openid", &plain, &asked, Delivery::IdToken), "department");
        assert_eq!(told("openid", &client("openid"), &asked, Delivery::IdToken), "");
        let allowed = ClientMetadata {
            attributes: vec!["level".to_owned()],
            ..client("openid")
        };
        assert_eq!(told("openid", &allowed, &none, Delivery::Userinfo), "level");
        assert_eq!(told("openid", &allowed, &none, Delivery::IdToken), "");
        assert_eq!(told("openid", &allowed, &asked, Delivery::IdToken), "level");
        let to_agree = to_agree_to(&custom(), &scopes("openid"), &asked, &scopes("openid hr"));
        assert_eq!(to_agree.to_string(), "openid hr");
        assert!(
            supported(&custom()).contains(&"department") && self::super::scopes(&custom()).contains(&"hr")
        );
    }

    #[test]
    fn s5_4_a_scope_gives_its_claims_at_userinfo() {
        let (none, registered) = (ClaimsRequest::default(), client("openid email"));
        assert!(
            pick(
                &custom(),
                &user(),
                &scopes("openid"),
                &none,
                &registered,
                Delivery::Userinfo
            )
            .is_empty()
        );
        let picked = pick(
            &custom(),
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
            &custom(),
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
        let (openid, registered) = (scopes("openid"), client("openid profile"));
        let text = r#"{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"name":null}}"#;
        let asked = ClaimsRequest::parse(text).unwrap();
        let picked = pick(
            &custom(),
            &user(),
            &openid,
            &asked,
            &registered,
            Delivery::Userinfo,
        );
        assert_eq!(
            Value::Object(picked),
            json!({"name": "Alice"}),
            "the client is not registered for e-mail"
        );
        let picked = pick(
            &custom(),
            &user(),
            &openid,
            &asked,
            &registered,
            Delivery::IdToken,
        );
        assert_eq!(Value::Object(picked), json!({"name": "Alice"}));
        assert_eq!(
            to_agree_to(&custom(), &openid, &asked, &registered.scope).to_string(),
            "openid profile"
        );
    }

    #[test]
    fn what_no_scope_names_never_leaves() {
        let asked = ClaimsRequest::parse(r#"{"userinfo":{"secret":null}}"#).unwrap();
        let all = scopes("openid profile email address phone roles");
        assert!(
            !pick(
                &custom(),
                &user(),
                &all,
                &asked,
                &client(&all.to_string()),
                Delivery::Userinfo
            )
            .contains_key("secret")
        );
    }
}
