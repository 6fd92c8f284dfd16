//! The frame around each request: its id, its place among those in flight, its line in the log, its numbers in the
//! metrics, and the body of a refusal. Logs ids and codes, never e-mails, coupon codes or secrets.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::{Counter, Histogram};
use tower::{Layer, Service};
use uuid::Builder;

use super::error::{ApiError, Code};
use super::state::App;
use crate::types::clock::Clock;
use crate::types::ids::AccountId;

/// Where the request's id is answered.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A handler whose answer holds refusals of its own leaves this with the response, and finds the request's id in it by
/// the time the body is written.
#[derive(Clone, Debug, Default)]
pub struct RequestId(Arc<OnceLock<String>>);

impl RequestId {
    /// The id; empty as long as the frame has not given it.
    pub fn get(&self) -> &str {
        self.0.get().map_or("", String::as_str)
    }
}

/// Who may pass.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Lets a request in and says whose it is, which its handler may find in the request too; or says why not.
    fn admit(&self, request: &mut Request) -> impl Future<Output = Result<Option<AccountId>, ApiError>> + Send;
}

/// Anybody may pass.
#[derive(Clone, Copy, Debug)]
pub struct Open;

impl Gate for Open {
    async fn admit(&self, _request: &mut Request) -> Result<Option<AccountId>, ApiError> {
        Ok(None)
    }
}

/// The frame around a group of routes. One layer does it all: each layer around a route costs a request several
/// allocations and copies, which were once a fifth of its time.
#[derive(Clone)]
pub struct Frame<G> {
    gate: G,
    /// Where requests take a place; probes need none.
    places: Option<App>,
}

impl<G: Gate> Frame<G> {
    /// A frame with a gate.
    pub fn new(gate: G) -> Self {
        Self { gate, places: None }
    }

    /// Gives each request a place among those worked on, or asks its sender to come again.
    #[must_use]
    pub fn with_places(self, app: &App) -> Self {
        Self { places: Some(app.clone()), ..self }
    }

    /// Who may not ask is told nothing, not even what exists: the gate comes before all that the route says.
    async fn run<S>(&self, mut request: Request, mut inner: S) -> (Response, Option<AccountId>)
    where
        S: Handle,
    {
        let _place = match self.places.as_ref().map(|app| app.in_flight.try_acquire()) {
            Some(Err(_full)) => {
                let message = "too many requests at once; nothing was stored, send the request again";
                return (ApiError::new(Code::Overloaded, message).into_response(), None);
            }
            Some(Ok(place)) => Some(place),
            None => None,
        };
        match self.gate.admit(&mut request).await {
            Ok(account) => {
                let Ok(response) = inner.call(request).await;
                (response.map(Body::new), account)
            }
            Err(refusal) => (refusal.into_response(), None),
        }
    }
}

impl<S, G: Gate> Layer<S> for Frame<G> {
    type Service = Framed<S, G>;

    fn layer(&self, inner: S) -> Framed<S, G> {
        Framed { inner, frame: self.clone() }
    }
}

/// What answers inside a frame.
pub trait Handle: Service<Request, Response = axum::http::Response<Self::Body>, Error = Infallible> {
    /// The body it answers with.
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Handle for S
where
    S: Service<Request, Response = axum::http::Response<B>, Error = Infallible>,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// A service inside the frame.
#[derive(Clone)]
pub struct Framed<S, G> {
    inner: S,
    frame: Frame<G>,
}

impl<S, G> Service<Request> for Framed<S, G>
where
    S: Handle<Future: Send> + Clone + Send + 'static,
    G: Gate,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready answers; its copy waits for the next request.
        let copy = self.inner.clone();
        let (inner, frame) = (std::mem::replace(&mut self.inner, copy), self.frame.clone());
        Box::pin(async move {
            // What the request is called in logs and answers. A client's own id is ignored: it could be anything.
            let id = request_id();
            let matched = request.extensions().get::<MatchedPath>().cloned();
            let route = matched.as_ref().map_or("none", MatchedPath::as_str);
            let method = request.method().clone();
            let started = Instant::now();

            // The gate too may panic. What it admits to has a catch of its own, which keeps the account.
            let run = AssertUnwindSafe(frame.run(request, inner)).catch_unwind().await;
            let (response, account) = run.unwrap_or_else(|panic| (panicked(panic), None));

            let seconds = started.elapsed().as_secs_f64();
            let line = Line { id: &id, method: &method, route, account, seconds };
            line.count(response.status());
            line.log(&response);
            Ok(finish(response, &id))
        })
    }
}

