//! The parts of Linux's `/proc` about open files and sockets.

use std::collections::HashMap;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const ROOT: &str = "/proc";

/// A process, by its folder.
pub(crate) struct Process {
    folder: PathBuf,
}

/// What a process has open under one number.
pub(crate) struct Descriptor {
    target: PathBuf,
    metadata: Metadata,
}

/// A line of a table of sockets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) state: TcpState,
    pub(crate) inode: u64,
}

/// What a table says of a socket of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpState {
    Established,
    HalfClosed,
    Listen,
    Other,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            folder: Path::new(ROOT).join(pid.to_string()),
        }
    }

    /// The one that asks.
    pub(crate) fn myself() -> Self {
        Self {
            folder: Path::new(ROOT).join("self"),
        }
    }

    /// What it has open. What is closed meanwhile is left out.
    pub(crate) fn descriptors(&self) -> io::Result<Vec<Descriptor>> {
        let entries = fs::read_dir(self.folder.join("fd"))?;
        Ok(entries
            .filter_map(|entry| Descriptor::new(&entry.ok()?).ok())
            .collect())
    }

    /// The sockets of TCP in the network namespace of the process.
    pub(crate) fn tcp(&self) -> io::Result<Vec<Socket>> {
        self.tables(["net/tcp", "net/tcp6"])
    }

    /// The sockets of UDP in the network namespace of the process.
    pub(crate) fn udp(&self) -> io::Result<Vec<Socket>> {
        self.tables(["net/udp", "net/udp6"])
    }

    /// The second table, for IPv6, is missing when the kernel has it switched off.
    fn tables(&self, [first, second]: [&str; 2]) -> io::Result<Vec<Socket>> {
        let mut sockets = sockets(&fs::read_to_string(self.folder.join(first))?)?;
        match fs::read_to_string(self.folder.join(second)) {
            Ok(table) => sockets.extend(self::sockets(&table)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(sockets)
    }
}

impl Descriptor {
    fn new(entry: &DirEntry) -> io::Result<Self> {
        Ok(Self {
            target: fs::read_link(entry.path())?,
            // Of the link itself: its rights are those that the file was opened with.
            metadata: entry.metadata()?,
        })
    }

    /// The inode, if it is a socket.
    pub(crate) fn socket(&self) -> Option<u64> {
        let target = self.target.to_str()?.strip_prefix("socket:[")?;
        target.strip_suffix(']')?.parse().ok()
    }

    /// The path, if it has one.
    pub(crate) fn into_path(self) -> Option<PathBuf> {
        self.target.has_root().then_some(self.target)
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.metadata.mode() & 0o400 != 0
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.metadata.mode() & 0o200 != 0
    }
}

/// The processes below `root`, nearest first.
pub(crate) fn descendants(root: u32) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir(ROOT)? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Any of them may end at any time.
        if let Some(parent) = fs::read(entry.path().join("stat"))
            .ok()
            .and_then(|stat| parent(&stat))
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children.remove(parent).unwrap_or_default());
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

/// The parent in a `stat`: `12 (any name, also with a parenthesis) S 1 ...`.
fn parent(stat: &[u8]) -> Option<u32> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// The lines of a table, below its headings.
fn sockets(table: &str) -> io::Result<Vec<Socket>> {
    let unreadable = |line: &str| {
        let what = format!("not a line of a table of sockets: {line:?}");
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let lines = table.lines().skip(1);
    lines
        .map(|line| socket(line).ok_or_else(|| unreadable(line)))
        .collect()
}

fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    Some(Socket {
        local: address(fields.next()?)?,
        peer: address(fields.next()?)?,
        state: match fields.next()? {
            "01" => TcpState::Established,
            // Two that wait for the peer's end, and one for our own.
            "04" | "05" | "08" => TcpState::HalfClosed,
            "0A" => TcpState::Listen,
            _ => TcpState::Other,
        },
        inode: fields.nth(5)?.parse().ok()?,
    })
}

/// An address as the kernel writes it: words in the machine's order, in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |word: &str| Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    if ip.len() == 8 {
        return Some((Ipv4Addr::from(word(ip)?), port).into());
    }
    let mut octets = [0; 16];
    for (index, octets) in octets.chunks_exact_mut(4).enumerate() {
        octets.copy_from_slice(&word(ip.get(8 * index..8 * index + 8)?)?);
    }
    (ip.len() == 32).then(|| (Ipv6Addr::from(octets), port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_addresses_of_both_kinds() {
        let table = format!(
            "{HEADINGS}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0\n"
        );
        let listening = Socket {
            local: "127.0.0.1:8080".parse().unwrap(),
            peer: "0.0.0.0:0".parse().unwrap(),
            state: TcpState::Listen,
            inode: 4711,
        };
        assert_eq!(sockets(&table).unwrap(), [listening]);
        assert_eq!(
            address("B80D0120000000000000000001000000:0016"),
            "[2001:db8::1]:22".parse().ok()
        );
    }

    #[test]
    fn refuses_what_is_not_a_table() {
        for line in [
            "",
            "0: 0100007F",
            "0: 0100007F:1F90 00:00 0A 0:0 0:0 0 0 0 1",
            "0: x y z",
        ] {
            let error = sockets(&format!("{HEADINGS}{line}\n")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{line}");
        }
        assert_eq!(sockets("").unwrap(), []);
    }

    #[test]
    fn finds_the_parent_behind_any_name() {
        assert_eq!(parent(b"12 (sh) S 7 12 12"), Some(7));
        assert_eq!(parent(b"12 (a) S 1 (\xff) R 8 12"), Some(8));
        assert_eq!(parent(b"12 (sh"), None);
    }
}
