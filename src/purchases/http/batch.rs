//! Orders by the line.

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::future::BoxFuture;

use super::show::PurchaseOut;
use super::{answer, read};
use crate::accounts::Caller;
use crate::purchases::PurchaseToRecord;
use crate::purchases::bulk::BulkRecorder;
use crate::purchases::explain::http::DryRun;
use crate::web::batch::{self, Store, Stored};
use crate::web::error::{ApiError, Code};
use crate::web::fields::Fields;
use crate::web::state::App;

/// `POST /v1/purchases/batch`
pub async fn record_lines(
    State(app): State<App>,
    caller: Caller,
    DryRun(is_dry_run): DryRun,
    request: Request,
) -> Result<Response, ApiError> {
    if is_dry_run {
        let message = "orders by the line are stored; ask about one order by POST /v1/purchases?dry_run=true";
        return Err(ApiError::new(Code::InvalidParameter, message).at("dry_run"));
    }
    let clock = app.clock.clone();
    let recorder = BulkRecorder::new(app.pool.clone(), app.clock.clone());
    let read = move |fields: &Fields<'_>| read::purchase(fields, &caller.account, clock.now());
    batch::answer(&app, request, read, recorder).await
}

impl Store for BulkRecorder {
    type Row = PurchaseToRecord;
    type Body = PurchaseOut;

    const BATCHES_MAX: usize = 2;

    fn store(&mut self, rows: Vec<PurchaseToRecord>) -> BoxFuture<'static, Vec<Stored<PurchaseOut>>> {
        let recording = self.record(rows);
        Box::pin(async move {
            let recorded = recording.await;
            recorded.into_iter().map(|one| one.map_err(|fault| ApiError::from(&*fault)).and_then(answer)).collect()
        })
    }

    async fn rest(&mut self) {
        Self::rest(self).await;
    }
}
