//! `user`: accounts of people.

use super::at::At;
use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use super::record::event;
use crate::account::profile::{Profile, UserView};
use crate::account::{Credential, Rejected};
use crate::app::App;
use crate::audit::EventType;
use crate::storage::users::{self, User as Row};
use crate::types::{ADMIN_ROLE, Secret, TenantId};
use clap::{Args, Subcommand};
use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Users that are read at once.
const PAGE: i64 = 100;

/// Make and look after accounts of people
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(flatten)]
    at: At,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    SetPassword(SetPassword),
    Unlock(Unlock),
}

/// Make an account
///
/// Without --password-stdin the password is made and printed, once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  grantor user create alice --email alice@example.com --name 'Alice Liddell'\n  grantor user create root@example.com --admin --password-stdin < password.txt"
)]
struct Create {
    /// 1 to 64 characters, or an e-mail address
    username: String,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// Take the e-mail address for verified
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// Full name
    #[arg(long)]
    name: Option<String>,
    /// A role; may come several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The role that allows everything
    #[arg(long)]
    admin: bool,
    /// The password is a hash of another system (argon2, bcrypt, PBKDF2, scrypt)
    #[arg(long, requires = "password_stdin")]
    hashed: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// List accounts, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor user list --json")]
struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Set a password, and end all sessions and tokens of that user
///
/// Without --password-stdin the password is made and printed, once.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor user set-password alice --temporary")]
struct SetPassword {
    /// Username or e-mail address
    username: String,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Let somebody try to sign in again: enable the account, forget what failed at it, and the attempts of an address
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor user unlock alice --address 203.0.113.7")]
struct Unlock {
    /// Username or e-mail address
    #[arg(required_unless_present = "address")]
    username: Option<String>,
    /// The address whose attempts are forgotten
    #[arg(long)]
    address: Option<IpAddr>,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Read the password from standard input; on a terminal it is asked for and not shown
    #[arg(long)]
    password_stdin: bool,
    /// The user has to change it at the first sign-in
    #[arg(long)]
    temporary: bool,
}

impl User {
    pub(super) async fn run(self, context: Context) -> Outcome {
        context.with_app(async |app| self.run_with(app).await).await
    }

