//! Work that its caller does himself as long as he waits for it. When he goes away it becomes a task of its own, and so is seen
//! through. As a task from the start it would wake another thread, and its caller would wait for that.
//!
//! Gives nothing where the work panicked; the panic's hook has told of it.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::CatchUnwind;
use tokio::runtime::Handle;

/// The work, and nothing when it is done.
pub struct SeenThrough<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>);

impl<F: Future<Output: Send> + Send + 'static> SeenThrough<F> {
    /// Begins with the first poll.
    pub fn new(work: F) -> Self {
        Self(Some(Box::pin(AssertUnwindSafe(work).catch_unwind())))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for SeenThrough<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Some(work) = &mut self.0 else { return Poll::Ready(None) };
        let done = ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(done.ok())
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for SeenThrough<F> {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
