//! What the reader of encrypted tokens opens, and what it must not.

use super::content::{concat_kdf, open_content};
use super::encrypted::REFUSED;
use super::{DecryptionKey, Encrypted};
use crate::entropy::Entropy;
use crate::jose::jwt::MAX_TOKEN;
use crate::jose::{Content, EncryptionKey, json};
use crate::types::{ContentEncryption, KeyManagement, Kid, base64url};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::symm::{self, Cipher};
use serde_json::{Map, Value, json};

const INNER: &str = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";

fn keys() -> [DecryptionKey; 2] {
    let entropy = Entropy::seeded(7);
    let kid = |text| Kid::parse(text).unwrap();
    let rsa = DecryptionKey::generate_rsa(2048, &entropy).unwrap();
    let p256 = DecryptionKey::generate_p256(&entropy).unwrap();
    [
        DecryptionKey::from_pkcs8(kid("r"), &rsa).unwrap(),
        DecryptionKey::from_pkcs8(kid("e"), &p256).unwrap(),
    ]
}

fn encrypt(key: &DecryptionKey, alg: KeyManagement, enc: ContentEncryption) -> String {
    // It opens more than the one way that it names.
    let mut jwk = key.to_jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    let public = EncryptionKey::parse(&jwk).unwrap();
    public.encrypt(alg, enc, None, Content::Signed(INNER)).unwrap()
}

fn open(key: &DecryptionKey, token: &str) -> Option<String> {
    let opened = key.open(&Encrypted::parse(token)?)?;
    Some(String::from_utf8(opened.to_vec()).unwrap())
}

