//! [`Identity`]: a certificate with its key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, words};
use crate::error::TlsConfigError;
use crate::provider::provider;

/// A certificate with its key, which one side shows to the other.
#[derive(Clone)]
pub struct Identity {
    /// From the peer's own to that of an authority, without the last one.
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl Identity {
    pub(crate) fn issued(certificate: CertificateDer<'static>, key: &KeyPair) -> Identity {
        Identity {
            chain: vec![certificate],
            key: Arc::new(PrivateKeyDer::Pkcs8(key.serialize_der().into())),
        }
    }

    /// Reads the certificate, with those that issued it if there are any, and its key from files
    /// in PEM. Both may be in one file.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or has not in it what it should, or if the key
    /// does not belong to the certificate.
    pub fn from_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Identity, TlsConfigError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain = certificates(certificate)?;
        let bytes = read(key)?;
        let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            _ if is_encrypted(&bytes) => TlsConfigError::EncryptedKey {
                path: key.to_owned(),
            },
            PemError::NoItemsFound => TlsConfigError::NoKey {
                path: key.to_owned(),
                found: sections(&bytes),
            },
            error => not_pem(key, error),
        })?;
        let identity = Identity {
            chain,
            key: Arc::new(private),
        };
        identity.certified().map_err(|source| match source {
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
                TlsConfigError::KeyMismatch {
                    certificate: certificate.to_owned(),
                    key: key.to_owned(),
                    subject: identity.subject(),
                }
            }
            rustls::Error::InvalidCertificate(error) => TlsConfigError::UnusableCertificate {
                path: certificate.to_owned(),
                reason: words(&error),
            },
            source => TlsConfigError::Key {
                path: key.to_owned(),
                reason: source.to_string(),
            },
        })?;
        Ok(identity)
    }

    /// Returns the certificates, in PEM: the peer's own, then those that issued it.
    pub fn certificate_pem(&self) -> String {
        let blocks = self.chain.iter().map(|der| block("CERTIFICATE", der));
        blocks.collect()
    }

    /// Returns the key, in PEM.
    pub fn key_pem(&self) -> String {
        let kind = match &*self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        block(kind, self.key.secret_der())
    }

    /// Returns the contents of the certificate; `None` if it cannot be read.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::from_der(self.chain.first()?)
    }

    /// The certificate and the key as rustls uses them, which have been found to fit.
    pub(crate) fn certified(&self) -> Result<Arc<CertifiedKey>, rustls::Error> {
        let key = self.key.clone_key();
        CertifiedKey::from_der(self.chain.clone(), key, &provider()).map(Arc::new)
    }

    fn subject(&self) -> String {
        let certificate = self.certificate();
        certificate.map_or_else(|| "one that cannot be read".to_owned(), |c| c.to_string())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.subject()).finish()
    }
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let bytes = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(path, error))?;
    if found.is_empty() {
        return Err(TlsConfigError::NoCertificate {
            path: path.to_owned(),
            found: sections(&bytes),
        });
    }
    for (index, der) in found.iter().enumerate() {
        if Certificate::from_der(der).is_none() {
            return Err(TlsConfigError::NotPem {
                path: path.to_owned(),
                reason: format!("what is in certificate {} of it is not one", index + 1),
            });
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    standin_error::read_file(path).map_err(|source| TlsConfigError::Read {
        path: path.to_owned(),
        source: Arc::new(source),
    })
}

fn not_pem(path: &Path, error: PemError) -> TlsConfigError {
    TlsConfigError::NotPem {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Whether a file in PEM has a key with a password: in PKCS#8, or as older programs write them.
fn is_encrypted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Which sections a file in PEM has, for messages.
fn sections(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let labels: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .map(|label| format!("\"{}\"", label.escape_debug()))
        .collect();
    match (labels.is_empty(), bytes) {
        (false, _) => labels.join(", "),
        // A sequence with its length in two bytes, which every certificate and key is.
        (true, [0x30, 0x81 | 0x82, ..]) => {
            "DER, the binary form (`openssl x509 -inform DER` or `openssl pkey -inform DER` turn it \
             into PEM)"
                .to_owned()
        }
        (true, _) => "nothing in PEM".to_owned(),
    }
}

/// A section of a file in PEM.
fn block(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}
