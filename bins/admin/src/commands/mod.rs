//! The commands, one file each.

mod audit_list;
mod audit_verify;
mod completions;
mod config_show;
mod create;
mod db_check;
mod db_migrate;
mod keys_import;
mod list;
mod revoke;
mod rotate;
mod stats;
mod switch;
mod users_create;
mod users_create_admin;
mod users_delete;
mod users_import;
mod users_list;
mod users_set_tier;
mod users_show;
mod users_unlock;

use crate::{
    cli::{Audit, Cli, Command, Config, Db, Keys, Users},
    error::AdminError,
    installation::Installation,
    wire,
};

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<(), AdminError> {
    let Cli { config, server, json, command } = cli;
    if server.is_some()
        && let Some(name) = works_here_only(&command)
    {
        return Err(AdminError::Usage(format!(
            "`{name}` works on the database, and no server has a call for it: run it where the database is, without \
             --server"
        )));
    }
    let local = || wire::configuration(config.clone()).and_then(wire::here);
    let open = || -> Result<Box<dyn Installation>, AdminError> {
        match &server {
            Some(server) => Ok(Box::new(wire::there(config.clone(), server)?)),
            None => Ok(Box::new(local()?)),
        }
    };
    match command {
        Command::Create(flags) | Command::Keys(Keys::Create(flags)) => create::run(&*open()?, flags, json),
        Command::List(flags) | Command::Keys(Keys::List(flags)) => list::run(&*open()?, &flags, json),
        Command::Stats(flags) => stats::run(&*open()?, &flags, json),
        Command::Activate { key_id } => switch::run(&*open()?, &key_id, true, json),
        Command::Deactivate { key_id } => switch::run(&*open()?, &key_id, false, json),
        Command::Rotate(flags) => rotate::run(&local()?, &flags, json),
        Command::Revoke(flags) => revoke::run(&*open()?, &flags, json),
        Command::Migrate(flags) | Command::Keys(Keys::Import(flags)) => {
            let loaded = wire::configuration(config)?;
            let here = wire::url(&loaded.config);
            keys_import::run(&wire::here(loaded)?.accounts, &here, flags, json)
        }
        Command::Users(Users::Import(flags)) => {
            let loaded = wire::configuration(config)?;
            let here = wire::url(&loaded.config);
            users_import::run(&wire::here(loaded)?.accounts, &here, flags, json)
        }
        Command::Users(Users::Create(flags)) => users_create::run(&*open()?, flags, json),
        Command::Users(Users::CreateAdmin(flags)) => {
            users_create_admin::run(&local()?.accounts, &flags, json)
        }
        Command::Users(Users::List { search }) => users_list::run(&*open()?, search.as_deref(), json),
        Command::Users(Users::Show { user }) => users_show::run(&*open()?, &user, json),
        Command::Users(Users::Delete { user, force }) => users_delete::run(&*open()?, &user, force, json),
        Command::Users(Users::Unlock { user }) => users_unlock::run(&*open()?, &user, json),
        Command::Users(Users::SetTier { user, tier }) => users_set_tier::run(&*open()?, &user, tier, json),
        Command::Audit(Audit::List(flags)) => audit_list::run(&*open()?, &flags, json),
        Command::Audit(Audit::Verify) => {
            let loaded = wire::configuration(config)?;
            let outside = wire::outside_head(&loaded.config);
            audit_verify::run(&wire::here(loaded)?.accounts, &outside, json)
        }
        Command::Db(Db::Check) => db_check::run(&wire::configuration(config)?.config, json),
        Command::Db(Db::Migrate) => db_migrate::run(&wire::configuration(config)?.config, json),
        Command::Config(Config::Show) => config_show::run(&wire::configuration(config)?, json),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// The command's name, where the API has no call for it.
fn works_here_only(command: &Command) -> Option<&'static str> {
    match command {
        Command::Rotate(_) => Some("rotate"),
        Command::Migrate(_) => Some("migrate"),
        Command::Keys(Keys::Import(_)) => Some("keys import"),
        Command::Users(Users::CreateAdmin(_)) => Some("users create-admin"),
        Command::Users(Users::Import(_)) => Some("users import"),
        Command::Audit(Audit::Verify) => Some("audit verify"),
        Command::Db(Db::Check) => Some("db check"),
        Command::Db(Db::Migrate) => Some("db migrate"),
        Command::Config(Config::Show) => Some("config show"),
        Command::Create(_)
        | Command::List(_)
        | Command::Stats(_)
        | Command::Activate { .. }
        | Command::Deactivate { .. }
        | Command::Revoke(_)
        | Command::Keys(Keys::Create(_) | Keys::List(_))
        | Command::Users(
            Users::Create(_)
            | Users::List { .. }
            | Users::Show { .. }
            | Users::Delete { .. }
            | Users::Unlock { .. }
            | Users::SetTier { .. },
        )
        | Command::Audit(Audit::List(_))
        | Command::Completions { .. } => None,
    }
}
