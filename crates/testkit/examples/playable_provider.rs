//! A model provider that can be told how to misbehave, as a program: for tests in other languages.
//!
//! ```text
//! cargo run -p tollgate-testkit --example playable_provider -- --port 0
//! ```
//!
//! prints `http://127.0.0.1:PORT/v1` and serves until it is killed. `--port 0` (the default) takes a free
//! port; `--play PLAY` starts with another default. It answers `POST /v1/chat/completions` and
//! `/v1/completions` whole or streamed as the request asks, and `GET /v1/models`. Unless told otherwise an
//! answer has five words (`word1 word2 …`; fewer where the output limit is lower), the usage says 7 tokens
//! of prompt and one a word, and a stream says so only where `stream_options.include_usage` is set.
//!
//! `POST /__play` takes `{"default": PLAY}` for all requests from now on, `{"queue": [PLAY, …]}` for the next
//! ones, one each, or both; `{}` goes back to the start. A PLAY is an object of these members, all optional:
//!
//! | member | what | default |
//! |---|---|---|
//! | `status` | HTTP status; other than 2xx, the body is an error in OpenAI's shape | `200` |
//! | `headers` | `[["retry-after", "7"], …]`, beside the usual ones | `[]` |
//! | `content_type` | another than the body's own | |
//! | `hold` | wait for `POST /__release` | `false` |
//! | `delay_before_first_byte_ms`, `delay_between_chunks_ms` | milliseconds | `0` |
//! | `chunks` | `["pieces ", "of the text"]` | a word a token |
//! | `usage` | `"counted"`, `"output_limit"` (exactly the limit that the request names), `{"tokens": {"prompt": 7, "completion": 5}}`, `{"raw": ANY JSON}`, `"none"` | `"counted"` |
//! | `usage_in_every_chunk` | what was used so far in every chunk of a stream | `false` |
//! | `end` | `"done"`, `"without_done"`, `"sends_after_done"`, `{"break_off": {"after": N}}` and `{"stall": {"after": N}}` (after N events; whole answers in the middle), `"hang_up"` (before the answer) | `"done"` |
//! | `body` | `"html"`, `"empty"`, `"invalid_json"`, `"echo_authorization"`, `{"text": "…"}`, `{"json": …}`, `{"bytes": "…"}` (the head too) | |
//!
//! `POST /__release` `{"answers": N}` lets N held answers begin (1 by default). `GET /__requests` gives
//! `{"requests": [{"method", "path", "headers": [[name, value], …], "body"}, …], "connections", "answered",
//! "hang_ups"}`; calls of these three are not among them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to who started it")]

use std::{env, process::ExitCode};

use tollgate_testkit::{Play, PlayableProvider};

fn main() -> ExitCode {
    match settings(env::args().skip(1)) {
        Ok((port, play)) => {
            let provider = PlayableProvider::start_on(port);
            provider.set_default(play);
            println!("{}", provider.base_url());
            provider.serve_forever();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("playable_provider [--port PORT] [--play JSON]: {error}");
            ExitCode::from(2)
        }
    }
}

fn settings(mut args: impl Iterator<Item = String>) -> Result<(u16, Play), String> {
    let (mut port, mut play) = (0, Play::default());
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => port = value.parse().map_err(|error| format!("{name}: {error}"))?,
            "--play" => play = serde_json::from_str(&value).map_err(|error| format!("{name}: {error}"))?,
            _ => return Err(format!("unknown: {name}")),
        }
    }
    Ok((port, play))
}
