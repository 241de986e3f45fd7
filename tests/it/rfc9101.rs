//! RFC 9101, JWT-Secured Authorization Request, with what OpenID Connect Core §6 and FAPI 2.0 Message Signing add.

use crate::support::Engine;
use crate::support::peer::Peer;
use crate::support::provider::{Provider, refused};
use crate::support::relying_party::{Asked, CALLBACK, RelyingParty, Tokens};
use crate::support::request_object::ClientKey;
use crate::support::user_agent::{Browser, Page};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::types::{Algorithm, AuthMethod};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PAR: &str = "/oauth2/par";

/// A provider whose client signs with a key.
async fn signing(engine: Engine, alg: &'static str) -> (Provider, ClientKey) {
    let key = ClientKey::new("k1", alg);
    let mut p = Provider::with(engine, &[("outgoing.allow", "127.0.0.0/8")]).await;
    p.rp = RelyingParty::signing(&p.app, &key, |_| {}).await;
    p.sign_in().await;
    (p, key)
}

/// Opens a request object alone.
async fn open(p: &mut Provider, object: &str) -> Page {
    let url = p.rp.with_object(&p.app, object, &[]);
    p.browser.open(&url).await
}

async fn redeem(p: &Provider, asked: &Asked, page: &Page) -> Tokens {
    Tokens::of(p.rp.redeem(&p.app, asked, page).await)
}

/// Pushes a request object.
async fn push(p: &Provider, object: &str) -> crate::support::http::Answer {
    p.rp.post(&p.app, PAR, &[("request", object)]).await
}

on_both_engines! {
    /// §5.1, §6.2: a signed object is the request, with each algorithm, through sign-in and consent; RFC 9126 §3: it can be
    /// pushed.
    async fn s5_1_a_signed_object_leads_to_a_code(engine: Engine) {
        for alg in ["RS256", "PS256", "ES256"] {
            let (mut p, key) = signing(engine, alg).await;
            let asked = p.rp.ask_for(&p.app, &[("prompt", "login consent")]);
            let object = p.rp.object(&p.app, &key, &asked, &json!({}));
            let url = p.rp.with_object(&p.app, &object, &[]);
            let page = p.browser.authorize(&url, &p.alice).await;
            assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
            let tokens = redeem(&p, &asked, &page).await;
            assert_eq!(p.rp.verify_id_token(&p.app, &tokens.id).await["nonce"], asked.nonce);
            let asked = p.rp.ask(&p.app);
            let answer = push(&p, &p.rp.object(&p.app, &key, &asked, &json!({}))).await.expect(201).json();
            let page = p.browser.open(&p.rp.refer(&p.app, answer["request_uri"].as_str().unwrap())).await;
            redeem(&p, &asked, &page).await;
        }
    }

    /// §5.2: the object lies at a registered address, which is fetched (§5.2.3).
    async fn s5_2_an_object_at_a_registered_address_leads_to_a_code(engine: Engine) {
        let (mut p, key) = signing(engine, "RS256").await;
        let peer = Peer::start().await;
        let uri = format!("{}/request.jwt", peer.base);
        let registered = uri.clone();
        p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.request_uris = vec![registered]).await;
        let asked = p.rp.ask_for(&p.app, &[("prompt", "consent")]);
        let object = p.rp.object(&p.app, &key, &asked, &json!({}));
        peer.serve("/request.jwt", "application/oauth-authz-req+jwt", &format!("{object}\n"));
        let page = p.browser.open(&p.rp.refer(&p.app, &uri)).await;
        let page = p.browser.answer_all(page, &p.alice).await;
        redeem(&p, &asked, &page).await;
        assert_eq!(peer.asked(), ["/request.jwt"], "fetched once, whatever pages come between");
    }
}

