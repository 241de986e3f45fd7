//! What an authorization request leads to. Pure, and tested as a table: the handler fetches the inputs and carries out
//! the answer.

use crate::oauth::error::ErrorCode;
use crate::types::{ScopeSet, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// `prompt` (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Show nothing.
    pub none: bool,
    /// Ask for the password again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
    /// Let the user choose the account.
    pub select_account: bool,
}

/// What the request asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// `prompt`.
    pub prompt: Prompt,
    /// `max_age` in seconds, or the client's `default_max_age`.
    pub max_age: Option<i64>,
    /// The only user that may answer (`id_token_hint`, or an essential `sub` in `claims`).
    pub subject: Option<UserId>,
    /// An `acr` is demanded (essential in `claims`): one of these.
    pub essential_acr: &'a [String],
    /// The scopes that would be granted.
    pub scope: &'a ScopeSet,
}

/// What matters about the client.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Whether users are asked for consent.
    pub require_consent: bool,
    /// A public client whose redirect URI anybody on the device could claim: nobody can tell who it is (RFC 8252 §8.6).
    pub unverifiable: bool,
}

/// What matters about the browser's session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub auth_time: Timestamp,
    /// How strongly.
    pub acr: String,
    /// What was done for this very request.
    pub done: Done,
}

/// What the user did for this very request; each counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Signed in.
    #[serde(default)]
    pub signed_in: bool,
    /// Said yes.
    #[serde(default)]
    pub consented: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Show the sign-in page.
    SignIn,
    /// Show the consent page.
    Consent,
    /// Issue a code.
    Issue,
    /// Send this error to the client.
    Refuse(ErrorCode),
}

/// Decides. `consented` are the scopes that the user has agreed to before and has not withdrawn.
pub fn decide(
    asked: &Asked<'_>,
    client: Asking,
    session: Option<&SignedIn>,
    consented: Option<&ScopeSet>,
    now: Timestamp,
) -> Decision {
    let Some(session) = session else {
        return if asked.prompt.none {
            Decision::Refuse(ErrorCode::LoginRequired)
        } else {
            Decision::SignIn
        };
    };
    if let Some(decision) = sign_in_again(asked, session, now) {
        return decision;
    }
    if !asked.essential_acr.is_empty() && !asked.essential_acr.contains(&session.acr) {
        // OIDC Core §5.5.1.1: an essential acr that cannot be met is an error.
        return Decision::Refuse(ErrorCode::UnmetAuthenticationRequirements);
    }
    if session.done.consented {
        return Decision::Issue;
    }
    if client.unverifiable {
        return if asked.prompt.none {
            Decision::Refuse(ErrorCode::InteractionRequired)
        } else {
            Decision::Consent
        };
    }
    let covered = consented.is_some_and(|scopes| asked.scope.is_subset(scopes));
    if asked.prompt.consent || (client.require_consent && !covered) {
        return if asked.prompt.none {
            Decision::Refuse(ErrorCode::ConsentRequired)
        } else {
            Decision::Consent
        };
    }
    Decision::Issue
}

