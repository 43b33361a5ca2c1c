//! Accounts.

pub mod login;
pub mod me;
pub mod register;
pub mod vscode_config;
