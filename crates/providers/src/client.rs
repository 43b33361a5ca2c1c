//! The client that calls providers: one for each worker, its connections stay there.

use std::{collections::HashMap, error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::LocalBoxFuture};
use http::{
    HeaderMap, Method, Request, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tollgate_gate::upstream::{ProviderError, Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};

use crate::{
    connections::{Connections, Failure, Lease},
    openai,
    provider::{Endpoint, Providers, Target},
    stream,
    whole::{MAX_ANSWER_BYTES, MAX_ERROR_BYTES, read},
};

/// How long a connection may take to come about, TLS apart.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDENTITY: &str = "identity";

/// The port to providers over HTTP/1.1. Made on the thread of the worker that uses it.
pub struct HttpUpstream {
    providers: Arc<Providers>,
    /// By the provider's name.
    connections: HashMap<String, Connections>,
}

impl HttpUpstream {
    /// A client without connections.
    pub fn new(providers: Arc<Providers>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(providers.tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let connections = providers
            .endpoints()
            .map(|(name, endpoint)| {
                (name.to_owned(), Connections::new(connector.clone(), endpoint.base().clone()))
            })
            .collect();
        Self { providers, connections }
    }

    async fn call(
        &self,
        endpoint: &Arc<Endpoint>,
        request: UpstreamRequest,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let UpstreamRequest { stream, needs_text, .. } = request;
        let connections = self.connections.get(&*request.provider).ok_or_else(unknown)?;
        let call = connections.call(outgoing(endpoint, request)?);
        let (response, lease) = timeout(endpoint.timeout, call)
            .await
            .map_err(|_elapsed| UpstreamError::Timeout)?
            .map_err(|error| failure(&error))?;
        if !response.status().is_success() {
            return Ok(UpstreamAnswer::Refused(refusal(response, lease, endpoint).await));
        }
        if is_encoded(response.headers()) {
            return Err(UpstreamError::Unreadable("it is compressed although that was declined".to_owned()));
        }
        if stream && is_event_stream(response.headers()) {
            return Ok(UpstreamAnswer::Stream(stream::frames(
                response.into_body(),
                lease,
                Arc::clone(endpoint),
            )));
        }
        let body = read(response.into_body(), MAX_ANSWER_BYTES, endpoint.timeout).await?;
        lease.done();
        openai::completion(endpoint.redactor.bytes(body), needs_text).map(UpstreamAnswer::Whole)
    }
}

impl Upstream for HttpUpstream {
    fn send(&self, request: UpstreamRequest) -> LocalBoxFuture<'_, Result<UpstreamAnswer, UpstreamError>> {
        async move {
            match self.providers.get(&request.provider) {
                None => Err(unknown()),
                Some(Target::Echo(echo)) => echo.answer(&request),
                Some(Target::OpenAi(endpoint)) => self.call(endpoint, request).await,
            }
        }
        .boxed_local()
    }
}

fn unknown() -> UpstreamError {
    UpstreamError::Unreachable("no provider of that name is configured".to_owned())
}

/// The call. It carries the endpoint's headers and no others: nothing of the caller's goes out.
fn outgoing(endpoint: &Endpoint, request: UpstreamRequest) -> Result<Request<Full<Bytes>>, UpstreamError> {
    let wrong = |_error: http::Error| UpstreamError::Unreachable("its address makes no URL".to_owned());
    let mut call = Request::new(Full::new(request.body));
    *call.method_mut() = Method::POST;
    *call.uri_mut() = endpoint.target(request.path).map_err(wrong)?;
    *call.headers_mut() = endpoint.headers(request.stream).clone();
    Ok(call)
}

/// What a provider says that refuses. Its status counts; a body that cannot be had in time is one that says
/// nothing.
async fn refusal(response: Response<Incoming>, lease: Lease, endpoint: &Endpoint) -> ProviderError {
    let status = response.status().as_u16();
    let retry_after_seconds = retry_after(response.headers());
    let body = read(response.into_body(), MAX_ERROR_BYTES, endpoint.timeout);
    let body = timeout(endpoint.timeout, body).await.ok().and_then(Result::ok);
    if body.is_some() {
        lease.done();
    }
    let body = body.unwrap_or_default();
    ProviderError { retry_after_seconds, ..openai::error(status, &body, &endpoint.redactor) }
}

/// `Retry-After` in seconds; its other form, a date, says nothing here.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes()))
}

/// Why there is no answer, in words of our own: what libraries say may name addresses.
fn failure(failure: &Failure) -> UpstreamError {
    let error = match failure {
        Failure::Connect(error) => return UpstreamError::Unreachable(connect_failure(&**error)),
        Failure::Call(error) => error,
    };
    let garbled = causes(error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse));
    if garbled {
        return UpstreamError::Unreadable("it is not HTTP".to_owned());
    }
    UpstreamError::Broken("the connection ended before the answer".to_owned())
}

fn connect_failure(error: &(dyn Error + 'static)) -> String {
    for cause in causes(error) {
        if cause.to_string() == "dns error" {
            return "its name cannot be resolved".to_owned();
        }
        let Some(io) = cause.downcast_ref::<io::Error>() else { continue };
        if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return format!("TLS: {tls}");
        }
        return io.kind().to_string();
    }
    "no connection".to_owned()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests;
