//! A second server of a story's service, whose way to the database can be taken away.

use std::net::SocketAddr;
use std::time::Duration;

use axum_server::Handle;
use futures_util::future::join_all;
use goodword::serve::Timeouts;
use goodword::web::state::{App, Limits};
use goodword::{db, serve, telemetry};
use serde_json::json;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::app::{PUBLIC_URL, TestApp};
use super::client::Shop;
use super::proxy::Proxy;

const CONNECTIONS_MAX: u32 = 4;

/// Another server of a story's service, which reaches the database through a proxy.
pub struct Detour {
    pub shop: Shop,
    pub proxy: Proxy,
    pub address: SocketAddr,
    pool: sqlx::PgPool,
    handle: Handle<SocketAddr>,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Detour {
    pub async fn start(app: &TestApp) -> Self {
        Self::with_limits(app, Limits::default()).await
    }

    /// A server with other limits.
    pub async fn with_limits(app: &TestApp, limits: Limits) -> Self {
        let proxy = Proxy::start(&app.pool.connect_options());
        let pool = db::open_pool(proxy.options(), CONNECTIONS_MAX);
        let metrics = telemetry::metrics().expect("metrics");
        let state = App::new(pool.clone(), app.clock.clone(), PUBLIC_URL, limits, metrics);
        let listener = serve::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let patience = Duration::from_secs(10);
        let timeouts = Timeouts { first_head: patience, idle: patience, shutdown: patience };
        let handle = Handle::new();
        let server = tokio::spawn({
            let handle = handle.clone();
            async move { serve::serve(&state, listener, timeouts, handle).await }
        });
        let shop = Shop::new(address, app.credentials.clone());
        Self { shop, proxy, address, pool, handle, server }
    }

    /// Tells the server to stop as a signal does: it answers what it accepted. Returns when it has ended.
    pub async fn end(self) {
        self.handle.graceful_shutdown(Some(Duration::from_secs(10)));
        self.server.await.expect("the server does not panic").expect("the server ends well");
        self.pool.close().await;
    }

    pub async fn stop(self) {
        self.handle.shutdown();
        self.server.await.expect("the server does not panic").expect("the server ends well");
        self.pool.close().await;
    }

    /// Sends an order and does not stay for the answer.
    pub async fn send_and_leave(&self, id: &str) -> TcpStream {
        let (key, secret) = self.shop.credentials.as_ref().expect("credentials");
        let basic = reqwest::Client::new().get("http://x").basic_auth(key, Some(secret)).build().expect("a request");
        let authorization = basic.headers()["authorization"].to_str().expect("text");
        let body = json!({ "order": { "id": id, "amount": 100 } }).to_string();
        let head =
            format!("POST /v1/purchases HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: ");
        let mut socket = TcpStream::connect(self.address).await.expect("the server listens");
        let request = format!("{head}{}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).await.expect("the server reads");
        socket
    }

    /// All connections of the server's pool: until they are given back, no request gets one.
    pub async fn hold_all_connections(&self) -> Vec<PoolConnection<Postgres>> {
        let all = join_all((0..CONNECTIONS_MAX).map(|_| self.pool.acquire())).await;
        all.into_iter().map(|conn| conn.expect("a connection comes back")).collect()
    }
}
