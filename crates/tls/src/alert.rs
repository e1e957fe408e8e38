//! [`Alert`]: how one side says why it ends a connection.

use std::fmt;

/// An alert: the reason why one side ends a connection, a number with a name, such as `unknown_ca
/// (48)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

impl Alert {
    /// Returns its name in the standards.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "an alert without a name",
        }
    }

    /// Its usual meaning, for those that show why the peer refused.
    pub(crate) fn meaning(self) -> Option<&'static str> {
        Some(match self.0 {
            20 => "it could not decrypt what it received",
            40 => "it found nothing acceptable in what was offered",
            42 => "it does not accept the certificate",
            43 => "it does not accept certificates of this kind",
            44 => "the certificate has been revoked",
            45 => "the certificate is not valid at this time",
            46 => "it does not accept the certificate, perhaps because of its name",
            48 => "it does not trust the authority",
            49 => "it denied this side access",
            51 => "it found a wrong signature or checksum",
            70 => "it supports none of the offered versions of TLS",
            71 => "what was offered is not secure enough for it",
            112 => "it does not know the server name",
            116 => "it requires a certificate, but received none",
            120 => "it supports none of the offered protocols (ALPN)",
            _ => return None,
        })
    }

    /// Whether it is about the certificate that this side has shown.
    pub(crate) fn is_of_certificate(self) -> bool {
        matches!(self.0, 42..=46 | 48)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}
