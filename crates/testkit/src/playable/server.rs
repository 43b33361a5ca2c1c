//! Connections: requests in, answers out, as the plays say.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::oneshot,
    time::sleep,
};

use super::{
    Recorded, Shared,
    answer::{self, Wire},
    control, request,
};
use crate::{End, Play};

/// How an answer came out.
enum Outcome {
    /// Sent to its end; the connection may serve again.
    Complete,
    /// Ended by the play: so does the connection.
    Over,
}

/// Serves on a runtime of its own until `stopped`; then every connection closes.
pub fn run(listener: TcpListener, shared: &Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket that does not block");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of the runtime");
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                shared.counts.send_modify(|counts| counts.connections += 1);
                drop(tokio::spawn(connection(stream, Arc::clone(shared))));
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stopped => {}
        }
    });
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // A peer that goes away ends this connection and nothing else; what it cut short was counted.
    drop(serve(stream, &shared).await);
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = BytesMut::new();
    while let Some(request) = request::read(&mut reader, &mut writer, &mut buffer).await? {
        if let Some(answer) = control::answer(shared, &request) {
            writer.write_all(&answer).await?;
            continue;
        }
        let play = next_play(shared, &request);
        let outcome = tokio::select! {
            outcome = perform(&play, &request, shared, &mut writer) => outcome,
            // The peer has nothing to say before it has its answer: what can be read now is its end.
            read = reader.read_buf(&mut buffer) => match read {
                Ok(0) => Err(io::ErrorKind::ConnectionReset.into()),
                Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a request before the answer")),
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(Outcome::Complete) => shared.counts.send_modify(|counts| counts.answered += 1),
            Ok(Outcome::Over) => return Ok(()),
            Err(error) => {
                shared.counts.send_modify(|counts| counts.hang_ups += 1);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn next_play(shared: &Shared, request: &Recorded) -> Play {
    let play = {
        let mut script = shared.script();
        script.requests.push(request.clone());
        script.queue.pop_front().unwrap_or_else(|| script.default.clone())
    };
    shared.counts.send_modify(|counts| counts.requests += 1);
    play
}

async fn perform(
    play: &Play,
    request: &Recorded,
    shared: &Shared,
    writer: &mut OwnedWriteHalf,
) -> io::Result<Outcome> {
    if play.hold {
        shared.released.acquire().await.map_err(io::Error::other)?.forget();
    }
    pause(play.delay_before_first_byte_ms).await;
    if play.end == End::HangUp {
        return Ok(Outcome::Over);
    }
    match answer::wire(play, request) {
        Wire::Bytes(bytes) => {
            writer.write_all(&bytes).await?;
            Ok(Outcome::Over)
        }
        Wire::Whole { head, body } => whole(play, &head, &body, writer).await,
        Wire::Events { head, events } => stream(play, &head, &events, writer).await,
    }
}

async fn whole(play: &Play, head: &str, body: &[u8], writer: &mut OwnedWriteHalf) -> io::Result<Outcome> {
    let half = &body[..body.len() / 2];
    let sent = if matches!(play.end, End::BreakOff { .. } | End::Stall { .. }) { half } else { body };
    writer.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).await?;
    writer.write_all(sent).await?;
    end(play).await
}

async fn stream(
    play: &Play,
    head: &str,
    events: &[String],
    writer: &mut OwnedWriteHalf,
) -> io::Result<Outcome> {
    writer.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
    let events = match play.end {
        End::BreakOff { after } | End::Stall { after } => &events[..after.min(events.len())],
        _ => events,
    };
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            pause(play.delay_between_chunks_ms).await;
        }
        writer.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    let outcome = end(play).await?;
    if matches!(outcome, Outcome::Complete) {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    Ok(outcome)
}

async fn end(play: &Play) -> io::Result<Outcome> {
    match play.end {
        End::Done | End::WithoutDone | End::SendsAfterDone => Ok(Outcome::Complete),
        End::BreakOff { .. } | End::HangUp => Ok(Outcome::Over),
        End::Stall { .. } => std::future::pending().await,
    }
}

async fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        sleep(Duration::from_millis(milliseconds)).await;
    }
}
