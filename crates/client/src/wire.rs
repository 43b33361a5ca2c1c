//! The shape of `POST /api/v1/keys/verify`.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollgate_domain::{Environment, KeyId, Permission, Tier, UserId, credential::Looks};
use zeroize::Zeroizing;

use crate::{
    caller::{Caller, RateLimit},
    credential::Credential,
    denied::{Denied, Refusal, Unavailable},
    question::Question,
};

/// What Tollgate says, or why it says nothing.
pub(crate) type Answer = Result<Arc<Caller>, Denied>;

/// More than a question has beside credential and model: nothing of a secret is copied about while it is written.
const ROOM: usize = 512;
/// The longest code and sentence that are passed on, in characters.
const MAX_CODE_CHARS: usize = 64;
const MAX_DETAIL_CHARS: usize = 1_000;

#[derive(Serialize)]
struct Asked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a Permission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
}

/// The body of a question. Wiped once it was sent.
pub(crate) fn body(credential: &Credential, question: &Question, cost: Option<u64>) -> Result<Bytes, Denied> {
    let (text, looks) = credential.expose();
    let asked = Asked {
        key: (looks == Looks::ApiKey).then_some(text),
        token: (looks == Looks::AccessToken).then_some(text),
        permission: question.permission.as_ref(),
        model: question.model.as_deref(),
        cost,
        ip: question.ip.map(|ip| ip.to_canonical()),
    };
    // In JSON a byte takes six at most.
    let room = text.len().saturating_add(question.model.as_ref().map_or(0, String::len)).saturating_mul(6);
    let mut body = Zeroizing::new(Vec::with_capacity(room.saturating_add(ROOM)));
    serde_json::to_writer(&mut *body, &asked).map_err(|_error| Denied::Malformed)?;
    Ok(Bytes::from_owner(body))
}

#[derive(Deserialize)]
struct Told {
    valid: bool,
    code: Option<String>,
    detail: Option<String>,
    retry_after_seconds: Option<u64>,
    user_id: Option<UserId>,
    api_key_id: Option<KeyId>,
    environment: Option<Environment>,
    tier: Option<Tier>,
    permissions: Option<Vec<String>>,
    rate_limit: Option<RateLimit>,
    metadata: Option<Map<String, Value>>,
}

/// Reads what was answered with status 200.
pub(crate) fn answer(body: &[u8]) -> Answer {
    let unreadable = || Denied::Unavailable(Unavailable::Unreadable);
    let told: Told = serde_json::from_slice(body).map_err(|_error| unreadable())?;
    if told.valid {
        // Valid and yet refused is no answer.
        return if told.code.is_none() {
            caller(told).map(Arc::new).ok_or_else(unreadable)
        } else {
            Err(unreadable())
        };
    }
    let code = told.code.filter(|code| !code.is_empty()).ok_or_else(unreadable)?;
    let short = |text: String, most| if text.len() > most { text.chars().take(most).collect() } else { text };
    let detail = told.detail.map(|detail| short(detail, MAX_DETAIL_CHARS));
    Err(Denied::Refused(Refusal::new(short(code, MAX_CODE_CHARS), detail, told.retry_after_seconds)))
}

