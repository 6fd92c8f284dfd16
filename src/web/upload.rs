//! A large body as a plain reader for a thread that may block. Holds a few pieces at most, within a size and a time.

use std::io::{self, Read};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::mpsc;

use super::error::ApiError;
use super::extract::{cut_short, too_large, too_slow};
use super::state::Limits;

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Broken {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the sender went away")]
    CutShort,
}

/// The refusal that goes with an error of a [`BodyReader`].
pub fn refusal(error: &io::Error) -> ApiError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
        Some(Broken::TooLarge(bytes_max)) => too_large(*bytes_max),
        Some(Broken::TooSlow) => too_slow(),
        Some(Broken::CutShort) | None => cut_short().caused_by(error),
    }
}

/// Reads a body that a task of its own receives. Never to be read on a thread of the runtime.
pub struct BodyReader {
    pieces: mpsc::Receiver<Result<Bytes, Broken>>,
    current: Bytes,
}

impl BodyReader {
    /// Starts to receive `body`, within the limits of an upload.
    pub fn new(body: Body, limits: Limits) -> Self {
        let (sender, pieces) = mpsc::channel(4);
        tokio::spawn(receive(body, limits, sender));
        Self { pieces, current: Bytes::new() }
    }
}

async fn receive(body: Body, limits: Limits, pieces: mpsc::Sender<Result<Bytes, Broken>>) {
    let deadline = tokio::time::Instant::now() + limits.upload_timeout;
    let mut body = Limited::new(body, limits.upload_bytes_max);
    loop {
        let patience = deadline.min(tokio::time::Instant::now() + limits.body_timeout);
        let piece = match tokio::time::timeout_at(patience, body.frame()).await {
            Err(_elapsed) => Err(Broken::TooSlow),
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Ok(Some(Err(fault))) if fault.is::<LengthLimitError>() => Err(Broken::TooLarge(limits.upload_bytes_max)),
            Ok(Some(Err(_))) => Err(Broken::CutShort),
        };
        let is_last = piece.is_err();
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.current = piece,
                Some(Err(broken)) => return Err(io::Error::other(broken)),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
