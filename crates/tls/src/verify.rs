//! Verification of a peer's certificate by rustls, with a note of the certificate.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use crate::authority::Authority;
use crate::certificate::Certificate;
use crate::error::TlsConfigError;
use crate::identity::certificates;
use crate::provider::provider;
use crate::tls::{ClientAuth, Tls};

thread_local! {
    /// The certificates that were looked at last. Verifiers belong to all connections of one
    /// side, and are called by the code that hands bytes of one to rustls.
    static SHOWN: RefCell<Vec<CertificateDer<'static>>> = const { RefCell::new(Vec::new()) };
}

/// Takes the certificates that were looked at on this thread since the last call.
pub(crate) fn take_shown() -> Vec<Certificate> {
    let shown = SHOWN.take();
    shown
        .iter()
        .filter_map(|der| Certificate::from_der(der))
        .collect()
}

/// Notes which certificates are looked at, if that ends in an error, which shows them.
fn noted<T>(
    own: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    if outcome.is_err() {
        let all = std::iter::once(own).chain(others);
        SHOWN.set(all.map(|der| der.clone().into_owned()).collect());
    }
    outcome
}

/// Refuses revoked certificates. It asks the authority itself: a list would be outdated, and
/// checking its signature takes as long as all the rest.
fn not_revoked<T>(
    authority: &Authority,
    own: &CertificateDer<'_>,
    verified: T,
) -> Result<T, Error> {
    match authority.has_revoked(own) {
        true => Err(CertificateError::Revoked.into()),
        false => Ok(verified),
    }
}

/// The verifier for the certificate of a server.
pub(crate) fn of_servers(
    tls: &Tls,
    authority: &Authority,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let (roots, provider) = (roots(tls, authority)?, provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(Arc::new(OfServers {
        verifier: verifier.build()?,
        authority: authority.clone(),
        refuses: tls.verify,
    }))
}

/// The verifier for the certificates of clients; `None` if they are not asked for one.
pub(crate) fn of_clients(
    tls: &Tls,
    authority: &Authority,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsConfigError> {
    // Files that are wrong are wrong here, too.
    let (roots, provider) = (roots(tls, authority)?, provider());
    if tls.client_auth == ClientAuth::None {
        return Ok(None);
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if tls.client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    Ok(Some(Arc::new(OfClients {
        verifier: builder.build()?,
        authority: authority.clone(),
    })))
}

fn roots(tls: &Tls, authority: &Authority) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    for path in &tls.trust {
        for der in certificates(path)? {
            roots.add(der).map_err(|source| TlsConfigError::NotPem {
                path: path.clone(),
                reason: format!("it has a certificate that cannot be an authority's: {source}"),
            })?;
        }
    }
    Ok(roots)
}

#[derive(Debug)]
struct OfServers {
    verifier: Arc<WebPkiServerVerifier>,
    authority: Authority,
    refuses: bool,
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let outcome = self
            .verifier
            .verify_server_cert(own, others, name, ocsp, now)
            .and_then(|verified| not_revoked(&self.authority, own, verified));
        match outcome {
            Err(_) if !self.refuses => Ok(ServerCertVerified::assertion()),
            outcome => noted(own, others, outcome),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let outcome = self.verifier.verify_tls12_signature(message, own, signed);
        noted(own, &[], outcome)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let outcome = self.verifier.verify_tls13_signature(message, own, signed);
        noted(own, &[], outcome)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct OfClients {
    verifier: Arc<dyn ClientCertVerifier>,
    authority: Authority,
}

impl ClientCertVerifier for OfClients {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let outcome = self
            .verifier
            .verify_client_cert(own, others, now)
            .and_then(|verified| not_revoked(&self.authority, own, verified));
        noted(own, others, outcome)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let outcome = self.verifier.verify_tls12_signature(message, own, signed);
        noted(own, &[], outcome)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let outcome = self.verifier.verify_tls13_signature(message, own, signed);
        noted(own, &[], outcome)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
