//! The address of its own for `/metrics`: what else is asked there is not there.

use actix_web::{HttpRequest, dev::ServiceRequest, web::Data};

use crate::state::{MetricsAccess, State};

/// What the metrics' address serves.
const SERVED: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// Whether a request came to the metrics' address and asks for something that is elsewhere.
pub fn is_elsewhere(request: &ServiceRequest) -> bool {
    came_there(request.request()) && !SERVED.contains(&request.path())
}

/// Whether a request came to the metrics' own address.
pub fn came_there(request: &HttpRequest) -> bool {
    let Some(state) = request.app_data::<Data<State>>() else { return false };
    match state.settings.metrics {
        MetricsAccess::At(address) => request.app_config().local_addr() == address,
        MetricsAccess::Credentials { .. } => false,
    }
}
