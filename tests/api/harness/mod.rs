//! What stories are told with: a cluster a run, a database and a service each, a client that knows the contract.

pub mod app;
pub mod client;
pub mod cluster;
pub mod conservation;
pub mod contract;
pub mod detour;
pub mod lines;
pub mod pages;
pub mod proxy;
pub mod receiver;
pub mod refusals;
pub mod snapshot;
pub mod template;
pub mod words;
