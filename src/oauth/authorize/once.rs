//! What is good for one code: a sign-in or consent that a request asked for, and the pushed request itself. It is used up
//! before the code is issued, so that of two browsers one goes on, and given back where none could be issued, so that
//! nobody has to start again for our fault.

use super::interaction::Interaction;
use crate::app::App;
use crate::fault::Fault;
use crate::storage::sessions::{self, Session};
use crate::storage::{authorization_requests, sessions::Interaction as Note};
use crate::types::{Timestamp, TokenHash};
use uuid::Uuid;

/// What was used up.
#[derive(Default)]
pub(super) struct Used {
    notes: Option<(Uuid, Vec<Note>)>,
    pushed: Option<(TokenHash, Timestamp)>,
}

impl Used {
    /// Uses up all that a request rests on, in one transaction: the notes of an interaction in which something was done, and
    /// a pushed request. `None` when another browser was first.
    pub(super) async fn up(
        app: &App,
        session: &Session,
        interaction: Option<&Interaction>,
        pushed: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let mut used = Self::default();
        if interaction.is_none() && pushed.is_none() {
            return Ok(Some(used));
        }
        let mut tx = app.store.begin().await?;
        if let Some(interaction) = interaction {
            let (tenant, request) = (session.tenant_id, interaction.id);
            let notes = sessions::use_interactions(&mut tx, tenant, session.id, request).await?;
            if notes.is_empty() {
                return Ok(None);
            }
            used.notes = Some((request, notes));
        }
        if let Some(uri) = pushed {
            let handle = TokenHash::of(uri);
            if !authorization_requests::use_up(&mut tx, session.tenant_id, &handle, now).await? {
                return Ok(None);
            }
            used.pushed = Some((handle, now));
        }
        tx.commit().await?;
        Ok(Some(used))
    }

    /// Gives it back. That this fails too is only logged: the person has to start again then, and nothing was issued.
    pub(super) async fn give_back(self, app: &App, session: &Session) {
        if self.notes.is_none() && self.pushed.is_none() {
            return;
        }
        if let Err(fault) = self.put(app, session).await {
            tracing::error!("what a person did for an authorization request is lost with it: {fault}");
        }
    }

    async fn put(self, app: &App, session: &Session) -> Result<(), Fault> {
        let tenant = session.tenant_id;
        let mut tx = app.store.begin().await?;
        if let Some((request, notes)) = self.notes {
            for note in notes {
                sessions::note_interaction(&mut tx, tenant, session.id, request, note).await?;
            }
        }
        if let Some((handle, used_at)) = self.pushed {
            authorization_requests::give_back(&mut tx, tenant, &handle, used_at).await?;
        }
        tx.commit().await
    }
}
