//! The OpenAPI document, generated from the handlers.

use std::sync::LazyLock;

use actix_web::App;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response,
        path::{Operation, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_actix_web::{AppExt, scope};

use crate::{credentials::X_API_KEY, extract::IDEMPOTENCY_KEY, problem::MEDIA_TYPE, routes::GROUPS};

/// The problem's schema.
const PROBLEM: &str = "Problem";

/// What else is answered where an `Idempotency-Key` is taken.
const REPEATABLE: [(&str, &str); 3] = [
    (
        "409",
        "With an `Idempotency-Key`: `idempotency_in_progress` while a call with the same key is under way, `conflict` \
         where one was done and its answer is lost.",
    ),
    (
        "422",
        "`idempotency_key_reused`: the `Idempotency-Key` was used for a call with another body or query.",
    ),
    ("429", "With an `Idempotency-Key`, also where too many answers are kept for those of the user."),
];

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(openapi);

/// What stands at the head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollgate",
        description = "An API gateway for AI and data APIs: accounts, keys, limits, quota, exact recording.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "accounts", description = "Signing up, logging in, the account itself."),
        (name = "keys", description = "A user's own API keys."),
        (name = "gate", description = "Models behind keys, limits and quota."),
        (name = "usage", description = "What was used, and what it cost."),
        (name = "billing", description = "Plan and cost."),
        (name = "administration", description = "Everybody's accounts and keys."),
        (name = "operations", description = "For operators and load balancers."),
        (name = "pages", description = "For people with a browser: HTML and forms, no part of the API."),
    ),
    components(schemas(crate::problem::ProblemBody)),
    modifiers(&Credentials),
)]
struct Head;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token of POST /api/v1/auth/login, or an API key."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description(X_API_KEY, "An API key.");
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// The document, made once.
pub fn document() -> &'static utoipa::openapi::OpenApi {
    &DOCUMENT
}

/// The document: every route under its first name.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut app = App::new().into_utoipa_app().openapi(Head::openapi());
    for group in &GROUPS {
        app = if group.prefix.is_empty() {
            app.configure(group.routes)
        } else {
            app.service(scope(group.prefix).configure(group.routes))
        };
    }
    let (_, mut document) = app.split_for_parts();
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete, &mut item.head];
        operations.into_iter().flatten().for_each(complete);
    }
    document
}

/// Every (method, path) of a document.
pub fn operations(document: &utoipa::openapi::OpenApi) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, item) in &document.paths.paths {
        let methods = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
            ("HEAD", &item.head),
        ];
        let there = methods.into_iter().filter(|(_, operation)| operation.is_some());
        all.extend(there.map(|(method, _)| (method.to_owned(), path.clone())));
    }
    all
}

/// Adds the statuses that follow from what an operation takes, and gives every error the problem's schema.
fn complete(operation: &mut Operation) {
    let takes_body = operation.request_body.is_some();
    let secured = operation.security.as_ref().is_some_and(|all| !all.is_empty());
    // They answer people, and say themselves what.
    let is_page = operation.tags.iter().flatten().any(|tag| tag == "pages");
    let (mut in_path, mut in_query, mut is_repeatable) = (false, false, false);
    for parameter in operation.parameters.iter().flatten() {
        if let RefOr::T(parameter) = parameter {
            in_path |= matches!(parameter.parameter_in, ParameterIn::Path);
            in_query |= matches!(parameter.parameter_in, ParameterIn::Query);
            is_repeatable |= parameter.name == IDEMPOTENCY_KEY;
        }
    }
    let follows = [
        (takes_body || secured, "400", "The request cannot be read, or carries two different credentials."),
        (secured, "401", "No credentials, or bad ones."),
        (secured, "403", "The credentials do not allow this."),
        (in_path, "404", "Not there, or not the caller's."),
        (takes_body, "408", "The body did not come in time."),
        (takes_body, "413", "The body is too long."),
        (takes_body, "415", "The body has another media type than is taken."),
        (takes_body || in_query, "422", "Fields break their rules: `errors` names each."),
        (
            secured,
            "429",
            "`rate_limit_exceeded`: too many calls of the user, or too many unknown keys from the address; \
             `Retry-After` says when.",
        ),
        (takes_body || secured, "500", "Something went wrong here."),
        (
            takes_body || secured,
            "503",
            "The database is away or too much is under way; `Retry-After` says when.",
        ),
    ];
    for (_, status, description) in follows.into_iter().filter(|(follows, _, _)| *follows && !is_page) {
        let response = RefOr::T(Response::new(description));
        operation.responses.responses.entry(status.to_owned()).or_insert(response);
    }
    if is_repeatable {
        for (status, more) in REPEATABLE {
            let response = operation
                .responses
                .responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::T(Response::new("")));
            let RefOr::T(response) = response else { continue };
            response.description = format!("{} {more}", response.description).trim_start().to_owned();
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let problem = RefOr::Ref(Ref::from_schema_name(PROBLEM));
        let is_problem = response
            .content
            .values()
            .all(|content| matches!(content, RefOr::T(content) if content.schema.as_ref() == Some(&problem)));
        if status.starts_with(['4', '5']) && is_problem {
            response.content.clear();
            response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(Content::new(Some(problem))));
        }
    }
}

#[cfg(test)]
mod tests;
