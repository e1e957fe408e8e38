//! Where the arithmetic comes from.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};

use crate::tls::Version;

/// Always this one, and never the default of the process, which belongs to the program that has
/// the tests.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(crate) fn versions(versions: &[Version]) -> Vec<&'static SupportedProtocolVersion> {
    let known = [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)];
    let wanted = known
        .iter()
        .filter(|(version, _)| versions.contains(version));
    wanted.map(|(_, known)| *known).collect()
}
