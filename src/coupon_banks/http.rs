//! Coupon banks on the wire.

mod stock;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::export::{self, Selection};
use super::import::{Load, LoadError, Report};
use super::stock::Stock;
use super::upload::Format;
use super::{
    Counts, CouponBank, CouponStatus, ListedCoupon, NewCouponBank, StockedBank, import, retire, store, take_stock,
};
use crate::accounts::Caller;
use crate::customers::CustomerOut;
use crate::db;
use crate::types::codes::RecordedCode;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};
use crate::types::page::Found;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts, refuse_encodings};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut, Walk};
use crate::web::state::App;
use crate::web::upload::BodyReader;
use crate::web::values::{ChosenId, Title};

/// Most codes retired by one request.
const RETIRED_MAX: usize = 1_000;

const COUPON_BANKS: List = List { name: "coupon_banks", filters: &[] };
const COUPONS: List = List { name: "coupons", filters: &["status"] };

/// A bank as it is answered.
#[derive(Serialize)]
pub struct CouponBankOut {
    id: CouponBankId,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    counts: Counts,
    low_stock: stock::LowStockOut,
    stock: Stock,
}

impl From<StockedBank> for CouponBankOut {
    fn from(StockedBank { bank, counts, stock }: StockedBank) -> Self {
        let low_stock = bank.low_stock().into();
        Self { id: bank.id, name: bank.name, created_at: bank.created_at, counts, low_stock, stock }
    }
}

/// `GET /v1/coupon_banks`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<CouponBankOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let walk = params.read(|fields| COUPON_BANKS.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let banks = super::list(&mut conn, caller.account.id, &walk.span()).await?;
    let (places, rows): (Vec<_>, Vec<_>) = banks.rows.into_iter().unzip();
    let stocked = take_stock(&mut conn, caller.account.id, rows, app.clock.now()).await?;
    let banks = Found { total: banks.total, rows: places.into_iter().zip(stocked).collect() };
    Ok(Json(walk.page(banks, CouponBankOut::from)))
}

/// `POST /v1/coupon_banks`
pub async fn create(State(app): State<App>, caller: Caller, body: Body) -> Result<impl IntoResponse, ApiError> {
    let new = body.read(|fields| {
        let id = fields.parse::<ChosenId>("id").map(|id| CouponBankId(id.0));
        let (name, low_stock) = (fields.require::<Title>("name"), stock::read(fields));
        Some(NewCouponBank { id, name: name?.0, low_stock })
    })?;
    let (account, now, given_id) = (caller.account.id, app.clock.now(), new.id);
    let created = db::transact(&app.pool, move |conn| Box::pin(super::create(conn, account, new, now))).await?;
    match created {
        Some(bank) => Ok((StatusCode::CREATED, Json(CouponBankOut::from(StockedBank::empty(bank, now))))),
        None => Err(id_taken(given_id)),
    }
}

fn id_taken(id: Option<CouponBankId>) -> ApiError {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    ApiError::new(Code::IdTaken, format!("there is a coupon bank {id} already; leave the id out to get a free one"))
        .at("id")
}

/// `GET /v1/coupon_banks/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<CouponBankOut>, ApiError> {
    let mut conn = app.pool.acquire().await?;
    let bank = find_bank(&mut conn, caller.account.id, bank_id(&path)?).await?;
    show(&mut conn, bank, app.clock.now()).await
}

async fn show(conn: &mut PgConnection, bank: CouponBank, now: OffsetDateTime) -> Result<Json<CouponBankOut>, ApiError> {
    let stocked = take_stock(conn, bank.account_id, vec![bank], now).await?;
    stocked.into_iter().next().map(|stocked| Json(stocked.into())).ok_or_else(not_found)
}

/// `PATCH /v1/coupon_banks/{id}`
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<CouponBankOut>, ApiError> {
    let change = body.read(|fields| Some(stock::read_change(fields)))?;
    let (account, id) = (caller.account.id, bank_id(&path)?);
    let changed: Result<_, ApiError> = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok(store::update(conn, account, id, &change).await?) })
    })
    .await;
    let bank = changed?.ok_or_else(not_found)?;
    let mut conn = app.pool.acquire().await?;
    show(&mut conn, bank, app.clock.now()).await
}

