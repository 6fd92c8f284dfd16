//! Reading a purchase out of a request, with every spelling that clients are known to send.

use time::OffsetDateTime;

use crate::accounts::Account;
use crate::customers::Person;
use crate::purchases::{OrderKey, Product, PurchaseToRecord};
use crate::types::channel::Channel;
use crate::types::date::{self, InvalidDate};
use crate::types::money::{Currency, InvalidAmount, Money, Price};
use crate::types::text::OpaqueId;
use crate::web::fields::Fields;
use crate::web::values::{NumberText, OrderDate, Quantity, Sku};

/// Most lines of one order.
const PRODUCTS_MAX: usize = 500;

/// Reads the whole request; all faults are left with `fields`.
pub fn purchase(fields: &Fields<'_>, account: &Account, now: OffsetDateTime) -> Option<PurchaseToRecord> {
    let order = fields.required_object("order");
    let order = order.as_ref();
    let order_id = order.and_then(|order| order.require::<OpaqueId>("id"));
    let currency = order.and_then(currency);
    let total = order.and_then(|order| total(order, currency.unwrap_or(account.currency)));
    let email = order.and_then(|order| order.parse("email"));
    let new_customer = order.and_then(|order| order.flag("new_customer"));
    let date = order.and_then(|order| order_date(order, account, now));
    let source = fields.parse::<OpaqueId>("source");
    let customer = fields.object("customer").map(|customer| person(&customer)).unwrap_or_default();
    let products = fields.list("products", PRODUCTS_MAX).map(|items| items.iter().map(product).collect());
    let ip_address = fields.parse("ip_address");
    let user_agent = fields.parse("user_agent");
    let coupon_code = fields.parse("coupon_code");
    let referral_code = fields.parse("referral_code");
    let visit = fields.parse("visit");
    let channel = channel(fields, source.is_some());
    Some(PurchaseToRecord {
        key: OrderKey {
            account_id: account.id,
            source: source.map(|source| source.as_str().to_owned()).unwrap_or_default(),
            order_id: order_id?,
        },
        total: total?,
        currency_given: currency.is_some(),
        email,
        new_customer,
        date,
        customer,
        products,
        ip_address,
        user_agent,
        coupon_code,
        referral_code,
        visit,
        channel: channel?,
    })
}

/// Who reports: a till where the order has a source, else the shop's server, unless the report says which.
fn channel(fields: &Fields<'_>, has_source: bool) -> Option<Channel> {
    let Some(said) = fields.text("channel").filter(|text| !text.trim().is_empty()) else {
        return Some(if has_source { Channel::Till } else { Channel::Server });
    };
    let channel = [Channel::Server, Channel::Till].into_iter().find(|channel| channel.as_str() == said);
    if channel.is_none() {
        fields.fault("channel", "invalid_value", "must be server or till");
    }
    channel
}

fn currency(order: &Fields<'_>) -> Option<Currency> {
    let text = order.text("currency")?;
    let parsed = Currency::try_from(text.as_str());
    parsed.map_err(|fault| order.fault("currency", "invalid_currency", fault.to_string())).ok()
}

fn total(order: &Fields<'_>, currency: Currency) -> Option<Money> {
    let NumberText(text) = order.require("amount")?;
    let parsed = Money::parse(&text, currency);
    parsed.map_err(|fault| order.fault("amount", amount_code(fault), fault.to_string())).ok()
}

fn amount_code(fault: InvalidAmount) -> &'static str {
    match fault {
        InvalidAmount::NotANumber => "invalid_amount",
        InvalidAmount::OutOfRange => "out_of_range",
        InvalidAmount::TooManyDecimals(_) => "too_many_decimals",
    }
}

fn order_date(order: &Fields<'_>, account: &Account, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let OrderDate(text) = order.parse("date")?;
    let parsed = date::parse_order_date(&text, &account.zone, now);
    let code = |fault| match fault {
        InvalidDate::NotADate => "invalid_date",
        InvalidDate::OutOfRange => "date_out_of_range",
    };
    parsed.map_err(|fault| order.fault("date", code(fault), fault.to_string())).ok()
}

fn person(customer: &Fields<'_>) -> Person {
    Person {
        external_id: customer.parse("id"),
        email: customer.parse("email"),
        first_name: customer.parse("first_name"),
        last_name: customer.parse("last_name"),
    }
}

fn product(item: &Fields<'_>) -> Product {
    let price = item.parse::<NumberText>("price").and_then(|NumberText(text)| {
        let parsed = Price::parse(&text);
        parsed.map_err(|fault| item.fault("price", amount_code(fault), fault.to_string())).ok()
    });
    Product {
        sku: item.parse::<Sku>("sku").map(|sku| sku.0),
        name: item.parse("name"),
        price,
        quantity: item.parse::<Quantity>("quantity").map(|quantity| quantity.0),
    }
}
