//! Request objects and keys that are fetched, and documents that are none.

use super::*;

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
