//! What operators and load balancers ask.

pub mod healthz;
pub mod metrics;
pub mod readyz;
pub mod root;
