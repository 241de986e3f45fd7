//! Where checkpoints go besides the database: somewhere that whoever rewrites the database cannot rewrite as well.

use crate::fault::Fault;
use futures_util::future::BoxFuture;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;

/// Takes each checkpoint as one line of JSON without its line end.
#[derive(Clone)]
pub struct Anchor(Arc<Send>);

type Send = dyn Fn(String) -> BoxFuture<'static, Result<(), Fault>> + std::marker::Send + Sync;

impl Anchor {
    /// An anchor that a function sends to, such as a POST to a URL.
    pub fn new(
        send: impl Fn(String) -> BoxFuture<'static, Result<(), Fault>> + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(send))
    }

    /// A file to which lines are appended, each durable when it counts as anchored. It belongs on a medium that the
    /// database's administrators cannot change.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path: Arc<PathBuf> = Arc::new(path.into());
        Self::new(move |line| {
            let path = path.clone();
            Box::pin(async move {
                append(&path, line).await.map_err(|error| {
                    Fault::unavailable(format!("the audit anchor {} cannot be written", path.display()))
                        .caused_by(error)
                })
            })
        })
    }

    /// Sends one line.
    pub(super) async fn send(&self, line: String) -> Result<(), Fault> {
        (self.0)(line).await
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anchor")
    }
}

async fn append(path: &PathBuf, mut line: String) -> std::io::Result<()> {
    line.push('\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path).await?;
    // One write, so that lines of several processes do not mix.
    file.write_all(line.as_bytes()).await?;
    file.flush().await?;
    file.sync_all().await
}
