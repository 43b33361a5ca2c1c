//! `users create`: a user with an API key.

use tollgate_accounts::{Accounts, By, admin::ProvisionWish};

use super::create::{granted, print};
use crate::{
    cli::{Metadata, UsersCreate},
    error::AdminError,
};

/// Makes the user and the key, and prints the key this once.
pub fn run(accounts: &Accounts, flags: UsersCreate, json: bool) -> Result<(), AdminError> {
    let UsersCreate { name, email, external_id, tier, grant } = flags;
    let made = accounts.provision(
        &By::program(),
        &ProvisionWish { external_id, email, user_name: Some(name), tier, ..granted(grant, Metadata::new()) },
    )?;
    print(accounts, &made, json)
}
