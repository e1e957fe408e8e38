//! [`Offer`]: what a client offers in its first message.

use std::fmt;

/// A client's offer in its first message, which even a refusing server sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The versions, such as `TLS 1.3`.
    pub versions: Vec<String>,
    /// How many cipher suites.
    pub ciphers: usize,
    /// The requested server name (SNI).
    pub server_name: Option<String>,
    /// The protocols that it speaks over TLS (ALPN).
    pub alpn: Vec<String>,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.versions.join(", "))?;
        write!(f, ", {} cipher suites", self.ciphers)?;
        match &self.server_name {
            Some(name) => write!(f, ", the server name \"{name}\"")?,
            None => f.write_str(", no server name")?,
        }
        match self.alpn.is_empty() {
            true => f.write_str(", no protocol (ALPN)"),
            false => write!(f, ", the protocols {} (ALPN)", self.alpn.join(", ")),
        }
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

impl Offer {
    /// Of the first bytes that a client has sent; `None` if they are not all of its first message.
    pub(crate) fn of(wire: &[u8]) -> Option<Offer> {
        let message = first_message(wire)?;
        let mut all = Reader(&message);
        let (legacy, _random) = (all.u16()?, all.take(32)?);
        let (_session, ciphers, _compression) = (all.list8()?, all.list16()?, all.list8()?);
        let mut offer = Offer {
            ciphers: ciphers.0.len() / 2,
            ..Offer::default()
        };
        let mut extensions = all.list16().unwrap_or(Reader(&[]));
        while let Some(kind) = extensions.u16() {
            let mut body = extensions.list16()?;
            match kind {
                SERVER_NAME => {
                    let mut names = body.list16()?;
                    let (_kind, name) = (names.u8()?, names.list16()?);
                    offer.server_name = Some(text(name.0));
                }
                ALPN => {
                    let mut names = body.list16()?;
                    while let Some(name) = names.list8() {
                        offer.alpn.push(text(name.0));
                    }
                }
                SUPPORTED_VERSIONS => {
                    let mut versions = body.list8()?;
                    while let Some(number) = versions.u16() {
                        offer.versions.extend(version(number));
                    }
                }
                _ => {}
            }
        }
        if offer.versions.is_empty() {
            offer.versions.extend(version(legacy));
        }
        Some(offer)
    }
}

/// The first message of a handshake, put together from its records.
fn first_message(wire: &[u8]) -> Option<Vec<u8>> {
    let mut records = Reader(wire);
    let mut message = Vec::new();
    loop {
        let (kind, _version) = (records.u8()?, records.u16()?);
        if kind != HANDSHAKE {
            return None;
        }
        message.extend_from_slice(records.list16()?.0);
        let mut all = Reader(&message);
        let Some(kind) = all.u8() else { continue };
        if kind != CLIENT_HELLO {
            return None;
        }
        if let Some(body) = all.list24() {
            return Some(body.0.to_vec());
        }
    }
}

/// Numbers that mean no version are there to try whether servers stumble over them.
fn version(number: u16) -> Option<String> {
    match number {
        0x0300 => Some("SSL 3.0".to_owned()),
        0x0301..=0x0304 => Some(format!("TLS 1.{}", number - 0x0301)),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A list with its length in front.
    fn list8(&mut self) -> Option<Reader<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Reader)
    }

    fn list16(&mut self) -> Option<Reader<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Reader)
    }

    fn list24(&mut self) -> Option<Reader<'a>> {
        let (high, low) = (self.u8()?, self.u16()?);
        self.take(usize::from(high) << 16 | usize::from(low))
            .map(Reader)
    }
}
