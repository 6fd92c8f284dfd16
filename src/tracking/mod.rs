//! The browser's side: trackable links, the script of shops' pages, and what those pages report. Anybody can call here, so every
//! address has a budget, and no answer tells whether a code exists.

pub mod budgets;
pub mod clicks;
pub mod customers;
pub mod http;
pub mod links;
pub mod orders;
pub mod page;
pub mod script;
pub mod shares;
pub mod store;
pub mod target;
pub mod widget;
