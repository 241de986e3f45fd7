//! Leases: one replica at a time does what only one may do (migrating, the first start, a job). A row with an end,
//! not an advisory lock, so that any engine will do and a replica that died blocks nobody for long.

use super::{Store, changed};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::types::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// How long a lease lasts if its holder does nothing.
const SECONDS: i64 = 30;

/// A lease that this process holds. [`Lease::release`] gives it back; otherwise it runs out.
#[derive(Debug)]
pub struct Lease {
    name: &'static str,
    holder: Uuid,
}

impl Lease {
    /// Makes the table of leases; it has to exist before the first migration.
    pub(super) async fn prepare(store: &Store) -> Result<(), Fault> {
        const SQL: &str = "CREATE TABLE IF NOT EXISTS leases (
            name TEXT NOT NULL PRIMARY KEY, holder UUID NOT NULL, expires_at TIMESTAMPTZ NOT NULL)";
        let mut attempts = 0;
        loop {
            let made = changed!(&mut store.write().await?, sqlx::query(SQL));
            match made {
                Ok(_) => return Ok(()),
                // PostgreSQL: two at once may both find it missing; the second then trips over the first one's.
                Err(_) if attempts < 5 => attempts += 1,
                Err(fault) => return Err(fault),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes the lease if nobody holds it.
    pub async fn try_take(
        store: &Store,
        name: &'static str,
        holder: Uuid,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        const SQL: &str = "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
            WHERE leases.expires_at <= $4 OR leases.holder = excluded.holder";
        let until = now.plus_seconds(SECONDS);
        let mut conn = store.write().await?;
        let taken = changed!(
            &mut conn,
            sqlx::query(SQL).bind(name).bind(holder).bind(until).bind(now)
        )?;
        Ok((taken == 1).then_some(Self { name, holder }))
    }

    /// Waits for the lease, at most for two of its lives.
    ///
    /// # Errors
    /// When another process keeps it that long, or the database fails.
    pub async fn take(store: &Store, name: &'static str, holder: Uuid, clock: &Clock) -> Result<Self, Fault> {
        for _ in 0..SECONDS * 2 * 4 {
            if let Some(lease) = Self::try_take(store, name, holder, clock.now()).await? {
                return Ok(lease);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Err(Fault::unavailable(format!(
            "another process has held the lease \"{name}\" for a minute"
        )))
    }

    /// Gives the lease back.
    pub async fn release(self, store: &Store) -> Result<(), Fault> {
        const SQL: &str = "DELETE FROM leases WHERE name = $1 AND holder = $2";
        changed!(
            &mut store.write().await?,
            sqlx::query(SQL).bind(self.name).bind(self.holder)
        )?;
        Ok(())
    }
}
