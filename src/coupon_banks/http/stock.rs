//! Thresholds of stock on the wire: how they are read and how they are shown.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use crate::coupon_banks::stock::{
    AvailableThreshold, Change, DaysThreshold, InvalidThreshold, LowStock, ShareThreshold,
};
use crate::coupon_banks::{CouponBankChange, LowStockChange};
use crate::web::fields::{FieldValue, Fields, Invalid, Scalar};
use crate::web::json::Node;
use crate::web::values::Title;

fn threshold<T: TryFrom<Decimal, Error = InvalidThreshold>>(scalar: Scalar<'_>) -> Result<T, Invalid> {
    let Scalar::Number(digits) = scalar else { return Err(Invalid::new("invalid_type", "must be a number")) };
    let exact =
        if digits.contains(['e', 'E']) { Decimal::from_scientific(digits) } else { Decimal::from_str_exact(digits) };
    // What a decimal cannot hold is far outside of every range, or far too fine.
    let number = exact.unwrap_or(Decimal::NEGATIVE_ONE);
    T::try_from(number).map_err(|fault| Invalid::new("out_of_range", fault.to_string()))
}

impl FieldValue for AvailableThreshold {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        threshold(scalar)
    }
}

impl FieldValue for ShareThreshold {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        threshold(scalar)
    }
}

impl FieldValue for DaysThreshold {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        threshold(scalar)
    }
}

/// The thresholds of a new bank.
pub fn read(fields: &Fields<'_>) -> LowStock {
    let Some(low) = fields.object("low_stock") else { return LowStock::default() };
    LowStock { available: low.parse("available"), share: low.parse("share"), days_left: low.parse("days_left") }
}

/// What is to change of a bank.
pub fn read_change(fields: &Fields<'_>) -> CouponBankChange {
    let name = fields.parse::<Title>("name").map(|title| title.0);
    let low_stock = match fields.node("low_stock") {
        Some(Node::Null) => LowStockChange { available: Change::Clear, share: Change::Clear, days_left: Change::Clear },
        _ => fields.object("low_stock").map_or_else(LowStockChange::default, |low| LowStockChange {
            available: change(&low, "available"),
            share: change(&low, "share"),
            days_left: change(&low, "days_left"),
        }),
    };
    CouponBankChange { name, low_stock }
}

/// Null takes away, and what is not there stays: as in a JSON merge patch.
fn change<T: FieldValue>(fields: &Fields<'_>, key: &str) -> Change<T> {
    match fields.node(key) {
        Some(Node::Null) => Change::Clear,
        _ => fields.parse(key).map_or(Change::Keep, Change::Set),
    }
}

/// Thresholds as they are answered.
#[derive(Serialize)]
pub struct LowStockOut {
    available: Option<i64>,
    share: Option<f64>,
    days_left: Option<i32>,
}

impl From<LowStock> for LowStockOut {
    fn from(low: LowStock) -> Self {
        Self {
            available: low.available.map(AvailableThreshold::get),
            // Four decimals come out of a float as they went in.
            share: low.share.and_then(|share| share.get().to_f64()),
            days_left: low.days_left.map(DaysThreshold::get),
        }
    }
}
