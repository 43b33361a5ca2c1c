use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    catalogue::{OutputLimitField, Route},
    tokenizer,
};

const IMAGE: u64 = 4_096;

fn read_bytes(body: &[u8]) -> Result<Request, Refusal> {
    Request::read(Endpoint::ChatCompletions, &Bytes::copy_from_slice(body))
}

fn read(body: &str) -> Result<Request, Refusal> {
    read_bytes(body.as_bytes())
}

/// A chat of one message with `more` fields before it.
fn chat(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m"{comma}{more},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

/// A chat with these messages.
fn messages(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":{messages}}}"#)
}

/// The fields that are wrong, each with its code.
fn wrong(body: &str) -> Vec<(String, &'static str)> {
    match read(body) {
        Err(Refusal::Validation(errors)) => errors.into_iter().map(|e| (e.field, e.code)).collect(),
        other => panic!("{body}: {other:?}"),
    }
}

fn route(field: OutputLimitField) -> Route {
    Route {
        provider: "p".into(),
        model: "m".into(),
        upstream_model: "theirs".into(),
        max_output_tokens: None,
        output_limit_field: field,
        knows_no_other_field: false,
    }
}

fn upstream(body: &str, limit: u64) -> String {
    let bytes = read(body).unwrap().upstream_body(&route(OutputLimitField::MaxTokens), limit).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}0{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn what_is_no_json_object_is_malformed() {
    for body in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "[{}]",
        "null",
        "5",
        "true",
        "\"text\"",
        "{'a':1}",
        "{\"a\":1}x",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":\"\u{0}\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"\\ud800\":1}",
        "\u{feff}{}",
        "{\"max_tokens\":NaN}",
    ] {
        let refusal = read(body).unwrap_err();
        assert!(matches!(refusal, Refusal::Malformed(_)), "{body:?}: {refusal:?}");
        assert_eq!((refusal.status(), refusal.code()), (400, "malformed_request"));
    }
}

#[test]
fn what_is_no_utf_8_is_malformed() {
    for bad in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"] {
        for (before, after) in [
            (&b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""[..], &b"\"}]}"[..]),
            (b"{\"x\":\"", b"\"}"),
            (b"{\"", b"\":1}"),
        ] {
            let body = [before, bad, after].concat();
            assert!(matches!(read_bytes(&body), Err(Refusal::Malformed(_))), "{}", body.escape_ascii());
        }
    }
}

