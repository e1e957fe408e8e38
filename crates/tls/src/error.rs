//! Errors: of options and files, and of what becomes of a connection.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;
use standin_error::text::{Count, Quoted, Span};
use thiserror::Error;

use crate::alert::Alert;
use crate::certificate::Certificate;
use crate::defect::Defect;
use crate::hello::Offer;

/// Why a side cannot be made ready to speak TLS.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(standin::tls::unreadable_file),
        help("relative paths start at the current directory of the test")
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: Arc<std::io::Error>,
    },

    /// The content of a file is not of the expected kind.
    #[error("`{}` is not a valid PEM file: {reason}", path.display())]
    #[diagnostic(
        code(standin::tls::not_pem),
        help(
            "a PEM file has sections from \"-----BEGIN ...\" to \"-----END ...\" with base64 in between"
        )
    )]
    NotPem {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// A file has no certificate in it.
    #[error("there is no certificate in `{}`: it has {found}", path.display())]
    #[diagnostic(
        code(standin::tls::no_certificate),
        help(
            "a certificate is a section \"CERTIFICATE\"; were the files of the certificate and the key swapped?"
        )
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What it contains.
        found: String,
    },

    /// A file has no key in it.
    #[error("there is no private key in `{}`: it has {found}", path.display())]
    #[diagnostic(
        code(standin::tls::no_key),
        help("a key is a section \"PRIVATE KEY\", \"EC PRIVATE KEY\" or \"RSA PRIVATE KEY\"")
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it contains.
        found: String,
    },

    /// A key is encrypted with a password.
    #[error("the private key in `{}` is encrypted, and there is no way to ask for its password", path.display())]
    #[diagnostic(
        code(standin::tls::encrypted_key),
        help("decrypt it into a file of its own: `openssl pkey -in \"{}\" -out plain.key`", path.display())
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },

    /// A key is of another certificate.
    #[error(
        "the key in `{}` does not match the certificate {subject} in `{}`",
        key.display(), certificate.display()
    )]
    #[diagnostic(
        code(standin::tls::key_mismatch),
        help("the two belong together: the certificate names the public half of the key")
    )]
    KeyMismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// The key or name in the certificate.
        subject: String,
    },

    /// A key cannot be used.
    #[error("the key in `{}` cannot be used: {reason}", path.display())]
    #[diagnostic(
        code(standin::tls::unusable_key),
        help("keys are RSA (2048 bits and more), ECDSA (P-256, P-384) or Ed25519")
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// A certificate cannot be used.
    #[error("the certificate in `{}` cannot be used: {reason}", path.display())]
    #[diagnostic(
        code(standin::tls::unusable_certificate),
        help("a certificate is an X.509 one of version 3, with no unknown critical extension")
    )]
    UnusableCertificate {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// A name for a certificate, or requested by a client, is invalid.
    #[error(
        "{} is neither a name nor an address that a certificate can be issued for",
        Quoted(name)
    )]
    #[diagnostic(
        code(standin::tls::name),
        help(
            "a name is such as \"bank.test\" or \"*.bank.test\", an address such as \"127.0.0.1\""
        )
    )]
    Name {
        /// The given name.
        name: String,
    },

    /// The name of a protocol over TLS cannot be one.
    #[error("\"{protocol}\" cannot be the name of a protocol (ALPN): it has {} bytes", protocol.len())]
    #[diagnostic(
        code(standin::tls::alpn),
        help("a name has 1 to 255 bytes, such as \"h2\" or \"http/1.1\"")
    )]
    Alpn {
        /// The given value.
        protocol: String,
    },

    /// The names of all protocols over TLS are too long together.
    #[error(
        "the names of the protocols (ALPN) have {bytes} bytes together, too many to be offered"
    )]
    #[diagnostic(
        code(standin::tls::alpn_too_long),
        help("a handshake carries at most 32768 bytes of names; leave some out")
    )]
    ManyProtocols {
        /// How many bytes they have, each with its length.
        bytes: usize,
    },

    /// No version is to be spoken.
    #[error("no version of TLS is enabled")]
    #[diagnostic(code(standin::tls::no_version), help("enable 1.2, 1.3 or both"))]
    NoVersion,

    /// A defect of certificates and a certificate of a file exclude each other.
    #[error("the defect \"{defect}\" concerns the certificate, which comes from a file")]
    #[diagnostic(
        code(standin::tls::defect_of_file),
        help("leave out the file to have a certificate with the defect made")
    )]
    DefectOfFile {
        /// The defect.
        defect: Defect,
    },

    /// A certificate cannot be made.
    #[error("cannot create a certificate: {reason}")]
    #[diagnostic(
        code(standin::tls::not_made),
        help("check the names that the certificate is for")
    )]
    NotMade {
        /// The reason.
        reason: String,
    },
}

