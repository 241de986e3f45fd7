//! The rules once more, over plain values, and the steps that a story is made of.

use super::{CODE_SECONDS, FAMILY_SECONDS, SESSION_SECONDS, START};
use grantor::storage::grants::Grant;
use grantor::types::Timestamp;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Somebody presents the code.
    Redeem {
        own_client: bool,
        right_verifier: bool,
    },
    /// Somebody presents one of the refresh tokens that were ever made, counted from the newest.
    Rotate {
        back: usize,
        own_client: bool,
        retry_seconds: i64,
        other_address: bool,
    },
    /// The newest one several times at once, over two replicas.
    Race {
        times: usize,
    },
    /// The last success could not be audited and is put back.
    PutBack,
    Advance {
        seconds: i64,
    },
    Revoke,
    RaiseUserEpoch,
    DisableUser,
    RaiseClientEpoch,
    WithdrawConsent,
    EndSession,
    /// The replica is replaced by another one on the same database.
    Restart,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (prop::bool::weighted(0.9), prop::bool::weighted(0.9))
            .prop_map(|(own_client, right_verifier)| Step::Redeem { own_client, right_verifier }),
        12 => (prop_oneof![5 => Just(0usize), 2 => Just(1), 1 => 2usize..5], prop::bool::weighted(0.93),
            prop_oneof![Just(0i64), Just(10)], prop::bool::weighted(0.2))
            .prop_map(|(back, own_client, retry_seconds, other_address)| Step::Rotate {
                back, own_client, retry_seconds, other_address
            }),
        2 => (2usize..5).prop_map(|times| Step::Race { times }),
        2 => Just(Step::PutBack),
        3 => prop_oneof![1i64..20, 50i64..70, 500i64..700, Just(SESSION_SECONDS), Just(FAMILY_SECONDS)]
            .prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Revoke),
        1 => Just(Step::RaiseUserEpoch),
        1 => Just(Step::DisableUser),
        1 => Just(Step::RaiseClientEpoch),
        1 => Just(Step::WithdrawConsent),
        1 => Just(Step::EndSession),
        1 => Just(Step::Restart),
    ];
    // Most stories begin with a code that is redeemed; the rest try everything on a pending one.
    (prop::bool::weighted(0.85), proptest::collection::vec(step, 1..24)).prop_map(|(redeemed, mut steps)| {
        if redeemed {
            steps.insert(
                0,
                Step::Redeem {
                    own_client: true,
                    right_verifier: true,
                },
            );
        }
        steps
    })
}

/// A token that was made: what its holder, or a thief of it, can present.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) generation: i64,
    pub(super) salt: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Pending,
    Active,
    Revoked,
}

/// What a step should come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Expected {
    Success,
    Repeated,
    Mismatch,
    Theft,
    Refused,
}

/// A family as the rules see it.
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) offline: bool,
    pub(super) state: State,
    /// Newest last; the code is the first.
    pub(super) tokens: Vec<Token>,
    pub(super) rotated_at: Timestamp,
    /// Whether the newest token may have a predecessor that repeats; a put-back forgets it.
    pub(super) repeats: bool,
    pub(super) rotated_from_other_address: bool,
    pub(super) user_ok: bool,
    pub(super) client_ok: bool,
    pub(super) consent_ok: bool,
    pub(super) session_ok: bool,
    /// What a put-back would have to restore.
    pub(super) last_success: Option<(Grant, Token)>,
}

impl Model {
    pub(super) fn stands(&self) -> bool {
        let in_session = self.offline || (self.session_ok && self.now < START.plus_seconds(SESSION_SECONDS));
        self.user_ok
            && self.client_ok
            && self.consent_ok
            && in_session
            && self.now < START.plus_seconds(FAMILY_SECONDS)
    }

    pub(super) fn redeem(&self, own_client: bool, right_verifier: bool) -> Expected {
        if !own_client {
            return Expected::Theft;
        }
        match self.state {
            State::Pending if self.now >= START.plus_seconds(CODE_SECONDS) => Expected::Refused,
            State::Pending if right_verifier && self.stands() => Expected::Success,
            State::Pending => Expected::Mismatch,
            _ if self.now < START.plus_seconds(600) => Expected::Theft,
            _ => Expected::Refused,
        }
    }

    pub(super) fn rotate(
        &self,
        token: &Token,
        own_client: bool,
        retry_seconds: i64,
        other_address: bool,
    ) -> Expected {
        let newest = self.tokens.last().expect("the code at least");
        let usable = self.state == State::Active && self.stands();
        if own_client && token == newest && usable {
            return Expected::Success;
        }
        let before_newest = token.generation + 1 == newest.generation;
        let in_window = self.now < self.rotated_at.plus_seconds(retry_seconds);
        let same_address = other_address == self.rotated_from_other_address;
        if own_client
            && before_newest
            && self.repeats
            && usable
            && retry_seconds > 0
            && in_window
            && same_address
        {
            return Expected::Repeated;
        }
        if !own_client || token.generation < newest.generation {
            Expected::Theft
        } else {
            Expected::Refused
        }
    }
}
