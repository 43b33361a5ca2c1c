//! Authentication that is switched off: the gate alone takes nothing for an answer.

use tollgate_gate::Credential;

use super::*;
use crate::{credentials::Unreadable, gate};

fn open() -> State {
    away::state(HttpSettings { authentication_enabled: false, ..away::settings() })
}

#[actix_web::test]
async fn the_root_says_so_and_warns() {
    let enabled = answer(get("/")).await.json();
    assert_eq!(enabled["authentication"], "enabled");
    assert!(enabled.get("warning").is_none(), "{enabled}");
    let disabled = answer_of(&open(), get("/")).await;
    assert!(disabled.body.contains("\"authentication\":\"disabled\""), "{}", disabled.body);
    assert!(disabled.json()["warning"].as_str().unwrap().contains("without a key"));
}

#[actix_web::test]
async fn nothing_but_the_gate_is_open() {
    let state = open();
    let paths =
        ["/api/v1/keys", "/api/v1/usage/stats", "/api/v1/auth/me", "/admin/users", "/admin/system/stats"];
    for path in paths {
        let answer = answer_of(&state, get(path)).await;
        // `/admin/system/stats` is not there yet; it must not be open when it is.
        let expected = if answer.status == 404 { "not_found" } else { "missing_credentials" };
        assert_eq!(answer.json()["code"], expected, "{path}: {}", answer.body);
    }
}

#[test]
fn the_gate_tells_no_credential_from_a_bad_one() {
    let of = |state: &State, pairs: &[(&'static str, &'static str)]| {
        let request = pairs.iter().fold(get("/v1/models"), |request, pair| request.insert_header(*pair));
        gate::credential(&request.to_http_request(), state).map(|credential| match credential {
            Credential::ApiKey(text) => Some(text),
            Credential::Anonymous => None,
        })
    };
    let (open, closed) = (open(), away::state(away::settings()));
    for none in [&[][..], &[("authorization", "Bearer ")], &[("x-api-key", ""), ("authorization", "Bearer")]]
    {
        assert_eq!(of(&open, none), Ok(None), "{none:?}");
        assert_eq!(of(&closed, none), Err(Unreadable::Missing), "{none:?}");
    }
    for state in [&open, &closed] {
        assert_eq!(of(state, &[("authorization", "Bearer none")]), Ok(Some("none".to_owned())));
        let basic = [("authorization", "Basic dXNlcg==")];
        assert_eq!(of(state, &basic), Err(Unreadable::OtherScheme));
        let two = [("authorization", "Bearer a"), ("x-api-key", "b")];
        assert_eq!(of(state, &two), Err(Unreadable::Ambiguous));
    }
}
