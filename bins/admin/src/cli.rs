//! The command line: names and flags, and what can be said of them without a database.

use std::{path::PathBuf, process::ExitCode};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use secrecy::SecretString;
use tollgate_domain::{Permissions, Tier, UserId, limit::MAX_LIMIT};
use tollgate_persistence::foreign::TableName;

use crate::{error::USAGE, output};

/// A JSON object, as given to `--metadata`.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// The flag after which a word on the command line may be a password.
const PASSWORD_FLAG: &str = "--password";

/// Administers a Tollgate installation: its keys, users, database and configuration. It reads the same
/// configuration and uses the same database as the server, and may run beside it; with --server it needs neither.
#[derive(Debug, Parser)]
#[command(name = "tollgate-admin", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file, in place of config.yaml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Works over the API of this server in place of the database, with the token in TOLLGATE_TOKEN
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Prints JSON for programs, as the API answers
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes an API key for somebody, and the somebody where needed
    Create(Create),
    /// Lists everybody's API keys, newest first
    List(List),
    /// Shows what an API key was used for, and what that cost
    Stats(StatsOf),
    /// Switches an API key on
    Activate {
        /// The key's id, or the beginning of it
        key_id: String,
    },
    /// Switches an API key off; its owner cannot switch it on
    Deactivate {
        /// The key's id, or the beginning of it
        key_id: String,
    },
    /// Gives an API key another secret under the same id
    Rotate(Rotate),
    /// Revokes an API key, once and for ever
    Revoke(Revoke),
    /// Takes over API keys of another system; they go on working
    Migrate(ImportFrom),
    /// API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Users
    #[command(subcommand)]
    Users(Users),
    /// The audit log: who did what to accounts, sessions and keys
    #[command(subcommand)]
    Audit(Audit),
    /// The database
    #[command(subcommand)]
    Db(Db),
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// Prints a script that completes this program's commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// API keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Makes an API key for somebody, and the somebody where needed
    Create(Create),
    /// Lists everybody's API keys, newest first
    List(List),
    /// Takes over API keys of another system; they go on working
    Import(ImportFrom),
}

/// Users.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Makes a user with an API key; an email or external id that is known gets a further key
    Create(UsersCreate),
    /// Makes an administrator who signs in with a password; a user who exists becomes one
    CreateAdmin(CreateAdmin),
    /// Lists users, newest first
    List {
        /// Only those whose email, name or external id contains this
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Shows one user
    Show {
        /// An id, external id or email
        user: String,
    },
    /// Deletes a user with keys, sessions and all else; asks first
    Delete {
        /// An id, external id or email
        user: String,
        /// Deletes without asking
        #[arg(long)]
        force: bool,
    },
    /// Takes over users of another system; their passwords go on working
    Import(ImportFrom),
    /// Ends a user's lockout after wrong passwords
    Unlock {
        /// An id, external id or email
        user: String,
    },
    /// Gives a user another tier; it holds at once
    SetTier {
        /// An id, external id or email
        user: String,
        /// The tier
        #[arg(value_parser = tier())]
        tier: Tier,
    },
}

/// The audit log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Lists entries, newest first
    List(AuditList),
    /// Checks the whole log, and names the first row that was changed, moved or cut off
    Verify,
}

/// Flags of `audit list`.
#[derive(Debug, Args)]
pub struct AuditList {
    /// Only entries with this action, such as session.login_failed
    #[arg(long)]
    pub action: Option<String>,
    /// Only entries whose actor or subject has this id
    #[arg(long, value_name = "ID")]
    pub about: Option<UserId>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

/// The database.
#[derive(Debug, Subcommand)]
pub enum Db {
    /// Connects, and tells the version, missing migrations and the latency
    Check,
    /// Applies missing migrations
    Migrate,
}

/// The configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Shows each effective value and where it came from; secrets are redacted
    Show,
}

/// Flags of `create`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --user-id the user of that id or external id gets the key (and is made if unknown), --name names the \
key, and email and company are notes on it. Without --user-id, --email finds or makes the user, and --name is \
the person's.")]
#[group(id = "whose", required = true, multiple = true, args = ["user_id", "email", "name"])]
pub struct Create {
    /// Whose key it is: an id, or the id by which another system knows the user
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
    /// What to call the user; with --user-id, the key
    #[arg(long)]
    pub name: Option<String>,
    /// Whose key it is; with --user-id, a note on the key
    #[arg(long)]
    pub email: Option<String>,
    /// A note on the key
    #[arg(long)]
    pub company: Option<String>,
    /// The key's tier, and the user's where the user is made
    #[arg(long, value_parser = tier())]
    pub tier: Option<Tier>,
    /// Days until the key expires
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    pub expires_in_days: Option<i64>,
    #[command(flatten)]
    pub grant: Grant,
}

