//! How many statements and commits the process has made, for `/metrics` and for counting what an operation costs.

use std::sync::atomic::{AtomicU64, Ordering};

static STATEMENTS: AtomicU64 = AtomicU64::new(0);
static COMMITS: AtomicU64 = AtomicU64::new(0);

pub(super) fn statement() {
    STATEMENTS.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn commit() {
    COMMITS.fetch_add(1, Ordering::Relaxed);
}

/// Statements sent so far, to both stores.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// Transactions of several statements committed so far.
pub fn commits() -> u64 {
    COMMITS.load(Ordering::Relaxed)
}
