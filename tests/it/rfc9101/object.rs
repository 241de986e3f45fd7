//! What is in a request object, and who signed it.

use super::*;

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
