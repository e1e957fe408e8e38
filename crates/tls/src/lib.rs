#![doc = include_str!("../README.md")]

mod acceptor;
mod alert;
mod authority;
mod certificate;
mod connector;
mod defect;
mod error;
mod explain;
mod handshake;
mod hello;
mod identity;
mod info;
mod key_log;
mod options;
mod provider;
mod session;
mod tls;
mod verify;

pub use acceptor::Acceptor;
pub use alert::Alert;
pub use authority::Authority;
pub use certificate::Certificate;
pub use connector::Connector;
pub use defect::{Defect, UnknownDefect};
pub use error::{Side, TlsConfigError, TlsError};
pub use handshake::Handshake;
pub use hello::Offer;
pub use identity::Identity;
pub use info::TlsInfo;
pub use key_log::OnSecret;
pub use session::{Plain, Session};
pub use tls::{ClientAuth, Tls, UnknownWord, Version};
