//! What a caller and the writer share about one record: who of them decides first how it ended, decides for both.

use futures_util::task::AtomicWaker;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

/// The caller waits, or has gone away without putting anything back: the record stands.
const OPEN: u8 = 0;
/// The record is durable.
const STORED: u8 = 1;
/// The caller has been told that the record failed, and puts its change back.
const FAILED: u8 = 2;

/// The writer's half.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Shared>);

/// The caller's half. Dropping it leaves the record to stand: a caller that is gone, because its connection was lost,
/// has put nothing back.
#[derive(Debug)]
pub(super) struct Claim(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    waker: AtomicWaker,
}

/// Both halves.
pub(super) fn ticket() -> (Ticket, Claim) {
    let shared = Arc::new(Shared {
        state: AtomicU8::new(OPEN),
        waker: AtomicWaker::new(),
    });
    (Ticket(shared.clone()), Claim(shared))
}

impl Ticket {
    /// Says that the record is durable. `false` when the caller had been told that it failed.
    pub fn stored(&self) -> bool {
        self.0.decide(STORED) == STORED
    }

    /// Says that the record failed. `false` when nobody is there to hear it: then the record has to be written.
    pub fn failed(&self) -> bool {
        if Arc::strong_count(&self.0) > 1 {
            self.0.decide(FAILED) == FAILED
        } else {
            self.is_failed()
        }
    }

    /// Whether the caller has been told that the record failed.
    pub fn is_failed(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == FAILED
    }
}

impl Claim {
    /// Waits for the writer's word.
    pub async fn decided(&self) -> bool {
        poll_fn(|context| {
            self.0.waker.register(context.waker());
            match self.0.state.load(Ordering::Acquire) {
                OPEN => Poll::Pending,
                state => Poll::Ready(state == STORED),
            }
        })
        .await
    }

    /// Gives up. `true` when the record became durable in the meantime.
    pub fn give_up(&self) -> bool {
        self.0.decide(FAILED) == STORED
    }

    /// Waits for so long and leaves the record to stand whatever comes.
    pub async fn watch(self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.decided())
            .await
            .unwrap_or(false)
    }
}

impl Shared {
    /// Decides, unless it has been decided; the state as it is afterwards.
    fn decide(&self, state: u8) -> u8 {
        let decided = self
            .state
            .compare_exchange(OPEN, state, Ordering::AcqRel, Ordering::Acquire);
        self.waker.wake();
        decided.map_or_else(|earlier| earlier, |_| state)
    }
}

#[cfg(test)]
mod tests {
    use super::ticket as pair;

    #[tokio::test]
    async fn whoever_decides_first_decides_for_both() {
        let (ticket, claim) = pair();
        assert!(ticket.stored());
        assert!(claim.give_up());
        assert!(claim.decided().await);

        let (ticket, claim) = pair();
        assert!(!claim.give_up());
        assert!(!ticket.stored());
        assert!(ticket.is_failed());
    }

    #[tokio::test]
    async fn a_caller_that_gave_up_stays_told_when_it_is_gone() {
        let (ticket, claim) = pair();
        claim.give_up();
        drop(claim);
        assert!(ticket.failed());
        assert!(!ticket.stored());
    }

    #[tokio::test]
    async fn a_caller_that_went_away_leaves_the_record_to_stand() {
        let (ticket, claim) = pair();
        drop(claim);
        assert!(!ticket.failed());
        assert!(ticket.stored());
    }

    #[tokio::test]
    async fn the_writers_word_wakes_the_caller() {
        let (ticket, claim) = pair();
        let waiting = tokio::spawn(async move { claim.decided().await });
        tokio::task::yield_now().await;
        assert!(ticket.failed());
        assert!(!waiting.await.unwrap());
    }
}
