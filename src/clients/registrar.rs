//! Making, changing and removing clients: the one way, for the admin API, the command line and dynamic registration.

use super::NewSecret;
use super::cache::ClientCache;
use super::sector::{self, SectorMismatch};
use crate::audit::{Audit, Event, EventType, Outcome};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::outgoing::Outgoing;
use crate::storage::clients::{self, Client, ClientMetadata};
use crate::storage::registered_clients::{self, NOTED_AFTER_S};
use crate::storage::{Store, Tx, outbox, plans};
use crate::types::{ClientId, Secret, TenantId, Timestamp, Violation};

/// A client that was just registered.
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, for the one time that it is shown.
    pub secret: Option<Secret>,
}

/// Why a client was not registered or changed.
#[derive(Debug)]
pub enum Unregistered {
    /// The document is not valid: everything that is wrong.
    Invalid(Vec<Violation>),
    /// Something in it belongs to another client.
    Taken {
        /// The member.
        pointer: &'static str,
        /// What about it.
        detail: &'static str,
    },
    /// Whoever asks has no right to give such a scope.
    NotAllowed(ClientId),
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for Unregistered {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Writes clients, each change in one transaction with its audit event. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registrar {
    store: Store,
    cache: ClientCache,
    audit: Audit,
    entropy: Entropy,
    outgoing: Outgoing,
}

impl Registrar {
    /// A registrar over a database.
    pub fn new(store: Store, cache: ClientCache, audit: Audit, entropy: Entropy, outgoing: Outgoing) -> Self {
        Self {
            store,
            cache,
            audit,
            entropy,
            outgoing,
        }
    }

    /// Holds a registration that keeps all other rules against its `sector_identifier_uri`, which is fetched unless
    /// `former` shows that nothing about it changes. To be asked before [`Self::make`] and before a change is applied,
    /// by whoever has a right to it. `event` is the record of what waits for it.
    ///
    /// # Errors
    /// When the two do not agree. That somebody sent the server where it must not go is on record then.
    pub async fn check_sector(
        &self,
        former: Option<&ClientMetadata>,
        metadata: &ClientMetadata,
        event: &Event,
    ) -> Result<(), Unregistered> {
        if former.is_some_and(|former| !sector::is_touched(former, metadata)) {
            return Ok(());
        }
        let Err(SectorMismatch {
            violations,
            forbidden,
        }) = sector::check(&self.outgoing, metadata).await
        else {
            return Ok(());
        };
        if forbidden {
            let blocked = Event {
                id: self.entropy.uuid_v7(event.time)?,
                event_type: EventType::SsrfBlocked,
                outcome: Outcome::Failure,
                ..event.clone()
            };
            self.audit.note(blocked.with("member", "sector_identifier_uri"));
        }
        Err(Unregistered::Invalid(violations))
    }

    /// Holds the plan that a client is to be on against those that there are.
    ///
    /// # Errors
    /// When there is none of that name, or the database does not answer.
    pub async fn check_plan(&self, tenant: TenantId, metadata: &ClientMetadata) -> Result<(), Unregistered> {
        let Some(name) = &metadata.plan else { return Ok(()) };
        match plans::find(&mut self.store.read().await?, tenant, name).await? {
            Some(_) => Ok(()),
            None => {
                let violation = Violation::new("/plan", "is not the name of a plan");
                Err(Unregistered::Invalid(vec![violation]))
            }
        }
    }

    /// A client with this registration, and a secret where it authenticates with one. Nothing is written yet.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn make(
        &self,
        tenant: TenantId,
        client_id: ClientId,
        metadata: ClientMetadata,
        now: Timestamp,
    ) -> Result<Registered, Fault> {
        let new = metadata
            .has_secret()
            .then(|| NewSecret::make(&self.entropy))
            .transpose()?;
        let (hash, secret) = new.map(|new| (new.hash, new.secret)).unzip();
        let client = Client::new(tenant, client_id, metadata, hash, now);
        Ok(Registered { client, secret })
    }

    /// Writes a new client. `tx` may hold what has to be true at the same time.
    ///
    /// # Errors
    /// When its identifier or one of its resources is taken, or the database does not answer.
    pub async fn insert(&self, mut tx: Tx, client: &Client, event: Event) -> Result<(), Unregistered> {
        if !clients::insert(&mut tx, client).await? {
            return Err(Unregistered::Taken {
                pointer: "/client_id",
                detail: "There is a client with this client_id.",
            });
        }
        claim_resources(&mut tx, client).await?;
        let event = event
            .client(&client.client_id)
            .with("scope", client.metadata.scope.to_string())
            .with("consumer_class", client.metadata.class().as_str());
        Ok(self.commit(tx, event).await?)
    }

    /// Writes a changed client, if it still has the version in which it was read; its own version then is the new one.
    /// `false` when somebody else changed or deleted it meanwhile. When `revoke` is set, everything that was granted to
    /// it before ends too.
    ///
    /// # Errors
    /// When one of its resources is taken, or the database does not answer.
    pub async fn update(
        &self,
        client: &mut Client,
        revoke: bool,
        event: Event,
        now: Timestamp,
    ) -> Result<bool, Unregistered> {
        let mut tx = self.store.begin().await?;
        if !clients::update(&mut tx, client, revoke, now).await? {
            return Ok(false);
        }
        claim_resources(&mut tx, client).await?;
        self.commit(tx, event.client(&client.client_id)).await?;
        client.version += 1;
        client.updated_at = now;
        Ok(true)
    }

    /// Deletes a client in the version that was read. `false` when it was changed meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove(&self, client: &Client, event: Event, now: Timestamp) -> Result<bool, Fault> {
        let mut tx = self.store.begin().await?;
        if !clients::delete(&mut tx, client.tenant_id, &client.client_id, client.version, now).await? {
            return Ok(false);
        }
        self.commit(tx, event.client(&client.client_id)).await?;
        Ok(true)
    }

