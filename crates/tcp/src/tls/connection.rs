//! TLS on a connection.

use std::sync::Arc;

use standin_socket::TransformError;
use standin_tls::TlsInfo;

use crate::{TcpConnection, TcpError};

impl TcpConnection {
    /// Returns the negotiated parameters: the version of TLS, the cipher suite, the requested
    /// server name, the protocol (ALPN), and the certificate of the peer.
    ///
    /// ```
    /// use standin_driver::Lifecycle;
    /// use standin_tcp::{TcpServer, TcpClient};
    /// use standin_tls::Tls;
    ///
    /// # fn main() -> standin_entity::Result<()> {
    /// let bank = TcpServer::builder("bank").tls(Tls::new().alpn(["h2"])).build()?;
    /// bank.start()?;
    /// // Drivers of one environment trust each other; these two have none.
    /// let client = TcpClient::builder("client")
    ///     .host("localhost")
    ///     .port(bank.port().expect("it runs"))
    ///     .tls(Tls::new().alpn(["h2"]).verify(false))
    ///     .build()?;
    /// client.start()?;
    /// let peer = bank.accept_connection(std::time::Duration::from_secs(10))?;
    /// assert_eq!(peer.tls()?.alpn.as_deref(), Some("h2"));
    /// # client.stop()?;
    /// # bank.stop()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the connection does not speak TLS, or not yet: a send or receive after
    /// [`start_tls`](TcpConnection::start_tls) waits for the handshake.
    pub fn tls(&self) -> Result<Arc<TlsInfo>, TcpError> {
        let socket = self.socket();
        // Asked before, as it may end meanwhile.
        let is_under_way = socket.is_being_upgraded();
        if let Some(info) = socket.transform_details::<TlsInfo>() {
            return Ok(info);
        }
        let driver = self.driver();
        Err(match socket.transform_details::<TransformError>() {
            Some(failed) => TcpError::TlsFailed { driver, failed },
            None if is_under_way => TcpError::TlsUnderWay { driver },
            None => TcpError::NoTls { driver },
        })
    }

    /// Begins TLS on this connection in the middle of a conversation, as SMTP and databases do:
    /// with the options `tls` of the driver, or the defaults if it has none. Everything sent and
    /// received afterwards uses TLS.
    ///
    /// It does not wait. The handshake runs by itself. The next sends and receives wait for it,
    /// within their own limits, and return its error if it fails. So a test may call this for both
    /// ends, in any order.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed, already uses TLS, or another thread is sending
    /// or receiving on it; or if the options do not fit.
    pub fn start_tls(&self) -> Result<(), TcpError> {
        match self.tls_side() {
            Some(side) => side.start(self.socket()),
            None => Err(TcpError::NoTls {
                driver: self.driver(),
            }),
        }
    }
}
