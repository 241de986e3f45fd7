//! What must hold for any bytes at each parser of untrusted input: it answers, without panic and in bounded time, and what
//! it accepts keeps its meaning. cargo-fuzz runs these functions (`fuzz_targets/`), and so do seeded tests on stable Rust
//! (`tests/it/fuzz_seeds.rs`).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use grantor::account::{Identifier, check_password_hash};
use grantor::clients::{Rules, self_registration};
use grantor::config::Config;
use grantor::entropy::Entropy;
use grantor::jose::{DecryptionKey, Encrypted, JwkSet, VerifyingKey, json, jwt};
use grantor::oauth::authorize::object;
use grantor::oauth::handle::{Handle, Kind};
use grantor::oauth::pkce::{Challenge, Verifier};
use grantor::page::{self, Language};
use grantor::protect::address::TrustedProxies;
use grantor::protect::body::{Form, parse_json};
use grantor::protect::proxy_protocol::{version_1, version_2};
use grantor::sealed::MasterKeys;
use grantor::types::{ClientId, Issuer, Kid, RedirectUri, Resource, ScopeSet, TenantId, Timestamp, UserCode};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::LazyLock;

/// A parser and inputs that lead deep into it.
pub struct Target {
    /// The name of the file in `fuzz_targets/`.
    pub name: &'static str,
    /// The check.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "scope",
        run: scope,
        seeds: &[
            "openid profile email offline_access",
            "orders:read",
            "a  b",
            "\u{e9}",
            "a\"b",
            "",
        ],
    },
    Target {
        name: "languages",
        run: languages,
        seeds: &[
            "da, en-gb;q=0.8, en;q=0.7",
            "de-CH-1996;q=0.001, *;q=0, zh-Hant-CN-x-private1",
            "de en-US ja",
            ";q=1,,-,--,a-b;q=1.0000",
        ],
    },
    Target {
        name: "redirect_uri",
        run: redirect_uri,
        seeds: &[
            "https://client.example/callback?x=1",
            "http://127.0.0.1:49152/callback",
            "http://[::1]/callback",
            "com.example.app:/callback",
            "https://user:pass@client.example/#fragment",
            "https://client.example/%2e%2e/a",
            "https://*.example/callback",
            "javascript:alert(1)",
        ],
    },
    Target {
        name: "username",
        run: username,
        seeds: &[
            "alice",
            "\u{ff21}lice \u{fb01}n",
            "alice@b\u{fc}cher.example",
            "al\u{200b}ice",
            "\u{430}lice",
            "\u{fdfa}\u{130}\u{df}",
            "a@b@c",
        ],
    },
    Target {
        name: "password_hash",
        run: password_hash,
        seeds: &[
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$2b$05$abcdefghijklmnopqrstuumjF9vOtpiPtlBb5h9MIT6pklVMdOJoi",
            "$pbkdf2-sha256$29000$TmFDbCBhbmQgbW9yZSEhIQ$MotHmKdojxlbXzaoErdET1jIVREVmUpZw80oupOMJ2w",
            "$scrypt$ln=14,r=8,p=1$TmFDbCBhbmQgbW9yZSEhIQ$o638z4jlzz+zCx+6qbtgDw6bAYQJMjbnRcRA61i8jVU",
        ],
    },
    Target {
        name: "issuer",
        run: issuer,
        seeds: &[
            "https://login.example/tenant",
            "http://localhost:8080",
            "https://login.example/?q",
            "https://login.example//",
        ],
    },
    Target {
        name: "resource",
        run: resource,
        seeds: &[
            "https://api.example/v1",
            "urn:example:api",
            "https://api.example/#f",
            "api",
        ],
    },
    Target {
        name: "identifier",
        run: identifier,
        seeds: &[
            "admin",
            "a.b_c~d-e",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "a/b",
            "\u{0}",
        ],
    },
    Target {
        name: "jwt",
        run: jwt_token,
        seeds: &[
            // RFC 7515 A.3, changed to name the key, and the usual attacks.
            "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJleHAiOjI1MzQwMjMwMDc5OSwiYXVkIjoiYSJ9.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.",
            "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.e30.AAAA",
            "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwiY3JpdCI6WyJiNjQiXX0.e30.AAAA",
            "..",
        ],
    },
    Target {
        name: "jwe",
        run: jwe,
        seeds: &[
            // ECDH-ES with A128GCM, +A128KW with A128CBC-HS256, +A256KW with A256CBC-HS512.
            "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSIsImtpZCI6ImsxIiwiY3R5IjoiSldUIiwiZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoidGYwZXZSYkMzVVF4UnJZT2hSMGpSZDR0OS1XQzBNbGtHdlBaSGxNMUNscyIsInkiOiJQekJ6RmZSUEtwWG1Fc1hKREg1TXBYeGhVdm9xbWxYYU5wTGNzazdxUTJZIn19..0bemBormX5SW0OMK.0x3tlHlyLJc.wZvPzWykKVAAwEUgXhS-cQ",
            "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImVuYyI6IkExMjhDQkMtSFMyNTYiLCJraWQiOiJrMSIsImN0eSI6IkpXVCIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IjdHZ1d2MHZFcE50YzFtMFlzaW5MeFBqN2xpTVZrcWVNV0c4TVBpeFRMTE0iLCJ5IjoiTjFVcmQ1VnhaVENpUjdRN0VDSWU1N2FZRUtOejlzS3ZnT0xuaUR4Y2NBcyJ9fQ.Wy-ZJA8rxkxFf7NwhpzoylrYvDiyNF7n5wrnoF1q_Wle957GodT9Ug.22CNv-VY_-Zv_4alwbi7lg.XUdzPrGRdaDE2Pm7wV1K8Q.X7BELA3cOpDArHdOzNO_Sw",
            "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZDQkMtSFM1MTIiLCJraWQiOiJrMSIsImN0eSI6IkpXVCIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IkhQUk11aDRVc0ZMYVJuZDJHdFlZSjFOMHdGelBwRHpBLTlxODJUS3J1MGMiLCJ5IjoiVGdPSzhuSlF6V3NoMTdBNlg2N1VKaXM1c0cyWDhVeGphZjd0TU9tYkF0byJ9fQ.0vxJEhq3CQG-wU7oq_OCB4thoK2Ahs0dkjgaAuc8EUEM37MbdQ7nm8LLZt804lzkMK153nnhYvoSroX-raEgn7RYOj6N-ENe.ykyKBH5sP7bcKa4w40FHew.Jevk1OdYfet2_H3WUVENVQ.IcNdD74aPTzp_mtzEMiH4C76pEG0LkPe0gwzf2QMlck",
            "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSIsInppcCI6IkRFRiJ9....",
            "....",
        ],
    },
    Target {
        name: "request_object",
        run: request_object,
        seeds: &[
            r#"{"iss":"c","aud":"https://id.example","client_id":"c","scope":"openid","max_age":60,"resource":["urn:a:b"],"claims":{"userinfo":{"name":null}}}"#,
            r#"{"state":"a\u0000b"}"#,
            r#"{"resource":[1,["a"],null],"nonce":null,"x":{"y":[true]}}"#,
        ],
    },
    Target {
        name: "registration",
        run: registration,
        seeds: &[
            r#"{"redirect_uris":["https://app.example/cb?x=1"],"client_name":"App","scope":"openid email","logo_uri":"https://app.example/l"}"#,
            r#"{"redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb"],"application_type":"native","token_endpoint_auth_method":"none"}"#,
            r#"{"redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","refresh_token","password"],"scope":"clients:write openid"}"#,
            r#"{"redirect_uris":["https://app.example/cb"],"jwks":{"keys":[]},"request_object_encryption_alg":"ECDH-ES","subject_type":"pairwise"}"#,
            r#"{"client_name":"a\u202eb","client_name#de":"b","default_max_age":1.5,"contacts":null}"#,
        ],
    },
    Target {
        name: "user_code",
        run: user_code,
        seeds: &[
            "WDJB-MJHT",
            "wdjb mjht",
            "WDJB\u{2013}MJHT",
            "WDJA-MJH7",
            "\u{ff37}DJB-MJHT",
        ],
    },
    Target {
        name: "jwk_set",
        run: jwk_set,
        seeds: &[
            r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","use":"sig","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"}]}"#,
            r#"{"keys":[]}"#,
        ],
    },
    Target {
        name: "json_object",
        run: json_object,
        seeds: &[
            r#"{"a":1,"b":[true,null,{"c":"d"}],"e":1.5e3}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\u0000\ud83d\ude00\ud800"}"#,
            r#"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]"#,
            "{}",
        ],
    },
    Target {
        name: "form",
        run: form,
        seeds: &[
            "grant_type=client_credentials&scope=orders%3Aread+orders%3Awrite&resource=https%3A%2F%2Fa&resource=b",
            "a=%zz&b=%4",
            "=&=&&==",
            "a=%00&b=%ff",
            "client_id=a&client_id=b",
        ],
    },
    Target {
        name: "json_body",
        run: json_body,
        seeds: &[
            r#"{"client_name":"a","redirect_uris":["https://a.example/"],"enabled":true,"access_token_ttl":900}"#,
            r#"{"a":{"b":{"c":{"d":[[[[[[[[1]]]]]]]]}}}}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\u0000"}"#,
            "[1e400, -0, 0.1, 18446744073709551616]",
        ],
    },
    Target {
        name: "proxy_protocol",
        run: proxy_protocol,
        seeds: &[
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
            "PROXY TCP6 2001:db8::1 ::1 1 443\r\n",
            "PROXY UNKNOWN\r\n",
            "\u{21}\u{11}\0\u{c}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\0\u{1}\u{1}\u{3b}",
            "\u{21}\u{11}\0\u{11}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\0\u{1}\u{1}\u{3b}\u{4}\0\u{2}\u{9}\u{9}",
        ],
    },
    Target {
        name: "forwarded",
        run: forwarded,
        seeds: &[
            "for=203.0.113.7;proto=https, for=\"[2001:db8::1]:4711\";by=10.0.0.1",
            "for=unknown, for=_hidden",
            "203.0.113.7, 10.0.0.1",
            "for=\"203.0.113.7",
            "for=10.0.0.1, for=::1, for=999.1.1.1",
        ],
    },
    Target {
        name: "code_verifier",
        run: code_verifier,
        seeds: &[
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "short",
        ],
    },
    Target {
        name: "token",
        run: token,
        seeds: &[
            "grt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJrMQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ",
            "gac_AAAA",
            "grt_",
        ],
    },
    Target {
        name: "master_key",
        run: master_key,
        seeds: &[
            "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,k2:AAAA",
            "k1:",
            ":",
        ],
    },
];

