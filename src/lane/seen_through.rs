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
pub struct SeenThrough<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>,
    runtime: Handle,
}

impl<F: Future<Output: Send> + Send + 'static> SeenThrough<F> {
    /// Begins with the first poll. Must be called by a task, whose runtime sees it through.
    pub fn new(work: F) -> Self {
        Self { work: Some(Box::pin(AssertUnwindSafe(work).catch_unwind())), runtime: Handle::current() }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for SeenThrough<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let done = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(done.ok())
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for SeenThrough<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work);
        }
    }
}
