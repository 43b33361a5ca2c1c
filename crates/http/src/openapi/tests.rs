//! What the document must say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn json() -> Value {
    serde_json::to_value(document()).unwrap()
}

fn each(document: &Value, mut see: impl FnMut(&str, &str, &Value)) {
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            see(method, path, operation);
        }
    }
}

#[test]
fn the_head_is_complete() {
    let document = json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Tollgate");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["api_key", "bearer"]);
}

#[test]
fn every_route_of_this_release_is_there() {
    let found: BTreeSet<_> = operations(document()).into_iter().collect();
    let wanted = [
        ("POST", "/api/v1/auth/register"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/api/v1/auth/refresh"),
        ("POST", "/api/v1/auth/logout"),
        ("GET", "/api/v1/auth/sessions"),
        ("DELETE", "/api/v1/auth/sessions/{id}"),
        ("POST", "/api/v1/auth/external"),
        ("POST", "/api/v1/auth/device/code"),
        ("POST", "/api/v1/auth/device/token"),
        ("POST", "/api/v1/auth/device/approve"),
        ("POST", "/api/v1/auth/change-password"),
        ("POST", "/api/v1/auth/password/change"),
        ("POST", "/api/v1/auth/2fa/setup"),
        ("POST", "/api/v1/auth/2fa/enable"),
        ("POST", "/api/v1/auth/2fa/verify"),
        ("POST", "/api/v1/auth/2fa/disable"),
        ("POST", "/api/v1/auth/2fa/backup-codes"),
        ("POST", "/api/v1/admin/users/{id}/reset-2fa"),
        ("GET", "/api/v1/auth/me"),
        ("GET", "/api/v1/auth/vscode-config"),
        ("PUT", "/api/v1/auth/me"),
        ("DELETE", "/api/v1/auth/me"),
        ("POST", "/api/v1/auth/verify-email"),
        ("POST", "/api/v1/auth/resend-verification"),
        ("POST", "/api/v1/auth/request-password-reset"),
        ("POST", "/api/v1/auth/password/reset"),
        ("POST", "/api/v1/auth/reset-password"),
        ("POST", "/api/v1/auth/password/reset/confirm"),
        ("POST", "/api/v1/admin/invites"),
        ("DELETE", "/api/v1/admin/users/{id}"),
        ("POST", "/api/v1/admin/users/{id}/password-reset"),
        ("GET", "/verify-email"),
        ("POST", "/verify-email"),
        ("GET", "/reset-password"),
        ("POST", "/reset-password"),
        ("GET", "/api/v1/keys"),
        ("POST", "/api/v1/keys"),
        ("DELETE", "/api/v1/keys/{id}"),
        ("GET", "/api/v1/keys/{id}"),
        ("PATCH", "/api/v1/keys/{id}"),
        ("POST", "/api/v1/keys/{id}/rotate"),
        ("GET", "/api/v1/keys/{id}/usage"),
        ("POST", "/api/v1/keys/self/revoke"),
        ("POST", "/api/v1/keys/verify"),
        ("GET", "/api/v1/usage/stats"),
        ("GET", "/api/v1/usage/logs"),
        ("GET", "/api/v1/billing/info"),
        ("GET", "/api/v1/admin/audit"),
        ("GET", "/api/v1/admin/users"),
        ("POST", "/api/v1/admin/users"),
        ("POST", "/api/v1/admin/users/create"),
        ("GET", "/api/v1/admin/users/{id}"),
        ("GET", "/api/v1/admin/users/{id}/stats"),
        ("POST", "/api/v1/admin/users/{id}/activate"),
        ("POST", "/api/v1/admin/users/{id}/deactivate"),
        ("GET", "/api/v1/admin/keys"),
        ("DELETE", "/api/v1/admin/keys/{id}"),
        ("PATCH", "/api/v1/admin/users/{id}"),
        ("POST", "/api/v1/admin/users/{id}/unlock"),
        ("PATCH", "/api/v1/admin/keys/{id}"),
        ("POST", "/api/v1/llm/completion"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/assets/pages.css"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("POST", "/sign-in/code"),
        ("POST", "/sign-out"),
        ("GET", "/device"),
        ("POST", "/device"),
    ];
    let wanted: BTreeSet<_> =
        wanted.into_iter().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn operation_ids_are_unique_and_everything_is_described() {
    let document = json();
    let mut ids = BTreeSet::new();
    each(&document, |method, path, operation| {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert_eq!(
            operation["tags"].as_array().unwrap().len(),
            1,
            "{method} {path}: {:?}",
            operation["tags"]
        );
    });
}

#[test]
fn every_error_is_a_problem_and_what_needs_credentials_says_so() {
    let document = json();
    each(&document, |method, path, operation| {
        let responses = operation["responses"].as_object().unwrap();
        if operation["tags"][0] == "pages" {
            let mut errors = responses.iter().filter(|(status, _)| status.starts_with(['4', '5']));
            assert!(
                errors.all(|(_, response)| response["content"].get("text/html").is_some()),
                "{method} {path}"
            );
            assert!(operation.get("security").is_none(), "{method} {path}");
            return;
        }
        for (status, response) in responses {
            let is_error = status.starts_with(['4', '5']);
            if is_error && path != "/readyz" {
                let schema = &response["content"][MEDIA_TYPE]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
        let secured = operation.get("security").is_some();
        // What they refuse are the credentials of their bodies.
        let gives_tokens =
            ["/login", "/external", "/refresh", "/2fa/verify"].iter().any(|end| path.ends_with(end));
        assert_eq!(secured, responses.contains_key("401") && !gives_tokens, "{method} {path}");
        if secured || gives_tokens || path.ends_with("/register") {
            assert!(responses.contains_key("429"), "{method} {path} lacks 429");
        }
        if operation.get("requestBody").is_some() {
            for status in ["400", "408", "413", "415", "422"] {
                assert!(responses.contains_key(status), "{method} {path} lacks {status}");
            }
        }
    });
}

#[test]
fn every_reference_leads_somewhere() {
    let document = json();
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not there");
    }
}

/// Calls with credentials that make nothing: they change what is there, end it, or send a mail. Whatever else is posted
/// takes an `Idempotency-Key`.
const MAKE_NOTHING: [&str; 13] = [
    "/api/v1/auth/logout",
    // It signs in; whom it links stays linked.
    "/api/v1/auth/external",
    "/api/v1/auth/device/approve",
    "/api/v1/auth/change-password",
    "/api/v1/auth/password/change",
    "/api/v1/auth/2fa/disable",
    "/api/v1/keys/self/revoke",
    "/api/v1/keys/verify",
    "/api/v1/admin/users/{id}/activate",
    "/api/v1/admin/users/{id}/deactivate",
    "/api/v1/admin/users/{id}/password-reset",
    "/api/v1/admin/users/{id}/unlock",
    "/api/v1/admin/users/{id}/reset-2fa",
];

#[test]
fn every_call_that_makes_something_takes_an_idempotency_key() {
    let document = json();
    let mut told_apart = 0;
    each(&document, |method, path, operation| {
        if method != "post" || operation.get("security").is_none() || operation["tags"][0] == "gate" {
            return;
        }
        let takes_key = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header");
        assert_ne!(takes_key, MAKE_NOTHING.contains(&path), "{path}: does it make something?");
        if takes_key {
            told_apart += 1;
            let responses = &operation["responses"];
            assert!(
                responses["409"]["description"].as_str().unwrap().contains("idempotency_in_progress"),
                "{path}"
            );
            assert!(
                responses["422"]["description"].as_str().unwrap().contains("idempotency_key_reused"),
                "{path}"
            );
            assert!(responses.get("429").is_some(), "{path}");
        }
    });
    assert!(told_apart > 0);
}