/// However languages are wished for, few tags are kept, each is one, and there is a language for them.
pub fn languages(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for tags in [page::accepted(text), page::listed(text)] {
        assert!(tags.len() <= 10 && tags.iter().all(|tag| (2..=35).contains(&tag.len())));
        assert!(
            tags.iter()
                .all(|tag| tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        );
        for tag in &tags {
            let ranges: Vec<_> = page::ranges(tag).collect();
            assert!(ranges.iter().all(|range| tag.starts_with(range)));
            assert!(ranges.windows(2).all(|pair| pair[1].len() < pair[0].len()));
        }
        assert!(Language::all().any(|language| language == Language::of(&tags)));
    }
}

/// A name that is shown is accepted again and found under the same canonical form, which is a fixed point where it is not
/// too long for a name.
pub fn username(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(name) = Identifier::username(text) {
        let shown = Identifier::username(name.as_str()).expect("what is shown is accepted again");
        assert_eq!(
            (shown.as_str(), shown.canonical()),
            (name.as_str(), name.canonical())
        );
        if let Ok(again) = Identifier::username(name.canonical()) {
            assert_eq!(again.canonical(), name.canonical());
        }
    }
}

/// Only hashes in one of the known forms are accepted.
pub fn password_hash(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if check_password_hash(text).is_ok() {
        assert!(text.starts_with('$') && text.len() <= 512);
    }
}

/// A scope list: what it prints parses to the same set.
pub fn scope(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(set) = ScopeSet::parse(text) {
        let printed = set.to_string();
        assert_eq!(ScopeSet::parse(&printed).as_ref(), Ok(&set));
        assert!(printed.is_ascii() && !printed.contains(['"', '\\']));
    }
}

/// A redirect URI: it matches itself and nothing that a browser would send elsewhere.
pub fn redirect_uri(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for native in [false, true] {
        if let Ok(uri) = RedirectUri::parse(text, native) {
            assert_eq!(uri.as_str(), text);
            assert!(uri.matches(text, native));
            assert!(!text.contains(['#', '*', '\r', '\n', ' ', '\\']), "{text}");
            let url = url::Url::parse(text).expect("what is registered is a URL");
            assert!(url.username().is_empty() && url.password().is_none(), "{text}");
            assert!(
                !matches!(url.scheme(), "javascript" | "data" | "file" | "vbscript"),
                "{text}"
            );
        }
    }
}

/// An issuer: what it prints parses to the same.
pub fn issuer(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(issuer) = Issuer::parse(text) {
        assert_eq!(issuer.as_str(), text);
        assert!(!text.ends_with('/') && !text.contains(['?', '#']));
    }
}

/// A resource indicator (RFC 8707 §2): absolute and without fragment.
pub fn resource(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(resource) = Resource::parse(text) {
        assert_eq!(resource.as_str(), text);
        assert!(text.contains(':') && !text.contains('#'));
    }
}

/// Identifiers that stand in paths, headers and logs: printable ASCII without separators.
pub fn identifier(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(id) = ClientId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['/', '%', ',']));
    }
    if let Ok(kid) = Kid::parse(text) {
        assert_eq!(kid.as_str(), text);
        assert!(!text.is_empty());
    }
}