/// §6.3: "The authorization server MUST only use the parameters in the Request Object, even if the same parameter is provided in
/// the query parameter."
#[tokio::test]
async fn s6_3_only_the_parameters_in_the_object_count() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask_for(&p.app, &[("scope", "openid email")]);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    let beside = [
        ("response_type", "code"),
        ("scope", "openid orders:write"),
        ("state", "evil"),
        ("nonce", "evil"),
        ("redirect_uri", "https://evil.example/"),
        ("code_challenge", "evil"),
        ("prompt", "login"),
        ("response_mode", "form_post"),
        ("resource", "urn:x:y"),
        ("claims", "{"),
    ];
    let page = p.browser.open(&p.rp.with_object(&p.app, &object, &beside)).await;
    assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
    let tokens = redeem(&p, &asked, &page).await;
    assert_eq!(tokens.access_claims()["scope"], "openid email");
    assert_eq!(
        p.rp.verify_id_token(&p.app, &tokens.id).await["nonce"],
        asked.nonce
    );
    // What the object lacks is not taken from beside it.
    let pkce = [
        ("code_challenge", &*asked.pkce.challenge),
        ("code_challenge_method", "S256"),
    ];
    let bare = p.rp.object(
        &p.app,
        &key,
        &asked,
        &json!({"code_challenge": null, "code_challenge_method": null}),
    );
    let page = p.browser.open(&p.rp.with_object(&p.app, &bare, &pkce)).await;
    assert_eq!(page.error(), "invalid_request");
    let answer =
        p.rp.post(&p.app, PAR, &[("request", &bare), pkce[0], pkce[1]])
            .await;
    refused(answer, 400, "invalid_request");
    // The same at the pushed authorization request endpoint (RFC 9126 §3).
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    let fields = [
        ("request", &*object),
        ("state", "evil"),
        ("scope", "orders:write"),
    ];
    let answer = p.rp.post(&p.app, PAR, &fields).await.expect(201).json();
    let page = p
        .browser
        .open(&p.rp.refer(&p.app, answer["request_uri"].as_str().unwrap()))
        .await;
    assert_eq!(page.parameter("state").as_deref(), Some(&*asked.state));
    assert_eq!(redeem(&p, &asked, &page).await.json["scope"], "openid");
}

/// §6.3: "The Client ID values in the client_id request parameter and in the Request Object client_id claim MUST be identical."
/// RFC 9126 §3: "the authenticated client_id" likewise. Another client's object is not this client's.
#[tokio::test]
async fn s6_3_the_client_is_the_same_inside_and_outside() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let other_key = ClientKey::new("k1", "ES256");
    let other = RelyingParty::signing(&p.app, &other_key, |_| {}).await;
    let asked = p.rp.ask(&p.app);
    let named = json!({"client_id": other.client_id});
    for object in [
        p.rp.object(&p.app, &key, &asked, &named),
        p.rp.object(&p.app, &key, &asked, &json!({"client_id": null})),
        p.rp.object(&p.app, &key, &asked, &json!({"client_id": [p.rp.client_id]})),
        other.object(&p.app, &other_key, &other.ask(&p.app), &json!({})),
        other.object(&p.app, &other_key, &asked, &json!({})),
    ] {
        assert_eq!(open(&mut p, &object).await.error(), "invalid_request_object");
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    // Without a client beside it nobody knows whose keys to use (§5: "client_id REQUIRED").
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    let url = format!("{}/oauth2/authorize?request={object}", p.app.base);
    p.browser.open(&url).await.expect_error_page(400);
}

/// §4: "request and request_uri parameters MUST NOT be included in Request Objects". §5: they "MUST NOT be used together".
#[tokio::test]
async fn s4_no_object_in_an_object_and_not_both_ways_at_once() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    for nested in [
        json!({"request": object}),
        json!({"request_uri": "https://rp.example/r"}),
        json!({"request": ""}),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &nested);
        assert_eq!(open(&mut p, &object).await.error(), "invalid_request_object");
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    for uri in ["https://rp.example/r", "urn:ietf:params:oauth:request_uri:x"] {
        let url = p.rp.with_object(&p.app, &object, &[("request_uri", uri)]);
        assert_eq!(p.browser.open(&url).await.error(), "invalid_request");
    }
}

