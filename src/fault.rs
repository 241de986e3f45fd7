//! What is our own fault. It is logged once, at the edge, and never sent: outside it is a 500 or a 503 with the
//! request id.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Something failed that the caller could not have done right.
#[derive(Debug)]
pub struct Fault {
    kind: FaultKind,
    context: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Something that the server needs does not answer or is overloaded: 503 with `Retry-After`.
    Unavailable,
    /// A defect, or data that cannot be: 500.
    Internal,
}

impl Fault {
    /// A defect, or data that cannot be. `context` says what was being done.
    pub fn internal(context: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: FaultKind::Internal,
            context: context.into(),
            source: None,
        }
    }

    /// Something that is needed does not answer. `context` says what.
    pub fn unavailable(context: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: FaultKind::Unavailable,
            context: context.into(),
            source: None,
        }
    }

    /// The error behind the fault, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same fault for another one who waited for the same thing.
    pub fn shared(other: &Self) -> Self {
        Self {
            kind: other.kind,
            context: Cow::Owned(other.to_string()),
            source: None,
        }
    }

    /// Whether trying again makes sense.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }
}

/// The whole story, for the log only.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        let mut source = self.source.as_ref().map(|source| source.as_ref() as &dyn Error);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl Error for Fault {}

/// Lost connections, a full pool and an engine that is starting, stopping or full are outages; all else is a defect.
impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => match error.code().as_deref() {
                // PostgreSQL: connection (08), resources (53), operator intervention (57), serialisation and deadlock,
                // a server that went read-only (25006), a lock that was not given in time (55P03), a system error such as
                // a full disk (58).
                Some(code) if code.len() == 5 => {
                    matches!(&code[..2], "08" | "53" | "57" | "58")
                        || matches!(code, "40001" | "40P01" | "25006" | "55P03")
                }
                // SQLite: the primary code is the low byte. BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
                Some(code) => code
                    .parse::<u32>()
                    .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14)),
                None => false,
            },
            _ => false,
        };
        let fault = if unavailable {
            Self::unavailable("the database is not available")
        } else {
            Self::internal("the database refused a statement")
        };
        fault.caused_by(error)
    }
}
