//! What the drivers of this crate have in common.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use standin_config::{Options, Port, Setting};
use standin_driver::{BuildError, DriverBase};
use standin_socket::Connection;

use crate::connection::{Noted, noted};
use crate::{TcpConnection, TcpError};

/// The base of a driver, and what its latest start has found out.
pub(crate) struct TcpBase<S> {
    pub(crate) driver: DriverBase,
    state: RwLock<S>,
}

impl<S: Default> TcpBase<S> {
    pub(crate) fn new(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        Ok(TcpBase {
            driver: DriverBase::new(kind, options)?,
            state: RwLock::default(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.driver.name()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, S> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, S> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the port that an option names.
    pub(crate) fn port(&self, setting: &Setting<Port>) -> standin_entity::Result<u16> {
        let port = self.driver.expand(setting)?;
        Ok(port.number().map_err(|source| TcpError::Port {
            driver: self.name().to_owned(),
            source,
        })?)
    }

    /// The handle of a connection.
    pub(crate) fn handle(&self, socket: Connection) -> TcpConnection {
        TcpConnection::new(socket, self.driver.explainer())
    }

    /// The error with what the environment knows that may explain it.
    pub(crate) fn noted(&self, error: impl Noted) -> TcpError {
        noted(&self.driver.explainer(), self.name(), error)
    }

    pub(crate) fn not_running(&self) -> TcpError {
        TcpError::NotRunning {
            driver: self.name().to_owned(),
            status: self.driver.resource().status(),
        }
    }
}
