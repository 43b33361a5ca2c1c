//! Every route, in one list.

use actix_web::{HttpResponse, http::header::LOCATION, web};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    api::{admin, auth, billing, keys, usage},
    gate, not_found, openapi, ops, pages,
};

/// Routes that share a prefix.
pub struct Group {
    /// The prefix under which they are documented.
    pub prefix: &'static str,
    /// Other prefixes under which they are served too.
    pub aliases: &'static [&'static str],
    /// The routes.
    pub routes: fn(&mut ServiceConfig),
}

/// All groups. The gate's and the operators' routes stand under their whole paths.
pub const GROUPS: [Group; 9] = [
    Group {
        prefix: "/api/v1/auth",
        aliases: &["/api/auth"],
        routes: |group| {
            group
                .service(auth::register::register)
                .service(auth::login::login)
                .service(auth::refresh::refresh)
                .service(auth::logout::logout)
                .service(auth::list_sessions::list_sessions)
                .service(auth::end_session::end_session)
                .service(auth::device_code::device_code)
                .service(auth::device_token::device_token)
                .service(auth::device_approve::device_approve)
                .service(auth::external::external)
                .service(auth::change_password::change_password)
                .service(auth::change_password::password_change)
                .service(auth::setup_second_factor::setup_second_factor)
                .service(auth::enable_second_factor::enable_second_factor)
                .service(auth::verify_second_factor::verify_second_factor)
                .service(auth::disable_second_factor::disable_second_factor)
                .service(auth::renew_backup_codes::renew_backup_codes)
                .service(auth::request_password_reset::request_password_reset)
                .service(auth::request_password_reset::password_reset)
                .service(auth::reset_password::reset_password)
                .service(auth::reset_password::password_reset_confirm)
                .service(auth::verify_email::verify_email)
                .service(auth::resend_verification::resend_verification)
                .service(auth::me::me)
                .service(auth::edit_me::edit_me)
                .service(auth::delete_me::delete_me)
                .service(auth::vscode_config::vscode_config);
        },
    },
    Group {
        prefix: "/api/v1/keys",
        aliases: &["/api/keys", "/api/v1/auth/api-keys", "/api/auth/api-keys"],
        routes: |group| {
            group
                .service(keys::create::create)
                .service(keys::list::list)
                .service(keys::revoke_self::revoke_self)
                .service(keys::verify::verify)
                .service(keys::show::show)
                .service(keys::change::change)
                .service(keys::revoke::revoke)
                .service(keys::rotate::rotate)
                .service(keys::usage::usage);
        },
    },
    Group {
        prefix: "/api/v1/usage",
        aliases: &["/api/usage", "/api/v1/auth/usage", "/api/auth/usage"],
        routes: |group| {
            group.service(usage::stats::stats).service(usage::logs::logs);
        },
    },
    Group {
        prefix: "/api/v1/billing",
        aliases: &["/api/billing", "/api/v1/auth/billing", "/api/auth/billing"],
        routes: |group| {
            group.service(billing::info::info);
        },
    },
    Group {
        prefix: "/api/v1/admin",
        aliases: &["/api/admin", "/admin"],
        routes: |group| {
            group
                .service(admin::list_users::list_users)
                .service(admin::create_user::create_user)
                .service(admin::create_user::users_create)
                .service(admin::show_user::show_user)
                .service(admin::user_stats::user_stats)
                .service(admin::switch_user::activate_user)
                .service(admin::switch_user::deactivate_user)
                .service(admin::list_keys::list_keys)
                .service(admin::revoke_key::revoke_key)
                .service(admin::unlock_user::unlock_user)
                .service(admin::edit_user::edit_user)
                .service(admin::edit_key::edit_key)
                .service(admin::delete_user::delete_user)
                .service(admin::invite::invite)
                .service(admin::password_reset::password_reset)
                .service(admin::reset_second_factor::reset_second_factor)
                .service(admin::list_audit::list_audit);
        },
    },
    Group {
        prefix: "/api/v1",
        aliases: &["/api"],
        routes: |group| {
            group.service(gate::llm_completion::llm_completion);
        },
    },
    Group {
        prefix: "",
        aliases: &[],
        routes: |group| {
            group.service(gate::chat_completions::chat_completions).service(gate::models::models);
        },
    },
    Group {
        prefix: "",
        aliases: &[],
        routes: |group| {
            group
                .service(ops::root::root)
                .service(ops::healthz::healthz)
                .service(ops::readyz::readyz)
                .service(ops::metrics::metrics);
        },
    },
    Group {
        prefix: "",
        aliases: &[],
        routes: |group| {
            group
                .service(pages::style::style)
                .service(pages::sign_in::sign_in_page)
                .service(pages::sign_in::sign_in)
                .service(pages::sign_in_code::sign_in_code)
                .service(pages::sign_out::sign_out)
                .service(pages::device::device_page)
                .service(pages::device::device)
                .service(pages::reset_password::reset_password_page)
                .service(pages::reset_password::reset_password)
                .service(pages::verify_email::verify_email_page)
                .service(pages::verify_email::verify_email);
        },
    },
];

