//! The provider `echo`: the caller's own words come back, in process and without a network, so that all
//! the rest can be tried offline. It is no model, and says so in every answer.
//!
//! A token is a word: what stands between white space.

use std::{
    iter,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use tollgate_domain::Clock;
use tollgate_gate::upstream::{ProviderError, UpstreamAnswer, UpstreamError, UpstreamRequest};

use crate::{openai, sse::Event};

/// What every answer begins with.
const GREETING: &str = "Echo: ";
/// What every answer says of itself beside.
const NOTICE: &str = "The echo provider answers with the caller's own words. It is not a model.";
/// The model's name where the request gives none.
const MODEL: &str = "echo";
/// The most outputs of one request.
const MAX_OUTPUTS: usize = 128;
const CHAT: &str = "/chat/completions";
const PLAIN: &str = "/completions";

/// The provider: a clock to date its answers, and how many it gave.
pub struct Echo {
    clock: Arc<dyn Clock>,
    answers: AtomicU64,
}

/// What is read of a request.
#[derive(Deserialize)]
struct Ask {
    model: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    prompt: Option<Prompt>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<usize>,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    role: Option<String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt {
    One(String),
    Many(Vec<String>),
}

/// One choice of an answer.
struct Output {
    words: Vec<String>,
    finish: &'static str,
}

/// What all chunks of an answer share.
struct Head {
    chat: bool,
    id: String,
    created: i64,
    model: String,
    /// `usage: null` stands in the chunks before the one that has it.
    with_usage: bool,
}

impl Echo {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, answers: AtomicU64::new(0) }
    }

    /// Answers as OpenAI would.
    ///
    /// # Errors
    /// None that a well-formed answer could have.
    pub fn answer(&self, request: &UpstreamRequest) -> Result<UpstreamAnswer, UpstreamError> {
        let chat = request.path == CHAT;
        if !chat && request.path != PLAIN {
            return Ok(refuse(404, "The echo provider answers chat and plain completions only."));
        }
        let Ok(ask) = serde_json::from_slice::<Ask>(&request.body) else {
            return Ok(refuse(400, "The echo provider cannot read this request."));
        };
        let (prompts, prompt_tokens) = if chat { ask.conversation() } else { ask.prompts() };
        let copies = ask.n.unwrap_or(1).max(1);
        if prompts.len().saturating_mul(copies) > MAX_OUTPUTS {
            return Ok(refuse(400, "The echo provider gives at most 128 outputs."));
        }
        let outputs: Vec<Rc<Output>> =
            prompts.iter().flat_map(|prompt| iter::repeat_n(Rc::new(ask.output(prompt)), copies)).collect();
        let usage = usage(prompt_tokens, outputs.iter().map(|output| output.words.len()).sum());
        let head = self.head(chat, &ask);
        if request.stream {
            let usage = head.with_usage.then_some(usage);
            let events = events(head, outputs, usage);
            return Ok(UpstreamAnswer::Stream(stream::iter(events.map(openai::frame).map(Ok)).boxed_local()));
        }
        openai::completion(Bytes::from(head.whole(&outputs, &usage).to_string()), true)
            .map(UpstreamAnswer::Whole)
    }

    fn head(&self, chat: bool, ask: &Ask) -> Head {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let created = self.clock.now().timestamp();
        let kind = if chat { "chatcmpl" } else { "cmpl" };
        Head {
            chat,
            id: format!("{kind}-echo-{created}-{number}"),
            created,
            model: ask.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            with_usage: ask.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true),
        }
    }
}

impl Ask {
    /// The last thing that the user said, and the words of all messages.
    fn conversation(&self) -> (Vec<String>, usize) {
        let said_by_user = self.messages.iter().rfind(|message| message.role.as_deref() == Some("user"));
        let last = said_by_user.or(self.messages.last()).map(Message::text).unwrap_or_default();
        (vec![last], self.messages.iter().map(|message| count(&message.text())).sum())
    }