async fn find_bank(conn: &mut PgConnection, account: AccountId, id: CouponBankId) -> Result<CouponBank, ApiError> {
    store::find_all(conn, &[account], &[id]).await?.into_iter().next().ok_or_else(not_found)
}

fn bank_id(path: &PathTexts) -> Result<CouponBankId, ApiError> {
    path.id(0).map(CouponBankId).ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::new(Code::CouponBankNotFound, "there is no such coupon bank; GET /v1/coupon_banks lists yours")
}

/// A coupon as it is listed.
#[derive(Serialize)]
struct CouponOut {
    code: String,
    status: CouponStatus,
    #[serde(with = "time::serde::rfc3339::option")]
    issued_at: Option<OffsetDateTime>,
    referral_code: Option<String>,
    campaign_id: Option<CampaignId>,
    customer: Option<CustomerOut>,
}

impl From<ListedCoupon> for CouponOut {
    fn from(coupon: ListedCoupon) -> Self {
        Self {
            code: coupon.code.as_str().to_owned(),
            status: coupon.status,
            issued_at: coupon.issued_at,
            referral_code: coupon.referral_code,
            campaign_id: coupon.campaign_id,
            customer: coupon.customer.map(CustomerOut::from),
        }
    }
}

/// `GET /v1/coupon_banks/{id}/coupons`: a page, or everything as CSV.
pub async fn list_coupons(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let within = path.id(0).unwrap_or(0);
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within };
    let (walk, status, format) =
        params.read(|fields| Some((read_walk(fields, owned)?, read_status(fields), read_format(fields))))?;
    let mut conn = app.pool.acquire().await?;
    let bank = find_bank(&mut conn, caller.account.id, bank_id(&path)?).await?;
    let selection = Selection { account_id: caller.account.id, bank_id: bank.id, status };
    if format.unwrap_or_else(|| accepts_csv(&headers)) {
        return Ok(csv_response(&app, selection));
    }
    let coupons = export::list(&mut conn, selection, &walk.span()).await?;
    Ok(Json(walk.page(coupons, CouponOut::from)).into_response())
}

/// Coupons stand in the order of the draw and are loaded by the file: none has a date to be found by.
fn read_walk(fields: &Fields<'_>, owned: Owned<'_>) -> Option<Walk> {
    for key in ["from_date", "to_date"] {
        if fields.is_present(key) {
            fields.fault(key, "invalid_parameter", "is not for coupons, which have no date of their own; leave it out");
            return None;
        }
    }
    COUPONS.read(fields, owned)
}

fn read_status(fields: &Fields<'_>) -> Option<CouponStatus> {
    let text = fields.text("status")?;
    let status = CouponStatus::named(&text);
    if status.is_none() {
        fields.fault("status", "invalid_parameter", "must be available, issued or retired");
    }
    status
}

/// Whether CSV is asked for, if anything is.
fn read_format(fields: &Fields<'_>) -> Option<bool> {
    match fields.text("format")?.as_str() {
        "csv" => Some(true),
        "json" => Some(false),
        _ => {
            fields.fault("format", "invalid_parameter", "must be json or csv");
            None
        }
    }
}

fn accepts_csv(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.trim_start().starts_with("text/csv"))
}

fn csv_response(app: &App, selection: Selection) -> Response {
    let (pieces, arriving) = mpsc::channel(4);
    tokio::spawn(export::stream_csv(app.pool.clone(), selection, pieces));
    let body = HttpBody::from_stream(futures_util::stream::unfold(arriving, async |mut arriving| {
        let piece = arriving.recv().await?;
        Some((piece, arriving))
    }));
    let file_name = format!("attachment; filename=\"coupon-bank-{}.csv\"", selection.bank_id);
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file_name)], body)
        .into_response()
}

