//! Goodword: who referred an order, told from the coupon code or referral code that came with it.
//!
//! The map, floor by floor; a module imports lower floors, and sideways only along the arrows that
//! `tests/architecture.rs` holds. ARCHITECTURE.md says how a request walks through.
//!
//! - floor 0: [`types`], values that cannot be wrong
//! - floor 1: [`config`], [`telemetry`], [`db`], [`web`], ground services that know no domain
//! - floor 2: [`events`], the outbox
//! - floor 3: [`accounts`], [`campaigns`], [`customers`], [`coupon_banks`], [`referral_codes`], [`attribution`],
//!   [`rewards`], [`conversions`], [`purchases`], [`tracking`], [`lookup`], [`sandboxes`], [`webhooks`], the features
//! - floor 4: [`router`], [`serve`], [`cli`], assembly

pub mod types;

pub mod config;
pub mod db;
pub mod lane;
pub mod telemetry;
pub mod web;

pub mod events;

pub mod accounts;
pub mod attribution;
pub mod campaigns;
pub mod conversions;
pub mod coupon_banks;
pub mod customers;
pub mod lookup;
pub mod purchases;
pub mod referral_codes;
pub mod rewards;
pub mod sandboxes;
pub mod tracking;
pub mod webhooks;

pub mod cli;
pub mod router;
pub mod serve;
pub mod worker;

/// The changes of the database, in order. One copy for the program and its tests.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The contract, as it is written.
pub const OPENAPI: &str = include_str!("../openapi.yaml");
