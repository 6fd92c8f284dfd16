//! `goodword purchases import`: orders of the past, or a till's day, out of a file.

use clap::{Args, Subcommand};

use super::bulk::{self, FileArgs};
use super::database::{Database, with};
use super::exit::Failure;
use super::rows::{Column, Layout};
use crate::config::DatabaseArgs;
use crate::purchases::bulk::BulkRecorder;
use crate::purchases::http::read;
use crate::types::clock::Clock;
use crate::web::fields::Fields;
use crate::web::json::Node;

/// The fields that a file may have columns for. Products need JSON.
const COLUMNS: [Column; 13] = [
    ("order.id", &["order_id", "order_number", "order_no", "order", "id"]),
    ("order.amount", &["order_amount", "order_total", "amount", "total", "grand_total"]),
    ("order.currency", &["order_currency", "currency"]),
    ("order.email", &["order_email", "email", "e_mail"]),
    ("order.new_customer", &["new_customer", "is_new_customer"]),
    ("order.date", &["order_date", "ordered_at", "date", "created_at"]),
    ("source", &["store", "till"]),
    ("coupon_code", &["coupon", "discount_code", "promo_code"]),
    ("referral_code", &[]),
    ("customer.id", &["customer_id"]),
    ("customer.email", &["customer_email"]),
    ("customer.first_name", &["customer_first_name", "first_name"]),
    ("customer.last_name", &["customer_last_name", "last_name"]),
];

/// What can be done with orders.
#[derive(Debug, Subcommand)]
pub enum PurchasesCommand {
    /// Record the orders of a file. Safe to run again: each order is recorded once.
    Import(ImportArgs),
}

/// What an import of orders needs.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The source of rows that name none, such as the till that the file comes from.
    #[arg(long)]
    source: Option<String>,
    #[command(flatten)]
    file: FileArgs,
}

/// `goodword purchases`
pub async fn run(args: &DatabaseArgs, command: PurchasesCommand) -> Result<(), Failure> {
    let PurchasesCommand::Import(wanted) = command;
    with(args, async |database| import(database, wanted).await).await
}

async fn import(database: &Database, ImportArgs { source, file }: ImportArgs) -> Result<(), Failure> {
    let account = file.account.find(&database.pool).await?;
    let source = source.map(|source| super::rows::Default { field: "source", unless: &[], value: Node::Text(source) });
    let layout = Layout {
        columns: &COLUMNS,
        required: &[&["order.id"], &["order.amount"]],
        defaults: source.into_iter().collect(),
    };
    let mut recorder = BulkRecorder::new(database.pool.clone(), Clock::System);
    let read = move |fields: &Fields<'_>| read::purchase(fields, &account, Clock::System.now());
    bulk::import(&file, layout, read, &mut recorder, "recorded").await
}
