//! What the API answers, whoever gives the answer.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};
use serde_json::value::RawValue;

/// A thing as people are shown it (its view) and as programs get it: what a server answered as it answered, also what
/// this program knows nothing of.
pub struct Answer<V> {
    /// What is known of the thing.
    pub view: V,
    /// What the server said, where one was asked.
    said: Option<Box<RawValue>>,
}

impl<V> From<V> for Answer<V> {
    fn from(view: V) -> Self {
        Self { view, said: None }
    }
}

impl<V: Serialize> Serialize for Answer<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.said {
            Some(said) => said.serialize(serializer),
            None => self.view.serialize(serializer),
        }
    }
}

impl<'de, V: DeserializeOwned> Deserialize<'de> for Answer<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Box::<RawValue>::deserialize(deserializer)?;
        let view = serde_json::from_str(said.get()).map_err(D::Error::custom)?;
        Ok(Self { view, said: Some(said) })
    }
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(bound = "V: DeserializeOwned")]
pub struct Page<V> {
    /// Its items.
    pub items: Vec<Answer<V>>,
    /// What names the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// Reads two groups of the members of one object: `#[serde(flatten)]` reads no [`RawValue`].
pub fn both<'de, D, A, B>(deserializer: D) -> Result<(A, B), D::Error>
where
    D: Deserializer<'de>,
    A: DeserializeOwned,
    B: DeserializeOwned,
{
    let text = Box::<RawValue>::deserialize(deserializer)?;
    let first = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
    let second = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
    Ok((first, second))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::key::{ListedKeyView, ProvisionedView};
    use super::*;

    /// A key as a later server might answer it: in another order, with more members, and notes of its own spacing.
    const LISTED: &str = r#"{"tokens_7d": 5, "later": {"a": [1.50]}, "id": "0196f0e0000070008000000000000001",
        "key_prefix": "sk_", "key_preview": "sk_…a", "name": "A", "user_id": "0196f0e0000070008000000000000002",
        "tier": null, "environment": "live", "permissions": ["chat"], "status": "active", "is_active": true,
        "minute_limit": null, "hourly_limit": 9, "daily_limit": null, "expires_at": null,
        "created_at": "2026-11-22T01:02:03.5Z", "updated_at": "2026-11-22T01:02:03Z", "last_used_at": null,
        "request_count": 7, "allowed_ips": null, "allowed_models": null, "created_by_key": null,
        "metadata": {"b":  1.0, "a": 2}, "email": "a@example.com", "requests_7d": 3}"#;

    #[test]
    fn programs_get_what_the_server_said() {
        let text = format!(r#"{{"items": [{LISTED}], "keys": [], "next_cursor": "x"}}"#);
        let page: Page<ListedKeyView> = serde_json::from_str(&text).unwrap();
        assert_eq!(page.next_cursor.as_deref(), Some("x"));
        let [listed] = &page.items[..] else { panic!("one key") };
        assert_eq!(serde_json::to_string(listed).unwrap(), LISTED);
        let ListedKeyView { key, beside } = &listed.view;
        assert_eq!((key.hourly_limit, beside.tokens_7d), (Some(9), 5));
        assert_eq!(key.metadata.get(), r#"{"b":  1.0, "a": 2}"#);
        assert_eq!(crate::table::second(key.created_at), "2026-11-22 01:02:03");
    }

    #[test]
    fn a_view_is_read_back_as_it_is_written() {
        let view: ListedKeyView = serde_json::from_str(LISTED).unwrap();
        let written = serde_json::to_string(&Answer::from(view)).unwrap();
        let read: Answer<ListedKeyView> = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read.view).unwrap(), written);
        assert!(written.contains(r#""created_at":"2026-11-22T01:02:03.500Z""#), "{written}");
    }

    #[test]
    fn a_made_key_is_read_with_its_secret_and_its_owner() {
        let user = json!({
            "id": "0196f0e0000070008000000000000002", "email": null, "name": null, "external_id": "x",
            "role": "user", "subscription": "free", "is_verified": false, "is_active": true, "minute_limit": null,
            "hourly_limit": null, "daily_limit": null, "monthly_token_limit": null, "quota_grant": 0,
            "metadata": {"z": 1}, "created_at": "2026-11-22T01:02:03Z", "updated_at": "2026-11-22T01:02:03Z",
        });
        let id = "0196f0e0000070008000000000000001";
        let made = json!({"user": user, "is_new_user": true, "key_id": id, "api_key": "sk_a", "key": "sk_a"});
        let text = format!("{},{}", made.to_string().strip_suffix('}').unwrap(), &LISTED[1..]);
        let made: Answer<ProvisionedView> = serde_json::from_str(&text).unwrap();
        assert_eq!((made.view.secret(), made.view.key.id.to_string().as_str()), ("sk_a", id));
        assert_eq!(made.view.made.user.called(), "x");
        assert_eq!(made.view.made.user.metadata.get(), r#"{"z":1}"#);
    }

    #[test]
    fn what_lacks_a_member_is_no_answer() {
        let lacking = LISTED.replace(r#""status": "active","#, "");
        assert!(serde_json::from_str::<Answer<ListedKeyView>>(&lacking).is_err());
    }
}
