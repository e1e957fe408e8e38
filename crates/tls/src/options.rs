//! Both sides' use of their options.

use crate::authority::{Authority, check_name};
use crate::defect::Defect;
use crate::error::TlsConfigError;
use crate::identity::Identity;
use crate::tls::Tls;

/// The certificate of a side: that of a file, or one that is issued now.
pub(crate) fn identity(
    tls: &Tls,
    names: &[&str],
    authority: &Authority,
) -> Result<Identity, TlsConfigError> {
    let defect = tls.defect.filter(|defect| defect.is_of_certificate());
    match (&tls.certificate, defect) {
        (Some(_), Some(defect)) => Err(TlsConfigError::DefectOfFile { defect }),
        (Some((certificate, key)), None) => Identity::from_files(certificate, key),
        (None, defect) => {
            let mut all = tls.names.clone();
            for name in names {
                // Those of hosts and drivers may be anything.
                if !all.iter().any(|known| known == name) && check_name(name).is_ok() {
                    all.push((*name).to_owned());
                }
            }
            authority.issue_with(&all, defect)
        }
    }
}

impl Tls {
    /// Checks that the options fit together, without reading files.
    ///
    /// # Errors
    ///
    /// Returns an error that names the conflict.
    pub fn check(&self) -> Result<(), TlsConfigError> {
        protocols(self)?;
        if self.versions.is_empty() {
            return Err(TlsConfigError::NoVersion);
        }
        for name in self.names.iter().chain(&self.server_name) {
            check_name(name)?;
        }
        match self.defect.filter(|defect| defect.is_of_certificate()) {
            Some(defect) if self.certificate.is_some() => {
                Err(TlsConfigError::DefectOfFile { defect })
            }
            _ => Ok(()),
        }
    }
}

/// The protocols of ALPN as they are sent.
pub(crate) fn protocols(tls: &Tls) -> Result<Vec<Vec<u8>>, TlsConfigError> {
    if tls.defect == Some(Defect::NoAlpnOverlap) {
        return Ok(vec![b"standin-speaks-nothing-else".to_vec()]);
    }
    let protocols = tls.alpn.iter().map(|protocol| match protocol.len() {
        1..=255 => Ok(protocol.as_bytes().to_vec()),
        _ => Err(TlsConfigError::Alpn {
            protocol: protocol.clone(),
        }),
    });
    protocols.collect()
}
