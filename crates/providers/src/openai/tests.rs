use tollgate_gate::upstream::ReportedUsage;

use super::*;

fn chunk(data: &str) -> Frame {
    frame(Event { raw: Bytes::from(format!("data: {data}\n\n")) })
}

fn whole(body: &str) -> Completion {
    completion(Bytes::from(body.to_owned()), true).unwrap()
}

fn reported(usage: &str) -> Option<ReportedUsage> {
    whole(&format!(r#"{{"usage":{usage}}}"#)).usage
}

#[test]
fn chunks_add_text() {
    let frame = chunk(
        r#"{"id":"chatcmpl-1","choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a\n"}}],"usage":null}"#,
    );
    assert_eq!(frame.kind, FrameKind::Content);
    assert_eq!((frame.text.as_str(), frame.content.as_str()), ("ba\n", "a\n"));
    assert_eq!((frame.id.as_deref(), frame.usage, frame.without_usage), (Some("chatcmpl-1"), None, None));
}

#[test]
fn reasoning_tools_and_parts_are_text_but_only_content_is_content() {
    let message = r#"{"content":[{"type":"text","text":"see"},{"type":"image_url"},"x"],"reasoning_content":"hm","reasoning":"hm","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}},7]}"#;
    let answer = whole(&format!(r#"{{"id":"x","choices":[{{"message":{message}}}]}}"#));
    assert_eq!(answer.text, r#"seehmf{"a":1}"#);
    assert_eq!(answer.content, "see");
    assert_eq!(whole(r#"{"choices":[{"text":"one"},{"text":"two"}]}"#).text, "onetwo");
}

#[test]
fn fields_of_the_wrong_type_say_nothing() {
    let frame =
        chunk(r#"{"id":7,"choices":[3,{"index":"x","delta":{"content":5}},{"delta":null}],"usage":"no"}"#);
    assert_eq!((frame.kind, frame.text.as_str(), frame.id), (FrameKind::Content, "", None));
    assert_eq!(frame.usage, None);
    assert_eq!(chunk(r#"{"choices":"none"}"#).kind, FrameKind::Content);
}

#[test]
fn usage_alone_is_told_apart() {
    for choices in ["[]", "null", " [ ] "] {
        let frame = chunk(&format!(r#"{{"choices":{choices},"usage":{{"prompt_tokens":3}}}}"#));
        assert_eq!(frame.kind, FrameKind::UsageOnly, "{choices}");
        assert_eq!(frame.usage.unwrap().prompt, Some(3));
    }
    assert_eq!(chunk(r#"{"usage":{"prompt_tokens":3}}"#).kind, FrameKind::UsageOnly);
    let filters = chunk(r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#);
    assert_eq!(filters.kind, FrameKind::Content);
}

#[test]
fn usage_beside_content_can_be_taken_off() {
    let frame = chunk(
        r#"{"z":1.50,"id":"c","usage":{"prompt_tokens":3,"completion_tokens":0},"choices":[{"delta":{"content":"a\u00e9"}}]}"#,
    );
    assert_eq!(frame.kind, FrameKind::Content);
    let usage = frame.usage.unwrap();
    assert_eq!((usage.prompt, usage.completion, usage.total), (Some(3), Some(0), None));
    let expected = r#"{"z":1.50,"id":"c","choices":[{"delta":{"content":"a\u00e9"}}]}"#;
    assert_eq!(frame.without_usage.unwrap(), format!("data: {expected}\n\n"));
}

#[test]
fn usage_over_several_data_lines_can_be_taken_off() {
    let raw = "event: x\ndata: {\"a\":{\ndata: \"b\":1},\ndata: \"usage\":{}}\n\n";
    let frame = frame(Event { raw: Bytes::from_static(raw.as_bytes()) });
    assert_eq!(frame.without_usage.unwrap(), "event: x\ndata: {\"a\":{ \"b\":1}}\n\n");
}

#[test]
fn end_errors_comments_and_garbage() {
    assert_eq!(chunk("[DONE]").kind, FrameKind::End);
    assert_eq!(chunk(" [DONE] ").kind, FrameKind::End);
    assert_eq!(chunk(r#"{"error":{"message":"overloaded"}}"#).kind, FrameKind::Error);
    assert_eq!(chunk(r#"{"error":null,"choices":[]}"#).kind, FrameKind::Content);
    for garbage in ["{", "hello", "[1]", "", "{\"id\":1,\"id\":2}"] {
        let frame = chunk(garbage);
        assert_eq!((frame.kind, frame.text.as_str()), (FrameKind::Content, ""), "{garbage}");
        assert_eq!(frame.raw, format!("data: {garbage}\n\n"));
    }
    let comment = frame(Event { raw: Bytes::from_static(b": processing\n\n") });
    assert_eq!((comment.kind, comment.without_usage), (FrameKind::Content, None));
}

#[test]
fn usage_in_every_spelling() {
    let openai = r#"{"prompt_tokens":1200,"completion_tokens":350,"total_tokens":1550,"prompt_tokens_details":{"cached_tokens":1000},"completion_tokens_details":{"reasoning_tokens":100}}"#;
    let expected = ReportedUsage {
        prompt: Some(1200),
        completion: Some(350),
        total: Some(1550),
        cached: Some(1000),
        reasoning: Some(100),
    };
    assert_eq!(reported(openai), Some(expected));
    let newer = r#"{"input_tokens":1200,"output_tokens":350,"total_tokens":1550,"input_tokens_details":{"cached_tokens":1000},"output_tokens_details":{"reasoning_tokens":100}}"#;
    assert_eq!(reported(newer), Some(expected));
    let deepseek = r#"{"prompt_tokens":1200,"completion_tokens":350,"total_tokens":1550,"prompt_cache_hit_tokens":1000,"prompt_cache_miss_tokens":200,"completion_tokens_details":{"reasoning_tokens":100}}"#;
    assert_eq!(reported(deepseek), Some(expected));
    let gemini = reported(r#"{"prompt_tokens":20,"completion_tokens":198,"total_tokens":623}"#).unwrap();
    assert_eq!((gemini.completion, gemini.total), (Some(198), Some(623)));
}

#[test]
fn an_explicit_zero_is_not_an_unknown() {
    let zero = reported(r#"{"prompt_tokens":0,"completion_tokens":null}"#).unwrap();
    assert_eq!((zero.prompt, zero.completion), (Some(0), None));
}

#[test]
fn impossible_counts_are_unknown() {
    for wrong in ["-1", "1000000001", "1.5", "\"7\"", "null", "[7]", "99999999999999999999999"] {
        assert_eq!(reported(&format!(r#"{{"prompt_tokens":{wrong}}}"#)), None, "{wrong}");
    }
    assert_eq!(reported(r#"{"prompt_tokens":1000000000}"#).unwrap().prompt, Some(1_000_000_000));
    for nothing in ["null", "{}", "[]", "7"] {
        assert_eq!(reported(nothing), None, "{nothing}");
    }
}

#[test]
fn whole_answers_are_json_objects() {
    for (body, says) in [
        ("", "empty"),
        (" \n", "empty"),
        ("<html></html>", "HTML"),
        ("{\"id\":", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("data: {}", "not a JSON object"),
    ] {
        match completion(Bytes::from_static(body.as_bytes()), true) {
            Err(UpstreamError::Unreadable(text)) => assert!(text.contains(says), "{body}: {text}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn errors_in_every_shape() {
    let redactor = Redactor::new(Some("sk-operators-key"));
    let error = |body: &str| error(400, body.as_bytes(), &redactor);
    let full = error(r#"{"error":{"message":" bad ","type":"invalid","code":"c","param":"model"}}"#);
    assert_eq!((full.message.as_str(), full.status), ("bad", 400));
    assert_eq!((full.code.as_deref(), full.param.as_deref()), (Some("c"), Some("model")));
    assert_eq!(error(r#"{"error":{"message":"m","code":null,"type":"t"}}"#).code.as_deref(), Some("t"));
    assert_eq!(error(r#"{"error":{"message":"m","code":1301}}"#).code.as_deref(), Some("1301"));
    assert_eq!(error(r#"{"error":"plain"}"#).message, "plain");
    assert_eq!(error(r#"{"detail":"not found"}"#).message, "not found");
    assert_eq!(error("upstream connect error").message, "upstream connect error");
    for nothing in ["", "<html>504</html>", " <!doctype html>", "{\"error\":", "[]"] {
        assert_eq!(error(nothing).message, "", "{nothing}");
    }
    assert_eq!(error(&"é".repeat(5_000)).message.chars().count(), MAX_MESSAGE_CHARS);
}

#[test]
fn errors_never_show_the_key() {
    let redactor = Redactor::new(Some("sk-operators-key"));
    let escaped = r#"{"error":{"message":"sk-operators-key \u0073k-operators-key","code":"sk-operators-key","param":"\u0073k-operators-key"}}"#;
    for body in [escaped, "wrong key sk-operators-key"] {
        let shown = format!("{:?}", error(401, body.as_bytes(), &redactor));
        assert!(!shown.contains("sk-operators-key"), "{shown}");
        assert!(shown.contains("[redacted]"), "{shown}");
    }
}

#[test]
fn the_text_is_read_only_where_somebody_needs_it() {
    let body = |usage: &str| format!(r#"{{"choices":[{{"message":{{"content":"hi"}}}}],"usage":{usage}}}"#);
    let told = r#"{"prompt_tokens":1,"completion_tokens":2}"#;
    for (usage, needs_text, text) in [
        (told, true, "hi"),
        (told, false, ""),
        ("null", false, "hi"),
        (r#"{"prompt_tokens":1}"#, false, "hi"),
        (r#"{"prompt_tokens":3,"total_tokens":2}"#, false, "hi"),
    ] {
        let answer = completion(Bytes::from(body(usage)), needs_text).unwrap();
        assert_eq!((answer.text.as_str(), answer.content.as_str()), (text, text), "{usage} {needs_text}");
    }
}