fn caller(told: Told) -> Option<Caller> {
    Some(Caller {
        user_id: told.user_id?,
        api_key_id: told.api_key_id,
        environment: told.environment?,
        tier: told.tier?,
        permissions: told.permissions?.iter().filter_map(|name| name.parse().ok()).collect(),
        rate_limit: told.rate_limit?,
        metadata: told.metadata?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told() -> Value {
        let standing = json!({"limit": 60, "used": 3, "remaining": 57, "resets_at": null});
        json!({
            "valid": true, "code": null, "detail": null, "retry_after_seconds": null,
            "user_id": "0193a0b0c0d07000800000000000000a",
            "api_key_id": "0193a0b0c0d07000800000000000000b",
            "environment": "test", "tier": "pro",
            "permissions": ["chat", "services:stocks", "a_permission_of_next_year"],
            "rate_limit": {
                "minute": {"limit": 60, "used": 3, "remaining": 57, "resets_at": "2026-11-21T12:00:01.5Z"},
                "hour": standing, "day": standing, "quota": standing,
            },
            "metadata": {"team": "research"}, "a_field_of_next_year": 1,
        })
    }

    fn read(told: &Value) -> Answer {
        answer(told.to_string().as_bytes())
    }

    #[test]
    fn a_caller_is_read() {
        let caller = read(&told()).unwrap();
        assert_eq!(caller.user_id.to_string(), "0193a0b0c0d07000800000000000000a");
        assert_eq!(caller.api_key_id.unwrap().to_string(), "0193a0b0c0d07000800000000000000b");
        assert_eq!((caller.environment, caller.tier), (Environment::Test, Tier::Pro));
        assert_eq!(caller.permissions.to_text(), "chat,services:stocks");
        assert_eq!(caller.rate_limit.minute.remaining, 57);
        assert_eq!(caller.rate_limit.minute.resets_at.unwrap().timestamp_subsec_millis(), 500);
        assert_eq!(caller.metadata["team"], "research");
        let mut of_a_token = told();
        of_a_token["api_key_id"] = Value::Null;
        assert_eq!(read(&of_a_token).unwrap().api_key_id, None);
    }

    #[test]
    fn a_refusal_is_read() {
        let refused = json!({
            "valid": false, "code": "rate_limit_exceeded", "detail": "Rate limit exceeded.", "retry_after_seconds": 9,
            "user_id": null, "api_key_id": null, "environment": null, "tier": null, "permissions": null,
            "rate_limit": null, "metadata": null,
        });
        let denied = read(&refused).unwrap_err();
        assert_eq!((denied.status().as_u16(), denied.code()), (429, "rate_limit_exceeded"));
        assert_eq!(
            (denied.detail().as_str(), denied.retry_after_seconds()),
            ("Rate limit exceeded.", Some(9))
        );
        assert_eq!(read(&json!({"valid": false, "code": "of_next_year"})).unwrap_err().status(), 403);
        let long = json!({"valid": false, "code": "ä".repeat(100), "detail": "ä".repeat(2_000)});
        assert_eq!(read(&long).unwrap_err().detail().chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn half_an_answer_admits_nobody() {
        let nothing = Denied::Unavailable(Unavailable::Unreadable);
        for field in ["valid", "user_id", "environment", "tier", "permissions", "rate_limit", "metadata"] {
            let mut half = told();
            half.as_object_mut().unwrap().remove(field);
            assert_eq!(read(&half), Err(nothing.clone()), "{field}");
            half[field] = Value::Null;
            assert_eq!(read(&half), Err(nothing.clone()), "{field}");
        }
        let mut both = told();
        both["code"] = json!("key_revoked");
        assert_eq!(read(&both), Err(nothing.clone()));
        for text in
            ["", "null", "true", "[]", "{}", "{\"valid\":false}", "{\"valid\":\"true\"}", "<html>", "\u{0}"]
        {
            assert_eq!(answer(text.as_bytes()), Err(nothing.clone()), "{text:?}");
        }
        let whole = told().to_string();
        for end in 0..whole.len() {
            assert_eq!(answer(&whole.as_bytes()[..end]), Err(nothing.clone()), "{end}");
        }
    }

    #[test]
    fn a_question_says_what_it_has() {
        let of = |text: &str, question: &Question, cost| -> Value {
            serde_json::from_slice(&body(&Credential::new(text), question, cost).unwrap()).unwrap()
        };
        assert_eq!(of("k", &Question::default(), None), json!({"key": "k"}));
        let question = Question {
            permission: Some(Permission::KeysManage),
            model: Some("gpt \"4\"".to_owned()),
            ip: Some("::ffff:203.0.113.7".parse().unwrap()),
        };
        let asked = json!({
            "token": "eyJh.e30.x", "permission": "keys:manage", "model": "gpt \"4\"", "cost": 0, "ip": "203.0.113.7",
        });
        assert_eq!(of("eyJh.e30.x", &question, Some(0)), asked);
    }
}
