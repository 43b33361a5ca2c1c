//! `/api/v1/keys/` is `/api/v1/keys`, in the groups of the API and nowhere else: what is passed on to others
//! keeps its path byte for byte.

use actix_web::{
    dev::ServiceRequest,
    http::{Uri, uri::PathAndQuery},
};

/// Takes one slash off the end of an API's path.
pub fn trim(request: &mut ServiceRequest) {
    let Some(uri) = trimmed(request.uri()) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let shorter =
        path.strip_suffix('/').filter(|_| path.starts_with("/api/") || path.starts_with("/admin/"))?;
    let text = uri.query().map_or_else(|| shorter.to_owned(), |query| format!("{shorter}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_apis_paths_lose_a_slash() {
        let after = |text: &str| trimmed(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(after("/api/v1/keys/"), Some("/api/v1/keys".into()));
        assert_eq!(after("/api/v1/keys/?a=/b/"), Some("/api/v1/keys?a=/b/".into()));
        for kept in ["/", "/api/v1/keys", "/docs/", "/v1/stocks/"] {
            assert_eq!(after(kept), None, "{kept}");
        }
    }
}
