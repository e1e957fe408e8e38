//! Socket options that servers and clients have in common.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};

use crate::address::Address;

/// See [`Connection::DEFAULT_RECEIVE_LIMIT`](crate::Connection::DEFAULT_RECEIVE_LIMIT).
pub(crate) const DEFAULT_RECEIVE_LIMIT: usize = 64 << 20;

/// How an address is bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindOptions {
    pub(crate) reuse_address: bool,
    /// `None` leaves it to the system.
    pub(crate) only_ipv6: Option<bool>,
}

impl Default for BindOptions {
    fn default() -> Self {
        BindOptions {
            reuse_address: true,
            only_ipv6: None,
        }
    }
}

/// Options of connections and their sockets, set before a socket connects or listens. `None` leaves
/// a value to the system.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) nodelay: bool,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) receive_limit: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            nodelay: true,
            send_buffer: None,
            receive_buffer: None,
            keepalive: None,
            receive_limit: DEFAULT_RECEIVE_LIMIT,
        }
    }
}

impl SocketOptions {
    /// On a listener, accepted connections inherit them.
    pub(crate) fn apply(&self, socket: &SockRef<'_>, address: &Address) -> io::Result<()> {
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        if matches!(address, Address::Unix(_)) {
            return Ok(());
        }
        // An urgent byte is received where it was sent, like all others.
        socket.set_out_of_band_inline(true)?;
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(idle) = self.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(idle))?;
        }
        Ok(())
    }
}

/// The setters of a builder whose options are at the path `$options`.
macro_rules! setters {
    ($($options:ident).+) => {
        /// Sets whether small pieces are sent at once rather than collected (`TCP_NODELAY`).
        /// Default: true.
        pub fn nodelay(mut self, nodelay: bool) -> Self {
            self.$($options).+.nodelay = nodelay;
            self
        }

        /// Sets the size of the system's send buffer of each connection, in bytes. Default: the
        /// system's.
        pub fn send_buffer(mut self, bytes: usize) -> Self {
            self.$($options).+.send_buffer = Some(bytes);
            self
        }

        /// Sets the size of the system's receive buffer of each connection, in bytes. Default: the
        /// system's.
        pub fn receive_buffer(mut self, bytes: usize) -> Self {
            self.$($options).+.receive_buffer = Some(bytes);
            self
        }

        /// Sets after how much silence the system asks whether the peer is still there
        /// (`SO_KEEPALIVE`). Default: never.
        pub fn keepalive(mut self, idle: std::time::Duration) -> Self {
            self.$($options).+.keepalive = Some(idle);
            self
        }

        /// Sets the limit of
        /// [`Connection::set_receive_limit`](crate::Connection::set_receive_limit) for each
        /// connection, in bytes. Default: 64 MiB.
        pub fn receive_limit(mut self, bytes: usize) -> Self {
            self.$($options).+.receive_limit = bytes;
            self
        }
    };
}

pub(crate) use setters;
