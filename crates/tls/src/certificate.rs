//! [`Certificate`]: what is known of a certificate that a side has shown.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls::CertificateError;

use crate::der;

/// The contents of a certificate that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The subject, such as `CN=bank.test`.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub valid_from: SystemTime,
    /// Until when it is valid.
    pub valid_to: SystemTime,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// All of it, in DER.
    pub der: Vec<u8>,
}

impl Certificate {
    /// Creates a certificate from its DER bytes; returns `None` if they are not one.
    pub fn from_der(der: &[u8]) -> Option<Certificate> {
        let fields = der::read(der).ok()?;
        Some(Certificate {
            subject: one_line(&fields.subject),
            issuer: one_line(&fields.issuer),
            names: fields.names.iter().map(|name| one_line(name)).collect(),
            valid_from: time(fields.not_before),
            valid_to: time(fields.not_after),
            serial: fields.serial,
            der: der.to_vec(),
        })
    }

    /// Returns whether issuer and subject are the same.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// The name that a person would use of a certificate: the first one that it is for.
    pub(crate) fn short_name(&self) -> &str {
        let subject = || self.subject.strip_prefix("CN=").unwrap_or(&self.subject);
        self.names.first().map_or_else(subject, String::as_str)
    }

    /// The same for the issuer.
    pub(crate) fn short_issuer(&self) -> &str {
        self.issuer.strip_prefix("CN=").unwrap_or(&self.issuer)
    }

    pub(crate) fn day_from(&self) -> String {
        day(self.valid_from)
    }

    pub(crate) fn day_to(&self) -> String {
        day(self.valid_to)
    }
}

/// `"bank.test" (for bank.test, 127.0.0.1; of "standin bank"; valid from .. to ..)`
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.join(", ");
        let names = if names.is_empty() { "no name" } else { &names };
        let (from, to) = (self.day_from(), self.day_to());
        write!(f, "\"{}\" (for {names}; ", self.short_name())?;
        match self.is_self_signed() {
            true => f.write_str("self-signed")?,
            false => write!(f, "of authority \"{}\"", self.short_issuer())?,
        }
        write!(f, "; valid from {from} to {to})")
    }
}

/// What is wrong with a certificate. Much of it has no more than the name of a variant.
pub(crate) fn words(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::Other(other) => other.to_string(),
        error => error.to_string(),
    };
    if !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return text;
    }
    let mut words = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// Names come from peers, who may write anything.
fn one_line(name: &str) -> String {
    name.escape_debug().to_string()
}

fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `2026-11-28 10:00 UTC`; of years that nobody would write, the number of seconds.
fn day(time: SystemTime) -> String {
    let latest = Duration::from_secs(253_402_300_799);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since <= latest => {
            let text = humantime::format_rfc3339_seconds(time).to_string();
            format!("{} UTC", text[..16].replace('T', " "))
        }
        Ok(since) => format!("{} s after 1970", since.as_secs()),
        Err(before) => format!("{} s before 1970", before.duration().as_secs()),
    }
}