/// An encrypted token: nothing opens that was not encrypted to the key.
pub fn jwe(data: &[u8]) {
    static KEY: LazyLock<DecryptionKey> = LazyLock::new(|| {
        let made = DecryptionKey::generate_p256(&Entropy::system()).expect("a key");
        DecryptionKey::from_pkcs8(Kid::parse("k1").expect("a kid"), &made).expect("of P-256")
    });
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(token) = Encrypted::parse(text) else {
        return;
    };
    assert!(Encrypted::is_one(text) && text.len() <= jwt::MAX_TOKEN);
    assert!(KEY.open(&token).is_none(), "{text}");
}

/// What is read from a request object is in it, fits a form, and leaves out what the token says of itself.
pub fn request_object(data: &[u8]) {
    let Some(claims) = json::object(data) else { return };
    let Ok(parameters) = object::parameters(&claims) else {
        return;
    };
    for (name, value) in &parameters {
        assert!(!name.contains('\0') && !value.contains('\0'));
        assert!(!["iss", "sub", "aud", "exp", "nbf", "iat", "jti"].contains(&name.as_str()));
        match &claims[name] {
            Value::String(text) => assert_eq!(text, value),
            Value::Array(values) => {
                let listed = values.iter().any(|entry| entry.as_str() == Some(value));
                let whole = claims[name].to_string();
                assert!(listed || whole == *value);
            }
            other => assert_eq!(other.to_string(), *value),
        }
    }
}

