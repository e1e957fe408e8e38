//! Looking at a peer's certificate: what rustls does, with a note of what was looked at.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::authority::Authority;
use crate::certificate::Certificate;
use crate::error::TlsConfigError;
use crate::identity::certificates;
use crate::provider::provider;
use crate::tls::{ClientAuth, Tls};

thread_local! {
    /// The certificates that were looked at last. Verifiers belong to all connections of one
    /// side, and are called by whoever hands bytes of one to rustls.
    static SHOWN: RefCell<Vec<Certificate>> = const { RefCell::new(Vec::new()) };
}

/// Takes the certificates that were looked at on this thread since the last call.
pub(crate) fn take_shown() -> Vec<Certificate> {
    SHOWN.take()
}

fn note(own: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
    let all = std::iter::once(own).chain(others);
    SHOWN.set(all.filter_map(|der| Certificate::from_der(der)).collect());
}

/// Who verifies the certificate of a server.
pub(crate) fn of_servers(
    tls: &Tls,
    authority: &Authority,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let (roots, provider) = (roots(tls, authority)?, provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls([authority.crl_der()?])
        .allow_unknown_revocation_status()
        .build()?;
    Ok(Arc::new(OfServers {
        verifier,
        refuses: tls.verify,
    }))
}

/// Who verifies the certificates of clients; `None` if they are not asked for one.
pub(crate) fn of_clients(
    tls: &Tls,
    authority: &Authority,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsConfigError> {
    if tls.client_auth == ClientAuth::None {
        return Ok(None);
    }
    let (roots, provider) = (roots(tls, authority)?, provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls([authority.crl_der()?])
        .allow_unknown_revocation_status();
    if tls.client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    Ok(Some(Arc::new(OfClients(builder.build()?))))
}

fn roots(tls: &Tls, authority: &Authority) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    for path in &tls.trust {
        for der in certificates(path)? {
            roots.add(der).map_err(|source| TlsConfigError::NotPem {
                path: path.clone(),
                reason: format!("it has a certificate that no authority can have: {source}"),
            })?;
        }
    }
    Ok(roots)
}

#[derive(Debug)]
struct OfServers {
    verifier: Arc<WebPkiServerVerifier>,
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
        note(own, others);
        let outcome = self
            .verifier
            .verify_server_cert(own, others, name, ocsp, now);
        match outcome {
            Err(_) if !self.refuses => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct OfClients(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for OfClients {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        note(own, others);
        self.0.verify_client_cert(own, others, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
