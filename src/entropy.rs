//! The one source of randomness.

use crate::fault::Fault;
use crate::types::{Secret, Timestamp, base64url};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// Where random bytes come from.
#[derive(Clone, Debug)]
pub enum Entropy {
    /// The operating system's generator.
    System(SystemRandom),
    /// A sequence that a seed determines, for tests: SHA-256 over seed and counter.
    Seeded(Arc<(u64, AtomicU64)>),
}

impl Entropy {
    /// The operating system's generator.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the wrapper that the lint points to"
    )]
    pub fn system() -> Self {
        Self::System(SystemRandom::new())
    }

    /// A sequence for tests.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new((seed, AtomicU64::new(0))))
    }

    /// Fills the bytes.
    ///
    /// # Errors
    /// When the operating system gives no randomness; nothing can be issued then.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::System(random) => random
                .fill(bytes)
                .map_err(|_| Fault::internal("the system's random generator failed")),
            Self::Seeded(state) => {
                let (seed, counter) = state.as_ref();
                for chunk in bytes.chunks_mut(32) {
                    let mut context = digest::Context::new(&digest::SHA256);
                    context.update(&seed.to_be_bytes());
                    context.update(&counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                    chunk.copy_from_slice(&context.finish().as_ref()[..chunk.len()]);
                }
                Ok(())
            }
        }
    }

    /// So many random bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A token of 256 random bits after a prefix that scanners can find.
    pub fn token(&self, prefix: &str) -> Result<Secret, Fault> {
        Ok(Secret::new(format!(
            "{prefix}{}",
            base64url(&self.bytes::<32>()?)
        )))
    }

    /// An unguessable identifier (RFC 9562 §5.4).
    pub fn uuid_v4(&self) -> Result<Uuid, Fault> {
        Ok(uuid::Builder::from_random_bytes(self.bytes()?).into_uuid())
    }

    /// An identifier that sorts by its time (RFC 9562 §5.7), for rows where index locality counts.
    pub fn uuid_v7(&self, now: Timestamp) -> Result<Uuid, Fault> {
        let millis = u64::try_from(now.micros().div_euclid(1_000)).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()?).into_uuid())
    }

    /// What ring's key generation asks for.
    pub fn ring(&self) -> SystemRandom {
        match self {
            Self::System(random) => random.clone(),
            #[expect(
                clippy::disallowed_methods,
                reason = "ring's trait is sealed: keys in tests are random or fixed files"
            )]
            Self::Seeded(_) => SystemRandom::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_sequence_and_nothing_repeats() {
        let (a, b) = (Entropy::seeded(1), Entropy::seeded(1));
        assert_eq!(a.bytes::<40>().unwrap(), b.bytes::<40>().unwrap());
        assert_ne!(a.bytes::<16>().unwrap(), a.bytes::<16>().unwrap());
    }

    #[test]
    fn a_token_has_its_prefix_and_256_bits() {
        let token = Entropy::system().token("gcs_").unwrap();
        assert_eq!(token.expose().len(), "gcs_".len() + 43);
    }
}
