//! Replacing everything at once, when the keys of a tenant may have been seen (R-SEC-08).

use super::ring::KeyRing;
use super::rotation::{PurposeRotated, PurposeRotation};
use super::signing::KeyInfo;
use crate::fault::Fault;
use crate::storage::purpose_keys::Purpose;
use crate::storage::signing_keys::KeyState;
use crate::types::{Event, Kid, TenantId, Timestamp};

/// What took the place of a tenant's keys.
#[derive(Debug, Default)]
pub struct Replaced {
    /// The published signing keys as they are now.
    pub signing: Vec<KeyInfo>,
    /// The purposes whose keys were replaced, with the keys in use now.
    pub purposes: Vec<(Purpose, String)>,
    /// The events that were committed with it, for `Audit::deliver`.
    pub events: Vec<Event>,
}

impl KeyRing {
    /// Takes every key of a tenant that can be replaced for compromised: signing keys, the published next ones among them, and
    /// all that were kept for what they signed; and the server's own. What any of them made is worth nothing from now on, so
    /// that everybody signs in again at every application. Blind-index and pairwise keys stay: what they made has no end, and
    /// neither lets anybody in. It can be stopped and repeated at any time.
    ///
    /// # Errors
    /// When the database does not answer; what was replaced until then stays so.
    pub async fn replace_all(
        &self,
        tenant: TenantId,
        by: impl Fn(Event) -> Event,
        now: Timestamp,
    ) -> Result<Replaced, Fault> {
        let mut replaced = Replaced::default();
        for kid in self.known(tenant).await? {
            if let Some(change) = self.revoke(tenant, &kid, &by, now).await? {
                replaced.events.extend(change.events);
            }
        }
        let how = PurposeRotation {
            immediate: true,
            compromised: true,
        };
        for purpose in Purpose::ALL.into_iter().filter(|purpose| purpose.is_rotated()) {
            // Twice: the next key lay beside the one in use.
            for _ in 0..2 {
                if let PurposeRotated::Done { key, event, .. } =
                    self.rotate_purpose(tenant, purpose, how, &by, now).await?
                {
                    replaced.purposes.retain(|(done, _)| *done != purpose);
                    replaced.purposes.push((purpose, key));
                    replaced.events.push(*event);
                }
            }
        }
        replaced.signing = self.list(tenant).await?;
        Ok(replaced)
    }

    /// Every signing key that anything is still verified with, or is going to be. Those that are to sign next come first: none of
    /// them takes the place of an active one.
    async fn known(&self, tenant: TenantId) -> Result<Vec<Kid>, Fault> {
        let mut rows = self.read(tenant).await?.signing;
        rows.retain(|key| key.state <= KeyState::Retired);
        rows.sort_by_key(|key| key.state);
        Ok(rows.into_iter().map(|key| key.kid).collect())
    }
}