    /// The prompts, and the words of all of them.
    fn prompts(&self) -> (Vec<String>, usize) {
        let prompts = match &self.prompt {
            Some(Prompt::One(prompt)) => vec![prompt.clone()],
            Some(Prompt::Many(prompts)) => prompts.clone(),
            None => vec![String::new()],
        };
        let words = prompts.iter().map(|prompt| count(prompt)).sum();
        (prompts, words)
    }

    fn output(&self, prompt: &str) -> Output {
        let limit = self.max_completion_tokens.or(self.max_tokens);
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut words = words(&format!("{GREETING}{prompt}"));
        let finish = if words.len() > limit { "length" } else { "stop" };
        words.truncate(limit);
        Output { words, finish }
    }
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
                texts.join(" ")
            }
            Some(Content::Other(_)) | None => String::new(),
        }
    }
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The words of `text`, each with the white space before it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut start, mut within) = (0, false);
    for (at, character) in text.char_indices() {
        if within && character.is_whitespace() {
            words.push(text[start..at].to_owned());
            start = at;
        }
        within = !character.is_whitespace();
    }
    if within {
        words.push(text[start..].to_owned());
    }
    words
}

fn usage(prompt: usize, completion: usize) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

fn refuse(status: u16, message: &str) -> UpstreamAnswer {
    UpstreamAnswer::Refused(ProviderError { status, message: message.to_owned(), ..ProviderError::default() })
}

impl Head {
    fn whole(&self, outputs: &[Rc<Output>], usage: &Value) -> Value {
        let choice = |(index, output): (usize, &Rc<Output>)| {
            let text = output.words.concat();
            if self.chat {
                let message = json!({"role": "assistant", "content": text, "refusal": null});
                json!({"index": index, "message": message, "logprobs": null, "finish_reason": output.finish})
            } else {
                json!({"index": index, "text": text, "logprobs": null, "finish_reason": output.finish})
            }
        };
        let choices: Vec<Value> = outputs.iter().enumerate().map(choice).collect();
        let mut answer = self.answer(if self.chat { "chat.completion" } else { "text_completion" });
        answer["choices"] = json!(choices);
        answer["usage"] = usage.clone();
        answer
    }

    fn answer(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "echo",
            "notice": NOTICE,
        })
    }

    /// A chunk that adds `delta` (a chat) or `text` to one choice.
    fn chunk(&self, index: usize, delta: Value, text: &str, finish: Option<&str>) -> Event {
        let mut choice = json!({"index": index, "logprobs": null, "finish_reason": finish});
        if self.chat {
            choice["delta"] = delta;
        } else {
            choice["text"] = text.into();
        }
        self.event(json!([choice]), None)
    }

    fn event(&self, choices: Value, usage: Option<Value>) -> Event {
        let mut chunk = self.answer(if self.chat { "chat.completion.chunk" } else { "text_completion" });
        chunk["choices"] = choices;
        if self.with_usage {
            chunk["usage"] = json!(usage);
        }
        Event { raw: Bytes::from(format!("data: {chunk}\n\n")) }
    }
}

/// A role chunk (in a chat), a chunk a word and a finish chunk for each output, the usage where it is asked
/// for, and the end marker; each is made when it is asked for.
fn events(head: Head, outputs: Vec<Rc<Output>>, usage: Option<Value>) -> impl Iterator<Item = Event> {
    let head = Rc::new(head);
    let last = usage.map(|usage| head.event(json!([]), Some(usage)));
    let end = Event { raw: Bytes::from_static(b"data: [DONE]\n\n") };
    let choices = outputs.into_iter().enumerate().flat_map(move |(index, output)| {
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        let opening = head.chat.then(|| head.chunk(index, role, "", None));
        let finish = head.chunk(index, json!({}), "", Some(output.finish));
        let head = Rc::clone(&head);
        let words = (0..output.words.len()).map(move |word| {
            let word = output.words[word].as_str();
            head.chunk(index, json!({"content": word}), word, None)
        });
        opening.into_iter().chain(words).chain([finish])
    });
    choices.chain(last).chain([end])
}

#[cfg(test)]
mod tests;
