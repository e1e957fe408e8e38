//! [`Acceptor`]: the side of a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::{ServerConfig, ServerConnection};

use crate::authority::Authority;
use crate::defect::Defect;
use crate::error::{Side, TlsConfigError};
use crate::explain::Context;
use crate::handshake::Handshake;
use crate::identity::Identity;
use crate::key_log::{KeyLog, OnSecret};
use crate::options::protocols;
use crate::provider::{provider, versions};
use crate::tls::{Tls, Version};
use crate::verify;

/// How many sessions of clients a server remembers.
const SESSIONS: usize = 256;

/// The side of a server, ready for any number of connections. Clones are one.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    context: Arc<Context>,
    identity: Identity,
}

impl Acceptor {
    /// Makes a server's side ready. Its certificate is for `names` beside those of the options,
    /// and issued by `authority`, unless it comes from a file. The secrets of all conversations go
    /// to `on_secret`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option or a file is not as it should be.
    pub fn new(
        tls: &Tls,
        names: &[&str],
        authority: &Authority,
        on_secret: Option<OnSecret>,
    ) -> Result<Acceptor, TlsConfigError> {
        let mut tls = tls.clone();
        if tls.defect == Some(Defect::Tls12Only) {
            tls.versions = vec![Version::Tls12];
        }
        let identity = tls.identity(names, authority)?;
        let versions = versions(&tls.versions);
        if versions.is_empty() {
            return Err(TlsConfigError::NoVersion);
        }
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&versions)?;
        let builder = match verify::of_clients(&tls, authority)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let certified = rustls::sign::SingleCertAndKey::from(identity.certified()?);
        let mut config = builder.with_cert_resolver(Arc::new(certified));
        config.alpn_protocols = protocols(&tls)?;
        config.key_log = Arc::new(KeyLog::new(on_secret));
        match tls.resumption {
            true => config.session_storage = ServerSessionMemoryCache::new(SESSIONS),
            false => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        let context = Context {
            side: Side::Server,
            tls,
            identity: identity.certificate().map(Box::new),
            asks_for: None,
        };
        Ok(Acceptor {
            config: Arc::new(config),
            context: Arc::new(context),
            identity,
        })
    }

    /// Begins the handshake of a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the options contradict each other.
    pub fn handshake(&self) -> Result<Handshake, TlsConfigError> {
        let mut server = ServerConnection::new(Arc::clone(&self.config))?;
        server.set_buffer_limit(None);
        Ok(Handshake::new(server.into(), Arc::clone(&self.context)))
    }

    /// Returns the certificate that clients see, with its key.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns how long a handshake may take.
    pub fn limit(&self) -> Duration {
        self.context.tls.handshake_limit
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
