//! `client`: registered clients.

use super::at::At;
use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use super::record::event;
use crate::admin::clients::{register, view};
use crate::app::App;
use crate::audit::EventType;
use crate::clients::Registered;
use crate::storage::clients::{self, After, Client as Row};
use crate::tenants::Tenant;
use crate::types::ClientId;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Clients that are read at once.
const PAGE: i64 = 100;
/// Largest document that is read.
const MAX_DOCUMENT: u64 = 1_048_576;
/// Deepest document that is read.
const MAX_DEPTH: usize = 32;

/// Register and look after clients
///
/// Running servers notice a change within a second.
#[derive(Debug, Args)]
pub(super) struct Client {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Show(Show),
    Delete(Delete),
}

/// Register a client
///
/// The secret is made and printed, once. The whole of a registration can be given as a JSON document, in the form that
/// POST /admin/v1/clients takes; flags are laid over it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  grantor client create orders --grant client_credentials --scope 'orders:read orders:write'\n  grantor client create --name Shop --redirect-uri https://shop.example/cb --scope 'openid profile'\n  grantor client create --document client.json"
)]
struct Create {
    /// 1 to 64 characters out of A-Z a-z 0-9 . _ ~ - [default: made]
    client_id: Option<String>,
    /// A file with a registration document; - for standard input
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Name, for people
    #[arg(long)]
    name: Option<String>,
    /// authorization_code, refresh_token or client_credentials; may come several times
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// The most that it may be granted, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// Where a browser may be sent back to; may come several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// A resource that it may ask tokens for (RFC 8707); may come several times
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// client_secret_basic, client_secret_post, private_key_jwt or none
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// web_mobile, service, enterprise_sso, third_party or webhook_receiver
    #[arg(long)]
    class: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List clients, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor client list --json")]
struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Show a client
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor client show orders --json")]
struct Show {
    /// The client's identifier
    client_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Delete a client; everything granted to it ends at once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor client delete orders")]
struct Delete {
    /// The client's identifier
    client_id: String,
}

impl Client {
    pub(super) async fn run(self, context: Context) -> Outcome {
        context.with_app(async |app| self.run_with(app).await).await
    }

    async fn run_with(self, app: &App) -> Outcome {
        let tenant = self.at.find(&app.store, &app.config).await?;
        match self.command {
            Command::Create(command) => command.run(app, &tenant).await,
            Command::List(command) => command.run(app, &tenant).await,
            Command::Show(command) => command.run(app, &tenant).await,
            Command::Delete(command) => command.run(app, &tenant).await,
        }
    }
}

impl Create {
    async fn run(self, app: &App, tenant: &Tenant) -> Outcome {
        let json = self.json;
        let document = self.document()?;
        let event = event(app, tenant.id, EventType::ClientCreated, "client create")?;
        let registered = register(app, tenant, document, |_| true, event, app.clock.now());
        let Registered { client, secret } = registered.await?;
        if json {
            let mut shown = view(app, &client, app.clock.now())?;
            if let Some(secret) = secret {
                shown.insert("client_secret".to_owned(), secret.expose().into());
            }
            return Ok(print::document(&shown)?);
        }
        print::line(&format!("client_id: {}", client.client_id))?;
        if let Some(secret) = secret {
            print::line(&format!("client_secret: {}", secret.expose()))?;
        }
        Ok(())
    }

    /// The registration: the document, with the flags laid over it.
    fn document(self) -> Result<Value, Failure> {
        let mut members = match &self.document {
            None => Map::new(),
            Some(path) => read(path)?,
        };
        let texts = [
            ("client_id", self.client_id),
            ("client_name", self.name),
            ("scope", self.scope),
            ("token_endpoint_auth_method", self.auth_method),
            ("consumer_class", self.class),
        ];
        let lists = [
            ("grant_types", self.grants),
            ("redirect_uris", self.redirect_uris),
            ("resources", self.resources),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                members.insert(name.to_owned(), text.into());
            }
        }
        for (name, list) in lists {
            if !list.is_empty() {
                members.insert(name.to_owned(), list.into());
            }
        }
        Ok(Value::Object(members))
    }
}

impl List {
    async fn run(self, app: &App, tenant: &Tenant) -> Outcome {
        let columns: [print::Column<Map<String, Value>>; 5] = [
            ("CLIENT ID", |client| print::member(client, "client_id")),
            ("NAME", |client| print::member(client, "client_name")),
            ("CLASS", |client| print::member(client, "consumer_class")),
            ("ENABLED", |client| print::member(client, "enabled")),
            ("CREATED", |client| print::member(client, "created_at")),
        ];
        let mut shown = Vec::new();
        let mut after = None;
        loop {
            let mut conn = app.store.read().await?;
            let page = clients::list(&mut conn, tenant.id, after.as_ref(), PAGE).await?;
            for client in &page {
                shown.push(view(app, client, app.clock.now())?);
            }
            let Some(last) = page.last() else { break };
            after = Some(After {
                created_at: last.created_at,
                client_id: last.client_id.clone(),
            });
        }
        Ok(print::records(&shown, &columns, self.json)?)
    }
}

impl Show {
    async fn run(self, app: &App, tenant: &Tenant) -> Outcome {
        let client = find(app, tenant, &self.client_id).await?;
        let shown = view(app, &client, app.clock.now())?;
        Ok(print::object(&shown, self.json)?)
    }
}

impl Delete {
    async fn run(self, app: &App, tenant: &Tenant) -> Outcome {
        let client = find(app, tenant, &self.client_id).await?;
        let event = event(app, tenant.id, EventType::ClientDeleted, "client delete")?;
        if !app.registrar.remove(&client, event, app.clock.now()).await? {
            return Err(Failure::Refused(
                "the client was changed meanwhile; try again".to_owned(),
            ));
        }
        print::line(&format!("deleted: {}", client.client_id))?;
        Ok(())
    }
}

async fn find(app: &App, tenant: &Tenant, text: &str) -> Result<Row, Failure> {
    let unknown = || Failure::Refused(format!("there is no client {text:?}"));
    let client_id = ClientId::parse(text).map_err(|_| unknown())?;
    let found = clients::find(&mut app.store.read().await?, tenant.id, &client_id).await?;
    found.ok_or_else(unknown)
}

/// A registration document out of a file or standard input.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes))
    };
    let refused = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
    read.map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(refused("must have at most 1 MiB".to_owned()));
    }
    match crate::protect::body::parse_json(&bytes, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refused("must be a JSON object".to_owned())),
        Err(_) => Err(refused(
            "must be JSON without repeated members and NUL".to_owned(),
        )),
    }
}
