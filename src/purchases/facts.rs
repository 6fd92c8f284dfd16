//! Telling a repeat of an order from another order under the same id, without IO.
//!
//! Facts are compared, not spellings: case of e-mails, codes and currencies, zeros after the point and spaces around
//! codes make no difference. A fact that the repeat leaves out never differs; one that it adds does.

use super::{Purchase, PurchaseToRecord};
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::text::Name;

/// The facts in which a report differs from the stored order, as the request spells them.
pub fn differences(stored: &Purchase, said: &PurchaseToRecord) -> Vec<&'static str> {
    let code = |code: &Option<RecordedCode>| code.as_ref().and_then(RecordedCode::key);
    let email = |email: &Option<Email>| email.as_ref().map(Email::key);
    let name = |said: &Option<Name>, stored: &Option<String>| {
        said.as_ref().is_some_and(|name| !name.is_blank() && Some(name.as_str()) != stored.as_deref())
    };
    let customer = &said.customer;
    let checks = [
        ("order.amount", said.total.amount() != stored.total.amount()),
        ("order.currency", said.currency_given && said.total.currency() != stored.total.currency()),
        ("order.email", said.email.is_some() && email(&said.email) != email(&stored.email)),
        ("order.new_customer", said.new_customer.is_some() && said.new_customer != stored.new_customer),
        ("order.date", said.date.is_some_and(|date| date != stored.ordered_at)),
        ("coupon_code", code(&said.coupon_code).is_some() && code(&said.coupon_code) != code(&stored.coupon_code)),
        (
            "referral_code",
            code(&said.referral_code).is_some() && code(&said.referral_code) != code(&stored.referral_code),
        ),
        ("customer.id", customer.external_id.is_some() && customer.external_id != stored.customer_external_id),
        ("customer.email", customer.email.is_some() && email(&customer.email) != email(&stored.customer_email)),
        ("customer.first_name", name(&customer.first_name, &stored.customer_first_name)),
        ("customer.last_name", name(&customer.last_name, &stored.customer_last_name)),
        ("products", said.products.as_ref().is_some_and(|products| *products != stored.products)),
        ("ip_address", said.ip_address.is_some_and(|ip| Some(ip.to_string()) != stored.ip_address)),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}
