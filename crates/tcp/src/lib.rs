#![doc = include_str!("../README.md")]

mod answering;
mod base;
mod client;
mod config;
mod connection;
mod encoding;
mod error;
mod held;
mod interface;
mod replies;
mod server;
mod talk;
pub mod testplan;
#[cfg(feature = "tls")]
mod tls;

pub use crate::client::TcpClient;
pub use crate::config::{
    TcpBuilder, TcpClientBuilder, TcpClientConfig, TcpConfig, TcpServerBuilder, TcpServerConfig,
};
#[doc(hidden)]
pub use crate::connection::Talk;
pub use crate::connection::TcpConnection;
pub use crate::encoding::{Encoding, UnknownEncoding};
pub use crate::error::TcpError;
pub use crate::held::TcpHeld;
pub use crate::interface::Interface;
pub use crate::replies::{Framing as StreamFraming, RepliesConfig};
pub use crate::server::TcpServer;
#[cfg(feature = "tls")]
#[doc(hidden)]
pub use crate::tls::CertificateDefect;
#[cfg(feature = "tls")]
pub use crate::tls::{TlsCertificate, TlsCertificateBuilder, TlsCertificateConfig, TlsOptions};
#[doc(hidden)]
pub use standin_socket::framing::Framing;
#[cfg(feature = "tls")]
pub use standin_tls::{Defect, Tls};