standin_error::reportable!(TlsConfigError);

impl From<rcgen::Error> for TlsConfigError {
    fn from(error: rcgen::Error) -> Self {
        TlsConfigError::NotMade {
            reason: error.to_string(),
        }
    }
}

impl From<rustls::Error> for TlsConfigError {
    fn from(error: rustls::Error) -> Self {
        TlsConfigError::NotMade {
            reason: error.to_string(),
        }
    }
}

impl From<rustls::client::VerifierBuilderError> for TlsConfigError {
    fn from(error: rustls::client::VerifierBuilderError) -> Self {
        TlsConfigError::NotMade {
            reason: error.to_string(),
        }
    }
}

/// One of the two sides of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that waited for the connection.
    Server,
    /// The side that made it.
    Client,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Server => "the server",
            Side::Client => "the client",
        })
    }
}

/// Why a handshake failed, or a connection that speaks TLS.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer has sent an alert and ended the connection.
    #[error(
        "{peer} ended {stage} with alert {alert}{}{}",
        Seen(shown),
        Meaning(alert)
    )]
    #[diagnostic(code(standin::tls::alert), help("{help}"))]
    Alert {
        /// The sender of the alert.
        peer: Side,
        /// The alert.
        alert: Alert,
        /// "the handshake", or "the connection".
        stage: &'static str,
        /// The certificate that this side had shown, if the alert is about that.
        shown: Option<Box<Certificate>>,
        /// How to fix it.
        help: String,
    },

    /// The peer's certificate was refused.
    #[error(
        "this side refused the certificate of {peer}: {reason}{}",
        Shown(certificate)
    )]
    #[diagnostic(code(standin::tls::certificate_refused), help("{help}"))]
    Certificate {
        /// Whose certificate it is.
        peer: Side,
        /// Why it was refused.
        reason: String,
        /// The certificate.
        certificate: Option<Box<Certificate>>,
        /// How to fix it.
        help: String,
    },

    /// The client has shown no certificate.
    #[error("the client sent no certificate, but this server requires one")]
    #[diagnostic(
        code(standin::tls::no_certificate_shown),
        help(
            "give the client a certificate of this authority, or let the server do without: `client_auth = \"optional\"`"
        )
    )]
    NoCertificateShown,

    /// The peer does not speak TLS.
    #[error("{peer} does not speak TLS: it sent \"{}\"", excerpt(received))]
    #[diagnostic(
        code(standin::tls::not_tls),
        help("does it expect a connection without TLS, or is this the wrong port?")
    )]
    NotTls {
        /// The side that speaks another protocol.
        peer: Side,
        /// Its first bytes, redacted if the connection's recording is.
        received: Vec<u8>,
    },

    /// Both sides found nothing that both speak.
    #[error(
        "the two sides have no {what} in common: the client offered {offered}, the server supports {spoken}"
    )]
    #[diagnostic(
        code(standin::tls::nothing_in_common),
        help("let one side support what the other one does")
    )]
    NothingInCommon {
        /// What they need in common: "version of TLS", "protocol (ALPN)", ...
        what: &'static str,
        /// The client's offer.
        offered: String,
        /// What the server supports.
        spoken: String,
    },

    /// The peer has closed or reset the connection in the middle of the handshake.
    #[error("{peer} {} the connection during the handshake, after {}{}", ending(*is_reset), Count(*received, "byte"), Offered(offer))]
    #[diagnostic(
        code(standin::tls::ended_in_handshake),
        help(
            "many programs do that silently when they do not trust a certificate; see what this one logs"
        )
    )]
    Ended {
        /// The side that ended it.
        peer: Side,
        /// Whether by a reset.
        is_reset: bool,
        /// How many bytes had come.
        received: usize,
        /// The client's offer, if it had arrived.
        offer: Option<Box<Offer>>,
    },

    /// The handshake was not done in time.
    #[error("the handshake did not finish within {}: {peer} had sent {}{}", Span(*limit), Count(*received, "byte"), Offered(offer))]
    #[diagnostic(
        code(standin::tls::handshake_timed_out),
        help("does the peer speak TLS on this port? `handshake_limit` sets how long it may take")
    )]
    TimedOut {
        /// The awaited side.
        peer: Side,
        /// How long it might have taken.
        limit: Duration,
        /// How many bytes had come.
        received: usize,
        /// The client's offer, if it had arrived.
        offer: Option<Box<Offer>>,
    },

    /// The received bytes were not encrypted correctly.
    #[error(
        "what {peer} sent cannot be decrypted: it was changed on the way, or encrypted wrongly (bad_record_mac)"
    )]
    #[diagnostic(
        code(standin::tls::bad_record),
        help("nothing after it can be trusted; the connection is no longer usable")
    )]
    BadRecord {
        /// The sender.
        peer: Side,
    },

    /// The stream has ended without the word that nothing is missing.
    #[error("{peer} ended the stream without a close_notify")]
    #[diagnostic(
        code(standin::tls::no_close_notify),
        help(
            "what arrived may be incomplete; where that does not matter, set `require_close_notify` to false"
        )
    )]
    Truncated {
        /// The side that ended it.
        peer: Side,
    },

    /// The peer does not keep to the rules.
    #[error("{peer} breaks the TLS protocol: {reason}")]
    #[diagnostic(
        code(standin::tls::protocol),
        help("`SSLKEYLOGFILE` and a capture show the conversation in Wireshark")
    )]
    Protocol {
        /// The side that does not.
        peer: Side,
        /// What was found.
        reason: String,
    },

    /// There was no handshake, on purpose.
    #[error(
        "this connection has no TLS because this side has the defect \"{defect}\"; {peer} {then}"
    )]
    #[diagnostic(
        code(standin::tls::defect),
        help("nothing can be sent or received over such a connection")
    )]
    Defective {
        /// The defect.
        defect: Defect,
        /// The peer.
        peer: Side,
        /// What it did then.
        then: String,
    },
}

