//! Accounts.

pub mod change_password;
pub mod device_approve;
pub mod device_code;
pub mod device_token;
pub mod end_session;
pub mod list_sessions;
pub mod login;
pub mod logout;
pub mod me;
pub mod refresh;
pub mod register;
pub mod vscode_config;