    /// Deletes a client that registered itself, unless it was used since `before`. `false` when it was, or is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_unused(
        &self,
        tenant: TenantId,
        client_id: &ClientId,
        before: Timestamp,
        event: Event,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let mut tx = self.store.begin().await?;
        if !registered_clients::delete_unused(&mut tx, tenant, client_id, before, now).await? {
            return Ok(false);
        }
        self.commit(tx, event.client(client_id)).await?;
        Ok(true)
    }

    /// Notes that a client got a token, at most once a day and only for one that registered itself: others do not end by
    /// lying idle.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_use(&self, client: &Client, now: Timestamp) -> Result<(), Fault> {
        let is_due = |noted: Timestamp| noted.plus_seconds(NOTED_AFTER_S) <= now;
        if !client.registered_itself() || !client.last_used_at.is_some_and(is_due) {
            return Ok(());
        }
        let mut conn = self.store.write().await?;
        if registered_clients::note_use(&mut conn, client.tenant_id, &client.client_id, now).await? {
            self.cache.invalidate();
        }
        Ok(())
    }

    /// Commits a change together with its audit event; from here on it holds on this replica.
    async fn commit(&self, mut tx: Tx, event: Event) -> Result<(), Fault> {
        outbox::insert(&mut tx, &event).await?;
        tx.commit().await?;
        self.cache.invalidate();
        self.audit.deliver(event).await;
        Ok(())
    }
}

/// Makes the client the owner of the resources that it is to be.
async fn claim_resources(tx: &mut Tx, client: &Client) -> Result<(), Unregistered> {
    let resources = &client.metadata.resource_identifiers;
    let taken = clients::set_resource_identifiers(tx, client.tenant_id, &client.client_id, resources).await?;
    match taken {
        None => Ok(()),
        Some(_) => Err(Unregistered::Taken {
            pointer: "/resource_identifiers",
            detail: "One of these resources belongs to another client.",
        }),
    }
}
