//! The frame around each request: its id, its place among those in flight, its line in the log, its numbers in the
//! metrics, and the body of a refusal. Logs ids and codes, never e-mails, coupon codes or secrets.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{Counter, Histogram};
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

/// Runs one request inside the frame.
pub async fn frame(request: Request, next: Next) -> Response {
    // What the request is called in logs and answers. A client's own id is ignored: it could be anything.
    let id = request_id();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let method = request.method().clone();
    let started = Instant::now();

    let response = next.run(request).await;

    let line = Line { id: &id, method: &method, route, seconds: started.elapsed().as_secs_f64() };
    line.count(response.status());
    line.log(&response);
    finish(response, &id)
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
        let account = response.extensions().get::<AccountId>().map(|account| account.0);
        let Self { id, method, route, .. } = *self;
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

/// Gives a request a place among those worked on, or asks its sender to come again. Probes need none.
pub async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_place) = app.in_flight.try_acquire() else {
        let message = "too many requests at once; nothing was stored, send the request again";
        return ApiError::new(Code::Overloaded, message).into_response();
    };
    next.run(request).await
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
