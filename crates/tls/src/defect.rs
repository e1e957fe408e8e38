//! [`Defect`]: what is wrong with a peer on purpose.

use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use thiserror::Error;

/// A deliberate defect of a peer, to test whether a program notices it.
///
/// Each has a name, which files use. Those of certificates apply to the one that the peer shows: a
/// server always does, a client if it is asked for one.
///
/// ```
/// use standin_tls::Defect;
///
/// let defect: Defect = "wrong-name".parse()?;
/// assert_eq!(defect, Defect::WrongName);
/// assert_eq!(defect.to_string(), "wrong-name");
/// assert_eq!(Defect::ALL.len(), 16);
/// # Ok::<(), standin_tls::UnknownDefect>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Defect {
    /// `expired`: the certificate was valid until yesterday.
    Expired,
    /// `not-yet-valid`: the certificate is valid from tomorrow on.
    NotYetValid,
    /// `wrong-name`: the certificate is for another name, and for no address.
    WrongName,
    /// `untrusted`: an unknown authority has issued the certificate.
    Untrusted,
    /// `self-signed`: no authority has issued the certificate.
    SelfSigned,
    /// `no-intermediate`: the certificate between it and the authority is not sent along.
    NoIntermediate,
    /// `revoked`: the authority has revoked the certificate and lists it as revoked.
    Revoked,
    /// `tls12-only`: TLS 1.2 is all that is spoken.
    Tls12Only,
    /// `old-protocol`: TLS 1.0 is all that is spoken.
    OldProtocol,
    /// `no-alpn-overlap`: none of the protocols that the other side speaks (ALPN) is spoken. Of
    /// a side that names none, nothing can be refused.
    NoAlpnOverlap,
    /// `plaintext`: a line of HTTP instead of TLS.
    Plaintext,
    /// `silent`: nothing is ever sent.
    Silent,
    /// `dribble`: in the handshake one byte is sent every 20 milliseconds.
    Dribble,
    /// `bad-record`: one bit of the first data is wrong.
    BadRecord,
    /// `cut-in-handshake`: the connection is closed in the middle of the first message.
    CutInHandshake,
    /// `no-close-notify`: the connection is closed without the word that nothing is missing.
    NoCloseNotify,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 16] = [
        Defect::Expired,
        Defect::NotYetValid,
        Defect::WrongName,
        Defect::Untrusted,
        Defect::SelfSigned,
        Defect::NoIntermediate,
        Defect::Revoked,
        Defect::Tls12Only,
        Defect::OldProtocol,
        Defect::NoAlpnOverlap,
        Defect::Plaintext,
        Defect::Silent,
        Defect::Dribble,
        Defect::BadRecord,
        Defect::CutInHandshake,
        Defect::NoCloseNotify,
    ];

    /// Returns its name, such as `wrong-name`.
    pub fn name(self) -> &'static str {
        match self {
            Defect::Expired => "expired",
            Defect::NotYetValid => "not-yet-valid",
            Defect::WrongName => "wrong-name",
            Defect::Untrusted => "untrusted",
            Defect::SelfSigned => "self-signed",
            Defect::NoIntermediate => "no-intermediate",
            Defect::Revoked => "revoked",
            Defect::Tls12Only => "tls12-only",
            Defect::OldProtocol => "old-protocol",
            Defect::NoAlpnOverlap => "no-alpn-overlap",
            Defect::Plaintext => "plaintext",
            Defect::Silent => "silent",
            Defect::Dribble => "dribble",
            Defect::BadRecord => "bad-record",
            Defect::CutInHandshake => "cut-in-handshake",
            Defect::NoCloseNotify => "no-close-notify",
        }
    }

    /// Returns whether it is about the certificate, which therefore has to be issued by an
    /// [`Authority`](crate::Authority).
    pub fn is_of_certificate(self) -> bool {
        matches!(
            self,
            Defect::Expired
                | Defect::NotYetValid
                | Defect::WrongName
                | Defect::Untrusted
                | Defect::SelfSigned
                | Defect::NoIntermediate
                | Defect::Revoked
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no [`Defect`] has.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("\"{name}\" is not a defect")]
#[diagnostic(code(standin::tls::unknown_defect), help("{help}"))]
pub struct UnknownDefect {
    name: String,
    help: String,
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Defect::ALL.into_iter().find(|defect| defect.name() == name);
        found.ok_or_else(|| UnknownDefect {
            name: name.to_owned(),
            help: format!(
                "the defects are {}",
                Defect::ALL.map(Defect::name).join(", ")
            ),
        })
    }
}
