//! The meaning of rustls's errors for a test.

use rustls::{CertificateError, Error, PeerIncompatible};

use crate::alert::Alert;
use crate::certificate::{Certificate, words};
use crate::error::{Side, TlsError};
use crate::hello::Offer;
use crate::options::spoken;
use crate::tls::{Tls, Version};

/// What one side knows of itself when it explains an error.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) side: Side,
    pub(crate) tls: Tls,
    /// The certificate that it shows, if it has one.
    pub(crate) identity: Option<Box<Certificate>>,
    /// The name that a client asks for.
    pub(crate) asks_for: Option<String>,
}

impl Context {
    pub(crate) fn peer(&self) -> Side {
        self.side.other()
    }

    /// The versions that this side speaks, for messages.
    fn versions(&self) -> String {
        let versions: Vec<_> = self.tls.versions.iter().map(|v| v.to_string()).collect();
        versions.join(", ")
    }

    /// The peer has sent an alert, or stopped making sense.
    pub(crate) fn explain(
        &self,
        error: Error,
        is_handshake: bool,
        shown: Vec<Certificate>,
        offer: Option<&Offer>,
    ) -> TlsError {
        let peer = self.peer();
        match error {
            Error::AlertReceived(alert) => self.alert(Alert(alert.into()), is_handshake),
            Error::InvalidCertificate(error) => self.certificate(&error, shown),
            Error::NoCertificatesPresented => TlsError::NoCertificateShown,
            Error::DecryptError | Error::PeerSentOversizedRecord => TlsError::BadRecord { peer },
            Error::NoApplicationProtocol => self.nothing_in_common("protocol (ALPN)", offer),
            Error::PeerIncompatible(what) => self.incompatible(what, offer),
            error => TlsError::Protocol {
                peer,
                reason: error.to_string(),
            },
        }
    }

    pub(crate) fn alert(&self, alert: Alert, is_handshake: bool) -> TlsError {
        let shown = self.identity.clone().filter(|_| alert.is_of_certificate());
        TlsError::Alert {
            peer: self.peer(),
            alert,
            stage: if is_handshake {
                "the handshake"
            } else {
                "the connection"
            },
            shown,
            help: self.help(alert),
        }
    }

    fn help(&self, alert: Alert) -> String {
        let (peer, side) = (self.peer(), self.side);
        if let Some(defect) = self.tls.defect {
            return format!("{side} has the defect \"{defect}\", and this is how {peer} reacts");
        }
        match alert.0 {
            48 if side == Side::Server => format!(
                "{peer} must trust the authority: hand it the file that is `ca_file` in the context \
                 of the server, or name the server in `trust` of the process"
            ),
            48 => "let the server trust the authority of the client".to_owned(),
            42 | 46 if side == Side::Server => format!(
                "is the certificate for the name that {peer} asks for (`names`), and does {peer} \
                 trust the authority (`ca_file`, or `trust` of the process)?"
            ),
            42 | 46 => "does the server trust the authority of the client, and is the certificate \
                        one for clients?"
                .to_owned(),
            116 => "the server requires a certificate, but the client sent none".to_owned(),
            70 => format!("this side speaks {}", self.versions()),
            120 if self.tls.alpn.is_empty() => "this side offers no protocol".to_owned(),
            120 => format!("this side offers {}", self.tls.alpn.join(", ")),
            _ => format!("{peer} may have logged more about it"),
        }
    }

    fn certificate(&self, error: &CertificateError, shown: Vec<Certificate>) -> TlsError {
        let peer = self.peer();
        let own = shown.first();
        let reason = match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let last = own.map(Certificate::day_to).unwrap_or_default();
                format!("it has expired; it was valid until {last}")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                let first = own.map(Certificate::day_from).unwrap_or_default();
                format!("it is not valid before {first}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let wanted = self.asks_for.as_deref().unwrap_or_default();
                format!("it is not for \"{wanted}\"")
            }
            CertificateError::UnknownIssuer => match (own, &shown[..]) {
                (Some(own), _) if own.is_self_signed() => {
                    "it is self-signed and not trusted".to_owned()
                }
                (Some(own), [_]) => format!(
                    "its issuer \"{}\" is not trusted, and no intermediate certificate was sent",
                    own.short_issuer()
                ),
                _ => "none of its issuers is trusted".to_owned(),
            },
            CertificateError::Revoked => "its authority has revoked it".to_owned(),
            CertificateError::BadSignature => {
                "its signature is not by the authority that it names".to_owned()
            }
            error => words(error),
        };
        let help = match error {
            CertificateError::UnknownIssuer => format!(
                "trust the file of the authority of {peer} (`trust`), if it is the right one"
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "ask for one of its names (`server_name`), or issue it for this one (`names`)"
                    .to_owned()
            }
            _ => format!("give {peer} a valid certificate"),
        };
        TlsError::Certificate {
            peer,
            reason,
            help,
            certificate: shown.into_iter().next().map(Box::new),
        }
    }

    fn incompatible(&self, what: PeerIncompatible, offer: Option<&Offer>) -> TlsError {
        use PeerIncompatible::{
            NoCipherSuitesInCommon, NoKxGroupsInCommon, NoSignatureSchemesInCommon,
            ServerDoesNotSupportTls12Or13, ServerTlsVersionIsDisabledByOurConfig,
            SupportedVersionsExtensionRequired, Tls12NotOffered, Tls12NotOfferedOrEnabled,
        };
        let speaks = |version: &Version| {
            let name = version.to_string();
            offer.is_none_or(|offer| offer.versions.contains(&name))
        };
        if !self.tls.versions.iter().any(speaks) {
            return self.nothing_in_common("version of TLS", offer);
        }
        match what {
            ServerDoesNotSupportTls12Or13
            | ServerTlsVersionIsDisabledByOurConfig
            | SupportedVersionsExtensionRequired
            | Tls12NotOffered
            | Tls12NotOfferedOrEnabled => self.nothing_in_common("version of TLS", offer),
            NoCipherSuitesInCommon => self.nothing_in_common("cipher suite", offer),
            NoKxGroupsInCommon => self.nothing_in_common("way to exchange keys", offer),
            NoSignatureSchemesInCommon => self.nothing_in_common("way to sign", offer),
            what => TlsError::Protocol {
                peer: self.peer(),
                reason: format!("the two sides are incompatible ({what:?})"),
            },
        }
    }

    fn nothing_in_common(&self, what: &'static str, offer: Option<&Offer>) -> TlsError {
        let ours = match what {
            "version of TLS" => self.versions(),
            "protocol (ALPN)" => spoken(&self.tls).join(", "),
            _ => "none of them".to_owned(),
        };
        let other = match (self.side, offer) {
            (Side::Server, Some(offer)) if what == "version of TLS" => offer.versions.join(", "),
            (Side::Server, Some(offer)) if what == "protocol (ALPN)" => offer.alpn.join(", "),
            (Side::Server, Some(offer)) => format!("{offer}"),
            _ => "others".to_owned(),
        };
        let (offered, spoken) = match self.side {
            Side::Server => (other, ours),
            Side::Client => (ours, other),
        };
        TlsError::NothingInCommon {
            what,
            offered,
            spoken,
        }
    }
}
