//! What a connection has for TLS.

use std::sync::Arc;

use standin_tls::TlsInfo;

use crate::{TcpConnection, TcpError};

impl TcpConnection {
    /// What both sides have agreed on: the version of TLS, the cipher suite, the name that the
    /// client has asked for, the protocol over it (ALPN), and the certificate that the peer has
    /// shown.
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
    /// Returns an error if the connection does not speak TLS.
    pub fn tls(&self) -> Result<Arc<TlsInfo>, TcpError> {
        let info = self.socket().transform_details::<TlsInfo>();
        info.ok_or_else(|| TcpError::NoTls {
            driver: self.driver(),
        })
    }

    /// Begins TLS on this connection, in the middle of what is said, as SMTP and databases do:
    /// with the options `tls` of the driver, or the usual ones if it has none. What is sent and
    /// received next goes over TLS.
    ///
    /// It does not wait. The handshake is done by itself, and whoever sends or receives waits for
    /// it, within its own limit, and has its error if both sides do not agree; so that a test may
    /// call this for both ends, in any order.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed, speaks TLS already, or another thread sends
    /// or receives over it at this moment; or if the options do not fit.
    pub fn start_tls(&self) -> Result<(), TcpError> {
        match self.tls_side() {
            Some(side) => side.start(self.socket()),
            None => Err(TcpError::NoTls {
                driver: self.driver(),
            }),
        }
    }
}
