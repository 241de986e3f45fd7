//! What is kept, where, and under which keys.

use super::{NONE, is};
use crate::config::parse;
use crate::config::setting::{Default, Setting, Shown};

pub(super) static ALL: &[Setting] = &[
    value!(
        "database_url",
        is("sqlite://data/grantor.db"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.url = parse::database,
        "Main database"
    ),
    optional!(
        "migration_database_url",
        Default::Words("the database's"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.migration_url = parse::database,
        "Main database in another role, for migrations"
    ),
    optional!(
        "audit_database_url",
        Default::Words("sqlite://data/audit.db, or schema audit of the PostgreSQL database"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.audit_url = parse::database,
        "Audit store"
    ),
    optional!(
        "audit.retention_database_url",
        Default::Words("the audit store's"),
        "a URL that starts with sqlite: or postgres:",
        Url,
        config.database.audit_retention_url = parse::database,
        "Audit store in another role, for retention"
    ),
    number!("database.max_connections", is("16"), 2 to 200 " connections", database.max_connections,
        "Connections to each database"),
    number!("breaker.latency_ms", is("500"), 50 to 10000 " milliseconds", database.breaker.latency_ms,
        "The main database is left alone when more than one use in twenty takes longer"),
    number!("breaker.err_pct", is("50"), 5 to 100 " percent", database.breaker.failed_percent,
        "The main database is left alone when so many of its uses fail"),
    number!("breaker.window_s", is("10"), 1 to 300 " seconds", database.breaker.window_s,
        "What the two settings above look back at"),
    number!("breaker.open_s", is("15"), 1 to 300 " seconds", database.breaker.open_s,
        "How long the database is left alone before one request tries it; others get 503 at once"),
    optional!(
        "redis_url",
        NONE,
        "a URL that starts with redis: or rediss:",
        Url,
        config.limits.redis_url = parse::redis,
        "Redis or Valkey for limits that several replicas share; without it limits are per process"
    ),
    number!("redis.timeout_ms", is("200"), 10 to 5000 " milliseconds", limits.redis_timeout_ms,
        "Time for connecting to it and for each of its answers; past it a replica counts by itself"),
    optional!(
        "audit.anchor",
        NONE,
        "a path, an https URL, or an http URL on a loopback host",
        Url,
        config.audit.anchor = parse::anchor,
        "File or URL that gets every audit checkpoint"
    ),
    number!("audit.detail_days", is("365"), 1 to 36500 " days; at least 365 unless the issuer is loopback", audit.detail_days,
        "How long single audit events are kept"),
    number!("audit.summary_years", is("7"), 1 to 100 " years; at least 7 unless the issuer is loopback", audit.summary_years,
        "How long summaries of audit events are kept"),
    optional!(
        "master_key",
        Default::Words("the file data/master.key"),
        "id:base64 of 32 bytes, several separated by commas",
        Hidden,
        config.master_key = parse::master_key,
        "Keys that wrap all other keys: the first wraps, all unwrap"
    ),
    number!("crypto.dek_rotation_days", is("90"), 1 to 365 " days", keys.data_rotation_days,
        "Age at which the key that seals personal data is replaced"),
];