/// §6.2: "the alg header parameter in the JOSE header MUST match the value of the pre-registered algorithm. The signature MUST be
/// validated against the appropriate key for that client_id and algorithm." "If signature validation fails, the authorization
/// server MUST return an invalid_request_object error".
#[tokio::test]
async fn s6_2_signature_and_algorithm() {
    let (mut p, key) = signing(Engine::Sqlite, "PS256").await;
    let asked = p.rp.ask(&p.app);
    let claims = p.rp.claims(&p.app, &asked, &json!({}));
    let good = p.rp.object(&p.app, &key, &asked, &json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let none = |alg: &str| {
        let header = json!({"alg": alg, "typ": "oauth-authz-req+jwt"});
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1])
    };
    let stranger = ClientKey::new("k1", "PS256");
    let altered =
        p.rp.claims(&p.app, &asked, &json!({"scope": "openid orders:write"}));
    let altered = format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(altered.to_string()),
        parts[2]
    );
    // The public key as a secret, the oldest of confusions.
    let hmac = {
        let jwks = key.jwks().to_string();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
        let input = format!("{header}.{}", parts[1]);
        let key = openssl::pkey::PKey::hmac(jwks.as_bytes()).unwrap();
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
        let mac = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    let brings_key = json!({"jwk": stranger.jwks()["keys"][0]});
    let bad = [
        none("none"),
        none("NONE"),
        none("nOnE"),
        hmac,
        altered,
        stranger.sign(&json!({}), &claims),
        stranger.sign(&brings_key, &claims),
        stranger.sign(&json!({"jku": "https://evil.example/jwks"}), &claims),
        key.sign(&json!({"kid": "k2"}), &claims),
        key.sign(&json!({"crit": ["exp"]}), &claims),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x.y"),
        "x".to_owned(),
        format!("{good}A"),
    ];
    for object in &bad {
        assert_eq!(
            open(&mut p, object).await.error(),
            "invalid_request_object",
            "{object}"
        );
        refused(push(&p, object).await, 400, "invalid_request_object");
    }
    open(&mut p, &good).await.code();
    // The same key does for RS256 too, until the client registers its algorithm.
    let other_alg = key.for_alg("RS256");
    let object = p.rp.object(&p.app, &other_alg, &asked, &json!({}));
    open(&mut p, &object).await.code();
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| {
        metadata.request_object_signing_alg = Some(Algorithm::PS256);
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &other_alg, &asked, &json!({}));
    assert_eq!(open(&mut p, &object).await.error(), "invalid_request_object");
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    open(&mut p, &object).await.code();
}

/// §10.8: "Cross-JWT confusion": what a client signs for something else is no request. The type says so where it is there; a
/// client assertion has the client as its subject.
#[tokio::test]
async fn s10_8_no_other_jwt_is_a_request() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let claims = p.rp.claims(&p.app, &asked, &json!({}));
    for typ in [
        "at+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "logout+jwt",
        "token-introspection+jwt",
        "JOSE",
        "x",
    ] {
        let object = key.sign(&json!({"typ": typ}), &claims);
        assert_eq!(
            open(&mut p, &object).await.error(),
            "invalid_request_object",
            "{typ}"
        );
    }
    for typ in [
        json!("oauth-authz-req+jwt"),
        json!("application/OAuth-Authz-Req+JWT"),
        json!("JWT"),
        json!(null),
    ] {
        let object = key.sign(&json!({"typ": typ}), &claims);
        open(&mut p, &object).await.code();
    }
    let assertion =
        p.rp.claims(&p.app, &asked, &json!({"sub": p.rp.client_id, "jti": "a"}));
    for typ in [json!("JWT"), json!("oauth-authz-req+jwt"), json!(null)] {
        let object = key.sign(&json!({"typ": typ}), &assertion);
        assert_eq!(
            open(&mut p, &object).await.error(),
            "invalid_request_object",
            "{typ}"
        );
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    // This server's own tokens are signed by nobody that a client has registered.
    let tokens = p.sign_in().await;
    for token in [&tokens.id, &tokens.access] {
        assert_eq!(open(&mut p, token).await.error(), "invalid_request_object");
    }
}

/// §10.8, the other way round: a request object is no client assertion.
#[tokio::test]
async fn s10_8_a_request_object_authenticates_nobody() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::PrivateKeyJwt;
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let typed = p.rp.object(&p.app, &key, &asked, &json!({"jti": "a"}));
    let untyped = key.sign(&json!({}), &p.rp.claims(&p.app, &asked, &json!({"jti": "b"})));
    for object in [&typed, &untyped] {
        let fields = [
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", object.as_str()),
            ("request", object),
        ];
        let answer = p.app.http.post(PAR).form(&fields).send().await;
        refused(answer, 401, "invalid_client");
    }
}

