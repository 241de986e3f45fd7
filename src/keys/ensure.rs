//! Making keys where they are missing.

use super::purpose::PurposeKey;
use super::ring::KeyRing;
use super::schedule;
use super::tenant::{Rows, purpose_aad, signing_aad};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::jose::{DecryptionKey, SigningKey};
use crate::storage::Tx;
use crate::storage::purpose_keys::{self, Purpose, PurposeKeyRow};
use crate::storage::signing_keys::{self, KeyState, SigningKeyRow, Stop};
use crate::types::{Algorithm, Kid, TenantId, Timestamp, base64url};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// Keys that are not stored yet.
pub struct NewKeys {
    tenant: TenantId,
    signing: Vec<SigningKeyRow>,
    purpose: Vec<PurposeKeyRow>,
}

impl NewKeys {
    /// Stores those that nobody else has stored meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert(&self, tx: &mut Tx) -> Result<(), Fault> {
        for key in &self.signing {
            signing_keys::insert(&mut *tx, self.tenant, key).await?;
        }
        for key in &self.purpose {
            purpose_keys::insert(&mut *tx, self.tenant, key).await?;
        }
        Ok(())
    }
}

impl KeyRing {
    /// Sees to it that a tenant has an active and a next key for each configured algorithm, none for any other, and all
    /// its purpose keys. Replicas that do so at once agree on one set. Says whether anything was missing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure(&self, tenant: TenantId, now: Timestamp) -> Result<bool, Fault> {
        let rows = self.read(tenant).await?;
        let configured = &self.inner().schedule.algorithms;
        let dropped: Vec<_> = rows
            .signing
            .iter()
            .filter(|key| key.state <= KeyState::Active && !configured.contains(&key.alg))
            .collect();
        let (signing, purpose) = (missing_signing(&rows, configured), missing_purpose(&rows, tenant));
        if dropped.is_empty() && signing.is_empty() && purpose.is_empty() {
            return Ok(false);
        }
        let made = self.make(tenant, signing, purpose, now).await?;
        let mut tx = self.inner().store.begin().await?;
        // Whoever comes second finds the key there and throws its own away.
        made.insert(&mut tx).await?;
        for key in dropped {
            signing_keys::stop(&mut tx, tenant, ending(key, now), now).await?;
        }
        tx.commit().await?;
        self.outdate(tenant).await;
        Ok(true)
    }

    /// The keys of a tenant that is about to be made; [`NewKeys::insert`] stores them with it.
    ///
    /// # Errors
    /// When there is no randomness.
    pub async fn first_keys(&self, tenant: TenantId, now: Timestamp) -> Result<NewKeys, Fault> {
        let none = Rows::default();
        let signing = missing_signing(&none, &self.inner().schedule.algorithms);
        self.make(tenant, signing, missing_purpose(&none, tenant), now)
            .await
    }

    /// Sees to it that tenants have the keys that the settings ask for, `limit` tenants at most: after a change of the
    /// settings, or of the release, each gets them within a few runs. Replicas may do this at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure_all(&self, limit: i64, now: Timestamp) -> Result<(), Fault> {
        let configured = &self.inner().schedule.algorithms;
        let mut unfit = Vec::new();
        for alg in Algorithm::ALL {
            let mut conn = self.inner().store.read().await?;
            unfit.extend(if configured.contains(&alg) {
                signing_keys::tenants_without(&mut conn, alg, limit).await?
            } else {
                signing_keys::tenants_with(&mut conn, alg, limit).await?
            });
        }
        for purpose in Purpose::ALL
            .into_iter()
            .filter(|purpose| *purpose != Purpose::Audit)
        {
            let mut conn = self.inner().store.read().await?;
            unfit.extend(purpose_keys::tenants_without(&mut conn, purpose, limit).await?);
        }
        unfit.sort_unstable();
        unfit.dedup();
        for tenant in unfit.into_iter().take(usize::try_from(limit).unwrap_or(0)) {
            self.ensure(tenant, now).await?;
        }
        Ok(())
    }

    async fn make(
        &self,
        tenant: TenantId,
        signing: Vec<(Algorithm, KeyState)>,
        purpose: Vec<(Purpose, KeyState)>,
        now: Timestamp,
    ) -> Result<NewKeys, Fault> {
        let (signing, purpose) = tokio::try_join!(
            self.make_signing_keys(tenant, signing, now),
            self.make_purpose_keys(tenant, purpose, now)
        )?;
        Ok(NewKeys {
            tenant,
            signing,
            purpose,
        })
    }

    pub(super) async fn make_signing_keys(
        &self,
        tenant: TenantId,
        wanted: Vec<(Algorithm, KeyState)>,
        now: Timestamp,
    ) -> Result<Vec<SigningKeyRow>, Fault> {
        let make = move |ring: &Self, (alg, state)| ring.make_signing_key(tenant, alg, state, now);
        self.make_aside(wanted, make).await
    }

    pub(super) async fn make_purpose_keys(
        &self,
        tenant: TenantId,
        wanted: Vec<(Purpose, KeyState)>,
        now: Timestamp,
    ) -> Result<Vec<PurposeKeyRow>, Fault> {
        let make = move |ring: &Self, (purpose, state)| ring.make_purpose_key(tenant, purpose, state, now);
        self.make_aside(wanted, make).await
    }

    /// Makes keys side by side, away from the threads that serve requests: an RSA key takes a tenth of a second and more.
    async fn make_aside<W: Send + 'static, K: Send + 'static>(
        &self,
        wanted: Vec<W>,
        make: impl Fn(&Self, W) -> Result<K, Fault> + Copy + Send + 'static,
    ) -> Result<Vec<K>, Fault> {
        let mut making = JoinSet::new();
        for (position, wanted) in wanted.into_iter().enumerate() {
            let ring = self.clone();
            making.spawn_blocking(move || (position, make(&ring, wanted)));
        }
        let mut made = Vec::new();
        while let Some(done) = making.join_next().await {
            let (position, key) =
                done.map_err(|error| Fault::internal("making a key failed").caused_by(error))?;
            made.push((position, key?));
        }
        // Everybody inserts in the same order, so that no two wait for each other.
        made.sort_by_key(|(position, _)| *position);
        Ok(made.into_iter().map(|(_, key)| key).collect())
    }

    fn make_signing_key(
        &self,
        tenant: TenantId,
        alg: Algorithm,
        state: KeyState,
        now: Timestamp,
    ) -> Result<SigningKeyRow, Fault> {
        let inner = self.inner();
        let kid = make_kid(&inner.entropy)?;
        let pkcs8 = SigningKey::generate(alg, inner.schedule.rsa_bits, &inner.entropy)?;
        let key = SigningKey::from_pkcs8(kid.clone(), alg, &pkcs8, &inner.entropy)?;
        let wrapped = inner
            .master
            .wrap(&inner.entropy, &signing_aad(tenant, alg, &kid), &pkcs8)?;
        Ok(SigningKeyRow::new(
            kid,
            alg,
            state,
            key.verifying().to_jwk(),
            wrapped,
            now,
        ))
    }

    fn make_purpose_key(
        &self,
        tenant: TenantId,
        purpose: Purpose,
        state: KeyState,
        now: Timestamp,
    ) -> Result<PurposeKeyRow, Fault> {
        let inner = self.inner();
        let id = base64url(&inner.entropy.bytes::<8>()?);
        let bytes = match purpose {
            Purpose::EncRsa => DecryptionKey::generate_rsa(inner.schedule.rsa_bits, &inner.entropy)?,
            Purpose::EncEc => DecryptionKey::generate_p256(&inner.entropy)?,
            Purpose::Audit => SigningKey::generate(Algorithm::EdDSA, 0, &inner.entropy)?,
            _ => Zeroizing::new(inner.entropy.bytes::<{ PurposeKey::BYTES }>()?.to_vec()),
        };
        let wrapped = inner
            .master
            .wrap(&inner.entropy, &purpose_aad(tenant, purpose, &id), &bytes)?;
        Ok(PurposeKeyRow::new(id, purpose, state, wrapped, now))
    }
}

