//! What is said of a path that is none, or is one for another method.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ALLOW, HeaderValue},
};

use crate::{problem::Problem, routes};

/// Paths of the document and of its pages, which the document itself does not list.
const PAGES: [&str; 4] = ["/openapi.json", "/docs", "/docs/", "/docs/{page}"];

/// Methods by path; `HEAD` goes wherever `GET` goes.
static METHODS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let pages = PAGES.map(|path| ("GET".to_owned(), path.to_owned()));
    for (method, path) in routes::mounted().into_iter().chain(pages) {
        let taken = methods.entry(path).or_default();
        let is_get = method == "GET";
        taken.push(method);
        taken.extend(is_get.then(|| "HEAD".to_owned()));
    }
    methods
});

/// Answers whatever no route took: 405 where the path has other methods, else 404.
///
/// # Errors
/// Always one of the two.
pub async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let methods = METHODS.iter().find(|(path, _)| fits(path, request.path())).map(|(_, methods)| methods);
    let Some(methods) = methods else { return Err(Problem::no_route()) };
    let allowed = methods.join(", ");
    let problem = Problem::wrong_method(&allowed);
    Err(match HeaderValue::from_str(&allowed) {
        Ok(value) => problem.with_header(ALLOW, value),
        Err(_no_header) => problem,
    })
}

/// Whether `path` is one of those that `pattern` describes.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found => {}
            (Some(wanted), Some(found)) if wanted.starts_with('{') && !found.is_empty() => {}
            (_, _) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_their_paths() {
        assert!(fits("/api/v1/keys/{id}", "/api/v1/keys/abc"));
        assert!(fits("/", "/"));
        for (pattern, path) in
            [("/api/v1/keys/{id}", "/api/v1/keys"), ("/a/{id}", "/a/"), ("/a/{id}", "/a/b/c"), ("/a", "/A")]
        {
            assert!(!fits(pattern, path), "{path}");
        }
    }
}
