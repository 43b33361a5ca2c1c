//! What a service is told of the credentials that were presented to it.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::web;
use futures::{FutureExt, future::LocalBoxFuture};
use tollgate_accounts::{
    Actor, By, Client,
    admin::{KeyChanges, UserChanges},
    key::{CreatedKey, KeyWish},
    sign_in::LoggedIn,
};
use tollgate_billing::PriceBook;
use tollgate_domain::{Environment, Permissions, Role, Tier, Tiers};
use tollgate_gate::{
    Catalogue, Line, LineSettings, Shared, Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest,
};
use tollgate_store::Edit;
use tollgate_usage::{MemoryMeter, Recorder, RecorderSettings, RecorderStores};

use super::{broken::Disk, house::House, *};
use crate::{
    ManagementCalls,
    gate::{Worker, WorkerTimer},
};

const VERIFY: &str = "/api/v1/keys/verify";

/// No question goes upstream.
struct Nobody;

impl Upstream for Nobody {
    fn send(&self, _: UpstreamRequest) -> LocalBoxFuture<'_, Result<UpstreamAnswer, UpstreamError>> {
        async { panic!("a provider was asked") }.boxed_local()
    }
}

/// A house with a line, an administrator, a service of hers, and a user.
struct Site {
    house: House,
    shared: Arc<Shared>,
    admin: LoggedIn,
    user: LoggedIn,
    service: String,
}

fn shared(house: &House) -> Arc<Shared> {
    let state = &house.state;
    let stores = state.accounts.stores.clone();
    let recorder_stores = RecorderStores {
        events: stores.events.clone(),
        open_requests: stores.open_requests.clone(),
        spool: Arc::<Disk>::default(),
    };
    let settings = RecorderSettings { max_open: 10, max_wait: Duration::from_secs(20) };
    let recorder = Recorder::start(recorder_stores, settings, &state.clock).unwrap();
    Arc::new(Shared {
        authenticator: state.authenticator.clone(),
        stores,
        lookups: state.pools.lookups.clone(),
        meter: Arc::new(MemoryMeter::new()),
        recorder: Arc::new(recorder),
        catalogue: Catalogue::default(),
        prices: PriceBook::default(),
        tiers: Tiers::default(),
        clock: state.clock.clone(),
        random: state.random.clone(),
        settings: LineSettings {
            default_output_tokens: 100,
            tokenizer_factor_thousandths: 1_500,
            image_tokens: 100,
            max_concurrent: None,
        },
    })
}

impl Site {
    fn new() -> Self {
        let house = House::new();
        let (admin, user) = (house.user("ann@example.com"), house.user("bob@example.com"));
        let promote: Edit<tollgate_domain::User> = Arc::new(|user: &mut tollgate_domain::User| {
            user.role = Role::Admin;
        });
        let stores = &house.state.accounts.stores;
        stores.users.edit(admin.user.id, promote, tollgate_domain::Clock::now(&*house.clock), &[]).unwrap();
        let shared = shared(&house);
        let site = Self { house, shared, admin, user, service: String::new() };
        let service = site.key(&site.admin, KeyWish { permissions: asked("keys:verify"), ..wish() });
        Self { service: service.secret.expose().to_owned(), ..site }
    }

    fn key(&self, owner: &LoggedIn, wish: KeyWish) -> CreatedKey {
        let stores = &self.house.state.accounts.stores;
        let user = Arc::new(stores.users.by_id(owner.user.id).unwrap().unwrap());
        let actor = Actor { user, key: None, session: None, client: Client::default() };
        self.house.state.accounts.create_key(&actor, &wish).unwrap()
    }