/// 128 random bits. One that would pass for a flag on a command line is thrown away.
fn make_kid(entropy: &Entropy) -> Result<Kid, Fault> {
    loop {
        let text = base64url(&entropy.bytes::<16>()?);
        if !text.starts_with('-') {
            return Kid::parse(&text).map_err(|_| Fault::internal("a random key id is no key id"));
        }
    }
}

/// How a key of an algorithm that is not configured any more ends: an active one as at a rotation, a next one at once.
fn ending(key: &SigningKeyRow, now: Timestamp) -> Stop<'_> {
    let (to, expires_at) = match key.state {
        KeyState::Active => (KeyState::Retiring, schedule::unpublished_at(now)),
        _ => (KeyState::Retired, schedule::forgotten_at(now)),
    };
    Stop {
        kid: &key.kid,
        from: key.state,
        to,
        expires_at,
    }
}

fn missing_signing(rows: &Rows, configured: &[Algorithm]) -> Vec<(Algorithm, KeyState)> {
    configured
        .iter()
        .flat_map(|alg| [(*alg, KeyState::Active), (*alg, KeyState::Next)])
        .filter(|(alg, state)| rows.signing_key(*alg, *state).is_none())
        .collect()
}

fn missing_purpose(rows: &Rows, tenant: TenantId) -> Vec<(Purpose, KeyState)> {
    Purpose::ALL
        .into_iter()
        .filter(|purpose| *purpose != Purpose::Audit || tenant == TenantId::FIRST)
        .flat_map(|purpose| {
            let next = purpose.is_rotated().then_some((purpose, KeyState::Next));
            [Some((purpose, KeyState::Active)), next].into_iter().flatten()
        })
        .filter(|(purpose, state)| rows.purpose_key(*purpose, *state).is_none())
        .collect()
}
