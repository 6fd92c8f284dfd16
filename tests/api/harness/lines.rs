//! Requests of many lines: sent whole, or line by line over a socket, reading an answer before the next line is sent.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::app::TestApp;
use super::client::{Answer, Call, Shop};
use super::contract::contract;

/// Longest time that anything may take that a story waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// One JSON object a line.
pub fn lines_of(bodies: &[Value]) -> String {
    bodies.iter().map(|body| format!("{body}\n")).collect()
}

impl Shop {
    /// Sends lines as one request.
    pub fn post_lines(&self, path: &str, lines: impl Into<Vec<u8>>) -> Call {
        self.call(Method::POST, path).header("Content-Type", "application/x-ndjson").body(lines)
    }

    /// What follows `Authorization:` in a request of this account's.
    pub fn authorization(&self) -> String {
        let (key, secret) = self.credentials.as_ref().expect("credentials");
        let sample = reqwest::Client::new().get("http://x").basic_auth(key, Some(secret)).build().expect("a request");
        sample.headers()["authorization"].to_str().expect("text").to_owned()
    }
}

impl Answer {
    /// The answers to the lines.
    pub fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Number, status and code of each line; the code is empty for what was not refused.
    pub fn told(&self) -> Vec<(u64, u64, String)> {
        self.lines().iter().map(told).collect()
    }
}

/// Number, status and code of an answered line.
pub fn told(line: &Value) -> (u64, u64, String) {
    let number = |name: &str| line[name].as_u64().expect("a number");
    let code = line["body"]["error"]["code"].as_str().unwrap_or_default();
    (number("line"), number("status"), code.to_owned())
}

/// Returns when no request of many lines is at work any more.
pub async fn all_is_quiet(app: &TestApp) {
    let all = u32::try_from(app.state.limits.uploads_in_flight_max).expect("a few");
    let all = tokio::time::timeout(LIMIT, app.state.uploads_in_flight.acquire_many(all)).await;
    drop(all.expect("they end in time").expect("nobody closes it"));
}

/// A request of many lines that is under way.
pub struct Conversation {
    sender: Sender,
    hearer: Hearer,
}

/// Its body, sent in chunks.
pub struct Sender(OwnedWriteHalf);

/// Its answer.
pub struct Hearer {
    path: String,
    from: BufReader<OwnedReadHalf>,
    /// What came of its body and was not read yet.
    arrived: Vec<u8>,
    request_id: String,
}

impl Conversation {
    /// Sends the head of a request. `buffer` bounds how much of the answer the client's side of the socket takes.
    pub async fn begin(shop: &Shop, app_address: std::net::SocketAddr, path: &str, buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).expect("a small buffer");
        }
        let stream: TcpStream = socket.connect(app_address).await.expect("the server listens");
        let (from, mut to) = stream.into_split();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
            shop.authorization()
        );
        to.write_all(head.as_bytes()).await.expect("written");
        let from = BufReader::new(from);
        let hearer = Hearer { path: path.to_owned(), from, arrived: Vec::new(), request_id: String::new() };
        Self { sender: Sender(to), hearer }
    }

    /// The two sides of it, for two tasks.
    pub fn split(self) -> (Sender, Hearer) {
        (self.sender, self.hearer)
    }

    pub async fn send(&mut self, text: &str) {
        self.sender.send(text).await;
    }

    pub async fn end(&mut self) {
        self.sender.end().await;
    }

    /// Breaks the body off, without going away.
    pub async fn break_off(&mut self) {
        self.sender.0.shutdown().await.expect("shut down");
    }

    pub async fn hear(&mut self) -> Option<Value> {
        self.hearer.hear().await
    }

    /// The number, status and code of the next line of the answer.
    pub async fn hear_told(&mut self) -> (u64, u64, String) {
        told(&self.hear().await.expect("another line"))
    }
}

impl Sender {
    /// Sends text as a chunk of its own.
    pub async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await.expect("the server reads");
    }

    /// Ends the body as it should end.
    pub async fn end(&mut self) {
        self.0.write_all(b"0\r\n\r\n").await.expect("the server reads");
    }

    /// Sends a long text in chunks of 8 KiB, as fast as the server takes them.
    pub async fn pour(&mut self, text: &str) -> std::io::Result<()> {
        for piece in text.as_bytes().chunks(8 * 1024) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            self.0.write_all(&chunk).await?;
        }
        Ok(())
    }
}

impl Hearer {
    /// The next line of the answer, held against the contract; nothing at its end.
    pub async fn hear(&mut self) -> Option<Value> {
        tokio::time::timeout(LIMIT, self.hear_line()).await.expect("an answer in time")
    }

    async fn hear_line(&mut self) -> Option<Value> {
        if self.request_id.is_empty() {
            self.hear_head().await;
        }
        loop {
            if let Some(end) = self.arrived.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.arrived.drain(..=end).collect();
                let line: Value = serde_json::from_slice(&line).expect("JSON");
                if let Err(fault) = contract().check_line(&Method::POST, &self.path, &self.request_id, &line) {
                    panic!("a line of the answer is against the contract: {fault}\n{line}");
                }
                return Some(line);
            }
            if !self.hear_chunk().await {
                assert!(self.arrived.is_empty(), "the last line has no end");
                return None;
            }
        }
    }

    async fn hear_head(&mut self) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let bytes = self.from.read_line(&mut head).await.expect("readable");
            assert!(bytes > 0, "the head ends early: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id");
        id.clone_into(&mut self.request_id);
    }

    /// Whether there was another chunk.
    async fn hear_chunk(&mut self) -> bool {
        let mut size = String::new();
        self.from.read_line(&mut size).await.expect("readable");
        let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
        let mut chunk = vec![0; size + 2];
        self.from.read_exact(&mut chunk).await.expect("a whole chunk");
        self.arrived.extend_from_slice(&chunk[..size]);
        size > 0
    }
}
