//! A line that panics: its client is told, the request is recorded, and the worker serves on.

use std::{
    cell::Cell,
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use tollgate_billing::PriceBook;
use tollgate_domain::{Environment, EventId, Month, Permissions, Tiers, Time, UsageEvent};
use tollgate_gate::{
    Catalogue, Line, LineSettings, ProviderInfo, Shared, Upstream, UpstreamAnswer, UpstreamError,
    UpstreamRequest,
    upstream::{Completion, Frame, FrameKind, ReportedUsage},
};
use tollgate_store::{OpenRequestStore, SpoolDepth, SpoolStore, StoreError};
use tollgate_usage::{MemoryMeter, Meter, Recorder, RecorderSettings, RecorderStores, Scope};

use super::{UNKNOWN_KEY, away};
use crate::{
    State,
    gate::{Worker, WorkerTimer},
};

/// How long a test waits for bytes that never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes what the database, which is away, does not.
#[derive(Default)]
pub struct Disk(pub Mutex<Vec<UsageEvent>>);

impl SpoolStore for Disk {
    fn append(&self, events: &[UsageEvent]) -> Result<(), StoreError> {
        self.0.lock().unwrap().extend_from_slice(events);
        Ok(())
    }

    fn oldest(&self, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn remove(&self, _: &[EventId]) -> Result<(), StoreError> {
        Ok(())
    }

    fn reject(&self, _: &UsageEvent, _: &str, _: Time) -> Result<(), StoreError> {
        Ok(())
    }

    fn depth(&self) -> Result<SpoolDepth, StoreError> {
        Ok(SpoolDepth::default())
    }
}

impl OpenRequestStore for Disk {
    fn keep(&self, _: Arc<[UsageEvent]>, _: Time, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    fn kept(&self, _: Time, _: u32) -> Result<Vec<UsageEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn forget(&self, _: Arc<[EventId]>, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Panics at first, then in the middle of a stream, and then does well.
#[derive(Default)]
struct Shaky(Cell<u32>);

impl Upstream for Shaky {
    fn send(&self, _: UpstreamRequest) -> LocalBoxFuture<'_, Result<UpstreamAnswer, UpstreamError>> {
        self.0.set(self.0.get() + 1);
        let turn = self.0.get();
        async move {
            match turn {
                1 => panic!("played"),
                2 => {
                    let broken = stream::once(async { panic!("played") });
                    let frames = stream::iter([Ok(frame())]).chain(broken);
                    Ok(UpstreamAnswer::Stream(frames.boxed_local()))
                }
                _ => Ok(UpstreamAnswer::Whole(completion())),
            }
        }
        .boxed_local()
    }
}

fn frame() -> Frame {
    Frame {
        kind: FrameKind::Content,
        raw: Bytes::from_static(b"data: {\"piece\":1}\n\n"),
        without_usage: None,
        text: "hello".into(),
        content: "hello".into(),
        id: None,
        usage: None,
    }
}

fn completion() -> Completion {
    let usage = ReportedUsage { prompt: Some(3), completion: Some(4), ..ReportedUsage::default() };
    Completion {
        body: Bytes::from_static(b"{\"whole\":1}"),
        id: None,
        text: "hello".into(),
        content: "hello".into(),
        usage: Some(usage),
    }
}

fn catalogue() -> Catalogue {
    let provider =
        ProviderInfo { name: "p".into(), models: vec!["m".into()], default_model: None, test: false };
    Catalogue {
        providers: HashMap::from([(Arc::clone(&provider.name), provider)]),
        models: Vec::new(),
        default_provider: Some("p".into()),
    }
}

/// What the worker's line shares, over a database that is away; and what it counts with.
fn shared(state: &State, told: away::Told, disk: &Arc<Disk>) -> (Arc<Shared>, Arc<MemoryMeter>) {
    let stores = away::stores(told);
    let recorder_stores = RecorderStores {
        events: stores.events.clone(),
        open_requests: stores.open_requests.clone(),
        spool: disk.clone(),
    };
    let settings = RecorderSettings { max_open: 10, max_wait: PATIENCE };
    let recorder = Recorder::start(recorder_stores, settings, &state.clock).unwrap();
    let meter = Arc::new(MemoryMeter::new());
    let scope = Scope { user: away::user().id, environment: Environment::Live };
    meter.seed(scope, Month::of(state.clock.now()), 0);
    let shared = Shared {
        authenticator: state.authenticator.clone(),
        stores,
        lookups: state.pools.lookups.clone(),
        meter: meter.clone(),
        recorder: Arc::new(recorder),
        catalogue: catalogue(),
        prices: PriceBook::default(),
        tiers: Tiers::default(),
        clock: state.clock.clone(),
        random: state.random.clone(),
        settings: LineSettings {
            default_output_tokens: 100,
            tokenizer_factor_thousandths: 1_500,
            image_tokens: 100,
            max_concurrent: None,
        },
    };
    (Arc::new(shared), meter)
}

/// Asks on a connection of its own; all that comes back.
fn ask(address: SocketAddr, more: &str) -> String {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {UNKNOWN_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[actix_web::test]
async fn a_worker_survives_a_line_that_panics() {
    let told = away::Told::Held(Permissions::defaults());
    let state = away::telling(told.clone(), away::settings());
    let disk = Arc::<Disk>::default();
    let (shared, meter) = shared(&state, told, &disk);
    let recorder = shared.recorder.clone();
    let worker = move || Worker {
        line: Line::new(shared.clone(), Rc::<Shaky>::default(), Rc::new(WorkerTimer)),
        max_body_bytes: 1_000,
        bodies: Arc::default(),
    };
    let listeners = crate::server::listen(&state.settings).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let serving = crate::server::run(state, listeners, worker).unwrap();
    let asked = actix_web::rt::task::spawn_blocking(move || {
        ["", r#","stream":true"#, ""].map(|more| ask(address, more))
    });
    let [panicked, cut_off, whole] = asked.await.unwrap();
    assert!(panicked.starts_with("HTTP/1.1 500 ") && panicked.contains("\"internal_error\""), "{panicked}");
    let (_, body) = panicked.split_once("\r\n\r\n").unwrap();
    assert!(!body.contains("played"), "{panicked}");
    assert!(cut_off.starts_with("HTTP/1.1 200 ") && cut_off.contains("data: {\"piece\":1}"), "{cut_off}");
    assert!(!cut_off.ends_with("0\r\n\r\n"), "it must not look whole: {cut_off}");
    assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("{\"whole\":1}"), "{whole}");
    serving.end().await.unwrap();
    recorder.close();
    assert_eq!((recorder.open(), meter.open()), (0, (0, 0)));
    let codes: Vec<_> = disk.0.lock().unwrap().iter().map(|event| event.error_code.clone()).collect();
    assert_eq!(codes, [Some("interrupted".to_owned()), Some("interrupted".to_owned()), None]);
}
