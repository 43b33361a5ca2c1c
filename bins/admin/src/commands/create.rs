//! `create`: a key for somebody, and the somebody where needed.

use tollgate_accounts::admin::ProvisionWish;
use tollgate_domain::LimitOverrides;

use crate::{
    cli::{Create, Grant, Metadata},
    error::AdminError,
    installation::Installation,
    json::{
        self,
        answer::Answer,
        key::{KeyView, ProvisionedView},
    },
    output,
    table::{self, NOTHING, thousands},
};

/// Makes the key and prints it, this once.
pub fn run(at: &dyn Installation, flags: Create, json: bool) -> Result<(), AdminError> {
    print(&at.provision(&wish(flags))?, json)
}

fn wish(flags: Create) -> ProvisionWish {
    let Create { user_id, name, email, company, tier, expires_in_days, grant } = flags;
    let names_a_user = user_id.is_none();
    let mut notes = Metadata::new();
    let mut note = |key: &str, value: Option<&String>| {
        if let Some(value) = value {
            notes.insert(key.to_owned(), value.as_str().into());
        }
    };
    if !names_a_user {
        note("email", email.as_ref());
    }
    note("company", company.as_ref());
    let (user_name, key_name) = if names_a_user { (name, None) } else { (None, name) };
    ProvisionWish {
        user_id,
        email: email.filter(|_| names_a_user),
        user_name,
        key_name,
        tier,
        expires_in_days,
        ..granted(grant, notes)
    }
}

/// What a key may do, as wished; the wish's own notes win over `notes`.
pub fn granted(grant: Grant, mut notes: Metadata) -> ProvisionWish {
    let Grant { permissions, hourly_limit, daily_limit, metadata } = grant;
    notes.extend(metadata.unwrap_or_default());
    ProvisionWish {
        permissions,
        limits: LimitOverrides { minute: None, hour: hourly_limit, day: daily_limit },
        metadata: Some(notes),
        ..ProvisionWish::default()
    }
}

/// Prints a key with its secret.
pub fn print(made: &Answer<ProvisionedView>, json: bool) -> Result<(), AdminError> {
    if json {
        return json::print(made);
    }
    let view = &made.view;
    let (key, user) = (&view.key, &view.made.user);
    let known = if view.made.is_new_user { "new" } else { "known before" };
    output::line(&"The API key was made.\n")?;
    output::details(&[
        ("API key", view.secret().to_owned()),
        ("Key ID", key.id.to_string()),
        ("Name", key.name.clone()),
        ("User", format!("{} ({known})", user.called())),
        ("User ID", user.id.to_string()),
        ("Tier", key.tier.as_ref().unwrap_or(&user.subscription).clone()),
        ("Permissions", key.permissions.join(",")),
        ("Own limits", limits(key)),
        ("Expires", key.expires_at.map_or_else(|| "never".to_owned(), table::minute)),
        ("Notes", key.metadata.get().to_owned()),
    ])?;
    output::line(&"\nWARNING: keep the API key now. It is shown this once and cannot be shown again.")
}

fn limits(key: &KeyView) -> String {
    let windows = [("minute", key.minute_limit), ("hour", key.hourly_limit), ("day", key.daily_limit)];
    let given: Vec<_> = windows
        .into_iter()
        .filter_map(|(window, limit)| limit.map(|limit| format!("{} per {window}", thousands(limit))))
        .collect();
    if given.is_empty() { NOTHING.to_owned() } else { given.join(", ") }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn wished(flags: &[&str]) -> ProvisionWish {
        let words = ["tollgate-admin", "create"].iter().chain(flags);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Create(flags) => wish(flags),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_user_id_name_and_email_are_the_users() {
        let wish = wished(&["--name", "John", "--email", "john@example.com", "--hourly-limit", "200"]);
        assert_eq!(wish.user_name.as_deref(), Some("John"));
        assert_eq!(wish.email.as_deref(), Some("john@example.com"));
        assert_eq!((wish.user_id, wish.key_name), (None, None));
        assert_eq!(wish.limits.hour, Some(200));
        assert_eq!(wish.metadata, Some(Metadata::new()));
    }

    #[test]
    fn with_a_user_id_name_is_the_keys_and_the_rest_are_notes() {
        let wish = wished(&[
            "--user-id",
            "user_123",
            "--name",
            "Pro",
            "--email",
            "user@example.com",
            "--company",
            "Example Corp",
            "--metadata",
            r#"{"company": "Other", "team": 7}"#,
        ]);
        assert_eq!(wish.user_id.as_deref(), Some("user_123"));
        assert_eq!((wish.user_name, wish.email), (None, None));
        assert_eq!(wish.key_name.as_deref(), Some("Pro"));
        let notes = serde_json::Value::from(wish.metadata.unwrap());
        assert_eq!(notes, serde_json::json!({"email": "user@example.com", "company": "Other", "team": 7}));
    }
}
