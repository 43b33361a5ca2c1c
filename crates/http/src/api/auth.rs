//! Accounts.

pub mod change_password;
pub mod delete_me;
pub mod device_approve;
pub mod device_code;
pub mod device_token;
pub mod disable_second_factor;
pub mod edit_me;
pub mod enable_second_factor;
pub mod end_session;
pub mod external;
pub mod list_sessions;
pub mod login;
pub mod logout;
pub mod me;
pub mod refresh;
pub mod register;
pub mod renew_backup_codes;
pub mod request_password_reset;
pub mod resend_verification;
pub mod reset_password;
pub mod setup_second_factor;
pub mod verify_email;
pub mod verify_second_factor;
pub mod vscode_config;
