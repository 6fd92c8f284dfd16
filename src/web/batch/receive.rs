//! Takes in the body of a request of many lines, within its time, and reads the lines.

use std::time::Duration;

use axum::body::Body as HttpBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::lines::{Line, Lines};
use crate::web::error::{ApiError, Code};
use crate::web::fields::Fields;
use crate::web::json;
use crate::web::state::App;

/// What was read of a body.
pub enum Read<R> {
    /// The good lines and the bad ones of one piece, in their order.
    Lines(Vec<ReadLine<R>>),
    /// All of it was read; or the number of the first line that was not, and why.
    End(Option<(u64, ApiError)>),
}

/// One line, and what it was read into.
pub struct ReadLine<R> {
    pub line: u64,
    pub row: Result<R, ApiError>,
}

/// Receives one body.
pub struct Receiver<R> {
    body: HttpBody,
    lines: Lines,
    bytes_max: usize,
    /// When all of it must have arrived.
    deadline: Instant,
    /// How far apart two pieces may be.
    patience: Duration,
    stopping: CancellationToken,
    pieces: mpsc::Sender<Read<R>>,
}

impl<R: Send> Receiver<R> {
    /// One that hands over what it reads to `pieces`.
    pub fn new(body: HttpBody, app: &App, pieces: mpsc::Sender<Read<R>>) -> Self {
        let bytes_max = app.limits.body_bytes_max;
        Self {
            body,
            lines: Lines::new(bytes_max),
            bytes_max,
            deadline: Instant::now() + app.limits.upload_timeout,
            patience: app.limits.body_timeout,
            stopping: app.stopping.clone(),
            pieces,
        }
    }

    /// The next piece of the body, or nothing at its end.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let until = self.deadline.min(Instant::now() + self.patience);
            let frame = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(stopping()),
                frame = timeout_at(until, self.body.frame()) => frame,
            };
            match frame {
                Err(_elapsed) => return Err(too_slow()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(cut_short()),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// Receives and reads all of the body, of which `piece` came first, unless nobody wants it any more.
    pub async fn receive<F>(mut self, mut piece: Option<Bytes>, read: F)
    where
        F: Fn(&Fields<'_>) -> Option<R> + Send + Sync + 'static,
    {
        let pieces = self.pieces.clone();
        let reading = async {
            while let Some(bytes) = piece {
                let read = self.read_lines(|lines, each| lines.take(bytes, each), &read);
                if !read.is_empty() && self.pieces.send(Read::Lines(read)).await.is_err() {
                    return;
                }
                piece = match self.next_piece().await {
                    Ok(piece) => piece,
                    Err(why) => {
                        let stopped_at = self.lines.next_number();
                        let _ = self.pieces.send(Read::End(Some((stopped_at, why)))).await;
                        return;
                    }
                };
            }
            let last = self.read_lines(|lines, each| lines.finish(each), &read);
            // Who wants no more needs no end.
            let _ = self.pieces.send(Read::Lines(last)).await;
            let _ = self.pieces.send(Read::End(None)).await;
        };
        tokio::select! {
            () = reading => {}
            () = pieces.closed() => {}
        }
    }

    fn read_lines(
        &mut self,
        cut: impl FnOnce(&mut Lines, &mut dyn FnMut(u64, Line<'_>)),
        read: &impl Fn(&Fields<'_>) -> Option<R>,
    ) -> Vec<ReadLine<R>> {
        let mut found = Vec::new();
        let bytes_max = self.bytes_max;
        cut(&mut self.lines, &mut |line, text| {
            let row = match text {
                Line::Text(text) => read_line(text, line, read),
                Line::TooLong => Err(too_long(bytes_max)),
            };
            found.push(ReadLine { line, row });
        });
        found
    }
}

fn read_line<R>(text: &[u8], number: u64, read: &impl Fn(&Fields<'_>) -> Option<R>) -> Result<R, ApiError> {
    let node = json::parse_line(text, number)?;
    Ok(Fields::read(&node, read)?)
}

fn too_long(bytes_max: usize) -> ApiError {
    ApiError::new(
        Code::PayloadTooLarge,
        format!("the line is longer than {bytes_max} bytes; put one object on each line"),
    )
}

fn stopping() -> ApiError {
    ApiError::new(Code::Unavailable, "the server is stopping; what was not answered was not read, send it again")
}

fn too_slow() -> ApiError {
    ApiError::new(
        Code::RequestTimeout,
        "the body did not arrive in time; what was not answered was not read, send it again",
    )
}

fn cut_short() -> ApiError {
    ApiError::new(Code::InvalidJson, "the body broke off; what was not answered was not read, send it again")
}
