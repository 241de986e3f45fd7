//! How what the client gets is protected.

use super::Rules;
use super::found::Found;
use crate::clients::uris;
use crate::jose::JwkSet;
use crate::storage::clients::ClientMetadata;
use crate::types::{ContentEncryption, KeyManagement};

pub(super) fn algorithms(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    for (pointer, alg) in [
        (
            "/access_token_signed_response_alg",
            metadata.access_token_signed_response_alg,
        ),
        (
            "/id_token_signed_response_alg",
            metadata.id_token_signed_response_alg,
        ),
        (
            "/userinfo_signed_response_alg",
            metadata.userinfo_signed_response_alg,
        ),
        (
            "/introspection_signed_response_alg",
            metadata.introspection_signed_response_alg,
        ),
    ] {
        found.when(
            alg.is_some_and(|alg| !rules.tokens.algorithms.contains(&alg)),
            pointer,
            "must be one of the algorithms with which this server signs",
        );
    }
}

/// OpenID Connect Core §8.1: "If there are multiple hostnames in the registered redirect_uris, the Client MUST register a
/// sector_identifier_uri."
pub(super) fn subjects(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.member("/sector_identifier_uri", &metadata.sector_identifier_uri, |uri| {
        uris::fetched(uri, rules.http_to_allowed)
    });
    found.when(
        metadata.is_pairwise() && metadata.sector().is_none(),
        "/sector_identifier_uri",
        "is needed for pairwise subjects, unless all redirect URIs have one host (OpenID Connect Core section 8.1)",
    );
}

/// The members that say how an answer is encrypted, by what their names begin with.
type Encrypted = (&'static str, Option<KeyManagement>, Option<ContentEncryption>);

/// OpenID Connect Dynamic Client Registration §2, RFC 9701 §6: "When [it] is included, [the alg member] MUST also be
/// provided", and there has to be a key to encrypt to.
pub(super) fn encryption(metadata: &ClientMetadata, found: &mut Found) {
    const KEYS: &str = "needs jwks or jwks_uri: the client's key is encrypted to";
    // Keys that cannot be read are refused for themselves.
    let own = metadata.jwks.as_ref().and_then(|jwks| JwkSet::parse(jwks).ok());
    let has_keys = metadata.jwks.is_some() || metadata.jwks_uri.is_some();
    for (answer, alg, enc) in encrypted(metadata) {
        let Some(alg) = alg else {
            let pointer = format!("/{answer}_encrypted_response_enc");
            found.when(enc.is_some(), &pointer, "needs the member for alg beside it");
            continue;
        };
        let pointer = format!("/{answer}_encrypted_response_alg");
        found.when(!has_keys, &pointer, KEYS);
        found.when(
            own.as_ref().is_some_and(|own| own.encryption_key(alg).is_none()),
            &pointer,
            "needs a key in jwks that fits: RSA for RSA-OAEP, P-256 for ECDH-ES, with no other use or alg",
        );
    }
}

/// Fills in how the content is encrypted: "the default […] value is A128CBC-HS256".
pub(super) fn complete_encryption(metadata: &mut ClientMetadata) {
    let fill = |alg: Option<KeyManagement>, enc: &mut Option<ContentEncryption>| {
        if alg.is_some() && enc.is_none() {
            *enc = Some(ContentEncryption::A128CbcHs256);
        }
    };
    fill(
        metadata.id_token_encrypted_response_alg,
        &mut metadata.id_token_encrypted_response_enc,
    );
    fill(
        metadata.userinfo_encrypted_response_alg,
        &mut metadata.userinfo_encrypted_response_enc,
    );
    fill(
        metadata.introspection_encrypted_response_alg,
        &mut metadata.introspection_encrypted_response_enc,
    );
    fill(
        metadata.request_object_encryption_alg,
        &mut metadata.request_object_encryption_enc,
    );
}

fn encrypted(metadata: &ClientMetadata) -> [Encrypted; 3] {
    [
        (
            "id_token",
            metadata.id_token_encrypted_response_alg,
            metadata.id_token_encrypted_response_enc,
        ),
        (
            "userinfo",
            metadata.userinfo_encrypted_response_alg,
            metadata.userinfo_encrypted_response_enc,
        ),
        (
            "introspection",
            metadata.introspection_encrypted_response_alg,
            metadata.introspection_encrypted_response_enc,
        ),
    ]
}

/// What the client is told about people beyond its scopes has to be declared.
pub(super) fn attributes(metadata: &ClientMetadata, rules: &Rules<'_>, found: &mut Found) {
    found.list("/attributes", &metadata.attributes, |name| {
        (!rules.attributes.0.contains_key(name)).then_some("must be an attribute that the settings declare")
    });
}
