//! RFC 8707, Resource Indicators for OAuth 2.0.

use crate::support::Engine;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{CALLBACK, RelyingParty, Tokens};
use grantor::types::{GrantType, Resource};
use serde_json::json;

const ORDERS: &str = "https://api.example/orders";
const BILLS: &str = "https://api.example/bills?v=1";

async fn provider() -> Provider {
    let mut p = Provider::new(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        metadata.resources = [ORDERS, BILLS].map(|text| Resource::parse(text).unwrap()).into();
        metadata.grant_types.push(GrantType::ClientCredentials);
    })
    .await;
    p
}

/// §2: "Its value MUST be an absolute URI, as specified by Section 4.3 of [RFC3986]. The URI MUST NOT include a fragment
/// component." "invalid_target: The requested resource is invalid, missing, unknown, or malformed."
#[tokio::test]
async fn s2_a_resource_is_a_registered_absolute_uri() {
    let mut p = provider().await;
    p.sign_in().await;
    for bad in [
        "orders",
        "/orders",
        "https://api.example/orders#x",
        "https://api.example/ORDERS",
        "https://evil.example/",
        "urn:x",
    ] {
        let page = p
            .browser
            .open(&p.rp.ask_for(&p.app, &[("resource", bad)]).url)
            .await;
        assert_eq!(page.error(), "invalid_target", "{bad}");
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", "orders:read"),
            ("resource", bad),
        ];
        refused(
            p.rp.post(&p.app, "/oauth2/token", &fields).await,
            400,
            "invalid_target",
        );
    }
}

/// §2: "Multiple resource parameters MAY be used to indicate that the requested token is intended to be used at multiple
/// resources." §2.2: the access token's audience is what was asked for, and a client that asks for none gets its default.
#[tokio::test]
async fn s2_2_the_audience_is_what_was_asked_for() {
    let mut p = provider().await;
    let issuer = p.app.issuer().to_owned();
    for (scope, resources, want) in [
        ("orders:read", vec![], json!(ORDERS)),
        ("orders:read", vec![BILLS], json!(BILLS)),
        ("orders:read", vec![ORDERS, BILLS], json!([ORDERS, BILLS])),
        ("openid", vec![BILLS], json!([BILLS, issuer])),
    ] {
        let asked = p.rp.ask_for(&p.app, &[("scope", scope)]);
        let more: String = resources
            .iter()
            .map(|text| format!("&resource={}", encoded(text)))
            .collect();
        let page = p
            .browser
            .authorize(&format!("{}{more}", asked.url), &p.alice)
            .await;
        let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
        assert_eq!(tokens.access_claims()["aud"], want);
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// §2.2: at the token endpoint "the client indicates […] a resource that was originally granted"; a subset works, at the code
/// and at each refresh, and what was not granted is `invalid_target`.
#[tokio::test]
async fn s2_2_the_token_request_narrows_and_never_widens() {
    let mut p = provider().await;
    let asked = p.rp.ask_for(&p.app, &[("scope", "orders:read offline_access")]);
    let both = format!("&resource={}&resource={}", encoded(ORDERS), encoded(BILLS));
    let code = p
        .browser
        .authorize(&format!("{}{both}", asked.url), &p.alice)
        .await
        .code();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &asked.pkce.verifier),
    ];
    let redeem = |resource: &'static str| {
        let mut fields = grant.to_vec();
        fields.push(("resource", resource));
        p.rp.call(&p.app, "/oauth2/token", &fields)
    };
    refused(
        redeem("https://evil.example/").send().await,
        400,
        "invalid_target",
    );
    // The refused request left the code unused.
    let tokens = Tokens::of(redeem(BILLS).send().await);
    assert_eq!(tokens.access_claims()["aud"], BILLS);
    let orders = Tokens::of(
        p.rp.refresh_with(&p.app, &tokens.refresh, &[("resource", ORDERS)])
            .await,
    );
    assert_eq!(orders.access_claims()["aud"], ORDERS);
    let all = Tokens::of(p.rp.refresh(&p.app, &orders.refresh).await);
    assert_eq!(
        all.access_claims()["aud"],
        json!([ORDERS, BILLS]),
        "the grant has kept its resources"
    );
    // A grant for one resource is not one for the other.
    let asked =
        p.rp.ask_for(&p.app, &[("resource", ORDERS), ("scope", "orders:read")]);
    let page = p.browser.open(&asked.url).await;
    let tokens = Tokens::of(p.rp.redeem(&p.app, &asked, &page).await);
    let wider = [("resource", BILLS)];
    refused(
        p.rp.refresh_with(&p.app, &tokens.refresh, &wider).await,
        400,
        "invalid_target",
    );
    p.rp.refresh(&p.app, &tokens.refresh).await.expect(200);
}

/// §3: "A bearer token issued with a single audience cannot be used elsewhere": UserInfo takes tokens for the issuer alone.
#[tokio::test]
async fn s3_a_token_for_another_resource_is_of_no_use_here() {
    let mut p = provider().await;
    let orders = p.sign_in_for("orders:read").await;
    p.app
        .http
        .get("/oauth2/userinfo")
        .bearer(&orders.access)
        .send()
        .await
        .expect(401);
    let openid = p.sign_in_for("openid orders:read").await;
    p.app
        .http
        .get("/oauth2/userinfo")
        .bearer(&openid.access)
        .send()
        .await
        .expect(200);
}
