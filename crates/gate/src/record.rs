//! Commit what was used, swap the hold for it, and only then let the answer's last byte go.

use bytes::Bytes;
use serde::Serialize;
use tollgate_domain::quota::QuotaState;
use tollgate_usage::{Reading, Readings};

use crate::{
    Endpoint, Line, Refusal,
    forward::{Closed, Ending, Flight, Open},
    limit::Job,
    metric,
    reply::{Gone, Metered, Reply},
    settle::{Bill, Plain},
};

const END: &str = "data: [DONE]\n\n";

impl Line {
    pub(crate) async fn record(&self, bill: Bill) {
        let Flight { mut open, metered, ending } = bill.0;
        let Closed { used, held, recorded } = open.close(ending.too_late()).await;
        count(&open);
        let readings = if open.event.counts { metered.readings } else { without_this(metered.readings) };
        let quota = metered.quota.map(|quota| QuotaState { used, held, ..quota });
        // Who has gone away misses the answer, not the record.
        finish(open, ending, Metered { readings, quota }, recorded).await.unwrap_or_default();
    }
}

/// The windows without the request that turned out not to count.
fn without_this(readings: Readings) -> Readings {
    readings.map(|reading| Reading { used: reading.used.saturating_sub(1), ..reading })
}

async fn finish(mut open: Box<Open>, ending: Ending, metered: Metered, recorded: bool) -> Result<(), Gone> {
    let unrecorded = |refusal: Refusal| if recorded { refusal } else { Refusal::StoreUnavailable };
    let refused = |refusal: Refusal| Reply::Refused { refusal: Box::new(refusal), metered: Some(metered) };
    match ending {
        Ending::Gone { .. } => Ok(()),
        Ending::Refused { refusal, reply } => reply.send(refused(unrecorded(refusal))),
        Ending::Whole { reply, .. } | Ending::Models { reply, .. } | Ending::Verified { reply }
            if !recorded =>
        {
            reply.send(refused(Refusal::StoreUnavailable))
        }
        // The words are those of whoever asked for it to be counted.
        Ending::Verified { reply } => reply.send(Reply::Whole { metered, body: Bytes::new() }),
        Ending::Models { body, reply } => reply.send(Reply::Whole { metered, body }),
        Ending::Whole { job, completion, reply } => {
            let body = match job.endpoint {
                Endpoint::LlmCompletion => {
                    let text = Some(completion.content.as_str());
                    Plain::of(&open.event, text, completion.id, remaining(&metered)).to_body()
                }
                Endpoint::ChatCompletions | Endpoint::Models => completion.body,
            };
            reply.send(Reply::Whole { metered, body })
        }
        Ending::Streamed { job, id, mut chunks, broken } => {
            let broken = if recorded { broken } else { Some(Refusal::StoreUnavailable) };
            let last = last_event(&open, &job, id, &metered, broken);
            open.pass(&mut chunks, last).await?;
            chunks.end();
            Ok(())
        }
    }
}

/// The end marker, or what honestly stands in its place.
fn last_event(
    open: &Open,
    job: &Job,
    id: Option<String>,
    metered: &Metered,
    broken: Option<Refusal>,
) -> Bytes {
    let last = match (broken, job.endpoint) {
        (Some(refusal), _) => error_event(&refusal),
        (None, Endpoint::LlmCompletion) => {
            Plain::of(&open.event, None, id, remaining(metered)).to_event() + END
        }
        (None, Endpoint::ChatCompletions | Endpoint::Models) => END.to_owned(),
    };
    Bytes::from(last)
}

fn remaining(metered: &Metered) -> u64 {
    metered.quota.map_or(0, |quota| quota.remaining())
}

/// A stream that cannot go on says so, in OpenAI's shape: its clients raise it as an error.
fn error_event(refusal: &Refusal) -> String {
    #[derive(Serialize)]
    struct Problem<'a> {
        message: String,
        r#type: &'static str,
        code: &'a str,
        param: Option<()>,
    }
    #[derive(Serialize)]
    struct Event<'a> {
        error: Problem<'a>,
    }
    let error =
        Problem { message: refusal.to_string(), r#type: "server_error", code: refusal.code(), param: None };
    format!("data: {}\n\n", serde_json::to_string(&Event { error }).unwrap_or_default())
}

fn count(open: &Open) {
    let seconds = std::time::Duration::from_millis(open.event.duration_ms);
    metric::request_duration(&open.event.endpoint).record(seconds);
}
