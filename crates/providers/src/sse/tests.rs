use proptest::prelude::*;

use super::*;

/// Everything that comes of `pieces`: events, then what `finish` gives, then whether it was too long.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Event>, bool) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for piece in pieces {
        if parser.push(piece).is_err() {
            return (events, None, true);
        }
        loop {
            match parser.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(TooLong) => return (events, None, true),
            }
        }
    }
    (events, parser.finish(), false)
}

fn raws(bytes: &[u8]) -> Vec<String> {
    let (events, rest, _) = parse([bytes]);
    events.iter().chain(&rest).map(|event| String::from_utf8_lossy(&event.raw).into_owned()).collect()
}

fn data(bytes: &[u8]) -> Vec<Option<String>> {
    let (events, rest, _) = parse([bytes]);
    let text = |event: &Event| event.data().map(|data| String::from_utf8_lossy(&data).into_owned());
    events.iter().chain(&rest).map(text).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn every_line_end_ends_a_line() {
    for stream in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
        assert_eq!(data(stream.as_bytes()), some(&["a", "b"]), "{stream:?}");
        assert_eq!(raws(stream.as_bytes()).concat(), stream);
    }
}

#[test]
fn data_lines_are_joined_and_one_space_is_stripped() {
    assert_eq!(data(b"data:a\ndata:  b\ndata\n\n"), some(&["a\n b\n"]));
}

#[test]
fn comments_have_no_data_and_come_through() {
    assert_eq!(data(b": keep-alive\n\ndata: a\n\n"), [None, Some("a".to_owned())]);
    assert_eq!(raws(b": keep-alive\n\ndata: a\n\n"), [": keep-alive\n\n", "data: a\n\n"]);
}

#[test]
fn empty_lines_between_events_say_nothing() {
    assert_eq!(raws(b"\n\r\ndata: a\n\n\n\n\ndata: b\n\n\n"), ["data: a\n\n", "data: b\n\n"]);
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_name() {
    assert_eq!(data(b"\xEF\xBB\xBFdata: a\n\n"), some(&["a"]));
}

#[test]
fn the_last_event_needs_no_empty_line() {
    assert_eq!(raws(b"data: [DONE]"), ["data: [DONE]\n\n"]);
    assert_eq!(raws(b"data: [DONE]\n"), ["data: [DONE]\n\n"]);
    assert_eq!(data(b"data: a\r\n"), some(&["a"]));
}

#[test]
fn an_event_of_carriage_returns_does_not_wait_for_the_next() {
    let mut parser = Parser::default();
    parser.push(b"data: a\r\r").unwrap();
    assert_eq!(parser.next().unwrap().unwrap().raw, "data: a\r\r");
    parser.push(b"\ndata: b\n\n").unwrap();
    assert_eq!(parser.next().unwrap().unwrap().raw, "data: b\n\n");
}

#[test]
fn what_is_no_event_stream_is_told_apart() {
    let readable = |bytes: &'static [u8]| Event { raw: Bytes::from_static(bytes) }.is_readable();
    assert!(readable(b"data: a\n\n") && readable(b": a\n\n") && readable(b"event: a\n\n"));
    assert!(!readable(b"<html>\n<body>\n\n") && !readable(b"{\"error\": {}}\n\n"));
}

#[test]
fn other_data_keeps_the_other_fields() {
    let event = Event { raw: Bytes::from_static(b": c\nevent: x\r\ndata: {\ndata: }\nid: 7\n\n") };
    assert_eq!(event.with_data(b"{\n}"), "event: x\nid: 7\ndata: { }\n\n");
}

#[test]
fn events_are_bounded() {
    let long = vec![b'a'; MAX_EVENT_BYTES + 1];
    assert!(parse([long.as_slice()]).2);
    let mut complete = long.clone();
    complete.extend_from_slice(b"\n\n");
    assert!(parse([complete.as_slice()]).2);
    let (events, _, too_long) = parse([&b"data: a\n\n"[..], &long]);
    assert_eq!((events.len(), too_long), (1, true));
}

/// Bytes that look like an event stream, line ends of every kind and text of several bytes a character.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data: ".to_owned()),
        Just("data:".to_owned()),
        Just(": comment".to_owned()),
        Just("event: x".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-zé漢🦀{}\":]{0,6}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// `bytes`, cut at the given places (modulo the length).
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        bytes in streams(),
        places in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = parse([bytes.as_slice()]);
        prop_assert_eq!(&parse(cut(&bytes, &places)), &whole);
        prop_assert_eq!(&parse(bytes.chunks(1)), &whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        places in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let (events, rest, _) = parse(cut(&bytes, &places));
        for event in events.iter().chain(&rest) {
            let data = event.data().unwrap_or_default().into_owned();
            let again = Event { raw: event.with_data(&data) };
            prop_assert_eq!(event.is_readable() || event.data().is_none(), true);
            prop_assert!(again.is_readable());
        }
    }
}