/// What a load is answered with, over HTTP and by the command line.
#[derive(Serialize)]
pub struct LoadOut {
    pub coupon_bank: BankName,
    pub loaded: i64,
    pub refused: i64,
    pub refused_by_reason: std::collections::BTreeMap<String, i64>,
    pub refusals: Vec<import::RefusedRow>,
    pub header_skipped: bool,
    pub encoding: &'static str,
    pub warnings: Vec<String>,
    pub counts: Counts,
}

impl From<Report> for LoadOut {
    fn from(report: Report) -> Self {
        Self {
            coupon_bank: BankName { id: report.bank.id, name: report.bank.name },
            loaded: report.loaded,
            refused: report.refused,
            refused_by_reason: report.refused_by_reason,
            refusals: report.refusals,
            header_skipped: report.summary.header_skipped,
            encoding: report.summary.encoding,
            warnings: report.warnings,
            counts: report.counts,
        }
    }
}

/// A bank as it is named in other answers.
#[derive(Serialize)]
pub struct BankName {
    pub id: CouponBankId,
    pub name: String,
}

/// `POST /v1/coupon_banks/{id}/coupons`: the merchant's file as it comes.
pub async fn load(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
    request: Request,
) -> Result<Json<LoadOut>, ApiError> {
    let format = file_format(request.headers())?;
    let strict = params.read(|fields| Some(fields.flag("strict").unwrap_or(false)))?;
    let bank = bank_id(&path)?;
    let load = Load { account_id: caller.account.id, bank_id: bank, format, strict, now: app.clock.now() };
    let Ok(_place) = app.uploads_in_flight.try_acquire() else {
        return Err(ApiError::new(Code::Overloaded, "too many files at once; nothing was loaded, send it again"));
    };
    let reader = BodyReader::new(request.into_body(), app.limits.clone());
    let report = import::load(&app.pool, load, reader).await?;
    Ok(Json(LoadOut::from(report)))
}

fn file_format(headers: &HeaderMap) -> Result<Format, ApiError> {
    refuse_encodings(headers)?;
    let value =
        headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?")).to_ascii_lowercase();
    match value.split(';').next().unwrap_or_default().trim() {
        "application/json" | "text/json" => Ok(Format::Json),
        // curl --data-binary says that it sends a form when nobody tells it better.
        "" | "text/csv" | "text/plain" | "text/tab-separated-values" | "application/csv" | "application/vnd.ms-excel"
        | "application/octet-stream" | "application/x-www-form-urlencoded" => Ok(Format::Text),
        _ => Err(ApiError::new(
            Code::UnsupportedMediaType,
            "send the file itself as the body, with Content-Type: text/csv, text/plain or application/json; a form is not taken",
        )
        .at("Content-Type")),
    }
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::BankNotFound => not_found(),
            LoadError::File(fault) => {
                let code = Code::named(fault.code());
                Self::new(code.unwrap_or(Code::InvalidValue), fault.to_string())
            }
            LoadError::RefusedRows(report) => refused_rows(&report),
            LoadError::Read(error) => crate::web::upload::refusal(&error),
            LoadError::Spool(error) => {
                let message = "the server has no room for the file; nothing was loaded, send it again later";
                Self::new(Code::Unavailable, message).caused_by(error)
            }
            LoadError::Database(fault) => fault.into(),
        }
    }
}

fn refused_rows(report: &Report) -> ApiError {
    let message = format!(
        "{} rows are refused, so nothing was loaded; mend them or send the file without strict",
        report.refused
    );
    ApiError::new(Code::RefusedRows, message).with("refusals", serde_json::json!(report.refusals))
}

/// `POST /v1/coupon_banks/{id}/coupons/retire`
pub async fn retire(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<retire::Report>, ApiError> {
    let codes = body.read(|fields| fields.values::<RecordedCode>("codes", RETIRED_MAX))?;
    let (account, bank, now) = (caller.account.id, bank_id(&path)?, app.clock.now());
    let report = db::transact(&app.pool, move |conn| {
        Box::pin(async move { retire::retire(conn, account, bank, &codes, now).await })
    })
    .await?;
    report.map(Json).ok_or_else(not_found)
}
