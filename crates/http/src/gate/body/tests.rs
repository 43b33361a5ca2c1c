//! Bodies that come slowly, in part, or with many others.

use futures::{FutureExt, stream};

use super::*;

const JSON: Declared = Declared { is_json: true, length: None };
const LIMIT: usize = 100;

fn room(most: usize) -> Arc<Bodies> {
    Arc::new(Bodies { held: AtomicUsize::new(0), most })
}

fn held(bodies: &Bodies) -> usize {
    bodies.held.load(Ordering::Relaxed)
}

fn pieces<const N: usize>(
    pieces: [Result<&'static str, PayloadError>; N],
) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin {
    stream::iter(pieces.map(|piece| piece.map(Bytes::from)))
}

async fn read_all(
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
) -> Result<Bytes, BodyError> {
    read(JSON, payload, LIMIT, &Share::of(room(1_000))).await
}

#[tokio::test]
async fn a_body_comes_whole_or_not_at_all() {
    let whole = read_all(pieces([Ok("ab"), Ok("c")])).await;
    assert_eq!(whole.unwrap(), "abc");
    for (error, expected) in [
        (PayloadError::Incomplete(None), BodyError::HalfSent),
        (PayloadError::Io(std::io::ErrorKind::ConnectionReset.into()), BodyError::HalfSent),
        (PayloadError::EncodingCorrupted, BodyError::Broken),
    ] {
        assert_eq!(read_all(pieces([Ok("ab"), Err(error)])).await, Err(expected));
    }
}

#[tokio::test]
async fn a_length_is_believed_only_where_it_is_too_much() {
    let long = Declared { length: Some(LIMIT + 1), ..JSON };
    let share = Share::of(room(1_000));
    // Nothing of it is read.
    let read_early = read(long, stream::pending(), LIMIT, &share);
    assert_eq!(read_early.now_or_never(), Some(Err(BodyError::TooLarge(LIMIT))));
    let short = Declared { length: Some(1), ..JSON };
    let most = "x".repeat(LIMIT);
    let body = || stream::iter([Ok(Bytes::from(most.clone())), Ok(Bytes::from_static(b"x"))]);
    assert_eq!(read(short, body(), LIMIT, &share).await, Err(BodyError::TooLarge(LIMIT)));
    assert_eq!(read(short, body().boxed_local().take(1), LIMIT, &share).await.unwrap(), most);
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_too_slow() {
    let every_second = |bytes| {
        Box::pin(stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (sent < bytes).then_some((Ok(Bytes::from_static(b"x")), sent + 1))
        }))
    };
    let share = Share::of(room(1_000));
    assert_eq!(read(JSON, every_second(118), 1_000, &share).await.map(|body| body.len()), Ok(118));
    assert_eq!(read(JSON, every_second(1_000), 1_000, &share).await, Err(BodyError::TooSlow));
}

#[tokio::test]
async fn all_bodies_together_are_bounded() {
    let bodies = room(10);
    let first = Share::of(Arc::clone(&bodies));
    assert_eq!(read(JSON, pieces([Ok("123"), Ok("4567")]), LIMIT, &first).await.unwrap().len(), 7);
    let second = Share::of(Arc::clone(&bodies));
    assert_eq!(read(JSON, pieces([Ok("12"), Ok("34")]), LIMIT, &second).await, Err(BodyError::NoRoom));
    drop(second);
    assert_eq!(held(&bodies), 7, "the first is still worked on");
    let third = Share::of(Arc::clone(&bodies));
    assert_eq!(read(JSON, pieces([Ok("123")]), LIMIT, &third).await.unwrap().len(), 3);
    drop((first, third));
    assert_eq!(held(&bodies), 0);
}

#[tokio::test]
async fn what_was_read_of_a_body_that_never_ends_is_given_back() {
    let bodies = room(10);
    let share = Share::of(Arc::clone(&bodies));
    let endless = pieces([Ok("123")]).chain(stream::pending());
    assert_eq!(read(JSON, endless, LIMIT, &share).now_or_never(), None);
    assert_eq!(held(&bodies), 3);
    drop(share);
    assert_eq!(held(&bodies), 0);
}