/// An id in the order of time. Its random part comes from our generator: `Uuid::now_v7` would ask the kernel for it.
fn request_id() -> String {
    let millis = Clock::System.now().unix_timestamp_nanos() / 1_000_000;
    let uuid = Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &rand::random());
    format!("req_{}", uuid.into_uuid().simple())
}

/// What is told of a request when it has been answered. One line, without a span around the request: that would cost
/// more than the request's own work.
struct Line<'a> {
    id: &'a str,
    method: &'a Method,
    route: &'a str,
    account: Option<AccountId>,
    seconds: f64,
}

impl Line<'_> {
    fn count(&self, status: StatusCode) {
        /// The metrics of an answer. To find them by their names takes longer than to write to them.
        type Handles = HashMap<(&'static str, u16), (Counter, Histogram)>;
        static KNOWN: LazyLock<RwLock<HashMap<String, Handles>>> = LazyLock::new(RwLock::default);
        let key = (label(self.method), status.as_u16());
        let record = |(counter, histogram): &(Counter, Histogram)| {
            counter.increment(1);
            histogram.record(self.seconds);
        };
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handles) = known.get(self.route).and_then(|handles| handles.get(&key)) {
            return record(handles);
        }
        drop(known);
        let labels = [("method", key.0.to_owned()), ("route", self.route.to_owned()), ("status", key.1.to_string())];
        let handles = (
            metrics::counter!("goodword_http_requests_total", &labels),
            metrics::histogram!("goodword_http_request_duration_seconds", &labels),
        );
        record(&handles);
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(self.route.to_owned()).or_default().insert(key, handles);
    }

    fn log(&self, response: &Response) {
        let status = response.status().as_u16();
        let duration_ms = (self.seconds * 1e6).round() / 1e3;
        let error = response.extensions().get::<ApiError>();
        let code = error.map(|error| error.code().as_str());
        let Self { id, method, route, .. } = *self;
        let account = self.account.map(|account| account.0);
        match error.and_then(ApiError::cause) {
            Some(cause) => tracing::error!(
                request.id = id, http.method = %method, http.route = route, account.id = account, http.status = status,
                duration_ms, error.code = code, error.cause = cause, "request failed"
            ),
            None => tracing::info!(
                request.id = id, http.method = %method, http.route = route, account.id = account, http.status = status,
                duration_ms, error.code = code, "{}", if code.is_some() { "request refused" } else { "request answered" }
            ),
        }
    }
}

/// The method as the metrics know it. A client can make up any number of methods; they must not each get a series.
fn label(method: &Method) -> &'static str {
    let known = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

/// Writes the body of a refusal, and the request's id on every answer.
fn finish(mut response: Response, id: &str) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let rendered = Json(error.body(id)).into_response();
        let (mut parts, _empty) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.extend(rendered.headers().clone());
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response = Response::from_parts(parts, rendered.into_body());
    }
    if let Some(asked) = response.extensions_mut().remove::<RequestId>() {
        // It is given once.
        let _ = asked.0.set(id.to_owned());
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Takes away what the router, outside all layers, tells even strangers: the methods of a route.
pub fn hush<B>(mut response: axum::http::Response<B>) -> axum::http::Response<B> {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}

/// What a panic is answered with. The panic itself has been logged by the hook.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let cause = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned());
    ApiError::internal(cause).into_response()
}

/// The answer where no route is.
pub async fn no_route() -> ApiError {
    ApiError::new(Code::NotFound, "there is nothing at this address; the contract is at /openapi.yaml")
}

/// The answer where the route exists with other methods; the router adds `Allow`.
pub async fn no_method() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "this address does not take that method; the Allow header names those it takes",
    )
}
