//! The yardsticks that are servers: a bare axum echo, and the optimal statement behind axum and sqlx.
//!
//! They do as little as possible: no authentication, no checks, no log. They must be as fast as they can be made.

use std::io::Write;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

use crate::pgbench::{Statement, WITH_CODE, WITHOUT_CODE};

/// An order as the load generator sends it.
#[derive(Deserialize)]
struct Purchase {
    order: Order,
    coupon_code: Option<String>,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    amount: Box<RawValue>,
    email: String,
}

#[derive(Serialize)]
struct Recorded {
    id: i64,
    order_id: String,
    referral_code_id: Option<i64>,
}

/// Parses each order and replies in the same form as the other yardstick; and redirects whoever follows a link.
pub async fn serve_echo() -> anyhow::Result<()> {
    let echo = |Json(purchase): Json<Purchase>| async move {
        let referral_code_id = purchase.coupon_code.map(|_| 1);
        (StatusCode::CREATED, Json(Recorded { id: 1, order_id: purchase.order.id, referral_code_id }))
    };
    let redirect = |uri: Uri| async move {
        let (alias, code) = uri.path().trim_start_matches('/').split_once('/').unwrap_or_default();
        let location = format!("https://shop.example.com/?fbuy_ref_code={code}&utm_campaign={alias}");
        (StatusCode::FOUND, [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())])
    };
    serve(Router::new().route("/v1/purchases", post(echo)).route("/{alias}/{code}", get(redirect))).await
}

/// Records each order with one statement on a connection of the pool.
pub async fn serve_one_statement(pool: u32) -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL")?;
    let options = PgPoolOptions::new().min_connections(pool).max_connections(pool).test_before_acquire(false);
    let pool = options.connect(&url).await?;
    serve(Router::new().route("/v1/purchases", post(record)).with_state(Recorder::new(pool))).await
}

#[derive(Clone)]
struct Recorder {
    pool: PgPool,
    with_code: &'static Statement,
    without_code: &'static Statement,
}

impl Recorder {
    fn new(pool: PgPool) -> Self {
        Self {
            pool,
            with_code: Box::leak(Box::new(Statement::numbered(WITH_CODE))),
            without_code: Box::leak(Box::new(Statement::numbered(WITHOUT_CODE))),
        }
    }
}

async fn record(State(recorder): State<Recorder>, Json(purchase): Json<Purchase>) -> impl IntoResponse {
    let Purchase { order, coupon_code } = purchase;
    let statement = if coupon_code.is_some() { recorder.with_code } else { recorder.without_code };
    let mut query = sqlx::query_as::<_, (i64, Option<i64>)>(statement.sql.as_str());
    for parameter in &statement.parameters {
        query = match parameter.as_str() {
            "account" => query.bind(crate::seed::ACCOUNT_ID),
            "order_id" => query.bind(&order.id),
            "amount" => query.bind(order.amount.get().parse::<Decimal>().unwrap_or_default()),
            "email" => query.bind(&order.email),
            _ => query.bind(coupon_code.as_deref()),
        };
    }
    match query.fetch_one(&recorder.pool).await {
        Ok((id, referral_code_id)) => {
            (StatusCode::CREATED, Json(Recorded { id, order_id: order.id, referral_code_id })).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
    Ok(axum::serve(listener, router).await?)
}
