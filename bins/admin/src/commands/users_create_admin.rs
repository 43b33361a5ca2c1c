//! `users create-admin`: an administrator who signs in with a password.

use tollgate_accounts::{
    Accounts, AccountsError, By, FieldError,
    admin::{NewAdmin, UserChanges},
};
use tollgate_domain::{Email, Role, User};

use crate::{
    cli::CreateAdmin,
    confirm::confirm,
    error::AdminError,
    json::{self, user::UserView},
    output, password,
};

/// Makes the administrator, or asks whether a user who exists shall be one.
pub fn run(accounts: &Accounts, flags: &CreateAdmin, json: bool) -> Result<(), AdminError> {
    let email: Email = flags.email.parse().map_err(invalid_email)?;
    let (user, said) = match accounts.stores.users.by_email(&email)? {
        Some(known) if known.user.role == Role::Admin => (known.user, "is an administrator already"),
        Some(known) if known.password_hash.is_none() => {
            confirm(
                "This user exists, without a password. It will get this one and administer everything.",
                flags.force,
            )?;
            let password = password::obtain(flags)?;
            (
                accounts.promote_with_password(&By::program(), &known.user, &password)?,
                "is an administrator now",
            )
        }
        Some(known) => (promote(accounts, &known.user, flags.force)?, "is an administrator now"),
        None => {
            let password = password::obtain(flags)?;
            let wish = NewAdmin { email: flags.email.clone(), password, name: None };
            (accounts.create_admin(&By::program(), &wish)?, "is an administrator now")
        }
    };
    if json {
        return json::print(&UserView::new(&user, accounts.clock.now()));
    }
    output::line(&format_args!("{email} ({}) {said}.", user.id))
}

/// The user keeps the password: whoever made the account knows it, so somebody must say that this is right.
fn promote(accounts: &Accounts, user: &User, force: bool) -> Result<User, AdminError> {
    let question = "This user exists, with a password of its own that stays. It will administer everything.";
    confirm(question, force)?;
    output::note(&"note: the user keeps the password; one that was given here is not used");
    Ok(accounts.edit_user(
        &By::program(),
        user.id,
        UserChanges { role: Some(Role::Admin), ..UserChanges::default() },
    )?)
}

fn invalid_email(error: impl std::fmt::Display) -> AdminError {
    let fault = FieldError { field: "email", code: "invalid_email", message: error.to_string() };
    AccountsError::Invalid(vec![fault]).into()
}