    async fn answer(&self, by: &str, body: &Value) -> Answer {
        let worker = Worker {
            line: Line::new(self.shared.clone(), Rc::new(Nobody), Rc::new(WorkerTimer)),
            max_body_bytes: 1_000,
            bodies: Arc::default(),
        };
        let app = app(&self.house.state).app_data(web::Data::new(worker));
        let request = post(VERIFY, body).insert_header(("authorization", format!("Bearer {by}")));
        let response = call_service(&init_service(app).await, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body()).await.unwrap();
        Answer { status, headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// What the service is told.
    async fn told(&self, body: Value) -> Value {
        let answer = self.answer(&self.service, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("cache-control")),
            (200, "no-store"),
            "{}",
            answer.body
        );
        answer.json()
    }
}

fn asked(text: &str) -> Option<Permissions> {
    Some(Permissions::from_text(text).unwrap())
}

fn wish() -> KeyWish {
    KeyWish { name: "k".into(), ..KeyWish::default() }
}

#[actix_web::test]
async fn a_good_key_is_shown_as_it_is() {
    let site = Site::new();
    let metadata = json!({"team": "research"}).as_object().cloned();
    let made = site.key(&site.user, KeyWish { metadata, permissions: asked("chat,services"), ..wish() });
    let body =
        json!({"key": made.secret.expose(), "permission": "services:stocks", "model": null, "cost": 5});
    let told = site.told(body).await;
    let window = |limit: u64| json!({"limit": limit, "used": 1, "remaining": limit - 1});
    for (name, limit) in [("minute", 60), ("hour", 1_000), ("day", 10_000)] {
        let mut shown = told["rate_limit"][name].clone();
        assert!(shown.as_object_mut().unwrap().remove("resets_at").unwrap().is_string());
        assert_eq!(shown, window(limit), "{name}");
    }
    let mut rest = told.clone();
    rest.as_object_mut().unwrap().remove("rate_limit").unwrap();
    assert_eq!(
        rest,
        json!({
            "valid": true, "code": null, "detail": null, "retry_after_seconds": null,
            "user_id": site.user.user.id.to_string(), "api_key_id": made.key.id.to_string(),
            "environment": "live", "tier": "free", "permissions": ["chat", "services"],
            "metadata": {"team": "research"},
        })
    );
    let quota = &told["rate_limit"]["quota"];
    assert_eq!((&quota["used"], &quota["remaining"]), (&json!(5), &json!(9_995)));
    assert!(quota["resets_at"].is_string() && quota["limit"] == 10_000, "{quota}");
}

#[actix_web::test]
async fn a_key_counts_as_no_tier_that_its_user_has_lost() {
    let site = Site::new();
    let accounts = &site.house.state.accounts;
    let of_user = |tier| {
        let changes = UserChanges { tier: Some(tier), ..UserChanges::default() };
        accounts.edit_user(&By::program(), site.user.user.id, changes).unwrap();
    };
    of_user(Tier::Enterprise);
    let chosen = |tier| site.key(&site.user, KeyWish { tier, ..wish() });
    let (none, pro) = (chosen(None), chosen(Some(Tier::Pro)));
    let given = chosen(Some(Tier::Enterprise));
    let changes = KeyChanges { tier: Some(Some(Tier::Enterprise)), ..KeyChanges::default() };
    accounts.edit_key(&By::program(), given.key.id, &changes).unwrap();
    for (users, expected) in [
        (Tier::Enterprise, ["enterprise", "pro", "enterprise"]),
        (Tier::Free, ["free", "free", "enterprise"]),
        (Tier::Pro, ["pro", "pro", "enterprise"]),
    ] {
        of_user(users);
        for (key, tier) in [&none, &pro, &given].into_iter().zip(expected) {
            let told = site.told(json!({"key": key.secret.expose()})).await;
            assert_eq!(told["tier"], tier, "{users}: {told}");
        }
    }
}

#[actix_web::test]
async fn an_access_token_is_shown_as_its_users() {
    let site = Site::new();
    for (who, permissions) in [
        (
            &site.user,
            json!(["chat", "code_generation", "embeddings", "services", "keys:manage", "usage:read"]),
        ),
        (
            &site.admin,
            json!([
                "chat",
                "code_generation",
                "embeddings",
                "services",
                "keys:manage",
                "keys:verify",
                "usage:read",
                "usage:write",
                "admin"
            ]),
        ),
    ] {
        let told = site.told(json!({"token": house::access(who), "cost": 2})).await;
        assert_eq!((&told["valid"], &told["api_key_id"]), (&json!(true), &json!(null)), "{told}");
        assert_eq!(
            (&told["user_id"], &told["environment"]),
            (&json!(who.user.id.to_string()), &json!("live"))
        );
        assert_eq!((&told["permissions"], &told["metadata"]), (&permissions, &json!({})));
        assert_eq!(told["rate_limit"]["quota"]["used"], 2);
    }
}

#[actix_web::test]
async fn of_what_nobody_has_nothing_is_told() {
    let site = Site::new();
    let over = house::access(&site.user).to_owned();
    let stores = &site.house.state.accounts.stores;
    stores.sessions.end_all(site.user.user.id, tollgate_domain::Clock::now(&*site.house.clock), &[]).unwrap();
    for (body, code) in [
        (json!({"key": UNKNOWN_KEY, "cost": 1}), "invalid_api_key"),
        (json!({"key": ""}), "invalid_api_key"),
        (json!({"key": "sk_live_tg_0000000000000000000000000000000000"}), "invalid_api_key"),
        (json!({"key": over}), "invalid_credentials"),
        (json!({"token": over, "cost": 1}), "invalid_credentials"),
        (json!({"token": site.service}), "invalid_credentials"),
        (json!({"token": "eyJ.eyJ.x"}), "invalid_credentials"),
    ] {
        let told = site.told(body.clone()).await;
        assert_eq!((&told["valid"], &told["code"]), (&json!(false), &json!(code)), "{body}");
        assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        let others = told.as_object().unwrap().iter();
        let others = others.filter(|(name, _)| !["valid", "code", "detail"].contains(&name.as_str()));
        assert!(others.clone().all(|(_, value)| value.is_null()), "{told}");
        assert_eq!(others.count(), 8, "{told}");
    }
}

#[actix_web::test]
async fn of_a_key_that_is_no_good_it_is_told_whose_it_is() {
    let site = Site::new();
    let made = site.key(&site.user, wish());
    let stores = &site.house.state.accounts.stores;
    stores.keys.revoke(made.key.id, None, tollgate_domain::Clock::now(&*site.house.clock), &[]).unwrap();
    let told = site.told(json!({"key": made.secret.expose(), "cost": 1})).await;
    assert_eq!((&told["valid"], &told["code"]), (&json!(false), &json!("key_revoked")));
    assert_eq!(told["user_id"], site.user.user.id.to_string());
    assert_eq!(
        (&told["api_key_id"], &told["environment"]),
        (&json!(made.key.id.to_string()), &json!("live"))
    );
    for name in ["tier", "permissions", "rate_limit", "metadata"] {
        assert!(told[name].is_null(), "{name}: {told}");
    }
}

#[actix_web::test]
async fn what_a_key_may_not_is_refused_and_it_is_told_how_it_stands() {
    let site = Site::new();
    let made = site.key(
        &site.user,
        KeyWish {
            permissions: asked("chat,services:stocks"),
            allowed_ips: Some(vec!["203.0.113.0/24".into()]),
            allowed_models: Some(vec!["m".into()]),
            ..wish()
        },
    );
    for (more, code) in [
        (json!({}), Some("ip_not_allowed")),
        (json!({"ip": "198.51.100.1"}), Some("ip_not_allowed")),
        (json!({"ip": "203.0.113.7"}), None),
        (json!({"ip": "::ffff:203.0.113.7", "permission": "services:stocks", "model": "m"}), None),
        (json!({"ip": "203.0.113.7", "permission": "services"}), Some("permission_denied")),
        (json!({"ip": "203.0.113.7", "permission": "services:bonds"}), Some("permission_denied")),
        (json!({"ip": "203.0.113.7", "permission": "chat", "model": "x"}), Some("model_not_allowed")),
    ] {
        let mut body = json!({"key": made.secret.expose()});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = site.told(body).await;
        assert_eq!((&told["valid"], &told["code"]), (&json!(code.is_none()), &json!(code)), "{more}");
        assert_eq!((&told["tier"], &told["rate_limit"]["hour"]["used"]), (&json!("free"), &json!(0)));
    }
}

#[actix_web::test]
async fn over_a_limit_it_is_told_when_to_come_again() {
    let site = Site::new();
    let limits = tollgate_domain::LimitOverrides { minute: Some(1), ..Default::default() };
    let made = site.key(&site.user, KeyWish { limits, ..wish() });
    let ask = |cost: u64| site.told(json!({"key": made.secret.expose(), "cost": cost}));
    let too_much = ask(10_001).await;
    assert_eq!(
        (&too_much["code"], &too_much["retry_after_seconds"]),
        (&json!("insufficient_quota"), &json!(null))
    );
    assert_eq!(ask(1).await["valid"], true);
    let full = ask(1).await;
    assert_eq!((&full["code"], &full["retry_after_seconds"]), (&json!("rate_limit_exceeded"), &json!(60)));
    let minute = &full["rate_limit"]["minute"];
    assert_eq!((&minute["limit"], &minute["remaining"]), (&json!(1), &json!(0)));
    let uncounted = site.told(json!({"key": made.secret.expose()})).await;
    assert_eq!(
        (&uncounted["valid"], &uncounted["rate_limit"]["minute"]["remaining"]),
        (&json!(true), &json!(0))
    );
}

#[actix_web::test]
async fn only_who_was_given_it_may_ask() {
    let site = Site::new();
    let made = site.key(&site.user, wish());
    let body = json!({"key": made.secret.expose()});
    let admins = site.key(&site.admin, KeyWish { permissions: asked("admin,chat"), ..wish() });
    for (by, status) in [
        (site.service.as_str(), 200),
        (house::access(&site.admin), 200),
        (house::access(&site.user), 403),
        (made.secret.expose(), 403),
        (admins.secret.expose(), 403),
        (UNKNOWN_KEY, 401),
    ] {
        let answer = site.answer(by, &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 403 {
            assert_eq!(answer.json()["code"], "permission_denied");
        }
        // Not before it is known who asks.
        let wrong = site.answer(by, &json!({"nonsense": 1})).await;
        assert_eq!(wrong.status, if status == 200 { 422 } else { status });
    }
}

#[actix_web::test]
async fn a_service_asks_as_often_as_it_is_asked() {
    let mut site = Site::new();
    site.house.state.management = Arc::new(ManagementCalls::new(1));
    let made = site.key(&site.user, wish());
    for _ in 0..3 {
        assert_eq!(site.told(json!({"key": made.secret.expose()})).await["valid"], true);
        assert_eq!(site.told(json!({"key": UNKNOWN_KEY})).await["valid"], false);
    }
    // Who may not ask is refused as often as whoever asks for something else.
    let body = json!({"key": made.secret.expose()});
    for by in [house::access(&site.user), made.secret.expose()] {
        assert_eq!(site.answer(by, &body).await.status, 403);
        assert_eq!(site.answer(by, &body).await.status, 429);
    }
}

#[actix_web::test]
async fn a_test_key_asks_about_test_keys_alone() {
    let mut site = Site::new();
    let test = Some(Environment::Test);
    let service =
        site.key(&site.admin, KeyWish { permissions: asked("keys:verify"), environment: test, ..wish() });
    let (live, tried) =
        (site.key(&site.user, wish()), site.key(&site.user, KeyWish { environment: test, ..wish() }));
    let told = site.told(json!({"key": tried.secret.expose()})).await;
    assert_eq!((&told["valid"], &told["environment"]), (&json!(true), &json!("test")));
    site.service = service.secret.expose().to_owned();
    for (body, valid, code) in [
        (json!({"key": tried.secret.expose(), "cost": 1}), true, json!(null)),
        (json!({"key": live.secret.expose(), "cost": 1}), false, json!("invalid_api_key")),
        (json!({"token": house::access(&site.user)}), false, json!("invalid_credentials")),
    ] {
        let told = site.told(body).await;
        assert_eq!((&told["valid"], &told["code"]), (&json!(valid), &code));
        assert_eq!(told["user_id"].is_null(), !valid);
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_question_is_named() {
    let site = Site::new();
    let long = "m".repeat(201);
    for (body, field) in [
        (json!({}), "key"),
        (json!({"key": null, "token": null}), "key"),
        (json!({"key": "a", "token": "b"}), "token"),
        (json!({"key": 1}), "key"),
        (json!({"key": "a", "permission": "fly"}), "permission"),
        (json!({"key": "a", "permission": "services:a b"}), "permission"),
        (json!({"key": "a", "model": ""}), "model"),
        (json!({"key": "a", "model": long}), "model"),
        (json!({"key": "a", "model": "a\0b"}), "model"),
        (json!({"key": "a", "cost": -1}), "cost"),
        (json!({"key": "a", "cost": 1.5}), "cost"),
        (json!({"key": "a", "cost": "1"}), "cost"),
        (json!({"key": "a", "cost": 1_000_000_000_001_u64}), "cost"),
        (json!({"key": "a", "ip": "203.0.113.0/24"}), "ip"),
        (json!({"key": "a", "ip": "localhost"}), "ip"),
        (json!({"key": "a", "costs": 1}), "costs"),
    ] {
        let answer = site.answer(&site.service, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (422, &json!("validation_failed")),
            "{body}"
        );
        let named: Vec<_> =
            answer.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
        assert_eq!(named, [field], "{body}");
    }
    // The most that may be named.
    let most =
        json!({"key": "a", "cost": 1_000_000_000_000_u64, "model": "m".repeat(200), "ip": "2001:db8::1"});
    assert_eq!(site.told(most).await["code"], "invalid_api_key");
}

#[actix_web::test]
async fn who_reads_the_log_sees_that_it_was_no_key() {
    let site = Site::new();
    let made = site.key(&site.user, wish());
    for body in [
        json!({"token": house::access(&site.user), "cost": 1}),
        json!({"key": made.secret.expose(), "cost": 2}),
    ] {
        assert_eq!(site.told(body).await["valid"], true);
    }
    let answer = site.house.with("GET", "/api/v1/usage/logs", house::access(&site.user)).await;
    let items = answer.json()["items"].as_array().unwrap().clone();
    let mut seen: Vec<_> = items
        .iter()
        .map(|event| (event["total_tokens"].as_u64().unwrap(), event["api_key_id"].clone()))
        .collect();
    seen.sort_by_key(|(tokens, _)| *tokens);
    assert_eq!(seen, [(1, json!(null)), (2, json!(made.key.id.to_string()))]);
    assert!(items.iter().all(|event| event["endpoint"] == VERIFY && event["usage_source"] == "reported"));
}
