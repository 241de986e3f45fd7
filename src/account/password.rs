//! Checking and hashing passwords, so many at a time and no more.
//!
//! argon2id is slow on purpose. So it runs on blocking threads, at most `argon2.parallel` at once, and in memory that is
//! used again: fresh pages cost as much as the hash itself. A bounded number waits; whoever comes after that is told to
//! come later, instead of making everybody wait longer.

use super::hash::{self, Hash};
use crate::config::Argon2Config;
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::storage::users::PasswordHash;
use crate::types::Secret;
use argon2::{Block, Params};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

/// Longest password, in code points.
pub const MAX_LENGTH: usize = 256;
/// How many may wait for each that runs: about a second's worth.
const WAITING_PER_LANE: usize = 64;
/// How long one waits at most.
const PATIENCE: Duration = Duration::from_secs(4);

/// A password as it was typed, and in the normal form that is hashed: that of RFC 8265 §4.2 (OpaqueString), NFC with
/// every space an ordinary one, so that the same password typed on two systems is one.
#[derive(Clone, Debug)]
pub struct Password {
    typed: Secret,
    normal: Secret,
}

impl Password {
    /// Takes what was typed; `None` for what cannot be anybody's password: longer than `MAX_LENGTH` code points, or
    /// with a NUL, which some foreign hashes take for the end.
    pub fn new(typed: &str) -> Option<Self> {
        // NFC at most triples the length.
        if typed.len() > 4 * 3 * MAX_LENGTH || typed.contains('\0') {
            return None;
        }
        let normal: String = typed
            .chars()
            .map(|c| if is_space(c) { ' ' } else { c })
            .nfc()
            .collect();
        (normal.chars().count() <= MAX_LENGTH).then(|| Self {
            typed: Secret::new(typed.to_owned()),
            normal: Secret::new(normal),
        })
    }

    /// The normal form.
    pub fn normal(&self) -> &Secret {
        &self.normal
    }
}

/// Unicode's category Zs.
fn is_space(c: char) -> bool {
    matches!(
        c,
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
    )
}

/// What came of checking a password.
#[derive(Debug)]
pub struct Checked {
    /// Whether it is right.
    pub right: bool,
    /// The same password hashed as it is done now, where the stored hash is weaker or of another kind.
    pub better: Option<PasswordHash>,
}

/// The gate to password hashing; cheap to clone.
#[derive(Clone)]
pub struct Passwords(Arc<Gate>);

struct Gate {
    params: Params,
    entropy: Entropy,
    /// Who is checked instead of a user that does not exist.
    nobody: Hash,
    /// Those who run or wait.
    admitted: Arc<Semaphore>,
    /// Those who run.
    running: Arc<Semaphore>,
    /// Memory between two uses: never more than there are lanes.
    memory: Mutex<Vec<Vec<Block>>>,
    lanes: usize,
}

impl Passwords {
    /// A gate as the settings `argon2.*` want it.
    ///
    /// # Errors
    /// When the parameters do not fit together.
    pub fn new(config: &Argon2Config, entropy: Entropy) -> Result<Self, Fault> {
        let params = hash::params(config)?;
        let nobody = Hash::of_nobody(&params, &entropy)?;
        let lanes = config.parallel.max(1);
        Ok(Self(Arc::new(Gate {
            params,
            entropy,
            nobody,
            admitted: Arc::new(Semaphore::new(lanes * (1 + WAITING_PER_LANE))),
            running: Arc::new(Semaphore::new(lanes)),
            memory: Mutex::new(Vec::new()),
            lanes,
        })))
    }

    /// Hashes a password.
    ///
    /// # Errors
    /// Unavailable when too many wait already.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, Fault> {
        let normal = password.normal.clone();
        self.run(move |gate, memory| {
            hash::make(normal.expose().as_bytes(), &gate.params, &gate.entropy, memory)
        })
        .await?
    }

    /// Checks a password. Without a hash, or without a password that could be one, the same work is done for nothing, so
    /// that the time tells nothing about whether the user exists. (While a user still has a hash from another system,
    /// the time is that system's.)
    ///
    /// # Errors
    /// Unavailable when too many wait already.
    pub async fn check(
        &self,
        password: Option<&Password>,
        stored: Option<&PasswordHash>,
    ) -> Result<Checked, Fault> {
        let stored =
            match (password, stored) {
                (Some(_), Some(stored)) => Some(Hash::parse(stored.as_str()).map_err(|why| {
                    Fault::internal("a stored password hash is not understood").caused_by(why)
                })?),
                _ => None,
            };
        let password = password.cloned().unwrap_or_else(|| Password {
            typed: Secret::new(String::new()),
            normal: Secret::new(String::new()),
        });
        self.run(move |gate, memory| {
            let hash = stored.as_ref().unwrap_or(&gate.nobody);
            let hashed = if hash.is_of_normal_form() {
                &password.normal
            } else {
                &password.typed
            };
            let right = hash.verify(hashed.expose().as_bytes(), memory)?;
            let better = if right && !hash.is_current(&gate.params) {
                let normal = password.normal.expose().as_bytes();
                Some(hash::make(normal, &gate.params, &gate.entropy, memory)?)
            } else {
                None
            };
            Ok(Checked { right, better })
        })
        .await?
    }

    /// Runs work beside the hashing and in its bounds, such as judging a new password.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        self.run(move |_, _| work()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gate, &mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let full = || Fault::unavailable("too many passwords wait to be hashed");
        let gate = Arc::clone(&self.0);
        let admitted = Arc::clone(&gate.admitted)
            .try_acquire_owned()
            .map_err(|_| full())?;
        let running = Arc::clone(&gate.running).acquire_owned();
        let running = tokio::time::timeout(PATIENCE, running)
            .await
            .map_err(|_| full())?
            .map_err(|_| full())?;
        tokio::task::spawn_blocking(move || {
            // The caller may go away; the permits stay with the work.
            let _permits = (admitted, running);
            let mut memory = gate.take_memory();
            let done = work(&gate, &mut memory);
            gate.give_back(memory);
            done
        })
        .await
        .map_err(|error| Fault::internal("hashing a password failed").caused_by(error))
    }
}