/// §4: "iss" is the client and "aud" the authorization server's issuer, where they are there; `exp`, `nbf` and `jti` have the
/// meaning of RFC 7519 §4.1. FAPI 2.0: `nbf` 8 s ahead is accepted, over 60 s ahead is not.
#[tokio::test]
async fn s4_the_claims_of_the_token() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let (now, issuer) = (p.app.now().seconds(), p.app.issuer().to_owned());
    for good in [
        json!({"iss": null, "aud": null, "exp": null, "nbf": null, "iat": null}),
        json!({"aud": ["https://other.example", issuer]}),
        json!({"nbf": now + 8, "iat": now + 8}),
        json!({"nbf": now - 100_000}),
        json!({"exp": now + 1}),
        json!({"exp": now + 100_000}),
        json!({"jti": "x"}),
        json!({"sub": "somebody"}),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &good);
        let page = open(&mut p, &object).await;
        assert!(page.parameter("code").is_some(), "{good}");
    }
    for bad in [
        json!({"iss": "https://other.example"}),
        json!({"iss": issuer}),
        json!({"iss": 1}),
        json!({"aud": "https://other.example"}),
        json!({"aud": []}),
        json!({"aud": 1}),
        json!({"aud": format!("{issuer}/")}),
        json!({"aud": format!("{issuer}/oauth2/par")}),
        json!({"aud": p.rp.client_id}),
        json!({"exp": now}),
        json!({"exp": now - 3600}),
        json!({"exp": "soon"}),
        json!({"exp": -1}),
        json!({"nbf": now + 61}),
        json!({"nbf": now + 3600}),
        json!({"nbf": "now"}),
        json!({"iat": now + 61}),
        json!({"jti": ""}),
        json!({"jti": 1}),
        json!({"jti": "x".repeat(256)}),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &bad);
        assert_eq!(
            open(&mut p, &object).await.error(),
            "invalid_request_object",
            "{bad}"
        );
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
}

/// §4: "JSON strings", numbers and objects: `max_age` is a number, `claims` an object, `resource` may be a list.
#[tokio::test]
async fn s4_parameters_have_the_types_of_json() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let resources = ["urn:orders:api", "urn:stock:api"];
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| {
        metadata.resources = resources
            .map(|text| grantor::types::Resource::parse(text).unwrap())
            .into();
    })
    .await;
    let asked = p.rp.ask(&p.app);
    let typed = json!({
        "max_age": 10_000, "claims": {"id_token": {"email": null}}, "resource": resources, "unheard_of": {"a": [1, true]},
        "login_hint": null,
    });
    let object = p.rp.object(&p.app, &key, &asked, &typed);
    let page = open(&mut p, &object).await;
    let tokens = redeem(&p, &asked, &page).await;
    let claims = p.rp.verify_id_token(&p.app, &tokens.id).await;
    assert!(claims.contains_key("auth_time"));
    let audience = tokens.access_claims()["aud"].clone();
    for resource in resources {
        assert!(
            audience.as_array().unwrap().contains(&json!(resource)),
            "{audience}"
        );
    }
    for (bad, error) in [
        (json!({"max_age": -1}), "invalid_request"),
        (json!({"claims": "{"}), "invalid_request"),
        (json!({"resource": [1]}), "invalid_request_object"),
        (json!({"login_hint": "a\u{0}b"}), "invalid_request_object"),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &bad);
        let url = p.rp.with_object(&p.app, &object, &[("redirect_uri", CALLBACK)]);
        assert_eq!(p.browser.open(&url).await.error(), error, "{bad}");
    }
}

