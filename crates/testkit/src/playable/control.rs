//! The provider's strings, for tests in other processes: `/__play`, `/__release`, `/__requests`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Recorded, Shared};
use crate::Play;

/// The answer to a control call; `None` for every other request.
pub fn answer(shared: &Shared, request: &Recorded) -> Option<Vec<u8>> {
    let answer = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/__play") => play(shared, &request.body),
        ("POST", "/__release") => release(shared, &request.body),
        ("GET", "/__requests") => Ok(requests(shared)),
        (_, path) if path.starts_with("/__") => Err(format!("there is no {} {path}", request.method)),
        _ => return None,
    };
    let (status, body) = match answer {
        Ok(body) => ("200 OK", body),
        Err(error) => ("400 Bad Request", json!({"error": error})),
    };
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    Some([head.into_bytes(), body.into_bytes()].concat())
}

/// `{"default": PLAY}`, `{"queue": [PLAY, …]}` or both; `{}` goes back to how it was at the start.
fn play(shared: &Shared, body: &Value) -> Result<Value, String> {
    let read = |play: &Value| Play::deserialize(play).map_err(|error| error.to_string());
    let members = body.as_object().ok_or("an object is expected")?;
    if let Some(unknown) = members.keys().find(|key| !["default", "queue"].contains(&key.as_str())) {
        return Err(format!("unknown: {unknown}"));
    }
    let default = members.get("default").map(read).transpose()?;
    let queue = members.get("queue").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let queue = queue.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut script = shared.script();
    if members.is_empty() {
        script.queue.clear();
    }
    if members.is_empty() || default.is_some() {
        script.default = default.unwrap_or_default();
    }
    script.queue.extend(queue);
    Ok(json!({"queued": script.queue.len()}))
}

/// `{"answers": N}`; 1 by default.
fn release(shared: &Shared, body: &Value) -> Result<Value, String> {
    let answers = body.get("answers").map_or(Some(1), Value::as_u64);
    let answers = answers.and_then(|answers| u32::try_from(answers).ok()).ok_or("answers: a number")?;
    shared.released.add_permits(usize::try_from(answers).map_err(|error| error.to_string())?);
    Ok(json!({"released": answers}))
}

fn requests(shared: &Shared) -> Value {
    let counts = *shared.counts.borrow();
    json!({
        "requests": shared.script().requests,
        "connections": counts.connections,
        "answered": counts.answered,
        "hang_ups": counts.hang_ups,
    })
}
