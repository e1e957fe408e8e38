use std::fmt;
use std::time::Duration;

use standin_config::{Config, Kind, OptionValue, Value, ValueError};
use standin_error::text::{Count, Quoted};

use crate::counted::counted;

/// How a direction of a proxy's connections is, for as long as that is set. Without anything it is
/// as if there were no proxy.
///
/// ```
/// use std::time::Duration;
/// use standin_proxy::Link;
///
/// let slow = Link::new().latency(Duration::from_millis(50)).bandwidth(1_000_000);
/// # let _ = slow;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Config)]
#[config(table)]
pub struct Link {
    /// How long each byte is on its way. Default: no time.
    pub(crate) latency: Option<Duration>,
    /// How much shorter or longer than `latency` it may be on its way, by the seed. Bytes stay in
    /// order. Default: nothing.
    pub(crate) jitter: Option<Duration>,
    /// How many bytes a second each connection carries. Default: as many as come.
    #[config(range = 1..)]
    pub(crate) bandwidth: Option<u64>,
    /// How many bytes a second all connections together carry. Default: as many as come.
    #[config(range = 1..)]
    pub(crate) shared_bandwidth: Option<u64>,
    /// How many bytes the receiver gets at once at most. Default: as many as come.
    #[config(range = 1..)]
    pub(crate) slice: Option<usize>,
    /// How long it is from one slice to the next. Default: a millisecond.
    #[config(needs(slice))]
    pub(crate) slice_pause: Option<Duration>,
    /// How many bytes of each connection go through. What comes after them is lost without a word.
    /// Default: all.
    pub(crate) limit: Option<u64>,
    /// Only the connection of this index, counted from 0. Of several links that are meant for one,
    /// the last counts. Default: all.
    pub(crate) connection: Option<usize>,
    /// Only connections from this IP address. Default: from all.
    #[config(check = |text: &String| check_ip(text))]
    pub(crate) peer: Option<String>,
}

/// How long it is from one slice to the next.
const SLICE_PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn check_ip(text: &str) -> Result<(), String> {
    let ip: Result<std::net::IpAddr, _> = text.parse();
    ip.map(|_| ())
        .map_err(|_| format!("{} is not an IP address", Quoted(text)))
}

impl Link {
    /// Creates a link that behaves as if there were no proxy.
    pub fn new() -> Link {
        Link::default()
    }

    /// Sets how long each byte is on its way. At most 4 MiB are on their way at once; then the
    /// sender has to wait.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Link {
        self.latency = Some(time);
        self
    }

    /// Sets how much shorter or longer than the latency each piece of bytes may be on its way. They
    /// stay in order. A failure shows the seed that it comes from.
    #[must_use]
    pub fn jitter(mut self, time: Duration) -> Link {
        self.jitter = Some(time);
        self
    }

    /// Sets how many bytes per second each connection carries, at least 1.
    #[must_use]
    pub fn bandwidth(mut self, bytes_per_second: u64) -> Link {
        self.bandwidth = Some(bytes_per_second.max(1));
        self
    }

    /// Sets how many bytes per second all connections together carry, at least 1.
    #[must_use]
    pub fn shared_bandwidth(mut self, bytes_per_second: u64) -> Link {
        self.shared_bandwidth = Some(bytes_per_second.max(1));
        self
    }

    /// Sets how many bytes the receiver gets at once at most, and the pause before the next ones.
    #[must_use]
    pub fn slice(mut self, bytes: usize, pause: Duration) -> Link {
        self.slice = Some(bytes.max(1));
        self.slice_pause = Some(pause);
        self
    }

    /// Sets how many bytes of each connection go through. Later bytes are silently dropped.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Link {
        self.limit = Some(bytes);
        self
    }

    /// Limits the link to the connection with that index, counted from 0.
    #[must_use]
    pub fn of_connection(mut self, index: usize) -> Link {
        self.connection = Some(index);
        self
    }

    /// Limits the link to connections from that IP address.
    #[must_use]
    pub fn from_peer(mut self, peer: std::net::IpAddr) -> Link {
        self.peer = Some(peer.to_string());
        self
    }

    pub(crate) fn slice_pause_or_default(&self) -> Duration {
        self.slice_pause.unwrap_or(SLICE_PAUSE)
    }

    /// Whether bytes go through as they come.
    pub(crate) fn is_plain(&self) -> bool {
        let Link {
            latency,
            jitter,
            bandwidth,
            shared_bandwidth,
            slice,
            limit,
            slice_pause: _,
            connection: _,
            peer: _,
        } = self;
        latency.is_none()
            && jitter.is_none()
            && bandwidth.is_none()
            && shared_bandwidth.is_none()
            && slice.is_none()
            && limit.is_none()
    }

    pub(crate) fn is_for(&self, connection: usize, peer: Option<std::net::IpAddr>) -> bool {
        let is_meant = |wanted: &String| peer.is_some_and(|peer| Ok(peer) == wanted.parse());
        self.connection.is_none_or(|wanted| wanted == connection)
            && self.peer.as_ref().is_none_or(is_meant)
    }
}

/// What is set of it.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pause = self.slice_pause_or_default();
        let parts = [
            self.latency.map(|time| format!("latency {time:?}")),
            self.jitter.map(|time| format!("jitter {time:?}")),
            self.bandwidth.map(|rate| format!("{rate} bytes/s")),
            self.shared_bandwidth
                .map(|rate| format!("{rate} bytes/s of all connections together")),
            self.slice
                .map(|size| format!("slices of {} {pause:?} apart", Count(size, "byte"))),
            self.limit
                .map(|count| format!("{}, and the rest is lost", counted(count, "byte"))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("as if there were no proxy"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// One link, or several that are meant for different connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links(pub(crate) Vec<Link>);

impl From<Link> for Links {
    fn from(link: Link) -> Links {
        Links(vec![link])
    }
}

impl From<Vec<Link>> for Links {
    fn from(links: Vec<Link>) -> Links {
        Links(links)
    }
}

impl<const N: usize> From<[Link; N]> for Links {
    fn from(links: [Link; N]) -> Links {
        Links(links.into())
    }
}

impl OptionValue for Links {
    fn kind() -> Kind {
        Kind::Union(vec![Link::kind(), Vec::<Link>::kind()])
    }

    fn from_value(value: &Value) -> Result<Links, ValueError> {
        match value {
            Value::List(_) => Vec::from_value(value).map(Links),
            Value::Map(_) => Link::from_value(value).map(Links::from),
            _ => Err(Self::kind().unfit(value)),
        }
    }

    fn read(value: &Value) -> Result<Links, Vec<ValueError>> {
        match value {
            Value::List(_) => Vec::read(value).map(Links),
            Value::Map(_) => Link::read(value).map(Links::from),
            _ => Err(vec![Self::kind().unfit(value)]),
        }
    }

    fn to_value(&self) -> Value {
        match &self.0[..] {
            [link] => link.to_value(),
            links => links.to_vec().to_value(),
        }
    }
}