/// §7 with RFC 6749 §4.1.2.1: an error goes to a redirect URI only where the client and that URI were checked. What an object
/// says that was not verified counts for nothing.
#[tokio::test]
async fn s7_nothing_is_redirected_on_the_word_of_an_object() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let two = vec![CALLBACK.to_owned(), "https://rp.example/other".to_owned()];
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.redirect_uris = two).await;
    let stranger = ClientKey::new("k1", "ES256");
    let evil = p.rp.ask_for(&p.app, &[("redirect_uri", "https://evil.example/")]);
    for signer in [&key, &stranger] {
        let object = p.rp.object(&p.app, signer, &evil, &json!({}));
        let page = open(&mut p, &object).await;
        page.expect_error_page(400);
        assert!(!page.html().contains("evil.example"));
    }
    // A broken object names no place to go, though it holds a registered one; the query may.
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &stranger, &asked, &json!({}));
    let page = open(&mut p, &object).await;
    page.expect_error_page(400);
    assert!(page.html().contains("invalid_request_object"), "{}", page.html());
    let beside = [("redirect_uri", "https://rp.example/other"), ("state", "outer")];
    let page = p.browser.open(&p.rp.with_object(&p.app, &object, &beside)).await;
    assert_eq!(
        (page.error(), page.parameter("state").as_deref()),
        ("invalid_request_object".to_owned(), Some("outer"))
    );
    assert_eq!(page.left_for.as_ref().map(url::Url::path), Some("/other"));
    let beside = [("redirect_uri", "https://evil.example/")];
    let page = p.browser.open(&p.rp.with_object(&p.app, &object, &beside)).await;
    page.expect_error_page(400);
    // Once it is verified, its own redirect URI and state count.
    let wrong = p.rp.ask_for(&p.app, &[("scope", "unheard_of")]);
    let object = p.rp.object(&p.app, &key, &wrong, &json!({}));
    let page = open(&mut p, &object).await;
    assert_eq!(
        (page.error(), page.parameter("state")),
        ("invalid_scope".to_owned(), Some(wrong.state))
    );
}

/// §10.5: "the server MUST reject the authorization request from the client that does not conform to this specification. It MUST
/// also reject the request if the Request Object uses an alg value of none". FAPI 2.0 Message Signing §5.3.1: `aud`, `exp` and
/// `nbf` are needed, 60 minutes apart at most; RS256 only where it is registered.
#[tokio::test]
async fn s10_5_signing_can_be_made_the_rule_for_a_client() {
    let (mut p, key) = signing(Engine::Sqlite, "PS256").await;
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| {
        metadata.require_signed_request_object = true;
    })
    .await;
    let asked = p.rp.ask(&p.app);
    assert_eq!(p.browser.open(&asked.url).await.error(), "invalid_request");
    refused(p.rp.push(&p.app, &asked).await, 400, "invalid_request");
    let now = p.app.now().seconds();
    for bad in [
        json!({"aud": null}),
        json!({"exp": null}),
        json!({"nbf": null}),
        json!({"nbf": now - 3500, "exp": now + 101}),
        json!({"nbf": now - 3700, "exp": now + 10}),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &bad);
        assert_eq!(
            open(&mut p, &object).await.error(),
            "invalid_request_object",
            "{bad}"
        );
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    let rs256 = p.rp.object(&p.app, &key.for_alg("RS256"), &asked, &json!({}));
    assert_eq!(open(&mut p, &rs256).await.error(), "invalid_request_object");
    for good in [
        json!({}),
        json!({"nbf": now - 3500, "exp": now + 100}),
        json!({"iss": null}),
    ] {
        let object = p.rp.object(&p.app, &key, &asked, &good);
        open(&mut p, &object).await.code();
        let answer = push(&p, &object).await.expect(201).json();
        let url = p.rp.refer(&p.app, answer["request_uri"].as_str().unwrap());
        p.browser.open(&url).await.code();
    }
    // A request that was pushed before the rule was made is not let through either.
    let free = RelyingParty::signing(&p.app, &key, |_| {}).await;
    let url = free.pushed(&p.app, &free.ask(&p.app)).await;
    let path = format!("/admin/v1/clients/{}", free.client_id);
    let token = crate::admin::token(&p.app, "clients:write").await;
    let change = p.app.http.call(reqwest::Method::PATCH, &path).bearer(&token);
    let rule = json!({"require_signed_request_object": true});
    change.json(&rule).send().await.expect(200);
    assert_eq!(p.browser.open(&url).await.error(), "invalid_request");
    let metadata = "/.well-known/oauth-authorization-server";
    let metadata = p.app.http.get(metadata).send().await.expect(200).json();
    assert_eq!(metadata["require_signed_request_object"], false);
}

