//! [`TlsInfo`]: what both sides have agreed on.

use rustls::{HandshakeKind, ProtocolVersion};

use crate::certificate::Certificate;
use crate::tls::Version;

/// The negotiated parameters of a connection, and the certificate of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version that is spoken.
    pub version: Version,
    /// The cipher suite by its standard name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// The server name that the client requested (SNI).
    pub server_name: Option<String>,
    /// The protocol over TLS that was agreed on (ALPN).
    pub alpn: Option<String>,
    /// The certificates that the peer has shown, its own first; none if it has shown none.
    pub peer_certificates: Vec<Certificate>,
    /// Whether the handshake was shortened by what was left of an earlier one.
    pub is_resumed: bool,
}

impl TlsInfo {
    /// Of a connection whose handshake is done.
    pub(crate) fn of(tls: &rustls::Connection, asked_for: Option<&str>) -> TlsInfo {
        let certificates = tls.peer_certificates().unwrap_or_default();
        TlsInfo {
            peer_certificates: certificates
                .iter()
                .filter_map(|der| Certificate::from_der(der))
                .collect(),
            ..TlsInfo::without_certificates(tls, asked_for)
        }
    }

    /// The same without the certificates, as reading them takes the most of it.
    fn without_certificates(tls: &rustls::Connection, asked_for: Option<&str>) -> TlsInfo {
        let server_name = match tls {
            rustls::Connection::Server(server) => server.server_name(),
            rustls::Connection::Client(_) => asked_for,
        };
        let cipher = tls.negotiated_cipher_suite();
        let cipher = cipher.and_then(|cipher| cipher.suite().as_str());
        TlsInfo {
            version: match tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
                _ => Version::Tls13,
            },
            cipher: cipher.unwrap_or_default().replace("TLS13_", "TLS_"),
            server_name: server_name.map(str::to_owned),
            alpn: tls
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            peer_certificates: Vec::new(),
            is_resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// The recorded text of a handshake.
    pub(crate) fn note(tls: &rustls::Connection, asked_for: Option<&str>) -> String {
        let info = TlsInfo::without_certificates(tls, asked_for);
        let mut note = format!("{}, {}", info.version, info.cipher);
        if let Some(name) = &info.server_name {
            note += &format!(", for \"{name}\"");
        }
        if let Some(alpn) = &info.alpn {
            note += &format!(", {alpn}");
        }
        if info.is_resumed {
            note += ", resumed";
        }
        note
    }

    /// Returns the peer's own certificate; `None` if it has shown none.
    pub fn peer_certificate(&self) -> Option<&Certificate> {
        self.peer_certificates.first()
    }
}