/// What anybody registers stays within the terms, and what is told about it registers the same again.
pub fn registration(data: &[u8]) {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::from_pairs(&[]).expect("the defaults"));
    let Some(asked) = json::object(data) else { return };
    let (config, issuer) = (
        &*CONFIG,
        Issuer::parse("https://login.example").expect("an issuer"),
    );
    let rules = Rules::of(config, &issuer);
    let terms = self_registration::Terms::of(&config.registration, None);
    let register =
        |asked| self_registration::new(asked, &terms, &config.registration, &rules).expect("no fault");
    let Ok(metadata) = register(asked) else { return };
    assert!(metadata.scope.is_subset(&terms.scopes) && metadata.scope.admin().is_empty());
    assert!(
        metadata
            .grant_types
            .iter()
            .all(|grant| terms.grant_types.contains(grant))
    );
    let uris = metadata.redirect_uris.iter();
    assert!(uris.map(|uri| uri.as_str()).all(|uri| !uri.contains('#')));
    let told = self_registration::told(&metadata).expect("JSON");
    assert_eq!(register(told).as_ref(), Ok(&metadata));
}

/// A code that is read is eight letters, and is read again however it is written.
pub fn user_code(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(code) = UserCode::parse(text) else { return };
    assert_eq!(code.letters().len(), 8);
    for written in [code.to_string(), code.letters().to_lowercase()] {
        let again = UserCode::parse(&written).expect("it is read again");
        assert_eq!(again.letters(), code.letters());
    }
}

