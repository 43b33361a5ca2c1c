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
    wire,
};

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<(), AdminError> {
    let Cli { config, json, command } = cli;
    let open = || wire::configuration(config.clone()).and_then(wire::accounts);
    match command {
        Command::Create(flags) | Command::Keys(Keys::Create(flags)) => create::run(&open()?, flags, json),
        Command::List(flags) | Command::Keys(Keys::List(flags)) => list::run(&open()?, &flags, json),
        Command::Stats(flags) => stats::run(&open()?, &flags, json),
        Command::Activate { key_id } => switch::run(&open()?, &key_id, true, json),
        Command::Deactivate { key_id } => switch::run(&open()?, &key_id, false, json),
        Command::Rotate(flags) => rotate::run(&open()?, &flags, json),
        Command::Revoke(flags) => revoke::run(&open()?, &flags, json),
        Command::Migrate(flags) | Command::Keys(Keys::Import(flags)) => {
            let loaded = wire::configuration(config)?;
            let here = wire::url(&loaded.config);
            keys_import::run(&wire::accounts(loaded)?, &here, flags, json)
        }
        Command::Users(Users::Import(flags)) => {
            let loaded = wire::configuration(config)?;
            let here = wire::url(&loaded.config);
            users_import::run(&wire::accounts(loaded)?, &here, flags, json)
        }
        Command::Users(Users::Create(flags)) => users_create::run(&open()?, flags, json),
        Command::Users(Users::CreateAdmin(flags)) => users_create_admin::run(&open()?, &flags, json),
        Command::Users(Users::List { search }) => users_list::run(&open()?, search.as_deref(), json),
        Command::Users(Users::Show { user }) => users_show::run(&open()?, &user, json),
        Command::Users(Users::Delete { user, force }) => users_delete::run(&open()?, &user, force, json),
        Command::Users(Users::Unlock { user }) => users_unlock::run(&open()?, &user, json),
        Command::Users(Users::SetTier { user, tier }) => users_set_tier::run(&open()?, &user, tier, json),
        Command::Audit(Audit::List(flags)) => audit_list::run(&open()?, &flags, json),
        Command::Audit(Audit::Verify) => {
            let loaded = wire::configuration(config)?;
            let outside = wire::outside_head(&loaded.config);
            audit_verify::run(&wire::accounts(loaded)?, &outside, json)
        }
        Command::Db(Db::Check) => db_check::run(&wire::configuration(config)?.config, json),
        Command::Db(Db::Migrate) => db_migrate::run(&wire::configuration(config)?.config, json),
        Command::Config(Config::Show) => config_show::run(&wire::configuration(config)?, json),
        Command::Completions { shell } => completions::run(shell),
    }
}