fn sign_in_again(asked: &Asked<'_>, session: &SignedIn, now: Timestamp) -> Option<Decision> {
    let other_user = asked.subject.is_some_and(|subject| subject != session.user);
    if other_user && (asked.prompt.none || session.done.signed_in) {
        // OIDC Core §3.1.2.2: a sub that was asked for and is not the one signed in must not get a positive answer.
        return Some(Decision::Refuse(ErrorCode::LoginRequired));
    }
    // §3.1.2.1: max_age is about the time since the last *active* sign-in; 0 asks for one in any case.
    let too_old = asked
        .max_age
        .is_some_and(|max_age| now.micros_since(session.auth_time) > max_age * 1_000_000 || max_age == 0);
    if too_old && asked.prompt.none {
        return Some(Decision::Refuse(ErrorCode::LoginRequired));
    }
    let asks_again = asked.prompt.login || asked.prompt.select_account || too_old;
    ((asks_again || other_user) && !session.done.signed_in).then_some(Decision::SignIn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ALICE: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

    const NONE: Prompt = Prompt {
        none: true,
        login: false,
        consent: false,
        select_account: false,
    };
    const PLAIN: Prompt = Prompt {
        none: false,
        login: false,
        consent: false,
        select_account: false,
    };
    const LOGIN: Prompt = Prompt { login: true, ..PLAIN };
    const CONSENT: Prompt = Prompt {
        consent: true,
        ..PLAIN
    };
    const SELECT: Prompt = Prompt {
        select_account: true,
        ..PLAIN
    };

    /// Every combination of the inputs that the rules speak of, against the rules written down once more as a model that
    /// goes from the outcome instead of from the inputs.
    #[test]
    fn prompt_session_consent_max_age_and_acr_as_a_table() {
        let scope = ScopeSet::parse("openid profile").unwrap();
        let less = ScopeSet::parse("openid").unwrap();
        let aal2 = ["aal2".to_owned()];
        let aal1 = ["aal1".to_owned()];
        let mut seen = 0;
        for prompt in [
            PLAIN,
            NONE,
            LOGIN,
            CONSENT,
            SELECT,
            Prompt {
                login: true,
                consent: true,
                ..PLAIN
            },
        ] {
            for max_age in [None, Some(0), Some(60), Some(10_000)] {
                for subject in [None, Some(ALICE), Some(BOB)] {
                    for essential in [&[][..], &aal1[..], &aal2[..]] {
                        for age in [None, Some(0), Some(61)] {
                            for done in [(false, false), (true, false), (true, true), (false, true)] {
                                for consented in [None, Some(&less), Some(&scope)] {
                                    for (require_consent, unverifiable) in
                                        [(true, false), (false, false), (true, true), (false, true)]
                                    {
                                        let session = age.map(|age| SignedIn {
                                            user: ALICE,
                                            auth_time: NOW.plus_seconds(-age),
                                            acr: "aal1".to_owned(),
                                            done: Done {
                                                signed_in: done.0,
                                                consented: done.1,
                                            },
                                        });
                                        let asked = Asked {
                                            prompt,
                                            max_age,
                                            subject,
                                            essential_acr: essential,
                                            scope: &scope,
                                        };
                                        let client = Asking {
                                            require_consent,
                                            unverifiable,
                                        };
                                        let got = decide(&asked, client, session.as_ref(), consented, NOW);
                                        check(&asked, client, session.as_ref(), consented, got);
                                        seen += 1;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 6 * 4 * 3 * 3 * 3 * 4 * 3 * 4);
    }

    fn check(
        asked: &Asked<'_>,
        client: Asking,
        session: Option<&SignedIn>,
        consented: Option<&ScopeSet>,
        got: Decision,
    ) {
        let context = format!("{asked:?} {client:?} {session:?} {consented:?}");
        let fresh = session.is_some_and(|session| session.done.signed_in);
        if asked.prompt.none {
            assert!(
                matches!(got, Decision::Issue | Decision::Refuse(_)),
                "prompt=none shows nothing: {context}"
            );
        }
        match got {
            Decision::Issue => {
                let session = session.expect("nothing is issued without a session");
                assert!(
                    asked.subject.is_none_or(|subject| subject == session.user),
                    "{context}"
                );
                assert!(
                    asked.essential_acr.is_empty() || asked.essential_acr.contains(&session.acr),
                    "{context}"
                );
                assert!(
                    fresh || !(asked.prompt.login || asked.prompt.select_account),
                    "{context}"
                );
                let age = NOW.micros_since(session.auth_time) / 1_000_000;
                let in_time = asked.max_age.is_none_or(|max| max > 0 && age <= max);
                assert!(in_time || (fresh && !asked.prompt.none), "{context}");
                let agreed = consented.is_some_and(|scopes| asked.scope.is_subset(scopes));
                assert!(
                    session.done.consented
                        || (!client.unverifiable
                            && !asked.prompt.consent
                            && (agreed || !client.require_consent)),
                    "{context}"
                );
            }
            Decision::SignIn => assert!(!fresh, "a sign-in for this request is asked for once: {context}"),
            Decision::Consent => {
                assert!(
                    session.is_some_and(|session| !session.done.consented),
                    "{context}"
                );
                assert!(
                    client.require_consent || client.unverifiable || asked.prompt.consent,
                    "{context}"
                );
            }
            Decision::Refuse(code) => {
                let acr_unmet = session.is_some_and(|session| {
                    !asked.essential_acr.is_empty() && !asked.essential_acr.contains(&session.acr)
                });
                let wrong_user = fresh && asked.subject == Some(BOB);
                assert!(asked.prompt.none || acr_unmet || wrong_user, "{context}");
                match code {
                    ErrorCode::LoginRequired => assert!(asked.prompt.none || wrong_user, "{context}"),
                    ErrorCode::UnmetAuthenticationRequirements => assert!(acr_unmet, "{context}"),
                    ErrorCode::InteractionRequired => assert!(client.unverifiable, "{context}"),
                    ErrorCode::ConsentRequired => assert!(client.require_consent, "{context}"),
                    other => panic!("{other:?}: {context}"),
                }
            }
        }
    }

    #[test]
    fn oidc_core_s3_1_2_1_some_rows_by_hand() {
        let scope = ScopeSet::parse("openid").unwrap();
        let asked = |prompt, max_age| Asked {
            prompt,
            max_age,
            subject: None,
            essential_acr: &[],
            scope: &scope,
        };
        let first_party = Asking {
            require_consent: false,
            unverifiable: false,
        };
        let session = |age: i64, done| SignedIn {
            user: ALICE,
            auth_time: NOW.plus_seconds(-age),
            acr: "aal1".into(),
            done,
        };
        let idle = Done::default();
        let signed_in = Done {
            signed_in: true,
            consented: false,
        };
        let table = [
            (
                asked(NONE, None),
                None,
                Decision::Refuse(ErrorCode::LoginRequired),
            ),
            (asked(NONE, None), Some(session(10, idle)), Decision::Issue),
            (asked(LOGIN, None), Some(session(10, idle)), Decision::SignIn),
            (asked(LOGIN, None), Some(session(0, signed_in)), Decision::Issue),
            (asked(PLAIN, Some(1)), Some(session(2, idle)), Decision::SignIn),
            (
                asked(PLAIN, Some(10_000)),
                Some(session(2, idle)),
                Decision::Issue,
            ),
            (
                asked(NONE, Some(1)),
                Some(session(2, idle)),
                Decision::Refuse(ErrorCode::LoginRequired),
            ),
        ];
        for (asked, session, want) in table {
            assert_eq!(
                decide(&asked, first_party, session.as_ref(), None, NOW),
                want,
                "{asked:?}"
            );
        }
        // R-GRT-26, RFC 8252 §8.6: an app that nobody can recognise is always shown.
        let native = Asking {
            require_consent: false,
            unverifiable: true,
        };
        let known = session(1, idle);
        assert_eq!(
            decide(&asked(PLAIN, None), native, Some(&known), Some(&scope), NOW),
            Decision::Consent
        );
        assert_eq!(
            decide(&asked(NONE, None), native, Some(&known), Some(&scope), NOW),
            Decision::Refuse(ErrorCode::InteractionRequired)
        );
    }
}
