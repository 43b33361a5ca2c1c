//! The HTTP API: routes, extractors, problems, OpenAPI