/// A token: nothing verifies that the key did not sign.
pub fn jwt_token(data: &[u8]) {
    // RFC 7515 A.3.1; nobody who runs this has the private key at hand.
    static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
        VerifyingKey::from_jwk(&serde_json::json!({
            "kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        }))
        .expect("the key of RFC 7515 A.3")
    });
    let Ok(text) = str::from_utf8(data) else { return };
    let expect = jwt::Expect {
        typ: &["at+jwt"],
        issuer: "https://login.example",
        audience: None,
        leeway_s: 30,
        allow_expired: true,
    };
    let claims = jwt::verify(
        text,
        &expect,
        |_| Some(&*KEY),
        Timestamp::from_seconds(1_800_000_000),
    );
    assert!(claims.is_err(), "{text}");
    if let Ok(token) = jwt::Unverified::parse(text) {
        assert!(text.len() <= jwt::MAX_TOKEN);
        let claims = token.peek_claims();
        let _ = (
            claims.audiences(),
            claims.expires_at(),
            claims.issued_at(),
            claims.issuer(),
        );
    }
}

/// A client's key set, as registered and as fetched: no private and no symmetric key gets in.
pub fn jwk_set(data: &[u8]) {
    let _ = JwkSet::parse_published(data);
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if JwkSet::parse(&value).is_ok() {
        let text = value.to_string();
        for private in [r#""d":"#, r#""kty":"oct""#] {
            assert!(
                !keys_of(&value).any(|key| key.to_string().contains(private)),
                "{text}"
            );
        }
    }
}

fn keys_of(set: &Value) -> impl Iterator<Item = &Value> {
    set.get("keys").and_then(Value::as_array).into_iter().flatten()
}

/// A JSON object: strict parsing accepts less than the common one and means the same.
pub fn json_object(data: &[u8]) {
    if let Some(object) = json::object(data) {
        let common: Value = serde_json::from_slice(data).expect("strict accepts a part of what is common");
        assert_eq!(Value::Object(object), common);
    }
}

/// A form: its pairs written again are the same pairs, and what it takes as one value is one.
pub fn form(data: &[u8]) {
    let Ok(form) = Form::parse(data) else { return };
    let mut again = url::form_urlencoded::Serializer::new(String::new());
    again.extend_pairs(form.iter());
    let again = again.finish();
    assert!(
        Form::parse(again.as_bytes()).is_ok_and(|same| same == form),
        "{again}"
    );
    assert!(
        form.iter()
            .all(|(name, value)| !name.contains('\0') && !value.contains('\0'))
    );
    if let Ok(form) = form.without_repeats(&["resource"]) {
        for (name, _) in form.iter().filter(|(name, _)| *name != "resource") {
            assert!(form.all(name).count() <= 1, "{name}");
        }
    }
}

/// A body of the admin API: no deeper than allowed, no member twice, and the same as everybody reads.
pub fn json_body(data: &[u8]) {
    const DEPTH: usize = 8;
    let Ok(value) = parse_json(data, DEPTH) else {
        return;
    };
    let common: Value = serde_json::from_slice(data).expect("strict accepts a part of what is common");
    assert_eq!(value, common);
    assert!(depth(&value) <= DEPTH);
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Either version of the PROXY protocol; what names somebody names them in the right family.
pub fn proxy_protocol(data: &[u8]) {
    if let Some(Some(source)) = version_1(data) {
        let family: &[u8] = if source.is_ipv4() {
            b"PROXY TCP4 "
        } else {
            b"PROXY TCP6 "
        };
        assert!(data.starts_with(family) && data.ends_with(b"\r\n") && data.len() <= 107);
    }
    if let Some((head, body)) = data.split_first_chunk::<4>()
        && let Some(Some(source)) = version_2(*head, body)
    {
        assert_eq!(head[1], if source.is_ipv4() { 0x11 } else { 0x21 });
    }
}

/// Forwarding headers: believed from trusted peers only, and whatever they say there is an address.
pub fn forwarded(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")]);
    let stranger: SocketAddr = ([203, 0, 113, 9], 1).into();
    let proxy: SocketAddr = ([10, 0, 0, 1], 1).into();
    for name in ["forwarded", "x-forwarded-for"] {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), value.clone());
        assert_eq!(proxies.client(Some(stranger), &headers), stranger.ip());
        let _ = proxies.client(Some(proxy), &headers);
    }
}

/// PKCE: verifiers and challenges have the alphabet and lengths of RFC 7636 §4.1 and §4.2.
pub fn code_verifier(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if let Ok(verifier) = Verifier::parse(text) {
        assert!((43..=128).contains(&text.len()) && text.bytes().all(unreserved));
        assert!(Challenge::parse(verifier.challenge().as_str()).is_ok());
    }
    if Challenge::parse(text).is_ok() {
        assert_eq!(text.len(), 43);
    }
}

/// Codes and refresh tokens: without the key nothing opens.
pub fn token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for kind in [Kind::Code, Kind::Refresh] {
        assert!(Handle::open(text, kind, TenantId::FIRST, |_| None).is_none());
    }
}

/// The master keys' setting: a refusal never repeats what was given.
pub fn master_key(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match MasterKeys::parse(text) {
        Ok(keys) => assert!(keys.ids().all(|id| (1..=32).contains(&id.len()))),
        Err(problem) => {
            let secrets = text.split(',').filter_map(|entry| Some(entry.split_once(':')?.1));
            assert!(
                secrets
                    .filter(|secret| secret.len() >= 16)
                    .all(|secret| !problem.contains(secret))
            );
        }
    }
}