#[test]
fn a_complaint_is_short_whatever_was_sent() {
    for body in [
        format!("\"{}\"", "x".repeat(1_000_000)),
        messages(&format!(r#"[{{"role":"user","content":[{{"type":"{}"}}]}}]"#, "x".repeat(1_000_000))),
        chat(&format!(r#""tools":[{{"type":"{}"}}]"#, "x".repeat(1_000_000))),
    ] {
        let complaint = read(&body).unwrap_err().to_string();
        assert!(complaint.len() < 400, "{} bytes", complaint.len());
    }
}

#[test]
fn every_wrong_field_is_named() {
    for (body, field, code) in [
        ("{}", "messages", "missing"),
        (r#"{"messages":null}"#, "messages", "missing"),
        (r#"{"messages":[]}"#, "messages", "out_of_range"),
        (r#"{"messages":"hi"}"#, "messages", "wrong_type"),
        (r#"{"messages":{"role":"user"}}"#, "messages", "wrong_type"),
        (r#"{"messages":[5]}"#, "messages[0]", "wrong_type"),
        (r#"{"messages":[["user","hi"]]}"#, "messages[0]", "wrong_type"),
        (r#"{"messages":[null]}"#, "messages[0]", "wrong_type"),
        (r#"{"messages":[{"content":"hi"}]}"#, "messages[0].role", "missing"),
        (r#"{"messages":[{"role":"","content":"hi"}]}"#, "messages[0].role", "missing"),
        (r#"{"messages":[{"role":5,"content":"hi"}]}"#, "messages[0].role", "missing"),
        (r#"{"messages":[{"role":"user","content":5}]}"#, "messages[0].content", "wrong_type"),
        (r#"{"messages":[{"role":"user","content":{"type":"text"}}]}"#, "messages[0].content", "wrong_type"),
        (r#"{"messages":[{"role":"user","content":"a","content":["b"]}]}"#, "messages[0]", "wrong_type"),
        (r#"{"messages":[{"role":"user"},{"role":true}]}"#, "messages[1].role", "missing"),
    ] {
        assert_eq!(wrong(body), [(field.to_owned(), code)], "{body}");
    }
    for (more, field, code) in [
        (r#""max_tokens":-1"#, "max_tokens", "out_of_range"),
        (r#""max_tokens":0"#, "max_tokens", "out_of_range"),
        (r#""max_tokens":1000000001"#, "max_tokens", "out_of_range"),
        (r#""max_tokens":18446744073709551616"#, "max_tokens", "out_of_range"),
        (r#""max_tokens":1e3"#, "max_tokens", "wrong_type"),
        (r#""max_tokens":10.0"#, "max_tokens", "wrong_type"),
        (r#""max_tokens":1e999999"#, "max_tokens", "wrong_type"),
        (r#""max_tokens":"10""#, "max_tokens", "wrong_type"),
        (r#""max_tokens":[10]"#, "max_tokens", "wrong_type"),
        (r#""max_tokens":true"#, "max_tokens", "wrong_type"),
        (r#""max_tokens":9,"max_tokens":-9"#, "max_tokens", "out_of_range"),
        (r#""max_completion_tokens":0"#, "max_completion_tokens", "out_of_range"),
        (r#""n":0"#, "n", "out_of_range"),
        (r#""n":129"#, "n", "out_of_range"),
        (r#""n":-1"#, "n", "out_of_range"),
        (r#""n":"two""#, "n", "wrong_type"),
        (r#""best_of":0"#, "best_of", "out_of_range"),
        (r#""stream":"yes""#, "stream", "wrong_type"),
        (r#""stream":1"#, "stream", "wrong_type"),
        (r#""stream_options":3"#, "stream_options", "wrong_type"),
        (r#""stream_options":[true]"#, "stream_options", "wrong_type"),
        (r#""stream_options":{"include_usage":"yes"}"#, "stream_options.include_usage", "wrong_type"),
        (r#""user":5"#, "user", "wrong_type"),
        (r#""tools":{"type":"web_search"}"#, "tools", "wrong_type"),
        (r#""tools":"web_search""#, "tools", "wrong_type"),
        (r#""thinking_budget":-1"#, "thinking_budget", "out_of_range"),
        (r#""thinking":{"budget_tokens":32000.0}"#, "thinking.budget_tokens", "wrong_type"),
        (r#""thinking":{"budget_tokens":"32000"}"#, "thinking.budget_tokens", "wrong_type"),
        (r#""thinking":{"budget_tokens":-5}"#, "thinking.budget_tokens", "out_of_range"),
        (r#""thinking":[32000]"#, "thinking", "wrong_type"),
        (r#""reasoning":{"max_tokens":1e5}"#, "reasoning.max_tokens", "wrong_type"),
    ] {
        assert_eq!(wrong(&chat(more)), [(field.to_owned(), code)], "{more}");
    }
    for model in ["5", "[]", "{}", "true", r#""\ud800""#] {
        let body = format!(r#"{{"model":{model},"messages":[{{"role":"user"}}]}}"#);
        assert_eq!(wrong(&body), [("model".to_owned(), "wrong_type")]);
    }
    for model in [String::new(), "m".repeat(201)] {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user"}}]}}"#);
        assert_eq!(wrong(&body), [("model".to_owned(), "out_of_range")]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_up_to_a_bound() {
    let errors = wrong(r#"{"model":5,"n":0,"stream":3,"max_tokens":-1,"messages":[]}"#);
    let fields: Vec<_> = errors.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["max_tokens", "n", "stream", "model", "messages"]);
    let many = messages(&format!("[{}0]", "0,".repeat(99_999)));
    assert_eq!(wrong(&many).len(), 20);
}

#[test]
fn absent_and_null_are_the_same() {
    let request = read(&chat(
        r#""max_tokens":null,"n":null,"stream":null,"stream_options":null,"user":null,"tools":null,"thinking":null"#,
    ));
    let request = request.unwrap();
    assert_eq!((request.named_output_limit(), request.outputs, request.stream), (None, 1, false));
    assert_eq!((request.include_usage, request.end_user, request.thinking), (false, None, 0));
}

#[test]
fn lists_and_objects_have_an_end() {
    let message = r#"{"role":"user"},"#;
    let list = |count: usize| messages(&format!("[{}{{\"role\":\"user\"}}]", message.repeat(count - 1)));
    assert!(read(&list(json::MAX_ITEMS)).is_ok());
    assert_eq!(wrong(&list(json::MAX_ITEMS + 1)), [("messages".to_owned(), "out_of_range")]);
    let parts = format!(r#"[{{"role":"user","content":[{}0]}}]"#, "0,".repeat(json::MAX_ITEMS));
    assert_eq!(wrong(&messages(&parts)), [("messages[0].content".to_owned(), "out_of_range")]);
    let tools = format!("\"tools\":[{}0]", "0,".repeat(json::MAX_ITEMS));
    assert_eq!(wrong(&chat(&tools)), [("tools".to_owned(), "wrong_type")]);
    let fields = |count: usize| (0..count).map(|n| format!("\"f{n}\":0")).collect::<Vec<_>>().join(",");
    assert!(read(&chat(&fields(json::MAX_FIELDS - 2))).is_ok());
    assert!(matches!(read(&chat(&fields(json::MAX_FIELDS))), Err(Refusal::Malformed(_))));
    let options = format!("\"stream_options\":{{{}}}", fields(json::MAX_FIELDS + 1));
    assert_eq!(wrong(&chat(&options)), [("stream_options".to_owned(), "wrong_type")]);
}

#[test]
fn nesting_harms_nobody() {
    for levels in [100, 100_000] {
        let list = nested("[", "]", levels);
        let object = nested("{\"a\":", "}", levels);
        assert_eq!(wrong(&messages(&list)), [("messages[0]".to_owned(), "wrong_type")]);
        assert_eq!(wrong(&messages(&object)), [("messages".to_owned(), "wrong_type")]);
        assert_eq!(wrong(&chat(&format!("\"n\":{list}"))), [("n".to_owned(), "wrong_type")]);
        assert!(matches!(read(&list), Err(Refusal::Malformed(_))));
        let content = format!(r#"[{{"role":"user","content":{list}}}]"#);
        assert!(matches!(read(&messages(&content)), Err(Refusal::UnboundedPrompt(_))));
        for value in [list, object] {
            let unknown = chat(&format!("\"x\":{value}"));
            assert!(read(&unknown).unwrap().prompt.bound(IMAGE) >= u64::try_from(value.len()).unwrap());
            assert!(upstream(&unknown, 5).contains(&value));
        }
    }
}

#[test]
fn what_cannot_be_bounded_is_refused() {
    let part = |part: &str| messages(&format!(r#"[{{"role":"user","content":[{part}]}}]"#));
    for body in [
        part(r#"{"type":"file","file":{"file_id":"f"}}"#),
        part(r#"{"type":"input_file","file_id":"f"}"#),
        part(r#"{"type":"video_url","video_url":{"url":"https://a"}}"#),
        part(r#"{"type":"text","text":"a"},{"type":"document"}"#),
        part(r#"{"type":"text","text":"a","type":"file"}"#),
        part(r#"{"type":"file","type":"text","text":"a"}"#),
        part(r#"{"text":"a"}"#),
        part(r#"{"type":null}"#),
        part(r#"{"type":5}"#),
        part("\"hi\""),
        part("null"),
        part("[[[]]]"),
        messages(r#"[{"role":"assistant","audio":{"id":"audio_1"}}]"#),
        chat(r#""tools":[{"type":"web_search"}]"#),
        chat(r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"retrieval"}]"#),
        chat(r#""tools":[{"type":"function","type":"web_search"}]"#),
        chat(r#""tools":[{"type":["web_search"]}]"#),
        chat(r#""tools":[{"function":{"name":"f"}}]"#),
        chat(r#""tools":["web_search"]"#),
        chat(r#""web_search_options":{}"#),
        chat(r#""search_parameters":{"mode":"on"}"#),
        chat(r#""enable_search":true"#),
        chat(r#""enable_search":1"#),
        chat(r#""plugins":[{"id":"web"}]"#),
        chat(r#""previous_response_id":"r""#),
        chat(r#""cached_content":"c""#),
    ] {
        let refusal = read(&body).unwrap_err();
        assert!(matches!(refusal, Refusal::UnboundedPrompt(_)), "{body}: {refusal:?}");
        assert_eq!((refusal.status(), refusal.code()), (400, "unbounded_prompt"));
    }
    for body in [
        chat(r#""enable_search":false,"web_search_options":null"#),
        chat(
            r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"custom"}],"tool_choice":"auto""#,
        ),
        messages(r#"[{"role":"assistant","audio":null,"content":null,"tool_calls":[]}]"#),
        part(""),
    ] {
        assert!(read(&body).is_ok(), "{body}");
    }
}

#[test]
fn images_count_as_images_and_everything_else_by_its_bytes() {
    let url = "x".repeat(100_000);
    let around = r#"{"role":"user","content":}"#;
    let text = r#"{"type":"text","text":"what is this?"}"#;
    let image = format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{url}"}}}}"#);
    let body = messages(&format!(r#"[{{"role":"user","content":[{text},{image},{image}]}}]"#));
    let bound = read(&body).unwrap().prompt.bound(IMAGE);
    assert_eq!(bound, u64::try_from(around.len() + text.len()).unwrap() + 2 * IMAGE);
    let tools = r#"[{"type":"function","function":{"name":"f","description":"does it"}}]"#;
    let with_tools = read(&chat(&format!(r#""tools":{tools},"temperature":0.7"#))).unwrap();
    let without = read(&chat("")).unwrap();
    let more = with_tools.prompt.bound(IMAGE) - without.prompt.bound(IMAGE);
    assert_eq!(more, u64::try_from(tools.len()).unwrap());
}

#[test]
fn outputs_and_thinking_are_the_most_that_is_named() {
    let of = |more: &str| read(&chat(more)).map(|request| (request.outputs, request.thinking)).unwrap();
    assert_eq!(of(""), (1, 0));
    assert_eq!(of(r#""n":3,"best_of":5"#), (5, 0));
    assert_eq!(of(r#""n":128,"best_of":1"#), (128, 0));
    assert_eq!(of(r#""thinking":{"type":"enabled","budget_tokens":2000}"#), (1, 2_000));
    assert_eq!(
        of(r#""thinking":{"budget_tokens":null},"reasoning":{"max_tokens":7,"effort":"low"}"#),
        (1, 7)
    );
    assert_eq!(of(r#""thinking_budget":9,"thinking":{"budget_tokens":8}"#), (1, 9));
    assert_eq!(of(r#""thinking":true,"reasoning":"high""#), (1, 0));
    assert_eq!(of(r#""thinking":{"budget_tokens":8,"budget_tokens":900}"#), (1, 900), "the last counts");
}

#[test]
fn unknown_fields_pass_through_byte_for_byte() {
    let odd = r#"{"b" : 1.0E+5,  "a":[ 1 ,2],"a":"\u00e9\/é", "big":123456789012345678901234567890.0000}"#;
    let sent = upstream(&chat(&format!(r#""x_odd": {odd} ,"temperature":0.10,"seed":-0"#)), 9);
    for kept in [
        &format!(r#""x_odd":{odd}"#),
        r#""temperature":0.10"#,
        r#""seed":-0"#,
        r#""messages":[{"role":"user","content":"hi"}]"#,
    ] {
        assert!(sent.contains(kept), "{kept} in {sent}");
    }
    assert!(!sent.contains("stream_options"));
}

#[test]
fn exactly_the_limit_that_is_held_goes_upstream_under_the_callers_spelling() {
    let limits = |more: &str, field| {
        let body = read(&chat(more)).unwrap().upstream_body(&route(field), 7).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (body.get("max_tokens").cloned(), body.get("max_completion_tokens").cloned())
    };
    let (older, newer) = (OutputLimitField::MaxTokens, OutputLimitField::MaxCompletionTokens);
    let seven = || Some(json!(7));
    assert_eq!(limits("", older), (seven(), None));
    assert_eq!(limits("", newer), (None, seven()));
    for field in [older, newer] {
        assert_eq!(limits(r#""max_tokens":100"#, field), (seven(), None));
        assert_eq!(limits(r#""max_completion_tokens":100"#, field), (None, seven()));
        assert_eq!(limits(r#""max_tokens":1,"max_completion_tokens":100"#, field), (Some(json!(1)), seven()));
    }
    assert_eq!(limits(r#""max_tokens":null"#, older), (seven(), None));
    assert_eq!(limits(r#""max_tokens":null"#, newer), (None, seven()));
    let sent = upstream(&chat(r#""max_tokens":5,"max_tokens":6,"\u006dax_tokens":8"#), 7);
    assert_eq!(sent.matches("max_tokens").count(), 1, "{sent}");
    let request = read(&chat(r#""max_tokens":5,"max_completion_tokens":6"#)).unwrap();
    assert_eq!(request.named_output_limit(), Some(6));
}

#[test]
fn a_model_that_knows_one_name_of_the_limit_is_told_no_other() {
    let (older, newer) = (OutputLimitField::MaxTokens, OutputLimitField::MaxCompletionTokens);
    for (field, other) in [(older, newer), (newer, older)] {
        let only = |more: String| {
            let route = Route { knows_no_other_field: true, ..route(field) };
            let body = read(&chat(&more)).unwrap().upstream_body(&route, 7).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body.get(other.name()), None, "{more}");
            body[field.name()].as_u64().unwrap()
        };
        assert_eq!(only(String::new()), 7);
        for name in [older, newer].map(OutputLimitField::name) {
            assert_eq!(only(format!(r#""{name}":100"#)), 7);
        }
        // Both are wishes of the caller's: the one that it is told holds.
        assert_eq!(only(format!(r#""{}":1,"{}":100"#, field.name(), other.name())), 1);
        assert_eq!(only(format!(r#""{}":100,"{}":1"#, field.name(), other.name())), 7);
    }
}

#[test]
fn usage_is_asked_for_in_every_stream() {
    let options = |more: &str| {
        let request = read(&chat(more)).unwrap();
        let body: Value = serde_json::from_str(&upstream(&chat(more), 7)).unwrap();
        (request.include_usage, body.get("stream_options").cloned())
    };
    let set = |value| Some(value);
    assert_eq!(options(r#""stream":true"#), (false, set(json!({"include_usage": true}))));
    assert_eq!(
        options(r#""stream":true,"stream_options":{"include_usage":false,"include_obfuscation":true}"#),
        (false, set(json!({"include_usage": true, "include_obfuscation": true})))
    );
    assert_eq!(
        options(r#""stream":true,"stream_options":{"include_usage":true}"#),
        (true, set(json!({"include_usage": true})))
    );
    assert_eq!(
        options(r#""stream":true,"stream_options":null"#),
        (false, set(json!({"include_usage": true})))
    );
    assert_eq!(options(r#""stream":false"#), (false, None));
}

#[test]
fn the_name_of_a_model_does_no_harm() {
    let name = r#"a\u0000b\r\nc\u001b[2J\",\"max_tokens\":99,\"x\":\""#;
    let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let request = read(&body).unwrap();
    let model = request.model.clone().unwrap();
    assert!(!model.chars().any(char::is_control), "{model:?}");
    let route = Route { upstream_model: model.clone(), ..route(OutputLimitField::MaxTokens) };
    let sent: Value = serde_json::from_slice(&request.upstream_body(&route, 7).unwrap()).unwrap();
    assert_eq!((&sent["model"], &sent["max_tokens"], sent.get("x")), (&json!(model), &json!(7), None));
    let request = read(&chat(r#""user":"a\u0000\nb""#)).unwrap();
    assert_eq!(request.end_user.as_deref(), Some("a  b"));
    let long = read(&chat(&format!(r#""user":"{}""#, "é".repeat(500)))).unwrap();
    assert_eq!(long.end_user.map(|user| user.len()), Some(200));
}

#[test]
fn parameters_are_kept_without_content() {
    let params = |more: &str| read(&chat(more)).unwrap().params();
    assert_eq!(
        params(r#""temperature":0.5,"stop":["secret"],"metadata":{"a":"secret"},"n":2,"user":"secret""#),
        r#"{"n":2,"temperature":0.5}"#
    );
    assert_eq!(params(&format!(r#""seed":"{}""#, "secret".repeat(50))), "{}");
    assert_eq!(params(r#""top_p":{"a":"secret"},"seed":["secret"]"#), "{}");
    serde_json::from_str::<Value>(&params(r#""temperature":"\u0000\"}","top_p":1e999"#)).unwrap();
}

#[test]
fn a_plain_prompt_becomes_a_chat_of_one_message() {
    let of = |body: &str| Request::read(Endpoint::LlmCompletion, &Bytes::copy_from_slice(body.as_bytes()));
    let request =
        of(r#"{"prompt":"say \"\u00e9\"","model":"m","max_tokens":5,"stream":true,"n":9,"tools":[{}]}"#);
    let request = request.unwrap();
    assert_eq!((request.outputs, request.stream, request.max_tokens), (1, true, Some(5)));
    let sent = request.upstream_body(&route(OutputLimitField::MaxTokens), 5).unwrap();
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"], json!([{"role": "user", "content": "say \"é\""}]));
    assert_eq!((sent.get("n"), sent.get("tools"), sent.get("prompt")), (None, None, None));
    for (body, code) in [
        ("{}", "missing"),
        (r#"{"prompt":null}"#, "missing"),
        (r#"{"prompt":5}"#, "wrong_type"),
        (r#"{"prompt":["a"]}"#, "wrong_type"),
        (r#"{"messages":[{"role":"user","content":"hi"}]}"#, "missing"),
    ] {
        let Err(Refusal::Validation(errors)) = of(body) else { panic!("{body}") };
        assert_eq!((errors[0].field.as_str(), errors[0].code), ("prompt", code), "{body}");
    }
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
        prop_oneof![Just("text"), Just("file"), Just("image_url"), Just("function"), Just("user")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            Just("role"),
            Just("content"),
            Just("type"),
            Just("text"),
            Just("audio"),
            Just("include_usage"),
            Just("budget_tokens"),
            Just("x")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Any text: letters, spaces, code, controls, emoji, what JSON must escape.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ,.]{0,80}",
        "\\PC{0,40}",
        any::<String>(),
        "[ \\n\\t]{0,60}",
        "[😀-😿🀀-🀯]{0,20}",
        "[\"\\\\/\\x00-\\x1f]{0,40}",
        "(中文|русский|日本語|العربية| ){0,20}",
        "([{}()\\[\\];=<>]|fn |return |    |0x[0-9a-f]{8}){0,20}",
    ]
}

/// JSON with everything outside ASCII escaped, as some clients send it.
fn escaped(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::LlmCompletion] {
            let _read = Request::read(endpoint, &Bytes::copy_from_slice(&body));
        }
    }

    #[test]
    fn cut_and_altered_bodies_never_panic(at in 0_usize..400, byte in any::<u8>(), cut in any::<bool>()) {
        let body = chat(r#""max_tokens":5,"n":2,"stream":true,"stream_options":{"include_usage":true},"tools":[{"type":"function"}],"thinking":{"budget_tokens":7}"#);
        let mut body = body.into_bytes();
        let at = at % body.len();
        if cut { body.truncate(at) } else { body[at] = byte }
        if let Ok(request) = read_bytes(&body) {
            request.upstream_body(&route(OutputLimitField::MaxTokens), 3).unwrap();
        }
    }

    /// Whatever stands in any field: it is refused by name, or it goes upstream as good JSON with the limit
    /// that is held, and nothing that the line does with it panics.
    #[test]
    fn any_value_in_any_field_is_refused_or_sent_well(
        name in prop_oneof![
            Just("model"), Just("messages"), Just("tools"), Just("n"), Just("best_of"), Just("max_tokens"),
            Just("max_completion_tokens"), Just("stream"), Just("stream_options"), Just("user"),
            Just("thinking"), Just("reasoning"), Just("prompt"), Just("x"),
        ],
        value in any_json(),
    ) {
        let mut body = json!({"model": "m", "prompt": "p", "messages": [{"role": "user", "content": "hi"}]});
        body[name] = value;
        let text = body.to_string();
        for endpoint in [Endpoint::ChatCompletions, Endpoint::LlmCompletion] {
            match Request::read(endpoint, &Bytes::from(text.clone())) {
                Ok(request) => {
                    let field = OutputLimitField::MaxTokens;
                    let sent = request.upstream_body(&route(field), 7).unwrap();
                    let sent: Value = serde_json::from_slice(&sent).unwrap();
                    let limits = [sent.get("max_tokens"), sent.get("max_completion_tokens")];
                    let seven = json!(7);
                    let named = limits.into_iter().flatten().filter(|limit| !limit.is_null());
                    prop_assert!(named.clone().count() > 0 && named.clone().all(|limit| *limit == seven));
                    serde_json::from_str::<Value>(&request.params()).unwrap();
                    let bound = request.prompt.bound(IMAGE);
                    prop_assert!(request.prompt.tokenized_bound(1_500, IMAGE) <= bound);
                }
                Err(Refusal::Validation(errors)) => {
                    prop_assert!(errors.iter().all(|e| e.field.split(['.', '[']).next() == Some(name)));
                }
                Err(Refusal::UnboundedPrompt(_) | Refusal::Malformed(_)) => {}
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    /// What a provider counts (roles, contents and some tokens around each message) is never above the
    /// bound, by bytes or by the tokenizer.
    #[test]
    fn the_bound_is_never_below_a_tokenizers_count(
        chat in prop::collection::vec(
            (prop_oneof![Just("user"), Just("system"), Just("assistant")], prop::collection::vec(any_text(), 1..4), any::<bool>()),
            1..6,
        ),
        escape in any::<bool>(),
    ) {
        const AROUND: u64 = 8;
        let mut counted = 0;
        let messages: Vec<Value> = chat.iter().map(|(role, texts, parts)| {
            let texts = if *parts { &texts[..] } else { &texts[..1] };
            counted += AROUND + tokenizer::count(role);
            counted += texts.iter().map(|text| tokenizer::count(text)).sum::<u64>();
            let part = |text: &String| json!({"type": "text", "text": text});
            let content = if *parts { texts.iter().map(part).collect() } else { json!(texts[0]) };
            json!({"role": role, "content": content})
        }).collect();
        let body = json!({"model": "m", "messages": messages});
        let body = if escape { escaped(&body) } else { body.to_string() };
        let request = read(&body).unwrap();
        let bound = request.prompt.bound(IMAGE);
        prop_assert!(counted <= bound, "{counted} > {bound}");
        prop_assert!(bound <= to_u64(body.len()));
        let tokenized = request.prompt.tokenized_bound(1_500, IMAGE);
        prop_assert!(counted <= tokenized && tokenized <= bound, "{counted}, {tokenized}, {bound}");
        prop_assert!(request.prompt.estimate(IMAGE) <= bound);
    }
}

#[test]
fn limits_under_other_spellings_are_not_passed_by() {
    for name in
        ["MAX_TOKENS", "Max_Completion_Tokens", "N", "max_output_tokens", "maxOutputTokens", "num_predict"]
    {
        let refused = read(&chat(&format!(r#""{name}":99"#)));
        assert!(
            matches!(&refused, Err(Refusal::Validation(errors)) if errors[0].field == name),
            "{name}: {refused:?}"
        );
    }
}