fn with_header(token: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut members = json::object(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    change(&mut members);
    let header = URL_SAFE_NO_PAD.encode(Value::Object(members).to_string());
    format!("{header}.{rest}")
}

#[test]
fn each_offered_way_opens_what_another_library_made() {
    let [rsa, p256] = keys();
    for alg in DecryptionKey::ALGORITHMS {
        let key = [&rsa, &p256].into_iter().find(|key| key.fits(alg)).unwrap();
        for enc in ContentEncryption::ALL {
            let token = encrypt(key, alg, *enc);
            assert!(Encrypted::is_one(&token));
            assert_eq!(Encrypted::parse(&token).unwrap().kid(), Some(key.kid()));
            assert_eq!(open(key, &token).as_deref(), Some(INNER), "{alg} {enc}");
            for other in keys()
                .iter()
                .chain([&rsa, &p256])
                .filter(|other| !std::ptr::eq(*other, key))
            {
                assert_eq!(open(other, &token), None, "{alg} {enc}");
            }
        }
    }
}

#[test]
fn one_changed_character_anywhere_is_refused() {
    let [rsa, p256] = keys();
    for (key, alg) in [
        (&rsa, KeyManagement::RsaOaep256),
        (&p256, KeyManagement::EcdhEsA256Kw),
    ] {
        for enc in [ContentEncryption::A256Gcm, ContentEncryption::A128CbcHs256] {
            let token = encrypt(key, alg, enc);
            for position in (0..token.len()).step_by(7) {
                let mut bytes = token.clone().into_bytes();
                bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(open(key, &changed), None, "{alg} {enc} at {position}");
            }
        }
    }
}

#[test]
fn shortened_parts_are_refused_and_do_no_harm() {
    let [rsa, p256] = keys();
    for alg in DecryptionKey::ALGORITHMS {
        let key = if rsa.fits(alg) { &rsa } else { &p256 };
        for enc in ContentEncryption::ALL {
            let token = encrypt(key, alg, *enc);
            let parts: Vec<_> = token.split('.').collect();
            for (part, _) in parts.iter().enumerate() {
                let whole = URL_SAFE_NO_PAD.decode(parts[part]).unwrap();
                for length in [0, 1, 4, 7, 8, 12, 15]
                    .into_iter()
                    .filter(|length| *length < whole.len())
                {
                    let short = URL_SAFE_NO_PAD.encode(&whole[..length]);
                    let mut parts = parts.clone();
                    parts[part] = &short;
                    assert_eq!(
                        open(key, &parts.join(".")),
                        None,
                        "{alg} {enc}: part {part} of {length}"
                    );
                }
            }
        }
    }
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let [_, p256] = keys();
    let token = encrypt(&p256, KeyManagement::EcdhEs, ContentEncryption::A128Gcm);
    let parses = |name: &str, value: Value| {
        Encrypted::parse(&with_header(&token, |members| {
            members.insert(name.to_owned(), value);
        }))
        .is_some()
    };
    assert!(parses(
        "x",
        json!("unknown members are ignored (RFC 7516 section 4.3)")
    ));
    for name in REFUSED {
        assert!(!parses(name, json!("DEF")), "{name}");
    }
    for (name, bad) in [
        ("alg", json!("RSA1_5")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("dir")),
        ("alg", json!("PBES2-HS256+A128KW")),
        ("alg", json!(["ECDH-ES"])),
        ("enc", json!("A192GCM")),
        ("enc", json!(null)),
        ("cty", json!("JSON")),
        ("cty", json!(7)),
        ("kid", json!(7)),
        ("apu", json!("=")),
        ("epk", json!(null)),
        ("epk", json!({"kty": "OKP", "crv": "X25519", "x": "AQ"})),
    ] {
        assert!(!parses(name, bad.clone()), "{name} {bad}");
    }
    assert!(Encrypted::parse(&format!("{token}.x")).is_none());
    assert!(Encrypted::parse(&"A".repeat(MAX_TOKEN + 1)).is_none());
}

/// RFC 8725 §3.5: a point that is on another curve would tell the private key piece by piece.
#[test]
fn rfc8725_s3_5_points_off_the_curve_are_refused() {
    let [_, p256] = keys();
    let token = encrypt(&p256, KeyManagement::EcdhEs, ContentEncryption::A128Gcm);
    let off = with_header(&token, |members| {
        members["epk"]["y"] = base64url(&[1; 32]).into();
    });
    assert!(Encrypted::parse(&off).is_none());
}

/// RFC 7518 appendix C.
#[test]
fn rfc7518_appendix_c_the_derived_key() {
    let secret = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218,
        128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    let key = concat_kdf(&secret, "A128GCM", 16, b"Alice", b"Bob");
    assert_eq!(base64url(&key), "VqqN6vgjbSBcIijNcacQGg");
}

/// RFC 7516 appendix A.4 uses what is not offered here; this is the content encryption of RFC 7518 appendix B.1.
#[test]
fn rfc7518_appendix_b_1_the_tag() {
    let key: Vec<u8> = (0..32).collect();
    let plain =
        b"A cipher system must not be required to be secret, and it must be able to fall into the hands \
        of the enemy without inconvenience";
    let iv = hex::decode("1af38c2dc2b96ffdd86694092341bc04").unwrap();
    let aad = "The second principle of Auguste Kerckhoffs";
    let ciphertext = symm::encrypt(Cipher::aes_128_cbc(), &key[16..], Some(&iv), plain).unwrap();
    assert!(hex::encode(&ciphertext).starts_with("c80edfa32ddf39d5ef00c0b468834279"));
    let token = |tag: &str| Encrypted {
        alg: KeyManagement::EcdhEs,
        enc: ContentEncryption::A128CbcHs256,
        kid: None,
        sender: None,
        party_u: Vec::new(),
        party_v: Vec::new(),
        header: aad,
        encrypted_key: Vec::new(),
        iv: iv.clone(),
        ciphertext: ciphertext.clone(),
        tag: hex::decode(tag).unwrap(),
    };
    let opened = open_content(&token("652c3fa36b0a7c5b3219fab3a30bc1c4"), &key).unwrap();
    assert_eq!(opened.as_slice(), plain);
    assert!(
        open_content(&token("652c3fa36b0a7c5b"), &key).is_none(),
        "half a tag"
    );
    assert!(open_content(&token(""), &key).is_none());
}
