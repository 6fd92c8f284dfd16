//! Floor 1: what every HTTP feature stands on: errors, extractors, the frame around each request, the app's state.
//! Knows no feature, so no feature is imported here.

pub mod batch;
pub mod cursor;
pub mod docs;
pub mod error;
pub mod extract;
pub mod fields;
pub mod frame;
pub mod json;
pub mod lists;
pub mod paths;
pub mod state;
pub mod upload;
pub mod values;
pub mod visitor;
