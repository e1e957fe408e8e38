//! Proxies, and what they do to connections.

use std::{future::Future, time::Duration};

use standin_proxy::{Injected, ProxyError, TcpProxy};

use crate::runtime::Task;

/// The operations of a [`TcpProxy`] besides its [lifecycle](crate::DriverAsync).
pub trait ProxyAsync {
    /// Waits until at most that many connections are open.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpProxy::wait_until_open`].
    fn wait_until_open_async(
        &self,
        most: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), ProxyError>>;
}

impl ProxyAsync for TcpProxy {
    fn wait_until_open_async(
        &self,
        most: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), ProxyError>> {
        self.wait_until_open_with(Task, most, timeout)
    }
}

/// The operations of an [`Injected`] fault.
pub trait InjectedAsync {
    /// Waits until the fault has happened.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Injected::wait`].
    fn wait_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), ProxyError>>;
}

impl InjectedAsync for Injected {
    fn wait_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), ProxyError>> {
        self.wait_with(Task, timeout)
    }
}