standin_error::reportable!(TlsError);

impl TlsError {
    /// Returns the alert that the peer has sent, if it was one.
    pub fn alert(&self) -> Option<Alert> {
        match self {
            TlsError::Alert { alert, .. } => Some(*alert),
            _ => None,
        }
    }
}

/// ` after it saw the certificate ...`
struct Seen<'a>(&'a Option<Box<Certificate>>);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(shown) => write!(f, " after it saw the certificate {shown}"),
            None => Ok(()),
        }
    }
}

/// `: it does not trust the authority`
struct Meaning<'a>(&'a Alert);

impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.meaning() {
            Some(meaning) => write!(f, ": {meaning}"),
            None => Ok(()),
        }
    }
}

/// `; it showed ...`
struct Shown<'a>(&'a Option<Box<Certificate>>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(shown) => write!(f, "; it showed {shown}"),
            None => Ok(()),
        }
    }
}

/// `; the client offered ...`
struct Offered<'a>(&'a Option<Box<Offer>>);

impl fmt::Display for Offered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(offer) => write!(f, "; the client offered {offer}"),
            None => Ok(()),
        }
    }
}

/// What a peer has done to the connection.
pub(crate) fn ending(is_reset: bool) -> &'static str {
    match is_reset {
        true => "reset",
        false => "closed",
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(60)];
    let dots = if first.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", first.escape_ascii())
}
