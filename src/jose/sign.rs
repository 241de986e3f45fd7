//! Private keys and what they sign.

use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::jose::verify::{PublicKey, VerifyingKey};
use crate::sealed::KeyBytes;
use crate::types::{Algorithm, Kid, base64url};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, Signature,
};
use serde::Serialize;
use serde_json::json;
use std::fmt;
use zeroize::Zeroizing;

/// What is signed on the hot path; the headers for these are written once for each key.
const COMMON_TYPES: [&str; 3] = ["at+jwt", "JWT", "logout+jwt"];

/// A private key that signs. The private part does not leave it.
pub struct SigningKey {
    public: VerifyingKey,
    private: PrivateKey,
    /// Encoded headers with the point after them, in the order of [`COMMON_TYPES`].
    headers: [String; 3],
}

enum PrivateKey {
    Rsa(PKey<Private>),
    P256(Box<EcdsaKeyPair>, SystemRandom),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new private key for the algorithm, as PKCS#8 (RFC 5208, RFC 5958). RSA keys get `rsa_bits`, and take a
    /// tenth of a second and more: call it on a thread that may block.
    ///
    /// # Errors
    /// When the library fails, which nothing in the arguments can cause.
    pub fn generate(alg: Algorithm, rsa_bits: u32, entropy: &Entropy) -> Result<KeyBytes, Fault> {
        let failed = |_| Fault::internal("a signing key could not be made");
        match alg {
            Algorithm::RS256 | Algorithm::PS256 => Rsa::generate(rsa_bits)
                .and_then(PKey::from_rsa)
                .and_then(|key| key.private_key_to_pkcs8())
                .map(Zeroizing::new)
                .map_err(openssl_fault),
            Algorithm::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &entropy.ring())
                    .map(|document| Zeroizing::new(document.as_ref().to_vec()))
                    .map_err(failed)
            }
            Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&entropy.ring())
                .map(|document| Zeroizing::new(document.as_ref().to_vec()))
                .map_err(failed),
        }
    }

    /// The key that a PKCS#8 document holds.
    ///
    /// # Errors
    /// When it is not of the algorithm's kind, or RSA of less than 2048 bits.
    pub fn from_pkcs8(kid: Kid, alg: Algorithm, pkcs8: &[u8], entropy: &Entropy) -> Result<Self, Fault> {
        let refused = || Fault::internal(format!("the stored key {kid} is no {alg} key"));
        let (private, public) = match alg {
            Algorithm::RS256 | Algorithm::PS256 => {
                let key = PKey::private_key_from_pkcs8(pkcs8).map_err(|_| refused())?;
                let rsa = key.rsa().map_err(|_| refused())?;
                if rsa.n().num_bits() < 2048 {
                    return Err(refused());
                }
                let (n, e) = (rsa.n().to_vec(), rsa.e().to_vec());
                (PrivateKey::Rsa(key), PublicKey::Rsa { n, e })
            }
            Algorithm::ES256 => {
                let random = entropy.ring();
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
                    .map_err(|_| refused())?;
                let point = key.public_key().as_ref().try_into().map_err(|_| refused())?;
                (PrivateKey::P256(Box::new(key), random), PublicKey::P256(point))
            }
            Algorithm::EdDSA => {
                let key = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| refused())?;
                let public = key.public_key().as_ref().try_into().map_err(|_| refused())?;
                (PrivateKey::Ed25519(key), PublicKey::Ed25519(public))
            }
        };
        Ok(Self {
            headers: COMMON_TYPES.map(|typ| header(typ, alg, &kid)),
            public: VerifyingKey::new(kid, alg, public),
            private,
        })
    }

    /// The key's id.
    pub fn kid(&self) -> &Kid {
        self.public.kid()
    }

    /// The algorithm that the key is for.
    pub fn alg(&self) -> Algorithm {
        self.public.alg()
    }

    /// The public half.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs claims as a JWT with the header `typ`, `alg` and `kid` (RFC 7515 §7.1).
    pub fn sign_jwt(&self, typ: &str, claims: &impl Serialize) -> Result<String, Fault> {
        let claims = serde_json::to_vec(claims)
            .map_err(|error| Fault::internal("claims could not be written").caused_by(error))?;
        let known = COMMON_TYPES.iter().position(|known| *known == typ);
        let made;
        let header = match known.and_then(|at| self.headers.get(at)) {
            Some(header) => header,
            None => {
                made = header(typ, self.alg(), self.kid());
                &made
            }
        };
        // One allocation: header, claims, and the longest usual signature (RSA of 4096 bits).
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 700);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Signs bytes: RFC 7518 §3.3 to §3.5, RFC 8037 §3.1.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Signed, Fault> {
        match &self.private {
            PrivateKey::Rsa(key) => sign_rsa(key, self.alg(), message)
                .map(Signed::OpenSsl)
                .map_err(openssl_fault),
            PrivateKey::P256(key, random) => key
                .sign(random, message)
                .map(Signed::Ring)
                .map_err(|_| Fault::internal("signing failed")),
            PrivateKey::Ed25519(key) => Ok(Signed::Ring(key.sign(message))),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.alg(), self.kid())
    }
}

/// A signature as its library gives it.
pub(super) enum Signed {
    OpenSsl(Vec<u8>),
    Ring(Signature),
}

impl AsRef<[u8]> for Signed {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::OpenSsl(bytes) => bytes,
            Self::Ring(signature) => signature.as_ref(),
        }
    }
}

fn sign_rsa(key: &PKey<Private>, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    if alg == Algorithm::PS256 {
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        // RFC 7518 §3.5: "The size of the salt value is the same size as the hash function output."
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    signer.sign_oneshot_to_vec(message)
}

fn header(typ: &str, alg: Algorithm, kid: &Kid) -> String {
    let header = json!({ "typ": typ, "alg": alg.as_str(), "kid": kid.as_str() });
    format!("{}.", base64url(header.to_string().as_bytes()))
}

fn openssl_fault(error: ErrorStack) -> Fault {
    Fault::internal("OpenSSL failed").caused_by(error)
}
