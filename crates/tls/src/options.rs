//! Both sides' use of their options.

use crate::authority::{Authority, check_name};
use crate::defect::Defect;
use crate::error::TlsConfigError;
use crate::identity::Identity;
use crate::tls::Tls;

impl Tls {
    /// Returns the certificate that a side with these options shows: that of their file, or one
    /// that is issued now, for `names`, too. What cannot be a name in a certificate is left out of
    /// `names`: those of hosts and drivers may be anything.
    ///
    /// # Errors
    ///
    /// Returns an error if the files cannot be used, or a name of the options is invalid.
    pub fn identity(
        &self,
        names: &[&str],
        authority: &Authority,
    ) -> Result<Identity, TlsConfigError> {
        let defect = self.defect.filter(|defect| defect.is_of_certificate());
        match (&self.certificate, defect) {
            (Some(_), Some(defect)) => Err(TlsConfigError::DefectOfFile { defect }),
            (Some((certificate, key)), None) => Identity::from_files(certificate, key),
            (None, defect) => {
                let mut all = self.names.clone();
                for name in names {
                    if !all.iter().any(|known| known == name) && check_name(name).is_ok() {
                        all.push((*name).to_owned());
                    }
                }
                authority.issue_with(&all, defect)
            }
        }
    }

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

/// The protocols of ALPN that are spoken.
pub(crate) fn spoken(tls: &Tls) -> Vec<&str> {
    match tls.defect {
        Some(Defect::NoAlpnOverlap) => vec!["standin-speaks-nothing-else"],
        _ => tls.alpn.iter().map(String::as_str).collect(),
    }
}

/// How many bytes the protocols may have together, each with its length in front. What carries
/// them has its length in two bytes, and carries more than them.
const PROTOCOLS: usize = 32 << 10;

/// The same as they are sent.
pub(crate) fn protocols(tls: &Tls) -> Result<Vec<Vec<u8>>, TlsConfigError> {
    let spoken = spoken(tls);
    let bytes = spoken.iter().map(|protocol| 1 + protocol.len()).sum();
    let protocols = spoken.into_iter().map(|protocol| match protocol.len() {
        1..=255 => Ok(protocol.as_bytes().to_vec()),
        _ => Err(TlsConfigError::Alpn {
            protocol: protocol.to_owned(),
        }),
    });
    let protocols = protocols.collect::<Result<_, _>>()?;
    match bytes > PROTOCOLS {
        true => Err(TlsConfigError::ManyProtocols { bytes }),
        false => Ok(protocols),
    }
}
