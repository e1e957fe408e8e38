//! [`Connector`]: the side of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::authority::Authority;
use crate::defect::Defect;
use crate::error::{Side, TlsConfigError};
use crate::explain::Context;
use crate::handshake::Handshake;
use crate::key_log::{KeyLog, OnSecret};
use crate::options::protocols;
use crate::provider::{provider, versions};
use crate::tls::{Tls, Version};
use crate::verify;

/// The side of a client, ready for any number of connections. Clones are one.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    context: Arc<Context>,
    server_name: ServerName<'static>,
}

impl Connector {
    /// Prepares a client's side, for a server at `host`. If the server asks for a certificate, it
    /// shows one for `names` and those of the options, issued by `authority`, unless it comes from
    /// a file. The secrets of all connections go to `on_secret`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option or a file is not as it should be.
    pub fn new(
        tls: &Tls,
        host: &str,
        names: &[&str],
        authority: &Authority,
        on_secret: Option<OnSecret>,
    ) -> Result<Connector, TlsConfigError> {
        let mut tls = tls.clone();
        if tls.defect == Some(Defect::Tls12Only) {
            tls.versions = vec![Version::Tls12];
        }
        let asks_for = tls.server_name.clone().unwrap_or_else(|| host.to_owned());
        let server_name =
            ServerName::try_from(asks_for.clone()).map_err(|_| TlsConfigError::Name {
                name: asks_for.clone(),
            })?;
        let versions = versions(&tls.versions);
        if versions.is_empty() {
            return Err(TlsConfigError::NoVersion);
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(verify::of_servers(&tls, authority)?);
        let (mut config, own) = if tls.shows_certificate {
            let identity = tls.identity(names, authority)?;
            let shown = identity.certificate().map(Box::new);
            let certified = rustls::sign::SingleCertAndKey::from(identity.certified()?);
            let resolver: Arc<dyn ResolvesClientCert> = Arc::new(certified);
            (builder.with_client_cert_resolver(resolver), shown)
        } else {
            (builder.with_no_client_auth(), None)
        };
        config.alpn_protocols = protocols(&tls)?;
        config.key_log = Arc::new(KeyLog::new(on_secret));
        if !tls.resumption {
            config.resumption = Resumption::disabled();
        }
        let context = Context {
            side: Side::Client,
            tls,
            identity: own,
            asks_for: Some(asks_for),
        };
        Ok(Connector {
            config: Arc::new(config),
            context: Arc::new(context),
            server_name,
        })
    }

    /// Begins the handshake of a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the options contradict each other.
    pub fn handshake(&self) -> Result<Handshake, TlsConfigError> {
        let (config, name) = (Arc::clone(&self.config), self.server_name.clone());
        let mut client = ClientConnection::new(config, name)?;
        client.set_buffer_limit(None);
        Ok(Handshake::new(client.into(), Arc::clone(&self.context)))
    }

    /// Returns how long a handshake may take.
    pub fn limit(&self) -> Duration {
        self.context.tls.handshake_limit
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