/// Mounts everything: the groups under all their prefixes, the document and its pages, and what is said of
/// paths that are none.
pub fn mount(config: &mut web::ServiceConfig) {
    let mut prefixed: Vec<(&str, &Group)> = GROUPS
        .iter()
        .flat_map(|group| {
            std::iter::once(&group.prefix).chain(group.aliases).map(move |prefix| (*prefix, group))
        })
        .collect();
    // Whole paths first, the gate's among them. A prefix takes all that begins with it: `/api/v1/auth/usage`
    // must be asked before `/api/v1/auth`.
    prefixed.sort_by_key(|(prefix, _)| (!prefix.is_empty(), std::cmp::Reverse(prefix.len())));
    for (prefix, group) in prefixed {
        if prefix.is_empty() {
            (group.routes)(&mut ServiceConfig::new(config));
        } else {
            let scope = web::scope(prefix).configure(|inner| (group.routes)(&mut ServiceConfig::new(inner)));
            config.service(scope);
        }
    }
    let pages = SwaggerUi::new("/docs/{_:.*}")
        .url("/openapi.json", openapi::document().clone())
        .config(Config::default().persist_authorization(false).validator_url("none"));
    config
        .route(
            "/docs",
            web::get().to(|| async { HttpResponse::Found().insert_header((LOCATION, "/docs/")).finish() }),
        )
        .service(pages)
        .default_service(web::route().to(not_found::not_found));
}

/// `path` under the first of its names: what is the same route is the same path.
pub fn first_name(path: &str) -> String {
    let is_under =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let prefixed = GROUPS.iter().filter(|group| !group.prefix.is_empty());
    prefixed
        .flat_map(|group| {
            std::iter::once(&group.prefix).chain(group.aliases).map(|name| (*name, group.prefix))
        })
        .filter(|(name, _)| is_under(name))
        .max_by_key(|(name, _)| name.len())
        .map_or_else(|| path.to_owned(), |(name, prefix)| path.replacen(name, prefix, 1))
}

/// Every (method, path) that is served, under every prefix; paths as in the document.
pub fn mounted() -> Vec<(String, String)> {
    let documented = openapi::operations(openapi::document());
    let aliased = documented.iter().flat_map(|(method, path)| {
        let group = GROUPS.iter().find(|group| !group.prefix.is_empty() && path.starts_with(group.prefix));
        let aliases = group.map_or(&[] as &[&str], |group| group.aliases);
        aliases.iter().filter_map(move |alias| {
            let rest = path.strip_prefix(group?.prefix)?;
            Some((method.clone(), format!("{alias}{rest}")))
        })
    });
    documented.iter().cloned().chain(aliased).collect()
}
