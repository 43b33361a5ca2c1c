//! `GET /assets/pages.css`: the one style of all pages.

use actix_web::{
    HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};

/// Where it is.
pub const PATH: &str = "/assets/pages.css";
const TEXT: &str = include_str!("style.css");

/// The pages' style
#[utoipa::path(
    tag = "pages",
    responses((status = 200, description = "The style.", body = String, content_type = "text/css")),
)]
#[get("/assets/pages.css")]
pub async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(TEXT)
}
