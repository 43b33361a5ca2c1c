//! `users create`: a user with an API key.

use tollgate_accounts::admin::ProvisionWish;

use super::create::{granted, print};
use crate::{
    cli::{Metadata, UsersCreate},
    error::AdminError,
    installation::Installation,
};

/// Makes the user and the key, and prints the key this once.
pub fn run(at: &dyn Installation, flags: UsersCreate, json: bool) -> Result<(), AdminError> {
    let UsersCreate { name, email, external_id, tier, grant } = flags;
    let granted = granted(grant, Metadata::new());
    let wish = ProvisionWish { external_id, email, user_name: Some(name), tier, ..granted };
    print(&at.provision(&wish)?, json)
}