/// What a key may do, and how often.
#[derive(Debug, Args)]
pub struct Grant {
    /// What the key may do, such as chat,code_generation
    #[arg(long, value_name = "A,B", value_parser = permissions)]
    pub permissions: Option<Permissions>,
    /// Requests that the key may make in any hour
    #[arg(long, value_name = "N", value_parser = limit(), allow_negative_numbers = true)]
    pub hourly_limit: Option<u64>,
    /// Requests that the key may make in any day
    #[arg(long, value_name = "N", value_parser = limit(), allow_negative_numbers = true)]
    pub daily_limit: Option<u64>,
    /// Notes on the key, such as '{"team": "research"}'
    #[arg(long, value_name = "JSON", value_parser = metadata)]
    pub metadata: Option<Metadata>,
}

/// Flags of `users create`.
#[derive(Debug, Args)]
pub struct UsersCreate {
    /// What to call the user
    #[arg(long)]
    pub name: String,
    /// The user's address
    #[arg(long)]
    pub email: Option<String>,
    /// The id by which another system knows the user
    #[arg(long, alias = "user-id", value_name = "ID")]
    pub external_id: Option<String>,
    /// The user's tier
    #[arg(long, value_parser = tier())]
    pub tier: Option<Tier>,
    #[command(flatten)]
    pub grant: Grant,
}

/// Flags of `users create-admin`.
#[derive(Debug, Args)]
pub struct CreateAdmin {
    /// The administrator's address
    #[arg(long)]
    pub email: String,
    /// The password. Other users of this machine may see it here: prefer --password-stdin, or be asked
    #[arg(long, conflicts_with = "password_stdin")]
    pub password: Option<SecretString>,
    /// Reads the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Makes a user who exists an administrator without asking
    #[arg(long)]
    pub force: bool,
}

/// Flags of `migrate` and `users import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --file and --from-url, the table is looked for in the configured database. Nothing that is known is changed, \
so that an import can be repeated. Exit code 1 where lines were skipped: the report names them.")]
pub struct ImportFrom {
    /// A file that ends in .csv, .jsonl or .json
    #[arg(long, conflicts_with_all = ["from_url", "table"])]
    pub file: Option<PathBuf>,
    /// The database of the other system, postgres://… or sqlite://PATH; only read
    #[arg(long, value_name = "URL")]
    pub from_url: Option<String>,
    /// The table, such as api_keys or old.api_keys
    #[arg(long, value_name = "NAME")]
    pub table: Option<TableName>,
    /// Tells what would be done, and writes nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only this user's: an id, external id or email
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
    /// Also keys that are disabled, revoked or expired
    #[arg(long)]
    pub include_inactive: bool,
}

/// Flags of `stats`.
#[derive(Debug, Args)]
pub struct StatsOf {
    /// The key's id, or the beginning of it
    pub key_id: String,
    /// How many days back
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366),
        allow_negative_numbers = true)]
    pub days: u16,
    /// Also day by day, by model and by endpoint
    #[arg(long)]
    pub detailed: bool,
}

/// Flags of `rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The key's id, or the beginning of it
    pub key_id: String,
    /// Seconds for which the old secret is good as well; 0 ends it and those before it at once
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub grace_period_seconds: u32,
}

/// Flags of `revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The key's id, or the beginning of it
    pub key_id: String,
    /// Revokes without asking
    #[arg(long)]
    pub force: bool,
}

/// Reads the command line of this process; where it is wrong or only asks for help, says so.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        let wrong = error.use_stderr();
        // Clap repeats words that it does not understand, and here one of them may be a password.
        let secret = std::env::args_os().any(|word| word.to_string_lossy().starts_with(PASSWORD_FLAG));
        if wrong && secret {
            output::complain(&format_args!("{}; see --help", error.kind()));
        } else {
            let _unwritable = error.print();
        }
        if wrong { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

fn tier() -> impl TypedValueParser<Value = Tier> {
    PossibleValuesParser::new(Tier::ALL.map(Tier::as_str)).try_map(|name| name.parse::<Tier>())
}

fn limit() -> impl TypedValueParser<Value = u64> {
    clap::value_parser!(u64).range(1..=MAX_LIMIT)
}

fn permissions(text: &str) -> Result<Permissions, String> {
    let permissions = Permissions::from_text(text).map_err(|error| error.to_string())?;
    if permissions.iter().next().is_none() {
        return Err("name at least one permission, or leave the flag out".to_owned());
    }
    Ok(permissions)
}

fn metadata(text: &str) -> Result<Metadata, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("must be a JSON object such as '{{\"team\": \"research\"}}' ({error})"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn permissions_and_metadata_are_judged() {
        assert_eq!(permissions("chat, code_generation").unwrap().to_text(), "chat,code_generation");
        assert!(permissions("chat,root").unwrap_err().contains("code_generation"));
        assert!(permissions(" , ").is_err());
        assert!(metadata("{\"a\": 1}").is_ok());
        for text in ["", "[]", "{", "1"] {
            assert!(metadata(text).unwrap_err().contains("JSON object"), "{text}");
        }
    }
}
