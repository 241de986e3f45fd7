//! The keys of one tenant, ready for use.

use super::purpose::PurposeKey;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::jose::{DecryptionKey, Encrypted, PublishedJwks, SigningKey, VerifyingKey};
use crate::sealed::{KeyBytes, MasterKeys, aad};
use crate::storage::purpose_keys::{Purpose, PurposeKeyRow};
use crate::storage::signing_keys::{KeyState, SigningKeyRow};
use crate::types::{Algorithm, Kid, TenantId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The rows of one tenant, as they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) signing: Vec<SigningKeyRow>,
    pub(super) purpose: Vec<PurposeKeyRow>,
}

impl Rows {
    pub(super) fn signing_key(&self, alg: Algorithm, state: KeyState) -> Option<&SigningKeyRow> {
        self.signing
            .iter()
            .find(|key| key.alg == alg && key.state == state)
    }

    pub(super) fn purpose_key(&self, purpose: Purpose, state: KeyState) -> Option<&PurposeKeyRow> {
        self.purpose
            .iter()
            .find(|key| key.purpose == purpose && key.state == state)
    }
}

/// The keys of one tenant at one moment. It never changes: a request that holds it works with one consistent set.
#[derive(Debug)]
pub struct TenantKeys {
    /// Keys with their private part: active and next.
    signing: HashMap<Kid, Arc<SigningKey>>,
    active: BTreeMap<Algorithm, Arc<SigningKey>>,
    published: HashMap<Kid, VerifyingKey>,
    retired: HashMap<Kid, VerifyingKey>,
    jwks: PublishedJwks,
    purposes: Vec<(KeyState, Arc<PurposeKey>)>,
    encryption: Vec<(KeyState, Arc<DecryptionKey>)>,
}

impl TenantKeys {
    /// Unwraps what `former` does not hold already.
    pub(super) fn build(
        tenant: TenantId,
        rows: &Rows,
        former: Option<&Self>,
        master: &MasterKeys,
        entropy: &Entropy,
    ) -> Result<Self, Fault> {
        let mut keys = Self {
            signing: HashMap::new(),
            active: BTreeMap::new(),
            published: HashMap::new(),
            retired: HashMap::new(),
            jwks: PublishedJwks::of(&[]),
            purposes: Vec::new(),
            encryption: Vec::new(),
        };
        let mut order: Vec<&SigningKeyRow> = rows.signing.iter().collect();
        // Those that sign come first, for verifiers that try keys in turn; and the same order on every replica.
        order.sort_by_key(|row| (row.state != KeyState::Active, row.state, row.alg, row.created_at));
        let mut published = Vec::new();
        for row in order {
            let public = VerifyingKey::from_jwk(&row.public_jwk)
                .map_err(|why| Fault::internal(format!("the stored key {} {why}", row.kid)))?;
            match row.state {
                KeyState::Next | KeyState::Active => {
                    let key = match former.and_then(|former| former.signing.get(&row.kid)) {
                        Some(key) => Arc::clone(key),
                        None => Arc::new(open_signing_key(tenant, row, master, entropy)?),
                    };
                    if *key.verifying() != public {
                        return Err(Fault::internal(format!(
                            "the stored key {} is published with another public key than its own",
                            row.kid
                        )));
                    }
                    if row.state == KeyState::Active {
                        keys.active.insert(row.alg, Arc::clone(&key));
                    }
                    keys.signing.insert(row.kid.clone(), key);
                }
                KeyState::Retiring => {}
                KeyState::Retired => {
                    keys.retired.insert(row.kid.clone(), public);
                    continue;
                }
                KeyState::Revoked => continue,
            }
            published.push(public.to_jwk());
            keys.published.insert(row.kid.clone(), public);
        }
        let mut encryption: Vec<_> = rows
            .purpose
            .iter()
            .filter(|row| row.purpose.is_encryption())
            .collect();
        encryption.sort_by_key(|row| (row.purpose, row.state));
        for row in encryption {
            let known = former.and_then(|former| former.known_encryption(row));
            let key = match known {
                Some(key) => key,
                None => Arc::new(open_encryption_key(tenant, row, master)?),
            };
            // Others encrypt to the key in use alone. The next one is known here before it is published, and an older one
            // opens what was on its way or lies at a client's address.
            if row.state == KeyState::Active {
                published.push(key.to_jwk());
            }
            keys.encryption.push((row.state, key));
        }
        keys.jwks = PublishedJwks::of(&published);
        let symmetric = |row: &&PurposeKeyRow| row.purpose != Purpose::Audit && !row.purpose.is_encryption();
        for row in rows.purpose.iter().filter(symmetric) {
            let known = former.and_then(|former| former.known_purpose(row));
            let key = match known {
                Some(key) => key,
                None => {
                    let bytes = open_purpose_key(tenant, row, master)?;
                    Arc::new(PurposeKey::new(&row.id, row.purpose, &bytes)?)
                }
            };
            keys.purposes.push((row.state, key));
        }
        Ok(keys)
    }

