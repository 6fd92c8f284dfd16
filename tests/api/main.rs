//! Stories over HTTP, told against a real PostgreSQL. Names are sentences about behaviour.
#![expect(clippy::expect_used, reason = "a test that cannot go on says what it missed")]

mod attribution;
mod campaigns;
mod contract;
mod database_faults;
mod first_order;
mod frame;
mod harness;
mod input_rules;
mod laws;
mod purchases;
