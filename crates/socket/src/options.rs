//! Socket options that servers and clients have in common.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};

use crate::address::Address;

/// Options of sockets, set before a socket connects or listens. `None` leaves a value to the system.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) nodelay: bool,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) keepalive: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            nodelay: true,
            send_buffer: None,
            receive_buffer: None,
            keepalive: None,
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
