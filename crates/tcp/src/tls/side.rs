//! [`Secure`]: what a driver has for TLS, from its latest start.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use standin_driver::DriverBase;
use standin_entity::Entity;
use standin_record::Recorder;
use standin_socket::{Connection, Server};
use standin_sync::Unpoisoned;
use standin_sync::operation::Wait;
use standin_tls::{
    Acceptor, Authority, ClientAuth, Connector, OnSecret, StartTls, Tls, TlsConfigError,
    TlsListener, connecting,
};

use super::files::{Files, Folder};
use crate::TcpError;
use crate::tls::TlsOptions;

/// The names of this machine, which certificates of servers are for.
pub(super) const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The common state of all drivers of one environment.
#[derive(Default)]
struct Common {
    authority: Mutex<Option<Authority>>,
}

/// The certificate authority of the environment that an entity is in: created on first use.
pub(super) fn authority(entity: &Entity) -> Result<Authority, TlsConfigError> {
    let root = entity.ancestors().last().unwrap_or_else(|| entity.clone());
    let common = root.common(Common::default);
    let mut authority = common.authority.lock().unpoisoned();
    match &*authority {
        Some(authority) => Ok(authority.clone()),
        None => Ok(authority.insert(Authority::new(root.name())?).clone()),
    }
}

/// The TLS state of a driver, from its latest start.
#[derive(Default)]
pub(crate) struct Secure {
    side: RwLock<Option<Arc<TlsSide>>>,
    listener: RwLock<Option<Arc<TlsListener>>>,
    files: RwLock<Files>,
}

/// One side of all connections of a driver.
pub(crate) struct TlsSide {
    driver: String,
    entity: Entity,
    recorder: Recorder,
    is_server: bool,
    /// The host that it listens on, or connects to.
    host: String,
    /// How it speaks TLS, if it does.
    tls: Option<Tls>,
    acceptor: OnceLock<Acceptor>,
    connector: OnceLock<Connector>,
}

impl Secure {
    /// Resets the state. A driver whose options or files do not fit does not start.
    pub(crate) fn begin(
        &self,
        driver: &DriverBase,
        options: Option<&TlsOptions>,
        host: &str,
        is_server: bool,
    ) -> standin_entity::Result<Arc<TlsSide>> {
        let host = match host.starts_with("unix:") {
            true => "localhost",
            false => host,
        };
        let side = Arc::new(TlsSide {
            driver: driver.name().to_owned(),
            entity: driver.entity().clone(),
            recorder: driver.recorder(),
            is_server,
            host: host.to_owned(),
            tls: options.map(TlsOptions::tls),
            acceptor: OnceLock::new(),
            connector: OnceLock::new(),
        });
        let mut files = Files::default();
        if let Some(tls) = side.tls.as_ref().filter(|_| !is_server) {
            side.connector(tls).map_err(TcpError::from)?;
        } else if let Some(tls) = &side.tls {
            side.acceptor().map_err(TcpError::from)?;
            files = side.write_files(driver, tls)?;
        }
        *self.files.write().unpoisoned() = files;
        *self.side.write().unpoisoned() = Some(Arc::clone(&side));
        Ok(side)
    }

    pub(crate) fn side(&self) -> Option<Arc<TlsSide>> {
        self.side.read().unpoisoned().clone()
    }

    pub(crate) fn files(&self) -> Files {
        self.files.read().unpoisoned().clone()
    }

    /// Whether connections speak TLS from their first byte on.
    pub(crate) fn speaks_at_once(&self) -> bool {
        let side = self.side();
        side.is_some_and(|side| side.speaks_at_once().is_some())
    }

    /// The acceptor of a server that uses TLS, while it runs.
    pub(crate) fn listener(&self) -> Option<Arc<TlsListener>> {
        self.listener.read().unpoisoned().clone()
    }

    pub(crate) fn listen(&self, listener: TlsListener) {
        *self.listener.write().unpoisoned() = Some(Arc::new(listener));
    }

    /// Ends the handshakes of those who connect, and all waits for connections. Those in the middle
    /// of a conversation end with their connections.
    pub(crate) fn end(&self) {
        // In a `let`: nothing is locked while it ends.
        let listener = self.listener.write().unpoisoned().take();
        if let Some(listener) = listener {
            listener.abort();
        }
    }