    async fn run_with(self, app: &App) -> Outcome {
        let tenant = self.at.find(&app.store, &app.config).await?.id;
        match self.command {
            Command::Create(command) => command.run(app, tenant).await,
            Command::List(command) => command.run(app, tenant).await,
            Command::SetPassword(command) => command.run(app, tenant).await,
            Command::Unlock(command) => command.run(app, tenant).await,
        }
    }
}

impl Create {
    async fn run(self, app: &App, tenant: TenantId) -> Outcome {
        let mut roles = self.roles;
        if self.admin {
            roles.push(ADMIN_ROLE.to_owned());
        }
        let profile = Profile {
            username: self.username,
            enabled: true,
            roles,
            email: self.email,
            email_verified: self.email_verified,
            name: self.name,
            ..Profile::default()
        };
        let checked = profile
            .check()
            .map_err(|wrong| rejected(Rejected::Invalid(wrong)))?;
        let password = self.password.read(app)?;
        let credential = if self.hashed {
            Credential::Hash {
                text: password.text.expose().to_owned(),
                temporary: password.temporary,
            }
        } else {
            password.credential()
        };
        let event = event(app, tenant, EventType::UserCreated, "user create")?;
        let made = app
            .accounts
            .create(tenant, &checked, Some(credential), event, app.clock.now());
        let user = made.await?.map_err(rejected)?;
        print::line(&format!("id: {}", user.id))?;
        print::line(&format!("username: {}", checked.profile().username))?;
        password.print()
    }
}

impl List {
    async fn run(self, app: &App, tenant: TenantId) -> Outcome {
        let personal = app.accounts.personal(tenant).await?;
        let mut views: Vec<UserView> = Vec::new();
        let mut after = None;
        loop {
            let page = users::list(&mut app.store.read().await?, tenant, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            for user in &page {
                views.push(personal.view(user)?);
            }
        }
        let columns: [print::Column<UserView>; 5] = [
            ("ID", |user| user.id.to_string()),
            ("USERNAME", |user| user.profile.username.clone()),
            ("ENABLED", |user| user.profile.enabled.to_string()),
            ("ROLES", |user| user.profile.roles.join(",")),
            ("CREATED", |user| user.created_at.to_string()),
        ];
        Ok(print::records(&views, &columns, self.json)?)
    }
}

impl SetPassword {
    async fn run(self, app: &App, tenant: TenantId) -> Outcome {
        let user = find(app, tenant, &self.username).await?;
        let password = self.password.read(app)?;
        let event = event(app, tenant, EventType::UserPasswordChanged, "user set-password")?;
        let set = app
            .accounts
            .set_password(&user, password.credential(), event, app.clock.now());
        set.await?.map_err(rejected)?;
        password.print()
    }
}

impl Unlock {
    async fn run(self, app: &App, tenant: TenantId) -> Outcome {
        if let Some(username) = self.username {
            let user = find(app, tenant, &username).await?;
            if user.enabled {
                print::line("the account is enabled")?;
            } else {
                let profile = Profile {
                    enabled: true,
                    ..app.accounts.profile(&user).await?
                };
                let checked = profile
                    .check()
                    .map_err(|wrong| rejected(Rejected::Invalid(wrong)))?;
                let event = event(app, tenant, EventType::UserUpdated, "user unlock")?;
                let changed = app.accounts.update(&user, &checked, None, event, app.clock.now());
                changed.await?.map_err(rejected)?;
                print::line("the account is enabled again")?;
            }
            if app.accounts.forget_failures(tenant, &username).await? {
                let event = event(app, tenant, EventType::LimitsReset, "user unlock")?;
                app.audit.record(event.user(user.id)).await?;
                print::line("what failed at it is forgotten")?;
            }
        }
        if let Some(address) = self.address {
            let found = app.edge.attempts().forget(address).await?;
            print::line(if found {
                "the attempts of the address are forgotten"
            } else {
                "no attempts of the address are known"
            })?;
        }
        Ok(())
    }
}

/// A password for the command, read or made.
struct Given {
    text: Secret,
    temporary: bool,
    made: bool,
}

impl PasswordArgs {
    fn read(&self, app: &App) -> Result<Given, Failure> {
        let text = if self.password_stdin {
            read()?
        } else {
            app.accounts.generate_password()?
        };
        Ok(Given {
            text,
            temporary: self.temporary,
            made: !self.password_stdin,
        })
    }
}

impl Given {
    fn credential(&self) -> Credential {
        Credential::Password {
            password: self.text.clone(),
            temporary: self.temporary,
        }
    }

    /// Prints what nobody could know otherwise.
    fn print(&self) -> Outcome {
        if self.made {
            print::line(&format!("password: {}", self.text.expose()))?;
        }
        Ok(())
    }
}

fn read() -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("Password: ")?;
        let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
        if typed != *again {
            return Err(Failure::Refused("the two passwords differ".to_owned()));
        }
        return Ok(Secret::new(typed));
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(Secret::new(line))
}

async fn find(app: &App, tenant: TenantId, username: &str) -> Result<Row, Failure> {
    let found = app.accounts.find(tenant, username).await?;
    found.ok_or_else(|| Failure::Refused(format!("there is no user {username}")))
}

fn rejected(rejected: Rejected) -> Failure {
    Failure::Refused(match rejected {
        Rejected::Taken => "the username or e-mail address is another user's".to_owned(),
        Rejected::Stale => "the account was changed meanwhile: try again".to_owned(),
        Rejected::Invalid(wrong) => return Failure::invalid(&wrong),
    })
}