    fn known_purpose(&self, row: &PurposeKeyRow) -> Option<Arc<PurposeKey>> {
        let (_, key) = self
            .purposes
            .iter()
            .find(|(_, key)| key.purpose() == row.purpose && key.id() == row.id)?;
        Some(Arc::clone(key))
    }

    fn known_encryption(&self, row: &PurposeKeyRow) -> Option<Arc<DecryptionKey>> {
        let (_, key) = self
            .encryption
            .iter()
            .find(|(_, key)| key.kid().as_str() == row.id)?;
        Some(Arc::clone(key))
    }

    /// The key to which a token was encrypted: the one that it names, or the one that is published for its way. `None` for
    /// one that is none of this tenant's.
    pub fn decryption(&self, token: &Encrypted<'_>) -> Option<&DecryptionKey> {
        self.encryption
            .iter()
            .find(|(state, key)| match token.kid() {
                Some(kid) => key.kid() == kid,
                None => *state == KeyState::Active && key.fits(token.alg()),
            })
            .map(|(_, key)| key.as_ref())
    }

    /// The key that signs with this algorithm.
    ///
    /// # Errors
    /// When the algorithm is none of the configured ones.
    pub fn signer(&self, alg: Algorithm) -> Result<&SigningKey, Fault> {
        self.active.get(&alg).map(AsRef::as_ref).ok_or_else(|| {
            Fault::internal(format!(
                "no key signs with {alg}: it is not in GRANTOR_TOKENS__ALGORITHMS"
            ))
        })
    }

    /// The algorithms that tokens can be signed with.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.active.keys().copied()
    }

    /// The published key of this id: for every token that has to be valid now.
    pub fn verifying(&self, kid: &Kid) -> Option<&VerifyingKey> {
        self.published.get(kid)
    }

    /// The key of this id, published or up to 30 days past: for `id_token_hint` alone, which may have expired.
    pub fn verifying_hint(&self, kid: &Kid) -> Option<&VerifyingKey> {
        self.published.get(kid).or_else(|| self.retired.get(kid))
    }

    /// The published set.
    pub fn jwks(&self) -> &PublishedJwks {
        &self.jwks
    }

    /// The key that this purpose uses now.
    ///
    /// # Errors
    /// When there is none, which no configuration can cause.
    pub fn purpose(&self, purpose: Purpose) -> Result<&PurposeKey, Fault> {
        self.purposes
            .iter()
            .find(|(state, key)| *state == KeyState::Active && key.purpose() == purpose)
            .map(|(_, key)| key.as_ref())
            .ok_or_else(|| Fault::internal(format!("there is no active {} key", purpose.as_str())))
    }

    /// The key of this purpose and id, for what was made earlier, or on a replica that is ahead.
    pub fn purpose_by_id(&self, purpose: Purpose, id: &str) -> Option<&PurposeKey> {
        self.purposes
            .iter()
            .find(|(_, key)| key.purpose() == purpose && key.id() == id)
            .map(|(_, key)| key.as_ref())
    }
}

/// What a wrapped signing key belongs to.
pub(super) fn signing_aad(tenant: TenantId, alg: Algorithm, kid: &Kid) -> Vec<u8> {
    aad(&["signing", &tenant.to_string(), alg.as_str(), kid.as_str()])
}

/// What a wrapped purpose key belongs to.
pub(super) fn purpose_aad(tenant: TenantId, purpose: Purpose, id: &str) -> Vec<u8> {
    aad(&["purpose", &tenant.to_string(), purpose.as_str(), id])
}

/// How messages name a signing key.
pub(super) fn signing_name(alg: Algorithm, kid: &Kid) -> String {
    format!("the {alg} signing key {kid}")
}

/// How messages name a purpose key.
pub(super) fn purpose_name(purpose: Purpose, id: &str) -> String {
    format!("the {} key {id}", purpose.as_str())
}

fn open_signing_key(
    tenant: TenantId,
    row: &SigningKeyRow,
    master: &MasterKeys,
    entropy: &Entropy,
) -> Result<SigningKey, Fault> {
    let name = signing_name(row.alg, &row.kid);
    let wrapped = row
        .wrapped()
        .ok_or_else(|| Fault::internal(format!("{name} has lost its private part")))?;
    let pkcs8 = master.unwrap(&name, &signing_aad(tenant, row.alg, &row.kid), &wrapped)?;
    SigningKey::from_pkcs8(row.kid.clone(), row.alg, &pkcs8, entropy)
}

pub(super) fn open_purpose_key(
    tenant: TenantId,
    row: &PurposeKeyRow,
    master: &MasterKeys,
) -> Result<KeyBytes, Fault> {
    let name = purpose_name(row.purpose, &row.id);
    master.unwrap(&name, &purpose_aad(tenant, row.purpose, &row.id), &row.wrapped())
}

fn open_encryption_key(
    tenant: TenantId,
    row: &PurposeKeyRow,
    master: &MasterKeys,
) -> Result<DecryptionKey, Fault> {
    let kid = Kid::parse(&row.id).map_err(|_| {
        Fault::internal(format!(
            "{} has no id of a key",
            purpose_name(row.purpose, &row.id)
        ))
    })?;
    DecryptionKey::from_pkcs8(kid, &open_purpose_key(tenant, row, master)?)
}