    /// Ends all waits for connections.
    pub(crate) fn interrupt(&self) {
        if let Some(listener) = self.listener() {
            listener.abort();
        }
    }
}

impl TlsSide {
    /// How connections speak TLS from their first byte on; `None` if they do not.
    pub(crate) fn speaks_at_once(&self) -> Option<&Tls> {
        self.tls.as_ref().filter(|tls| !tls.on_request)
    }

    /// The acceptor of a server that uses TLS from the first byte on.
    pub(crate) fn listener(&self, server: &Server) -> Result<Option<TlsListener>, TcpError> {
        match self.speaks_at_once() {
            Some(_) => {
                let listener = TlsListener::new(server, self.acceptor()?.clone());
                Ok(Some(listener.map_err(|source| self.no_reactor(source))?))
            }
            None => Ok(None),
        }
    }

    /// The same, for callers that take each connection at once.
    pub(crate) fn listener_for(
        &self,
        server: &Server,
        takes: impl Fn(standin_socket::OwnedConnection) + Send + Sync + 'static,
    ) -> Result<TlsListener, TcpError> {
        let listener = TlsListener::for_each(server, self.acceptor()?.clone(), takes);
        listener.map_err(|source| self.no_reactor(source))
    }

    /// Does the handshake of a client that speaks TLS from the first byte on. Closes the
    /// connection if it fails.
    pub(crate) async fn connect(
        &self,
        wait: &impl Wait,
        connection: &Connection,
    ) -> Result<(), TcpError> {
        let Some(tls) = self.speaks_at_once() else {
            return Ok(());
        };
        let connector = self.connector(tls)?;
        let outcome = wait.run(connecting(connection, &connector)).await;
        outcome.map_err(|error| {
            connection.close();
            self.not_started(error)
        })
    }

    /// Begins TLS on a connection that is open.
    pub(crate) fn start(&self, connection: &Connection) -> Result<(), TcpError> {
        let started = match self.is_server {
            true => StartTls::server(connection, self.acceptor()?),
            false => {
                let tls = self.tls.clone().unwrap_or_default();
                StartTls::client(connection, &self.connector(&tls)?)
            }
        };
        // What is sent and received next waits for its end.
        started.map(drop).map_err(|error| self.not_started(error))
    }

    pub(crate) fn authority(&self) -> Result<Authority, TlsConfigError> {
        authority(&self.entity)
    }

    fn acceptor(&self) -> Result<&Acceptor, TlsConfigError> {
        if let Some(acceptor) = self.acceptor.get() {
            return Ok(acceptor);
        }
        let tls = self.tls.clone().unwrap_or_default();
        let names = [&[&*self.host], &LOCAL[..], &[&*self.driver]].concat();
        let acceptor = Acceptor::new(&tls, &names, &self.authority()?, Some(self.on_secret()))?;
        Ok(self.acceptor.get_or_init(|| acceptor))
    }

    /// One for all connections, as sessions are resumed by the one that has them.
    fn connector(&self, tls: &Tls) -> Result<Connector, TlsConfigError> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let names = [&*self.driver];
        let connector = Connector::new(
            tls,
            &self.host,
            &names,
            &self.authority()?,
            Some(self.on_secret()),
        )?;
        Ok(self.connector.get_or_init(|| connector).clone())
    }

    fn on_secret(&self) -> OnSecret {
        let recorder = self.recorder.clone();
        Arc::new(move |line: &str| recorder.add_secret(line))
    }

    fn write_files(&self, driver: &DriverBase, tls: &Tls) -> standin_entity::Result<Files> {
        let authority = self.authority().map_err(TcpError::from)?;
        let mut folder = Folder::create(driver)?;
        folder.add_authority(&authority)?;
        if tls.client_auth != ClientAuth::None {
            let client = authority.issue(["client"]).map_err(TcpError::from)?;
            let names = [
                ("client_certificate_file", "client.pem"),
                ("client_key_file", "client.key"),
            ];
            folder.add_identity(names, &client)?;
        }
        Ok(folder.into_files())
    }

    fn no_reactor(&self, source: io::Error) -> TcpError {
        TcpError::NoReactor {
            driver: self.driver.clone(),
            source,
        }
    }

    fn not_started(&self, failed: standin_tls::StartTlsError) -> TcpError {
        TcpError::StartTls {
            driver: self.driver.clone(),
            failed: Box::new(failed),
        }
    }
}
