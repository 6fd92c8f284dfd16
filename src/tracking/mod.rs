//! The browser's side: for now, trackable links lead where their campaign says.

pub mod http;
pub mod store;
