//! The endpoints and the page: who may ask, for what, and what is told.

use super::*;

/// §3.1: "The client authentication requirements of Section 3.2.1 of RFC6749 apply to requests on this endpoint". "Parameters
/// sent without a value MUST be treated as if they were omitted from the request. The authorization server MUST ignore
/// unrecognized request parameters. Request and response parameters MUST NOT be included more than once."
#[tokio::test]
async fn s3_1_requests_are_those_of_an_authenticated_client() {
    let p = provider(Engine::Sqlite).await;
    let confidential = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.token_endpoint_auth_method = AuthMethod::ClientSecretBasic;
        metadata.default_scope = ScopeSet::parse("openid").expect("a scope");
    })
    .await;
    let impostor = [("client_id", &*confidential.client_id), ("scope", "openid")];
    let answer = p.app.http.post(ENDPOINT).form(&impostor).send().await;
    refused(answer, 401, "invalid_client");
    begin(&p.app, &confidential, "openid").await;
    let fields = [("scope", ""), ("colour", "blue"), ("interval", "1")];
    let json = confidential
        .post(&p.app, ENDPOINT, &fields)
        .await
        .expect(200)
        .json();
    assert_eq!(json["interval"], 5);
    let answer = confidential
        .post(&p.app, ENDPOINT, &[("scope", "openid"), ("scope", "openid")])
        .await;
    refused(answer, 400, "invalid_request");
    // Without scope and default_scope, or for scopes that are not registered.
    for fields in [&[][..], &[("scope", "clients:write")], &[("scope", "\u{1}")]] {
        refused(p.rp.post(&p.app, ENDPOINT, fields).await, 400, "invalid_scope");
    }
    let fields = [("scope", "openid"), ("resource", "https://unregistered.example")];
    refused(p.rp.post(&p.app, ENDPOINT, &fields).await, 400, "invalid_target");
    // §3.4: "client_id REQUIRED if the client is not authenticating".
    let fields = [("grant_type", GRANT), ("device_code", "gdc_x")];
    refused(
        p.app.http.post("/oauth2/token").form(&fields).send().await,
        401,
        "invalid_client",
    );
    refused(
        p.rp.post(&p.app, "/oauth2/token", &[("grant_type", GRANT)]).await,
        400,
        "invalid_request",
    );
}

/// RFC 6749 §5.2 `unauthorized_client`: only clients that are registered for the grant.
#[tokio::test]
async fn s3_1_only_clients_with_the_grant_may_ask() {
    let p = Provider::new(Engine::Sqlite).await;
    let answer = p.rp.post(&p.app, ENDPOINT, &[("scope", "openid")]).await;
    refused(answer, 400, "unauthorized_client");
    refused(poll(&p.app, &p.rp, "gdc_x").await, 400, "unauthorized_client");
}

/// §4: "device_authorization_endpoint: URL of the authorization server's device authorization endpoint", and the grant's name.
#[tokio::test]
async fn s4_metadata_names_endpoint_and_grant() {
    let p = provider(Engine::Sqlite).await;
    let metadata = p
        .app
        .http
        .get("/.well-known/oauth-authorization-server")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(
        metadata["device_authorization_endpoint"],
        format!("{}{ENDPOINT}", p.app.issuer())
    );
    let grants = metadata["grant_types_supported"].as_array().expect("a list");
    assert!(grants.iter().any(|grant| grant == GRANT), "{grants:?}");
}

/// §6.1: a code can be typed in any case and with any punctuation; codes are drawn from 20 consonants.
#[tokio::test]
async fn s6_1_user_codes_are_easy_to_type() {
    let mut p = provider(Engine::Sqlite).await;
    for shape in [
        |code: &str| code.to_lowercase(),
        |code: &str| code.replace('-', ""),
        |code: &str| format!(" {} ", code.replace('-', " / ")),
    ] {
        let codes = begin(&p.app, &p.rp, "openid").await;
        let (first, second) = codes.user.split_once('-').expect("a hyphen");
        let of_alphabet =
            |half: &str| half.len() == 4 && half.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(c));
        assert!(of_alphabet(first) && of_alphabet(second), "{}", codes.user);
        let page = answer(&mut p.browser, &p.alice, &shape(&codes.user), "allow").await;
        assert!(
            page.html().contains("Your device is connected"),
            "{}",
            page.html()
        );
    }
}

