//! Stories over HTTP, told against a real PostgreSQL. Names are sentences about behaviour.
#![expect(clippy::expect_used, reason = "a test that cannot go on says what it missed")]

mod attribution;
mod batches;
mod blocks;
mod campaigns;
mod claims_without_locks;
mod contract;
mod coupon_banks;
mod database_faults;
mod evaluation;
mod explanations;
mod first_order;
mod frame;
mod harness;
mod imports;
mod input_rules;
mod interleavings;
mod key_cache;
mod lanes;
mod laws;
mod links;
mod lists;
mod lookup;
mod order_rules;
mod order_values;
mod pages;
mod purchase_batches;
mod purchases;
mod races;
mod referral_code_batches;
mod referral_codes;
mod refunds;
mod reviews;
mod rewards;
mod sandboxes;
mod webhooks;
