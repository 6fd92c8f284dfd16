//! Customers that pages name. A page can name anybody, so what it says changes nobody whom the merchant knows, and nothing of it is
//! kept: an order carries its customer itself.

use axum::http::StatusCode;
use axum::response::Response;

use super::page::Page;
use crate::customers::Person;
use crate::web::error::ApiError;
use crate::web::extract::PageBody;

/// `POST /t/{site}/customers`
pub async fn track(page: Page, body: Result<PageBody, ApiError>) -> Response {
    let read = body.and_then(|body| {
        body.read(|fields| {
            let customer = fields.required_object("customer")?;
            let person = Person {
                external_id: customer.parse("id"),
                email: customer.parse("email"),
                first_name: customer.parse("first_name"),
                last_name: customer.parse("last_name"),
            };
            Some(person)
        })
    });
    page.answer(read.map(|_person| StatusCode::NO_CONTENT))
}