/// RFC 8707 §2.1, §2.2: resources may be named with the request, and narrowed when the tokens are fetched.
#[tokio::test]
async fn resources_are_asked_for_and_narrowed() {
    let mut p = provider(Engine::Sqlite).await;
    let [a, b] = ["https://a.example", "https://b.example"];
    p.rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.resources = [a, b]
            .map(|text| Resource::parse(text).expect("a resource"))
            .into();
    })
    .await;
    let fields = [("scope", "orders:read"), ("resource", a), ("resource", b)];
    let json = p.rp.post(&p.app, ENDPOINT, &fields).await.expect(200).json();
    let code = json["user_code"].as_str().expect("a code").to_owned();
    answer(&mut p.browser, &p.alice, &code, "allow").await;
    let device_code = json["device_code"].as_str().expect("a code");
    let fields = [
        ("grant_type", GRANT),
        ("device_code", device_code),
        ("resource", b),
    ];
    let tokens = Tokens::of(p.rp.post(&p.app, "/oauth2/token", &fields).await);
    assert_eq!(claims_of(&tokens.access)["aud"], b);
}

/// Contract: refresh tokens are for clients that are registered for them; admin scopes need a role of the person.
#[tokio::test]
async fn tokens_are_what_client_and_person_may_have() {
    let mut p = provider(Engine::Sqlite).await;
    let plain = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.grant_types = vec![GrantType::DeviceCode];
        metadata.scope = ScopeSet::parse("openid offline_access users:read").expect("scopes");
    })
    .await;
    let codes = begin(&p.app, &plain, "openid offline_access").await;
    approve(&mut p, &codes).await;
    let tokens = Tokens::of(poll(&p.app, &plain, &codes.device).await);
    assert!(tokens.refresh.is_empty());
    assert_eq!(
        tokens.json["scope"], "openid",
        "offline_access means a refresh token"
    );
    let codes = begin(&p.app, &plain, "users:read").await;
    let page = answer(&mut p.browser, &p.alice, &codes.user, "allow").await;
    page.expect_error_page(403);
    refused(
        poll(&p.app, &plain, &codes.device).await,
        400,
        "authorization_pending",
    );
}

/// The client's `default_max_age` asks for a sign-in that is not older, here as at the authorization endpoint; a person whose
/// password was set by somebody else chooses one first.
#[tokio::test]
async fn an_old_sign_in_is_renewed_before_the_answer() {
    let mut p = provider(Engine::Sqlite).await;
    p.rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.default_max_age = Some(60);
    })
    .await;
    p.sign_in_at_login().await;
    p.app.advance(120);
    let codes = begin(&p.app, &p.rp, "openid").await;
    let page = enter(&mut p.browser, &codes.user).await;
    let form = p.alice.fill_in(page.sign_in_form());
    let page = p.browser.submit(&page, &form).await;
    let form = page.decision_form().press("decision", "allow");
    p.browser.submit(&page, &form).await;
    let tokens = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
    assert_eq!(tokens.access_claims()["auth_time"], p.app.now().seconds());
}