impl Gate {
    fn take_memory(&self) -> Vec<Block> {
        let mut pool = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        pool.pop().unwrap_or_default()
    }

    fn give_back(&self, memory: Vec<Block>) {
        // What an imported hash needed beyond ours is not kept.
        let ours = memory.len() == self.params.block_count();
        let mut pool = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if ours && pool.len() < self.lanes {
            pool.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn gate(parallel: usize) -> Passwords {
        let config = Argon2Config {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
            parallel,
        };
        Passwords::new(&config, Entropy::seeded(1)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let gate = gate(1);
        let hash = gate.hash(&password("secret")).await.unwrap();
        let right = gate.check(Some(&password("secret")), Some(&hash)).await.unwrap();
        assert!(right.right && right.better.is_none());
        for (wrong, stored) in [
            (Some(password("Secret")), Some(&hash)),
            (Some(password("secret")), None),
            (None, Some(&hash)),
            (None, None),
        ] {
            let checked = gate.check(wrong.as_ref(), stored).await.unwrap();
            assert!(!checked.right && checked.better.is_none());
        }
    }

    #[tokio::test]
    async fn one_password_typed_in_two_ways_is_one() {
        let gate = gate(1);
        let hash = gate.hash(&password("cafe\u{301}\u{A0}bar")).await.unwrap();
        let typed = password("caf\u{E9} bar");
        assert!(gate.check(Some(&typed), Some(&hash)).await.unwrap().right);
    }

    #[tokio::test]
    async fn a_foreign_hash_is_of_what_was_typed_and_is_replaced() {
        let gate = gate(1);
        // bcrypt of "cafe" with a combining accent.
        let typed = "cafe\u{301} bar";
        let foreign = PasswordHash::new(bcrypt::hash(typed, 4).unwrap());
        assert!(
            !gate
                .check(Some(&password("caf\u{E9} bar")), Some(&foreign))
                .await
                .unwrap()
                .right
        );
        let checked = gate.check(Some(&password(typed)), Some(&foreign)).await.unwrap();
        let better = checked.better.filter(|_| checked.right).unwrap();
        assert!(better.as_str().starts_with("$argon2id$"));
        let again = gate
            .check(Some(&password("caf\u{E9} bar")), Some(&better))
            .await
            .unwrap();
        assert!(again.right && again.better.is_none());
    }

    #[tokio::test]
    async fn a_hash_that_is_not_understood_is_our_fault() {
        let broken = PasswordHash::new("$broken".to_owned());
        assert!(
            gate(1)
                .check(Some(&password("secret")), Some(&broken))
                .await
                .is_err()
        );
    }

    #[test]
    fn what_cannot_be_a_password_is_none() {
        assert!(Password::new(&"x".repeat(MAX_LENGTH + 1)).is_none());
        assert!(Password::new(&"x".repeat(1 << 20)).is_none());
        assert!(Password::new("a\0b").is_none());
        let accents = "e\u{301}".repeat(MAX_LENGTH);
        assert!(Password::new(&accents).is_some(), "counted in the normal form");
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", password("hidden")).contains("hidden"));
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_the_setting_says_and_a_bounded_number_waits() {
        let gate = gate(2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let asked = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (gate, now, most, released) = (gate.clone(), now.clone(), most.clone(), released.clone());
                let asked = asked.clone();
                tokio::spawn(async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    gate.beside(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        // Held until all 200 have come.
                        let _ = released.lock().unwrap().recv();
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                    .await
                })
            })
            .collect();
        // One thread runs all tasks: one that has counted has also asked, up to its first wait.
        while asked.load(Ordering::SeqCst) < 200 {
            tokio::task::yield_now().await;
        }
        for _ in 0..200 {
            release.send(()).unwrap();
        }
        let (mut done, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => done += 1,
                Err(fault) => {
                    assert_eq!(fault.kind(), crate::fault::FaultKind::Unavailable);
                    refused += 1;
                }
            }
        }
        assert_eq!((done, refused), (2 * 65, 200 - 2 * 65));
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let gate = gate(1);
        for _ in 0..3 {
            gate.hash(&password("secret")).await.unwrap();
            assert_eq!(gate.0.memory.lock().unwrap().len(), 1);
        }
    }
}
