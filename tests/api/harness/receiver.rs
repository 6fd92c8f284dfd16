//! Somebody who receives webhooks: he writes down what comes, and answers as a story tells him.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use goodword::webhooks::signature::Secret;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// A message that came.
#[derive(Clone, Debug)]
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Message {
    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether the secret signed this, at a moment that is near to `now`.
    pub fn is_signed_by(&self, secret: &str, now: i64) -> bool {
        let secret = Secret::parse(secret).expect("a secret");
        secret.verify(self.header("webhook-signature"), self.id(), self.header("webhook-timestamp"), &self.body, now)
    }
}

/// How a message is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// 302 to there.
    Redirect(String),
    /// 200, and so many bytes.
    Large(usize),
}

struct Desk {
    messages: watch::Sender<Vec<Message>>,
    /// The next answers; 200 when there are none left.
    replies: Mutex<VecDeque<Reply>>,
    /// Each message takes a pass before it is answered.
    passes: Semaphore,
}

/// The receiver.
pub struct Receiver {
    pub address: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

/// Passes for as many messages as any story has.
const ALL: usize = 1_000_000;

impl Receiver {
    pub async fn start() -> Self {
        let desk =
            Desk { messages: watch::Sender::new(Vec::new()), replies: Mutex::default(), passes: Semaphore::new(ALL) };
        let desk = Arc::new(desk);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(receive).with_state(Arc::clone(&desk));
        let task = tokio::spawn(async move { axum_serve(listener, router).await });
        Self { address, desk, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// The next answers, in their order.
    pub fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.desk.replies.lock().expect("the desk").extend(replies);
    }

    /// Answers nobody until it is let go.
    pub fn hang(&self) {
        self.desk.passes.forget_permits(ALL);
    }

    pub fn let_go(&self) {
        self.desk.passes.add_permits(ALL);
    }

    /// All that came so far.
    pub fn messages(&self) -> Vec<Message> {
        self.desk.messages.borrow().clone()
    }

    /// Waits until so many messages came.
    pub async fn wait_for(&self, count: usize) {
        let mut seen = self.desk.messages.subscribe();
        seen.wait_for(|messages| messages.len() >= count).await.expect("the desk is there");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    let listener = listener.into_std().expect("a listener");
    axum_server::from_tcp(listener).expect("a server").serve(router.into_make_service()).await.expect("it serves");
}

async fn receive(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let message = Message { path: uri.path().to_owned(), headers, body: String::from_utf8_lossy(&body).into_owned() };
    desk.messages.send_modify(|messages| messages.push(message));
    desk.passes.acquire().await.expect("passes").forget();
    desk.passes.add_permits(1);
    let reply = desk.replies.lock().expect("the desk").pop_front();
    match reply.unwrap_or(Reply::Status(200)) {
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Reply::Large(bytes) => vec![b'x'; bytes].into_response(),
    }
}
