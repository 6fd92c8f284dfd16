//! Requests of many lines: a line of the body is the body of one call, a line of the answer is its answer, in order.
//!
//! Three parts work side by side, each waiting for the next when it is behind: one cuts and reads the lines that arrive,
//! one stores what has been read, the third writes the answers while the connection takes them. So memory is bounded
//! whatever the length of the body, and a client that does not read its answers is not read any more. Nothing here knows
//! what a line means: that is its [`Store`]'s and the reader's.

pub mod lines;
mod receive;
mod settle;

use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

pub use self::receive::ReadLine;
use self::receive::Receiver;
use self::settle::Settling;
use super::error::{ApiError, Code};
use super::extract::refuse_encodings;
use super::fields::Fields;
use super::frame::RequestId;
use super::state::App;

/// Most lines stored in one go.
pub const ROWS_MAX: usize = 512;
/// How many pieces of a body may have been read and not stored. A piece is as large as the server's buffer at most,
/// but for one long line that ends in it.
const PIECES_MAX: usize = 16;

/// What becomes of the lines once they are read.
pub trait Store: Send + 'static {
    /// What a good line is read into.
    type Row: Send + 'static;
    /// The body of the answer to one that was stored.
    type Body: Serialize + Send + 'static;

    /// How many batches may be under way at once.
    const BATCHES_MAX: usize;

    /// Begins to store rows, and gives the answer to each, in their order. Whatever must not be kept waiting goes on
    /// even while nobody polls for it.
    fn store(&mut self, rows: Vec<Self::Row>) -> BoxFuture<'static, Vec<Stored<Self::Body>>>;

    /// The client takes his time, or is done: what others might need is let go of until the next rows come.
    fn rest(&mut self) -> impl Future<Output = ()> + Send;
}

/// What the call of one line is answered with.
pub type Stored<B> = Result<(StatusCode, B), ApiError>;

/// Whether the database did nothing with any of these: then the next would fare no better.
pub fn is_nowhere<'a, B: 'a>(outcomes: impl Iterator<Item = &'a Stored<B>>) -> bool {
    let mut is_lost = false;
    for outcome in outcomes {
        match outcome.as_ref().map_err(|error| error.code().status()) {
            Err(StatusCode::SERVICE_UNAVAILABLE) => is_lost = true,
            // It was refused before the database saw it.
            Err(StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) => {}
            Ok(_) | Err(_) => return false,
        }
    }
    is_lost
}

/// Answers a request of many lines. `read` reads one line. What is wrong with the whole is refused like any request.
pub async fn answer<S: Store>(
    app: &App,
    request: Request,
    read: impl Fn(&Fields<'_>) -> Option<S::Row> + Send + Sync + 'static,
    store: S,
) -> Result<Response, ApiError> {
    check_media_type(request.headers())?;
    let Ok(place) = Arc::clone(&app.uploads_in_flight).try_acquire_owned() else {
        return Err(ApiError::new(Code::Overloaded, "too many files at once; nothing was stored, send it again"));
    };
    let request_id = RequestId::default();
    let (pieces, arriving) = mpsc::channel(PIECES_MAX);
    let (answers, answered) = mpsc::channel(1);
    let mut receiver = Receiver::new(request.into_body(), app, pieces);
    // A client that sends nothing gets an ordinary refusal, and one that waits to be asked for its body is asked.
    let first = receiver.next_piece().await?;
    tokio::spawn(receiver.receive(first, read));
    let settling = Settling::new(store, arriving, answers, app.limits.body_timeout, request_id.clone());
    tokio::spawn(async move {
        settling.settle().await;
        drop(place);
    });
    let writing = Writing { answered, request_id: request_id.clone(), has_failed: false };
    let body = HttpBody::from_stream(stream::unfold(writing, write::<S>));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Extension(request_id), body).into_response())
}

/// Refuses what is surely not lines of JSON. curl says that it sends a form when nobody tells it better.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    refuse_encodings(headers)?;
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("?").to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((text.as_str(), ""));
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let is_utf8 = charset.is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    let is_taken = matches!(
        essence.trim(),
        "" | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json"
            | "text/json"
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded"
    );
    if is_utf8 && is_taken {
        return Ok(());
    }
    Err(ApiError::new(
        Code::UnsupportedMediaType,
        "send one JSON object a line, in UTF-8, with Content-Type: application/x-ndjson",
    )
    .at("Content-Type"))
}

/// The answer to the line with this number.
struct Answer<B> {
    line: u64,
    outcome: Stored<B>,
    /// Neither this line nor any after it was read.
    stopped: bool,
}

/// What the connection is given to write.
enum ToWrite<B> {
    Answers(Vec<Answer<B>>),
    /// There is nothing more to say.
    End,
}

/// A line of the answer.
#[derive(Serialize)]
struct AnswerLine<B> {
    line: u64,
    status: u16,
    body: B,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopped: bool,
}

struct Writing<B> {
    answered: mpsc::Receiver<ToWrite<B>>,
    request_id: RequestId,
    has_failed: bool,
}

/// Gives the next piece of the answer. Without its end the connection is cut, so that nobody takes the answer for whole.
async fn write<S: Store>(mut writing: Writing<S::Body>) -> Option<(io::Result<Bytes>, Writing<S::Body>)> {
    if writing.has_failed {
        return None;
    }
    let written = match writing.answered.recv().await {
        Some(ToWrite::Answers(answers)) => written(answers, writing.request_id.get()),
        Some(ToWrite::End) => return None,
        None => Err(io::Error::other("the answers ended early")),
    };
    writing.has_failed = written.is_err();
    Some((written, writing))
}

fn written<B: Serialize>(answers: Vec<Answer<B>>, request_id: &str) -> io::Result<Bytes> {
    let mut text = Vec::with_capacity(answers.len() * 640);
    for Answer { line, outcome, stopped } in answers {
        match outcome {
            Ok((status, body)) => {
                serde_json::to_writer(&mut text, &AnswerLine { line, status: status.as_u16(), body, stopped })?;
            }
            Err(error) => {
                let status = error.code().status().as_u16();
                serde_json::to_writer(&mut text, &AnswerLine { line, status, body: error.body(request_id), stopped })?;
            }
        }
        text.push(b'\n');
    }
    Ok(text.into())
}
