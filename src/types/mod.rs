//! Floor 0: values that cannot be wrong. A value of these types has passed its checks, so nobody checks twice.
//!
//! Each bound stands here and again as a `check` in the migrations. Imports nothing of ours, does no IO.

pub mod channel;
pub mod clock;
pub mod codes;
pub mod date;
pub mod email;
pub mod ids;
pub mod money;
pub mod page;
pub mod self_referral;
pub mod streak;
pub mod text;
pub mod unit;
pub mod url;
pub mod visit;
