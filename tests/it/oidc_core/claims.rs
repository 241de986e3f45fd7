//! UserInfo and claims: §5.

use super::{USERINFO, sign_in, userinfo};
use crate::support::Engine;
use crate::support::people::Person;
use crate::support::provider::Provider;
use crate::support::relying_party::{Tokens, claims_of};
use serde_json::json;

/// §5.3: "The UserInfo Endpoint MUST support the use of the HTTP GET and HTTP POST methods", "MUST accept Access Tokens as
/// OAuth 2.0 Bearer Token Usage", "SHOULD support the use of Cross-Origin Resource Sharing". §5.3.2: "The sub (subject) Claim MUST
/// always be returned in the UserInfo Response", "application/json". §5.4: each scope gives its claims.
#[tokio::test]
async fn s5_4_scopes_give_their_claims_at_userinfo() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let sub = json!(p.alice.id.to_string());
    let openid = p.sign_in_for("openid").await;
    assert_eq!(userinfo(&p, &openid).await, json!({"sub": sub}));
    let email = p.sign_in_for("openid email").await;
    let want = json!({"sub": sub, "email": "alice@example.com", "email_verified": true});
    assert_eq!(userinfo(&p, &email).await, want);
    let phone = p.sign_in_for("openid phone").await;
    let want = json!({"sub": sub, "phone_number": "+4930123456", "phone_number_verified": true});
    assert_eq!(userinfo(&p, &phone).await, want);
    let address = p.sign_in_for("openid address").await;
    assert_eq!(userinfo(&p, &address).await["address"]["locality"], "Berlin");
    let tokens = p.sign_in_for("openid profile").await;
    let profile = userinfo(&p, &tokens).await;
    for claim in [
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
    ] {
        assert!(profile[claim].is_string(), "{claim}: {profile}");
    }
    assert!(profile["updated_at"].is_i64(), "§5.1: a number");
    assert_eq!(profile["preferred_username"], "alice");
    assert!(profile.get("email").is_none());
    let origin = p
        .app
        .http
        .get(USERINFO)
        .bearer(&tokens.access)
        .header("origin", "https://rp.example")
        .send()
        .await;
    assert_eq!(origin.header("access-control-allow-origin"), "https://rp.example");
    assert!(origin.header("content-type").starts_with("application/json"));
}

/// §5.3.2: "If a Claim is not returned, that Claim Name SHOULD be omitted from the JSON object representing the Claims; it SHOULD
/// NOT be present with a null or empty string value."
#[tokio::test]
async fn s5_3_2_claims_without_a_value_are_left_out() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let bare = json!({"email": null, "email_verified": false, "phone_number": null, "phone_number_verified": false,
        "address": null, "birthdate": null, "nickname": null, "website": null});
    p.alice = Person::with(&p.app, "carol", bare).await;
    let tokens = p.sign_in_for("openid profile email phone address").await;
    let claims = userinfo(&p, &tokens).await;
    for absent in [
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "address",
        "birthdate",
        "website",
    ] {
        assert!(claims.get(absent).is_none(), "{absent}: {claims}");
    }
    assert!(
        claims
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null() && value != ""),
        "{claims}"
    );
}

/// §5.5: the `claims` parameter. "It is not an error condition to not return a Claim", members that are not understood "MUST be
/// ignored", single claims come where they were asked for.
#[tokio::test]
async fn s5_5_the_claims_parameter() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let asked = r#"{"userinfo":{"name":{"essential":true},"email":null,"unheard_of":{"essential":true}},
        "id_token":{"auth_time":{"essential":true},"given_name":null,"acr":{"values":["aal3","aal1"]}},"other":{"x":1}}"#;
    let tokens = sign_in(&mut p, &[("claims", asked)]).await;
    let info = userinfo(&p, &tokens).await;
    assert_eq!(
        (&info["name"], &info["email"]),
        (&json!("Alice Liddell"), &json!("alice@example.com"))
    );
    assert!(info.get("given_name").is_none() && info.get("email_verified").is_none());
    let claims = claims_of(&tokens.id);
    assert_eq!(
        (&claims["given_name"], claims["auth_time"].is_i64()),
        (&json!("Alice"), true)
    );
    assert!(claims.get("name").is_none());
    // They stay with the grant: a refresh gives the same.
    let again = Tokens::of(p.rp.refresh(&p.app, &tokens.refresh).await);
    assert_eq!(userinfo(&p, &again).await, info);
    for bad in ["x", "[]", "{", r#"{"userinfo":[]}"#, r#"{"id_token":{"sub":1}}"#] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("claims", bad)]).url)
            .await;
        assert_eq!(page.error(), "invalid_request", "{bad}");
    }
}

/// §5.5.1.1: "If the acr Claim is requested as an Essential Claim for the ID Token with a values parameter requesting specific
/// Authentication Context Class Reference values […], the Authorization Server MUST return an acr Claim Value that matches one of
/// the requested values. […] If this is an Essential Claim and the requirement cannot be met, then the Authorization Server MUST
/// treat that outcome as a failed authentication attempt."
#[tokio::test]
async fn s5_5_1_1_an_essential_acr() {
    let mut p = Provider::new(Engine::Sqlite).await;
    let acr = |value: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"values":["{value}"]}}}}}}"#);
    let tokens = sign_in(&mut p, &[("claims", &acr("aal1"))]).await;
    assert_eq!(claims_of(&tokens.id)["acr"], "aal1");
    let page = p
        .browser
        .authorize(&p.rp.ask_for(&p.app, &[("claims", &acr("aal3"))]).url, &p.alice)
        .await;
    assert_eq!(page.error(), "unmet_authentication_requirements");
}
