//! [`TlsOptions`]: how a driver speaks TLS, as an option.

use std::path::PathBuf;
use std::time::Duration;

use standin_config::{Config, Kind, OptionValue, Value, ValueError};
use standin_tls::{ClientAuth, Defect, Tls, Version};

/// How a driver speaks TLS; as the table `{}`, with a certificate that is made on the spot.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub struct TlsOptions {
    /// Names and addresses that the certificate is for, such as `"bank.test"`, beside `localhost`,
    /// its addresses, the host of a server and the name of the driver.
    #[config(default)]
    pub(crate) names: Vec<String>,

    /// File in PEM with the certificate to show, and those that issued it, instead of one that is
    /// issued on the spot. Needs `key`.
    pub(crate) certificate: Option<PathBuf>,

    /// File in PEM with the key of `certificate`.
    pub(crate) key: Option<PathBuf>,

    /// Files in PEM with certificates of authorities to trust, beside the environment's own.
    #[config(default)]
    pub(crate) trust: Vec<PathBuf>,

    /// Whether a server asks its clients for a certificate: `"none"`, `"optional"` or `"required"`.
    #[config(default = Named(ClientAuth::None))]
    pub(crate) client_auth: Named<ClientAuth>,

    /// The protocols that are spoken over TLS (ALPN), such as `"h2"`, the best one first. Default:
    /// none are named, and any will do.
    #[config(default)]
    pub(crate) alpn: Vec<String>,

    /// The versions of TLS that are spoken: `"1.2"`, `"1.3"`. Default: both.
    #[config(default = Version::ALL.map(Named).to_vec(), non_empty)]
    pub(crate) versions: Vec<Named<Version>>,

    /// Whether a client that comes again may shorten the handshake by what is left of an earlier
    /// one.
    #[config(default = true)]
    pub(crate) resumption: bool,

    /// The name that a client sends (SNI) and expects in the certificate. Default: the host that it
    /// connects to.
    pub(crate) server_name: Option<String>,

    /// Whether a client refuses servers whose certificate is not in order.
    #[config(default = true)]
    pub(crate) verify: bool,

    /// Whether a client sends a certificate if the server asks for one.
    #[config(default = true)]
    pub(crate) shows_certificate: bool,

    /// Whether the end of the stream is an error if the peer has not announced it (`close_notify`).
    /// Default: for a client yes, for a server no.
    pub(crate) require_close_notify: Option<bool>,

    /// How long a handshake may take.
    #[config(default = Tls::HANDSHAKE_LIMIT)]
    pub(crate) handshake_limit: Duration,

    /// Whether TLS begins later: when the test calls `start_tls` on a connection, or with an answer
    /// of the replies that starts it.
    #[config(default = false)]
    pub(crate) on_request: bool,

    /// The deliberate defect, by its name, such as `"expired"`. Default: none.
    pub(crate) defect: Option<Named<Defect>>,
}

impl TlsOptions {
    /// The same as a value of the crate below.
    pub(crate) fn tls(&self) -> Tls {
        let mut tls = Tls::new()
            .names(&self.names)
            .alpn(&self.alpn)
            .client_auth(self.client_auth.0)
            .versions(self.versions.iter().map(|version| version.0))
            .resumption(self.resumption)
            .verify(self.verify)
            .shows_certificate(self.shows_certificate)
            .handshake_limit(self.handshake_limit)
            .on_request(self.on_request);
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            tls = tls.certificate(certificate, key);
        }
        tls.trust = self.trust.clone();
        tls.server_name = self.server_name.clone();
        tls.require_close_notify = self.require_close_notify;
        tls.defect = self.defect.map(|defect| defect.0);
        tls
    }

    /// The conflicts between options that are valid one by one.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => return Err("`certificate` needs its `key`".to_owned()),
            (None, Some(_)) => return Err("`key` is of no use without `certificate`".to_owned()),
            _ => {}
        }
        self.tls().check().map_err(|error| error.to_string())
    }
}

impl From<Tls> for TlsOptions {
    fn from(tls: Tls) -> Self {
        let (certificate, key) = tls.certificate.unzip();
        TlsOptions {
            names: tls.names,
            certificate,
            key,
            trust: tls.trust,
            client_auth: Named(tls.client_auth),
            alpn: tls.alpn,
            versions: tls.versions.into_iter().map(Named).collect(),
            resumption: tls.resumption,
            server_name: tls.server_name,
            verify: tls.verify,
            shows_certificate: tls.shows_certificate,
            require_close_notify: tls.require_close_notify,
            handshake_limit: tls.handshake_limit,
            on_request: tls.on_request,
            defect: tls.defect.map(Named),
        }
    }
}

/// A value that an option has by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Named<T>(pub(crate) T);

/// The names of a type's values.
pub(crate) trait Names: Copy + std::fmt::Debug + Send + Sync + 'static {
    fn all() -> Vec<Self>;
    fn name(self) -> &'static str;
}

macro_rules! names {
    ($($named:ty),+) => {$(
        impl Names for $named {
            fn all() -> Vec<Self> {
                Self::ALL.to_vec()
            }

            fn name(self) -> &'static str {
                self.name()
            }
        }
    )+};
}

names!(ClientAuth, Defect, Version);

impl<T: Names> OptionValue for Named<T> {
    fn kind() -> Kind {
        Kind::one_of(T::all().into_iter().map(T::name))
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        Self::kind().check(value)?;
        let mut all = T::all().into_iter();
        let found = all.find(|one| Some(one.name()) == value.as_str());
        found.map(Named).ok_or_else(|| Self::kind().unfit(value))
    }

    fn to_value(&self) -> Value {
        Value::from(self.0.name())
    }
}
