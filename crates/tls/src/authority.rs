//! [`Authority`]: who issues the certificates of a test.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use standin_sync::Unpoisoned;

use crate::defect::Defect;
use crate::error::TlsConfigError;
use crate::identity::Identity;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long certificates are valid that are not to be wrong: from yesterday on, for a year.
/// Programs that are strict refuse more than 398 days.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

/// The certificate authority of a test: created in this process, trusted only by those that have
/// its [certificate](Authority::certificate_pem), and gone with the test. Its key is never written
/// anywhere.
///
/// Clones are one authority.
///
/// ```
/// use standin_tls::Authority;
///
/// let authority = Authority::new("greeting")?;
/// assert!(authority.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// let pem = authority.issue(["bank.test", "127.0.0.1"])?;
/// assert!(pem.key_pem().contains("PRIVATE KEY"));
/// # Ok::<(), standin_tls::TlsConfigError>(())
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    name: String,
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
    pem: String,
    revoked: Mutex<Vec<Revoked>>,
}

/// A certificate that is no longer valid.
struct Revoked {
    serial: SerialNumber,
    der: CertificateDer<'static>,
}

/// Of what kind a certificate is.
enum Kind {
    Authority,
    Peer,
}

impl Authority {
    /// Creates an authority. Its certificates name it by `name` and some random digits, so that
    /// those of two runs can be distinguished.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no random numbers.
    pub fn new(name: &str) -> Result<Authority, TlsConfigError> {
        let key = KeyPair::generate()?;
        let bytes = key.public_key_raw();
        let digits = format!("{:02x}{:02x}", bytes[1], bytes[2]);
        let name = format!("standin {} {digits}", printable(name));
        let now = SystemTime::now();
        let validity = (now - DAY, now + VALID);
        let params = params(&name, &[], validity, &key, Kind::Authority)?;
        let certificate = params.self_signed(&key)?;
        Ok(Authority(Arc::new(Inner {
            name,
            params,
            key,
            der: certificate.der().clone(),
            pem: certificate.pem(),
            revoked: Mutex::default(),
        })))
    }

    /// Returns the name that it has in certificates, such as `standin greeting 7f3a`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns its certificate, in PEM: a program that trusts it trusts all certificates that it
    /// issues.
    pub fn certificate_pem(&self) -> &str {
        &self.0.pem
    }

    /// Returns the list of the certificates that it has revoked so far (CRL), in PEM.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be signed.
    pub fn revoked_pem(&self) -> Result<String, TlsConfigError> {
        Ok(self.crl()?.pem()?)
    }

    /// Issues a certificate for these names and addresses, with a key of its own: valid from
    /// yesterday on, for a year, for servers and clients.
    ///
    /// # Errors
    ///
    /// Returns an error if something is neither a name nor an address.
    pub fn issue<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Identity, TlsConfigError> {
        let names: Vec<String> = names.into_iter().map(|n| n.as_ref().to_owned()).collect();
        self.issue_with(&names, None)
    }

    /// Returns the same with a defect, for a program that is to show a certificate that is not in
    /// order. Those that are not about certificates make no difference.
    ///
    /// # Errors
    ///
    /// Returns an error if something is neither a name nor an address.
    pub fn issue_defective<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        defect: Defect,
    ) -> Result<Identity, TlsConfigError> {
        let names: Vec<String> = names.into_iter().map(|n| n.as_ref().to_owned()).collect();
        self.issue_with(&names, Some(defect))
    }

    /// The same with a defect, if it is one of certificates.
    pub(crate) fn issue_with(
        &self,
        names: &[String],
        defect: Option<Defect>,
    ) -> Result<Identity, TlsConfigError> {
        let wrong = ["wrong-name.invalid".to_owned()];
        let names = match defect {
            Some(Defect::WrongName) => &wrong,
            _ => names,
        };
        let now = SystemTime::now();
        let validity = match defect {
            Some(Defect::Expired) => (now - 30 * DAY, now - DAY),
            Some(Defect::NotYetValid) => (now + DAY, now + VALID),
            _ => (now - DAY, now + VALID),
        };
        let key = KeyPair::generate()?;
        let common_name = names.first().map_or("nobody", String::as_str);
        let params = params(common_name, names, validity, &key, Kind::Peer)?;
        let certificate = match defect {
            Some(Defect::SelfSigned) => params.self_signed(&key)?,
            Some(Defect::Untrusted) => {
                let other = Authority::new("nobody knows")?;
                params.signed_by(&key, &other.issuer())?
            }
            Some(Defect::NoIntermediate) => {
                let between = KeyPair::generate()?;
                let name = format!("{} intermediate", self.name());
                let its = self::params(&name, &[], validity, &between, Kind::Authority)?;
                params.signed_by(&key, &Issuer::new(its, between))?
            }
            _ => params.signed_by(&key, &self.issuer())?,
        };
        if let (Some(Defect::Revoked), Some(serial)) = (defect, &params.serial_number) {
            self.0.revoked.lock().unpoisoned().push(Revoked {
                serial: serial.clone(),
                der: certificate.der().clone(),
            });
        }
        Ok(Identity::issued(certificate.der().clone(), &key))
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// Whether it has revoked this certificate.
    pub(crate) fn has_revoked(&self, der: &CertificateDer<'_>) -> bool {
        let revoked = self.0.revoked.lock().unpoisoned();
        revoked.iter().any(|revoked| revoked.der == *der)
    }

    fn crl(&self) -> Result<rcgen::CertificateRevocationList, TlsConfigError> {
        let now = SystemTime::now();
        let revoked = self.0.revoked.lock().unpoisoned();
        let revoked = revoked.iter().map(|revoked| RevokedCertParams {
            serial_number: revoked.serial.clone(),
            revocation_time: (now - DAY).into(),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now + VALID).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer())?)
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.0.params, &self.0.key)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authority").field(&self.0.name).finish()
    }
}

fn params(
    common_name: &str,
    names: &[String],
    (from, to): (SystemTime, SystemTime),
    key: &KeyPair,
    kind: Kind,
) -> Result<CertificateParams, TlsConfigError> {
    for name in names {
        check_name(name)?;
    }
    let mut params = CertificateParams::new(names)?;
    params.not_before = from.into();
    params.not_after = to.into();
    params.distinguished_name = DistinguishedName::new();
    // The standard allows 64 characters.
    let common_name: String = common_name.chars().take(64).collect();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial(key));
    match kind {
        Kind::Authority => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        Kind::Peer => {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
        }
    }
    Ok(params)
}

/// A number that no other certificate has: each has a key of its own, whose bytes are random.
fn serial(key: &KeyPair) -> SerialNumber {
    // The first says how the others are to be read.
    let mut bytes = key.public_key_raw()[1..17].to_vec();
    // Neither negative nor with a zero in front, which would be left out.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes)
}

/// Whether a certificate can be for this, so that a client accepts it: an address, a name, or all
/// names below one (`*.bank.test`), which has two parts at least.
pub(crate) fn check_name(name: &str) -> Result<(), TlsConfigError> {
    use rustls::pki_types::ServerName;
    let is_valid = match name.strip_prefix("*.") {
        Some(above) => {
            above.contains('.') && matches!(ServerName::try_from(above), Ok(ServerName::DnsName(_)))
        }
        None => ServerName::try_from(name).is_ok(),
    };
    if is_valid && !name.ends_with('.') {
        return Ok(());
    }
    Err(TlsConfigError::Name {
        name: name.to_owned(),
    })
}

/// Names of authorities come from names of environments, and go into certificates.
fn printable(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    if name.is_empty() {
        "test".to_owned()
    } else {
        name
    }
}
