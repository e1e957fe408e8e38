//! TLS on the connections of both drivers.

mod connection;
mod options;
mod side;

pub use options::TlsOptions;
pub(crate) use side::{Secure, TlsSide};