/// §5.2, §10.4: only registered addresses are fetched, exactly as registered; nothing else is even looked up.
#[tokio::test]
async fn s10_4_only_registered_addresses_are_fetched() {
    let (mut p, key) = signing(Engine::Sqlite, "RS256").await;
    let peer = Peer::start().await;
    let registered = vec![format!("{}/r", peer.base), format!("{}/v#abc", peer.base)];
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.request_uris = registered).await;
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    for path in ["/r", "/r2", "/other", "/v"] {
        peer.serve(path, "application/jwt", &object);
    }
    for bad in [
        format!("{}/other", peer.base),
        format!("{}/r2", peer.base),
        format!("{}/r?x", peer.base),
        format!("{}/r/", peer.base),
        format!("{}/R", peer.base),
        format!("{}/x/../r", peer.base),
        format!("{}/v", peer.base),
        format!("{}/v#abd", peer.base),
        peer.base.replace("127.0.0.1", "localhost"),
        "https://evil.example/r".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "urn:x:y".to_owned(),
        "x".to_owned(),
    ] {
        let page = p.browser.open(&p.rp.refer(&p.app, &bad)).await;
        assert_eq!(page.error(), "invalid_request_uri", "{bad}");
    }
    assert!(peer.asked().is_empty(), "{:?}", peer.asked());
    for good in [format!("{}/r", peer.base), format!("{}/v#abc", peer.base)] {
        p.browser.open(&p.rp.refer(&p.app, &good)).await.code();
    }
    assert_eq!(peer.asked(), ["/r", "/v"], "a fragment is not sent");
}

/// §10.4.1: where a registered address leads inside, nothing is sent, and it is on record (R-VAL-36).
#[tokio::test]
async fn s10_4_1_an_address_on_the_inside_is_not_fetched() {
    let key = ClientKey::new("k1", "ES256");
    let mut p = Provider::new(Engine::Sqlite).await;
    let peer = Peer::start().await;
    let uri = peer.base.replace("http:", "https:") + "/r";
    let registered = uri.clone();
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.request_uris = vec![registered]).await;
    let page = p.browser.open(&p.rp.refer(&p.app, &uri)).await;
    assert_eq!(page.error(), "invalid_request_uri");
    assert!(peer.asked().is_empty());
    let log = p.app.audit_log().await;
    let record = log.iter().find(|record| record.event_type == "ssrf_blocked");
    assert_eq!(record.unwrap().meta("member"), "request_uris");
}

/// §10.4.1: what comes is bounded in size and time, and redirects are not followed; what is no object is refused.
#[tokio::test]
async fn s10_4_1_what_comes_is_bounded() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let peer = Peer::start().await;
    // Accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silence = format!("http://{}/r", silent.local_addr().unwrap());
    let paths = ["large", "html", "missing", "empty"].map(|path| format!("{}/{path}", peer.base));
    let mut registered = paths.to_vec();
    registered.push(silence.clone());
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.request_uris = registered).await;
    let asked = p.rp.ask(&p.app);
    let large =
        p.rp.object(&p.app, &key, &asked, &json!({"x": "x".repeat(20_000)}));
    peer.serve("/large", "application/jwt", &large);
    peer.serve("/html", "text/html", "<h1>Not found</h1>");
    peer.serve("/empty", "application/jwt", "");
    for (uri, error) in paths.iter().zip([
        "invalid_request_uri",
        "invalid_request_object",
        "invalid_request_uri",
        "invalid_request_object",
    ]) {
        let page = p.browser.open(&p.rp.refer(&p.app, uri)).await;
        assert_eq!(page.error(), error, "{uri}");
    }
    let started = Instant::now();
    let page = p.browser.open(&p.rp.refer(&p.app, &silence)).await;
    assert_eq!(page.error(), "invalid_request_uri");
    assert!(
        started.elapsed() < Duration::from_secs(9),
        "{:?}",
        started.elapsed()
    );
}

