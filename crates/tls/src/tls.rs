//! [`Tls`]: how one side speaks TLS.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;

use crate::defect::Defect;

/// The TLS options of one side. The defaults are: versions 1.2 and 1.3, a certificate that the
/// [`Authority`](crate::Authority) issues, and trust in all that it issues.
///
/// ```
/// use standin_tls::{ClientAuth, Defect, Tls};
///
/// let strict = Tls::new().client_auth(ClientAuth::Required).alpn(["h2"]);
/// let old = Tls::new().names(["bank.test"]).defect(Defect::Expired);
/// # drop((strict, old));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// See [`names`](Tls::names).
    pub names: Vec<String>,
    /// See [`certificate`](Tls::certificate): the files of the certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// See [`trust`](Tls::trust).
    pub trust: Vec<PathBuf>,
    /// See [`client_auth`](Tls::client_auth).
    pub client_auth: ClientAuth,
    /// See [`alpn`](Tls::alpn).
    pub alpn: Vec<String>,
    /// See [`versions`](Tls::versions).
    pub versions: Vec<Version>,
    /// See [`resumption`](Tls::resumption).
    pub resumption: bool,
    /// See [`server_name`](Tls::server_name).
    pub server_name: Option<String>,
    /// See [`verify`](Tls::verify).
    pub verify: bool,
    /// See [`shows_certificate`](Tls::shows_certificate).
    pub shows_certificate: bool,
    /// See [`require_close_notify`](Tls::require_close_notify); `None` is what is usual.
    pub require_close_notify: Option<bool>,
    /// See [`handshake_limit`](Tls::handshake_limit).
    pub handshake_limit: Duration,
    /// See [`on_request`](Tls::on_request).
    pub on_request: bool,
    /// See [`defect`](Tls::defect).
    pub defect: Option<Defect>,
}

impl Tls {
    /// How long a handshake may take by default: 10 seconds.
    pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

    /// Creates TLS with the usual options.
    pub fn new() -> Tls {
        Tls {
            names: Vec::new(),
            certificate: None,
            trust: Vec::new(),
            client_auth: ClientAuth::None,
            alpn: Vec::new(),
            versions: Version::ALL.to_vec(),
            resumption: true,
            server_name: None,
            verify: true,
            shows_certificate: true,
            require_close_notify: None,
            handshake_limit: Self::HANDSHAKE_LIMIT,
            on_request: false,
            defect: None,
        }
    }

    /// Names and addresses that the certificate is for, such as `bank.test`, `*.bank.test` or
    /// `127.0.0.1`, beside those under which the side is reached in any case.
    #[must_use]
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Tls {
        self.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Files in PEM with the certificate to show (and those that issued it), and its key, instead
    /// of a certificate that is issued on the spot.
    #[must_use]
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        self.certificate = Some((file.into(), key.into()));
        self
    }

    /// Adds a PEM file with certificates of authorities that are trusted besides that of the
    /// environment. May be called several times.
    #[must_use]
    pub fn trust(mut self, file: impl Into<PathBuf>) -> Tls {
        self.trust.push(file.into());
        self
    }

    /// Sets whether a server asks its clients for a certificate. Default: no.
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Tls {
        self.client_auth = client_auth;
        self
    }

    /// Sets the protocols that are spoken over TLS (ALPN), such as `h2`, the best one first.
    /// Default: none are named, and any will do.
    #[must_use]
    pub fn alpn<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> Tls {
        self.alpn.extend(protocols.into_iter().map(Into::into));
        self
    }

    /// Sets the versions of TLS that are spoken. Default: 1.2 and 1.3.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Tls {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Sets whether a client that reconnects may shorten the handshake by resuming an earlier
    /// session. Default: yes.
    #[must_use]
    pub fn resumption(mut self, resumption: bool) -> Tls {
        self.resumption = resumption;
        self
    }

    /// Sets the name that a client sends (SNI) and expects in the certificate. Default: the host
    /// that it connects to.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Tls {
        self.server_name = Some(name.into());
        self
    }

    /// Sets whether a client refuses servers whose certificate is not valid. Default: yes.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Tls {
        self.verify = verify;
        self
    }

    /// Sets whether a client shows a certificate if it is asked for one. Default: yes, one of the
    /// environment's authority.
    #[must_use]
    pub fn shows_certificate(mut self, shows: bool) -> Tls {
        self.shows_certificate = shows;
        self
    }

    /// Sets whether the end of the stream is an error if the peer has not announced it
    /// (`close_notify`). Default: for a client yes; for a server no, as many programs do not
    /// announce it.
    #[must_use]
    pub fn require_close_notify(mut self, require: bool) -> Tls {
        self.require_close_notify = Some(require);
        self
    }

    /// Sets how long a handshake may take. Default: 10 seconds.
    #[must_use]
    pub fn handshake_limit(mut self, limit: Duration) -> Tls {
        self.handshake_limit = limit;
        self
    }

    /// Sets whether TLS begins later, on request of the test, rather than with the connection. For
    /// code that makes connections; this crate ignores it. Default: no.
    #[must_use]
    pub fn on_request(mut self, on_request: bool) -> Tls {
        self.on_request = on_request;
        self
    }

    /// Sets a deliberate defect. Default: none.
    #[must_use]
    pub fn defect(mut self, defect: Defect) -> Tls {
        self.defect = Some(defect);
        self
    }
}

impl Default for Tls {
    fn default() -> Self {
        Tls::new()
    }
}

/// Whether a server asks its clients for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// `none`: it does not.
    #[default]
    None,
    /// `optional`: it does, and accepts clients that show none.
    Optional,
    /// `required`: clients that show none are refused.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// `1.2`.
    Tls12,
    /// `1.3`.
    Tls13,
}

impl Version {
    /// All that can be spoken.
    pub const ALL: [Version; 2] = [Version::Tls12, Version::Tls13];
}

impl ClientAuth {
    /// All there are.
    pub const ALL: [ClientAuth; 3] = [Self::None, Self::Optional, Self::Required];

    /// Returns its name, such as `required`.
    pub fn name(self) -> &'static str {
        match self {
            ClientAuth::None => "none",
            ClientAuth::Optional => "optional",
            ClientAuth::Required => "required",
        }
    }
}

impl Version {
    /// Returns its number, such as `1.3`.
    pub fn name(self) -> &'static str {
        match self {
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        }
    }
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// `TLS 1.3`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS {}", self.name())
    }
}

/// A word that is not among those that are possible.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("\"{word}\" is not {what}")]
#[diagnostic(code(standin::tls::unknown_word), help("{help}"))]
pub struct UnknownWord {
    word: String,
    what: &'static str,
    help: &'static str,
}

impl FromStr for ClientAuth {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == word);
        found.ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            what: "a way to ask clients for certificates",
            help: "use \"none\", \"optional\" or \"required\"",
        })
    }
}

impl FromStr for Version {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == word);
        found.ok_or_else(|| UnknownWord {
            word: word.to_owned(),
            what: "a supported version of TLS",
            help: "use \"1.2\" or \"1.3\"",
        })
    }
}
