//! What a credential is to be good for.

use std::net::IpAddr;

use tollgate_domain::Permission;

/// The longest name of a model that Tollgate takes in a question, in bytes.
pub const MAX_MODEL_BYTES: usize = 200;

/// What a credential is to be good for. The default asks only whether it is good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Question {
    /// It must hold this permission.
    pub permission: Option<Permission>,
    /// It must be allowed this model, by its public name.
    pub model: Option<String>,
    /// The caller's address, for keys that are bound to networks and for Tollgate's limits on unknown keys. Take it
    /// from the connection, or from a proxy that you trust. A key that is bound is refused where none is named.
    pub ip: Option<IpAddr>,
}