/// The browser can read the answers of its own origin's client, and nobody else's: as at the token endpoint.
#[tokio::test]
async fn scripts_of_the_clients_origin_may_read_the_answer() {
    let p = provider(Engine::Sqlite).await;
    let rp = RelyingParty::with(&p.app, |metadata| {
        television(metadata);
        metadata.allowed_cors_origins = vec!["https://tv.example".to_owned()];
    })
    .await;
    let call = rp.call(&p.app, ENDPOINT, &[("scope", "openid")]);
    let answer = call
        .header("origin", "https://tv.example")
        .send()
        .await
        .expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://tv.example");
    assert!(answer.header("cache-control").contains("no-store"));
    let call = rp.call(&p.app, ENDPOINT, &[("scope", "openid")]);
    let answer = call
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

/// At another tenant everything is that tenant's: addresses, and what the codes are good for.
#[tokio::test]
async fn each_tenant_has_its_own_devices() {
    let p = provider(Engine::Sqlite).await;
    let tenant = crate::tenants::bare_tenant(&p.app, "acme", true).await;
    let id = ClientId::parse(&p.rp.client_id).expect("a client id");
    let mut conn = p.app.db.main.write().await.expect("a connection");
    let client = clients::find(&mut conn, TenantId::FIRST, &id)
        .await
        .expect("an answer")
        .expect("the client");
    let twin = Client {
        tenant_id: tenant,
        ..client
    };
    assert!(clients::insert(&mut conn, &twin).await.expect("an answer"));
    drop(conn);
    let json =
        p.rp.post(&p.app, &format!("/t/acme{ENDPOINT}"), &[("scope", "openid")])
            .await
            .expect(200)
            .json();
    let page = format!("{}/t/acme/device", p.app.issuer());
    assert_eq!(json["verification_uri"], page);
    let (device, user) = (
        json["device_code"].as_str().expect("a code"),
        json["user_code"].as_str().expect("a code"),
    );
    refused(poll(&p.app, &p.rp, device).await, 400, "invalid_grant");
    enter(&mut Browser::new(&p.app), user).await.expect_code_refused();
    let fields = [("grant_type", GRANT), ("device_code", device)];
    refused(
        p.rp.post(&p.app, "/t/acme/oauth2/token", &fields).await,
        400,
        "authorization_pending",
    );
}

/// Neither code can be read in the database.
#[tokio::test]
async fn codes_are_stored_as_hashes() {
    let p = provider(Engine::Sqlite).await;
    let codes = begin(&p.app, &p.rp, "openid").await;
    p.app.db.main.close().await;
    let path = p
        .app
        .db
        .url
        .trim_start_matches("sqlite://")
        .split('?')
        .next()
        .expect("a path")
        .to_owned();
    let letters = codes.user.replace('-', "");
    let mut bytes = std::fs::read(&path).expect("the database's file");
    bytes.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
    for secret in [&codes.device, &codes.user, &letters] {
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is in the database");
    }
    let found = bytes
        .windows(p.rp.client_id.len())
        .any(|window| window == p.rp.client_id.as_bytes());
    assert!(found, "the row itself is there");
}

/// Settings reach what devices are told.
#[tokio::test]
async fn life_and_interval_are_settings() {
    let settings = [PATIENT, ("device.ttl_s", "120"), ("device.interval_s", "2")];
    let p = provider_with(Engine::Sqlite, &settings).await;
    let codes = begin(&p.app, &p.rp, "openid").await;
    assert_eq!(
        (&codes.json["expires_in"], &codes.json["interval"]),
        (&120.into(), &2.into())
    );
    p.app.advance(121);
    refused(poll(&p.app, &p.rp, &codes.device).await, 400, "expired_token");
}

/// §3.3.1: the link of a QR code in a real browser, without JavaScript.
#[tokio::test]
async fn a_real_browser_connects_a_device() {
    let Some(chromium) = Chromium::start(false).await else {
        return;
    };
    let p = provider(Engine::Sqlite).await;
    let codes = begin(&p.app, &p.rp, "openid profile").await;
    chromium
        .go(codes.json["verification_uri_complete"].as_str().expect("a link"))
        .await;
    chromium.click("button[type=submit]").await;
    chromium.type_into("input[name=username]", "alice").await;
    chromium.type_into("input[name=password]", PASSWORD).await;
    chromium.click("button[type=submit]").await;
    chromium.click("button[name=decision][value=allow]").await;
    chromium.find("h1").await;
    let tokens = Tokens::of(poll(&p.app, &p.rp, &codes.device).await);
    p.rp.verify_id_token(&p.app, &tokens.id).await;
    chromium.quit().await;
}
