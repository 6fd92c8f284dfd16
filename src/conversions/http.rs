//! Conversions on the wire, in the compatible spelling (contract.md 1.3).

mod list;
mod show;

pub use self::list::{find, list, list_of_customer};
pub use self::show::ConversionOut;
