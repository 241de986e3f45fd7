//! The real binary as a server, for what can only be shown from outside: killing it, its log, its files.

use super::db::{self, Engine, create_database, database_url, drop_database_blocking};
use super::http::Http;
use super::program::Program;
use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The secret of the admin client of every server that is started here.
pub const ADMIN_SECRET: &str = "gcs_the-secret-of-the-first-admin-client-in-tests";

/// An installation: a folder (and on PostgreSQL a database) on which servers are started and killed.
pub struct Installation {
    /// Where it lives.
    pub program: Program,
    /// The PostgreSQL database's name.
    pub database: Option<String>,
    environment: Vec<(String, String)>,
    /// The base URL and issuer of its first server.
    pub base: String,
}

/// A server process. Killed when it is dropped.
pub struct Serving {
    /// A client for its base URL.
    pub http: Http,
    /// A client for its management listener.
    pub management: Http,
    child: Child,
}

impl Installation {
    /// An empty one, with settings by the names of their environment variables.
    pub async fn new(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let program = Program::new();
        let base = format!("http://127.0.0.1:{}", free_port());
        let mut environment = vec![
            ("GRANTOR_ISSUER".to_owned(), base.clone()),
            (
                "GRANTOR_BOOTSTRAP_CLIENT_SECRET".to_owned(),
                ADMIN_SECRET.to_owned(),
            ),
        ];
        for tier in ["STANDARD", "SENSITIVE", "PUBLIC", "PER_USER", "GLOBAL"] {
            environment.push((format!("GRANTOR_LIMITS__{tier}__RATE"), "1000000000".to_owned()));
        }
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let name = db::new_name();
                create_database(&name, None).await;
                environment.push(("GRANTOR_DATABASE_URL".to_owned(), database_url(&name)));
                Some(name)
            }
        };
        for (name, value) in settings {
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        Self {
            program,
            database,
            environment,
            base,
        }
    }

    /// A command of the program with this installation's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program.command(arguments);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Starts the server at the installation's base URL and waits until it is ready.
    pub async fn serve(&self) -> Serving {
        let port = self.base.rsplit(':').next().expect("a port").to_owned();
        self.serve_on(&port, self.command(&["serve"])).await
    }

    /// Starts a further server, at a port of its own, by a command of one's own. Its log is `log`, its standard error
    /// `errors`, in the installation's folder.
    pub async fn serve_on(&self, port: &str, mut command: Command) -> Serving {
        let serving = self.spawn(port, &mut command);
        serving.ready().await
    }

    /// The same without waiting.
    pub fn spawn(&self, port: &str, command: &mut Command) -> Serving {
        let management = format!("127.0.0.1:{}", free_port());
        let output = |name: &str| -> Stdio {
            let path = self.program.folder().join(name);
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .expect("an output file")
                .into()
        };
        let child = command
            .env("GRANTOR_LISTEN", format!("127.0.0.1:{port}"))
            .env("GRANTOR_MANAGEMENT_LISTEN", &management)
            .stdout(output("log"))
            .stderr(output("errors"))
            .spawn()
            .expect("the program starts");
        Serving {
            http: Http::new(&format!("http://127.0.0.1:{port}")),
            management: Http::new(&format!("http://{management}")),
            child,
        }
    }

    /// What the servers wrote so far: log and standard error.
    pub fn output(&self) -> String {
        ["log", "errors"]
            .iter()
            .map(|name| std::fs::read(self.program.folder().join(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(name) = &self.database {
            drop_database_blocking(name);
        }
    }
}

impl Serving {
    /// Waits until it says that it is ready.
    pub async fn ready(mut self) -> Self {
        let started = Instant::now();
        loop {
            let answer = self.management.get("/health/ready").try_send().await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return self;
            }
            if let Some(status) = self.child.try_wait().expect("the process is ours") {
                panic!("the server ended: {status}");
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "the server did not become ready"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// SIGTERM; how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success());
        self.child.wait().expect("the process is ours")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
