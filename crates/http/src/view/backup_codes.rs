//! Backup codes.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

/// Codes that stand for the authenticator's, each once; shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = BackupCodes)]
pub struct BackupCodesView {
    /// The codes.
    #[schema(example = json!(["7Q2M-XK4D-9TRB-0HVZ"]))]
    backup_codes: Vec<String>,
}

impl BackupCodesView {
    /// These codes, in clear.
    pub fn new(codes: &[SecretString]) -> Self {
        Self { backup_codes: codes.iter().map(|code| code.expose_secret().to_owned()).collect() }
    }
}