/// OpenID Connect Core §6.2: "If the fragment value used for a URI changes, that signals the server that any cached value for
/// that URI with the old fragment value MUST NOT be used." What is kept is what has the hash; without one nothing is.
#[tokio::test]
async fn openid_core_s6_2_a_document_is_kept_by_its_hash() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let peer = Peer::start().await;
    let uri = format!("{}/r", peer.base);
    let registered = uri.clone();
    p.rp = RelyingParty::signing(&p.app, &key, |metadata| metadata.request_uris = vec![registered]).await;
    let mut fetched = 0;
    for scope in ["openid", "openid email"] {
        let asked = p.rp.ask_for(&p.app, &[("scope", scope)]);
        let object = p.rp.object(&p.app, &key, &asked, &json!({}));
        peer.serve("/r", "application/jwt", &object);
        let hash = URL_SAFE_NO_PAD.encode(openssl::sha::sha256(object.as_bytes()));
        let versioned = format!("{uri}#{hash}");
        for _ in 0..3 {
            let page = p.browser.open(&p.rp.refer(&p.app, &versioned)).await;
            assert_eq!(redeem(&p, &asked, &page).await.json["scope"], scope);
        }
        fetched += 1;
        assert_eq!(peer.asked().len(), fetched, "once for each version");
        // A version that the document does not have, and none: fetched each time.
        for _ in 0..2 {
            for plain in [uri.clone(), format!("{uri}#{}", "A".repeat(43))] {
                p.browser.open(&p.rp.refer(&p.app, &plain)).await.code();
                fetched += 1;
            }
        }
        assert_eq!(peer.asked().len(), fetched);
    }
}

/// OpenID Connect Core §6.1: "The values for these parameters [response_type, client_id] MUST match those in the Request Object, if
/// present."
#[tokio::test]
async fn openid_core_s6_1_response_type_is_the_same_inside_and_outside() {
    let (mut p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let object = p.rp.object(&p.app, &key, &asked, &json!({}));
    let outside = [("response_type", "code"), ("scope", "openid")];
    p.browser
        .open(&p.rp.with_object(&p.app, &object, &outside))
        .await
        .code();
    let outside = [("response_type", "token"), ("redirect_uri", CALLBACK)];
    let page = p.browser.open(&p.rp.with_object(&p.app, &object, &outside)).await;
    assert_eq!(page.error(), "invalid_request");
}

/// Keys behind a `jwks_uri` are fetched, anew for an unknown key.
#[tokio::test]
async fn s6_2_keys_behind_a_jwks_uri_are_followed() {
    let mut p = Provider::with(Engine::Sqlite, &[("outgoing.allow", "127.0.0.0/8")]).await;
    p.sign_in().await;
    let peer = Peer::start().await;
    let (first, second) = (ClientKey::new("k1", "ES256"), ClientKey::new("k2", "PS256"));
    peer.serve("/jwks", "application/json", &first.jwks().to_string());
    let jwks_uri = format!("{}/jwks", peer.base);
    p.rp = RelyingParty::with(&p.app, |metadata| metadata.jwks_uri = Some(jwks_uri)).await;
    let object = |p: &Provider, key: &ClientKey| p.rp.object(&p.app, key, &p.rp.ask(&p.app), &json!({}));
    let signed = object(&p, &first);
    open(&mut p, &signed).await.code();
    peer.serve("/jwks", "application/json", &second.jwks().to_string());
    p.app.advance(10);
    let signed = object(&p, &second);
    open(&mut p, &signed).await.code();
    let signed = object(&p, &first);
    assert_eq!(open(&mut p, &signed).await.error(), "invalid_request_object");
}

/// §10.2 with R-VAL-44: an object that is too long, too deep or repeats a name is none. Whoever has no keys cannot sign.
#[tokio::test]
async fn s10_2_strange_objects_are_refused() {
    let (p, key) = signing(Engine::Sqlite, "ES256").await;
    let asked = p.rp.ask(&p.app);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    for changes in [json!({"x": deep}), json!({"x": "x".repeat(13_000)})] {
        let object = p.rp.object(&p.app, &key, &asked, &changes);
        refused(push(&p, &object).await, 400, "invalid_request_object");
    }
    let keyless = RelyingParty::new(&p.app).await;
    let asked: Asked = keyless.ask(&p.app);
    let object = keyless.object(&p.app, &key, &asked, &json!({}));
    let page = Browser::new(&p.app)
        .open(&keyless.with_object(&p.app, &object, &[]))
        .await;
    assert_eq!(page.error(), "request_not_supported");
    let answer = keyless.post(&p.app, PAR, &[("request", &object)]).await;
    refused(answer, 400, "request_not_supported");
    let metadata = p.app.http.get("/.well-known/openid-configuration").send().await;
    let metadata: Value = metadata.expect(200).json();
    let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA"]);
    assert_eq!(
        metadata["request_object_signing_alg_values_supported"],
        algorithms
    );
    for member in [
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "require_request_uri_registration",
    ] {
        assert_eq!(metadata[member], true, "{member}");
    }
}
