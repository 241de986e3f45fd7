//! Where limits are counted: in each server's memory, or in a Redis or Valkey that several share.

use super::process::free_port;
use grantor::clock::Clock;
use grantor::config::LimitConfig;
use grantor::protect::limits::{Limits, Shared};
use grantor::types::{Secret, Timestamp};
use ring::hmac;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tests run side by side: none is to take a slow answer for none.
pub const PATIENCE_MS: &str = "5000";

/// Where limits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitStore {
    /// In the process.
    Memory,
    /// On the server that `GRANTOR_TEST_REDIS_URL` names.
    Redis,
}

impl LimitStore {
    /// Whether tests can run on it. Says once on standard error when those on Redis are left out.
    pub fn is_available(self) -> bool {
        static SAID: Once = Once::new();
        let available = self == Self::Memory || redis_url().is_some();
        if !available {
            SAID.call_once(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "left out: all tests on Redis or Valkey, because GRANTOR_TEST_REDIS_URL is not set (scripts/test sets it)"
                );
            });
        }
        available
    }

    /// So many replicas' limits, counted together on Redis; in memory there is only one that counts.
    pub async fn replicas(
        self,
        count: usize,
        config: &LimitConfig,
        clock: &Clock,
        now: Timestamp,
    ) -> Vec<Limits> {
        if self == Self::Memory {
            return vec![Limits::new(config.clone(), None, now)];
        }
        let url = Secret::new(redis_url().expect("is_available was asked"));
        // A key of one's own is a store of one's own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}/{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            format!("{name}/{:?}", Instant::now()).as_bytes(),
        );
        let mut replicas = Vec::new();
        for _ in 0..count {
            let patience = Duration::from_secs(5);
            let shared = Shared::new(&url, patience, key.clone(), clock.clone()).expect("a URL");
            let limits = Limits::new(config.clone(), Some(shared), now);
            limits.tend().await;
            assert_eq!(
                limits.is_shared(),
                Some(true),
                "{} answers",
                "GRANTOR_TEST_REDIS_URL"
            );
            replicas.push(limits);
        }
        replicas
    }
}

fn redis_url() -> Option<String> {
    std::env::var("GRANTOR_TEST_REDIS_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

/// A Redis or Valkey of a test's own, to kill and to start again.
pub struct OwnRedis {
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl OwnRedis {
    /// Starts one; `None` where no program is installed.
    pub fn start() -> Option<Self> {
        let mut own = Self {
            program: program()?,
            port: free_port(),
            child: None,
        };
        own.start_again();
        Some(own)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it at the same port, empty.
    pub fn start_again(&mut self) {
        let port = self.port.to_string();
        let child = Command::new(&self.program)
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        self.child = Some(child);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .flat_map(|folder| ["valkey-server", "redis-server"].map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "left out: killing Redis or Valkey, because neither is installed (scripts/test installs one)"
        );
    }
    found
}
