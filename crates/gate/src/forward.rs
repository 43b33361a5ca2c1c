//! Do it: the only step that waits for the network. Turns a `Hold` into a `Flight`.

mod beat;
mod open;
mod stream;

use bytes::Bytes;
use serde::Serialize;
use tollgate_domain::ApiKey;
use tollgate_usage::TooLate;

use crate::{
    Endpoint, Line, Refusal, UpstreamAnswer, UpstreamError, UpstreamRequest, event,
    limit::{Job, Work},
    reply::{Chunks, Gone, Metered, ReplyTo},
    request::Prompt,
    reserve::Hold,
    upstream::{Completion, ProviderError, ReportedUsage},
};
#[cfg(test)]
pub(crate) use beat::{BEAT, CLIENT_PAUSE};
pub(crate) use open::{Closed, Open};

/// An admitted request that was carried out, one way or another. Dropped, it is settled with what was
/// observed, and recorded. Only forwarding makes one.
pub(crate) struct Flight {
    pub open: Box<Open>,
    pub metered: Metered,
    pub ending: Ending,
}

/// How it ended.
pub(crate) enum Ending {
    /// With a whole answer.
    Whole { job: Box<Job>, completion: Completion, reply: ReplyTo },
    /// With the list of models.
    Models { body: Bytes, reply: ReplyTo },
    /// With the word that a request elsewhere is counted.
    Verified { reply: ReplyTo },
    /// With a refusal before anything was passed on.
    Refused { refusal: Refusal, reply: ReplyTo },
    /// With a stream that lacks its end marker, or what is to stand in its place.
    Streamed { job: Box<Job>, id: Option<String>, chunks: Chunks, broken: Option<Refusal> },
    /// The client has gone, with the answer's head or without.
    Gone { answered: bool },
}

impl Ending {
    /// What the event becomes when its record is late: an answer that has not begun is a 503 instead, which
    /// counts in no window; what was used is paid for all the same.
    pub fn too_late(&self) -> TooLate {
        match self {
            Self::Whole { .. } | Self::Models { .. } | Self::Refused { .. } => event::is_answered_503,
            Self::Verified { .. } => event::is_not_verified,
            Self::Streamed { .. } => event::breaks_off_unrecorded,
            Self::Gone { .. } => |_| {},
        }
    }
}

/// Statuses of a provider that are about the request itself, and so are the caller's.
const CALLERS_FAULT: [u16; 5] = [400, 404, 409, 413, 422];

impl Line {
    pub(crate) async fn forward(&self, hold: Hold, reply: ReplyTo) -> Flight {
        let Hold { mut open, work, metered, output_limit } = hold;
        let ending = match work {
            Work::Refuse(refusal) => Ending::Refused { refusal, reply },
            Work::Models(key) => Ending::Models { body: self.models(&key), reply },
            Work::Verify { tokens } => {
                // Done elsewhere: what that used is what whoever asks says.
                open.take_off(Prompt::empty());
                open.observe("", Some(ReportedUsage::of_prompt(tokens)));
                Ending::Verified { reply }
            }
            Work::Complete(job) => self.complete(&mut open, job, metered, output_limit, reply).await,
        };
        Flight { open, metered, ending }
    }

    async fn complete(
        &self,
        open: &mut Open,
        job: Box<Job>,
        metered: Metered,
        output_limit: u64,
        mut reply: ReplyTo,
    ) -> Ending {
        if reply.is_gone() {
            // Nothing is asked that nobody waits for, and nothing is charged.
            return Ending::Gone { answered: false };
        }
        let body = match job.request.upstream_body(&job.route, output_limit) {
            Ok(body) => body,
            Err(refusal) => return Ending::Refused { refusal, reply },
        };
        let request = UpstreamRequest {
            provider: job.route.provider.clone(),
            path: "/chat/completions",
            body,
            stream: job.request.stream,
            needs_text: job.endpoint == Endpoint::LlmCompletion,
        };
        open.take_off(job.request.prompt.clone());
        let answer = reply.unless_gone(open.during(self.upstream.send(request))).await;
        open.note_first_byte();
        match answer {
            Err(Gone) => Ending::Gone { answered: false },
            Ok(Err(error)) => refuse(open, error.into(), reply),
            Ok(Ok(UpstreamAnswer::Refused(error))) => refuse(open, refusal_of(error), reply),
            Ok(Ok(UpstreamAnswer::Whole(completion))) => {
                let told = completion.usage.is_some_and(|usage| usage.suffices());
                open.observe(if told { "" } else { &completion.text }, completion.usage);
                open.count_long().await;
                Ending::Whole { job, completion, reply }
            }
            Ok(Ok(UpstreamAnswer::Stream(frames))) => {
                let ending = stream::pass_on(open, job, metered, frames, reply).await;
                open.note_upstream_time();
                ending
            }
        }
    }

    /// The list of models, in OpenAI's shape.
    fn models(&self, key: &ApiKey) -> Bytes {
        #[derive(Serialize)]
        struct Listed<'a> {
            id: &'a str,
            object: &'static str,
            created: i64,
            owned_by: &'a str,
        }
        #[derive(Serialize)]
        struct List<'a> {
            object: &'static str,
            data: Vec<Listed<'a>>,
        }
        let mut offered = self.shared.catalogue.offered(key.environment);
        offered.retain(|(name, _)| key.may_ask(name));
        let listed = |(id, owned_by)| Listed { id, object: "model", created: 0, owned_by };
        let list = List { object: "list", data: offered.into_iter().map(listed).collect() };
        serde_json::to_vec(&list).unwrap_or_default().into()
    }
}

/// Nothing came before the failure: nothing is charged.
fn refuse(open: &mut Open, refusal: Refusal, reply: ReplyTo) -> Ending {
    open.land_empty();
    Ending::Refused { refusal, reply }
}

fn refusal_of(error: ProviderError) -> Refusal {
    if CALLERS_FAULT.contains(&error.status) {
        Refusal::ProviderRefused(error)
    } else {
        Refusal::ProviderFailed(error)
    }
}

/// What a failure of the upstream in mid-stream is called.
fn broken(error: UpstreamError) -> Refusal {
    error.into()
}
