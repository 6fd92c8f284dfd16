//! Referral codes by the line.
//!
//! They go through the account's lane, because two transactions at one bank would only wait for each other. There they
//! take no more than a part of the places, so that single calls find one too.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use sqlx::PgPool;
use tokio::sync::Mutex;

use super::{ReferralCodeOut, answer, read};
use crate::accounts::{Account, Caller};
use crate::lane::run_parts;
use crate::referral_codes::ReferralCodeToIssue;
use crate::referral_codes::lane::{Issuer, ReferralCodeLane};
use crate::types::clock::Clock;
use crate::types::email::{Email, EmailKey};
use crate::types::text::OpaqueId;
use crate::web::batch::{self, Store, Stored};
use crate::web::error::ApiError;
use crate::web::fields::Fields;
use crate::web::state::App;

/// `POST /v1/referral_codes/batch`
pub async fn issue_lines(
    State(app): State<App>,
    State(lane): State<ReferralCodeLane>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let lines = Lines { app: app.clone(), lane, account: Arc::clone(&caller.account) };
    let read = move |fields: &Fields<'_>| read(fields, &caller.account);
    batch::answer(&app, request, read, lines).await
}

#[derive(Clone)]
struct Lines {
    app: App,
    lane: ReferralCodeLane,
    account: Arc<Account>,
}

impl Store for Lines {
    type Row = ReferralCodeToIssue;
    type Body = ReferralCodeOut;

    const BATCHES_MAX: usize = 1;

    fn store(&mut self, rows: Vec<ReferralCodeToIssue>) -> BoxFuture<'static, Vec<Stored<ReferralCodeOut>>> {
        let lines = self.clone();
        Box::pin(async move { lines.issue_all(rows).await })
    }

    /// Holds nothing between two batches.
    async fn rest(&mut self) {}
}

impl Lines {
    async fn issue_all(&self, rows: Vec<ReferralCodeToIssue>) -> Vec<Stored<ReferralCodeOut>> {
        let mut answers = Vec::with_capacity(rows.len());
        let mut under_way = FuturesOrdered::new();
        let mut named = Named::default();
        for row in rows {
            // The lane may take calls for different banks in another order, which one customer must not notice.
            if !named.adds(&row) {
                answers.extend(under_way.by_ref().collect::<Vec<_>>().await);
                named = Named::default();
                named.adds(&row);
            }
            under_way.push_back(self.issue(row));
        }
        answers.extend(under_way.collect::<Vec<_>>().await);
        answers
    }

    async fn issue(&self, row: ReferralCodeToIssue) -> Stored<ReferralCodeOut> {
        // Nobody closes it.
        let _place = self.app.bulk_rows_in_lanes.acquire().await.map_err(ApiError::internal)?;
        let outcome = self.lane.submit_in_turn(row).await?;
        answer(outcome, &self.app.public_url, &self.account)
    }
}

/// Whom the rows under way name.
#[derive(Default)]
struct Named {
    ids: HashSet<OpaqueId>,
    emails: HashSet<EmailKey>,
}

impl Named {
    /// Adds whom a row names, unless an earlier one names him too.
    fn adds(&mut self, row: &ReferralCodeToIssue) -> bool {
        let (id, email) = (&row.advocate.external_id, row.advocate.email.as_ref().map(Email::key));
        let is_known = id.as_ref().is_some_and(|id| self.ids.contains(id))
            || email.as_ref().is_some_and(|email| self.emails.contains(email));
        if !is_known {
            self.ids.extend(id.clone());
            self.emails.extend(email);
        }
        !is_known
    }
}

/// Issues referral codes beside the lanes, for a program that is no server: one transaction after the other, on a
/// connection of its own.
pub struct BulkIssuer {
    account: Arc<Account>,
    issuer: Arc<Mutex<Issuer>>,
}

impl BulkIssuer {
    /// One for an account, on the database that `pool` leads to.
    pub fn new(pool: &PgPool, clock: Clock, account: Account) -> Self {
        Self { account: Arc::new(account), issuer: Arc::new(Mutex::new(Issuer::on(pool, clock))) }
    }
}

impl Store for BulkIssuer {
    type Row = ReferralCodeToIssue;
    /// Links need a server.
    type Body = ();

    const BATCHES_MAX: usize = 1;

    fn store(&mut self, rows: Vec<ReferralCodeToIssue>) -> BoxFuture<'static, Vec<Stored<()>>> {
        let (issuer, account) = (Arc::clone(&self.issuer), Arc::clone(&self.account));
        Box::pin(async move {
            let mut answers: Vec<Option<Stored<()>>> = rows.iter().map(|_| None).collect();
            run_parts(&mut *issuer.lock().await, &rows, |index, outcome| {
                let outcome = outcome.map_err(|fault| ApiError::from(&*fault));
                let answered = outcome.and_then(|outcome| answer(outcome, "", &account));
                answers[index] = Some(answered.map(|(status, _)| (status, ())));
            })
            .await;
            // Every row is answered.
            answers.into_iter().flatten().collect()
        })
    }

    /// Nobody needs its connection but the program itself, which is about to end.
    async fn rest(&mut self) {}
}
