//! The frame around each request: its id, its place among those in flight, its line in the log, its numbers in the
//! metrics, and the body of a refusal. Logs ids and codes, never e-mails, coupon codes or secrets.

use std::any::Any;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;

use super::error::{ApiError, Code};
use super::state::App;

/// Where the request's id is answered.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called in logs and answers. Handlers need it only where an answer holds refusals of its own.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Runs one request inside the frame.
pub async fn frame(mut request: Request, next: Next) -> Response {
    // A client's own id is ignored: it could be anything.
    let id = format!("req_{}", Uuid::now_v7().simple());
    request.extensions_mut().insert(RequestId(id.clone()));
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("request", request.id = %id, http.method = %method, http.route = %route, account.id = tracing::field::Empty);
    let started = Instant::now();

    let response = next.run(request).instrument(span.clone()).await;

    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    let labels = [("method", label(&method)), ("route", route), ("status", status.to_string())];
    metrics::counter!("goodword_http_requests_total", &labels).increment(1);
    metrics::histogram!("goodword_http_request_duration_seconds", &labels).record(seconds);
    span.in_scope(|| log(&response, status, seconds));
    finish(response, &id)
}

/// The method as the metrics know it. A client can make up any number of methods; they must not each get a series.
fn label(method: &Method) -> String {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if known.contains(method) { method.to_string() } else { "other".to_owned() }
}

/// Gives a request a place among those worked on, or asks its sender to come again. Probes need none.
pub async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_place) = app.in_flight.try_acquire() else {
        let message = "too many requests at once; nothing was stored, send the request again";
        return ApiError::new(Code::Overloaded, message).into_response();
    };
    next.run(request).await
}

fn log(response: &Response, status: u16, seconds: f64) {
    let duration_ms = (seconds * 1e6).round() / 1e3;
    match response.extensions().get::<ApiError>() {
        Some(error) => match error.cause() {
            Some(cause) => tracing::error!(
                http.status = status,
                duration_ms,
                error.code = error.code().as_str(),
                error.cause = cause,
                "request failed"
            ),
            None => {
                tracing::info!(http.status = status, duration_ms, error.code = error.code().as_str(), "request refused")
            }
        },
        None => tracing::info!(http.status = status, duration_ms, "request answered"),
    }
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
