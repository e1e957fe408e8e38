//! TLS on the connections of both drivers, and certificates for programs under test.

mod certificate;
mod connection;
mod files;
mod options;
mod side;

pub use certificate::{
    CertificateDefect, TlsCertificate, TlsCertificateBuilder, TlsCertificateConfig,
};
pub use options::TlsOptions;
pub(crate) use side::{Secure, TlsSide};
