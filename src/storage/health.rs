//! What readiness asks of a database.

use super::{Db, on};
use crate::fault::Fault;
use crate::types::Timestamp;

/// The database's own time.
pub async fn time(db: impl Into<Db<'_>>) -> Result<Timestamp, Fault> {
    const SQL_POSTGRES: &str = "SELECT clock_timestamp()";
    const SQL_SQLITE: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
    on!(db, |conn, sql = (SQL_POSTGRES, SQL_SQLITE)| sqlx::query_scalar(sql).fetch_one(conn))
}
