//! Ports that a process listens on, known before it starts.

use std::net::TcpListener;

use standin_config::{Config, Constraint, OptionValue, Port, Setting};
use standin_socket::{BindError, HeldPort, OtherAddresses};

/// A port that a process shall listen on, chosen before it starts, and without
/// a moment in which another program could take it.
///
/// - [`hand_over`](Listen::hand_over): the driver binds and listens, and the
///   process inherits the socket as systemd would pass it: the descriptors from 3
///   on, and the variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
///   Clients can connect at once; they are served when the process is up. With
///   the option `shell` it is the shell that `LISTEN_PID` names.
/// - [`reserve`](Listen::reserve): the process itself binds to a port that the system gives to no
///   other program that asks for any port. It has a minute for that, and must allow the reuse of
///   addresses, as almost all servers do.
///
/// If the host is a name with several addresses, such as `localhost`, the port is free on all of
/// them, or the start fails: clients of the name reach the process or none. A socket that is handed
/// over listens on the first address that the machine has, IPv4 before IPv6, and while the process
/// runs the others are blocked.
///
/// The driver publishes `ports.<name>`, and `host` and `port` of the first one,
/// for its own arguments and for other drivers.
///
/// In an environment file it is `{ name = "http" }`, with `host` (by default
/// `"localhost"`), `port` (by default 0: the system chooses) and
/// `mode = "hand-over"` or `"reserve"`.
#[derive(Clone, Debug, PartialEq, Eq, Config)]
#[config(table)]
pub struct Listen {
    /// The name under which the port is published: `ports.<name>`.
    #[config(constraint = name_rule())]
    name: String,
    /// Host name or address to listen on.
    #[config(default = "localhost")]
    host: Setting<String>,
    /// Port to listen on; with 0 the system chooses.
    #[config(default = 0)]
    port: Setting<Port>,
    /// Whether the process inherits the listening socket (`hand-over`), or binds itself to a
    /// reserved port (`reserve`).
    #[config(default = Mode::HandOver)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, OptionValue)]
enum Mode {
    HandOver,
    Reserve,
}

impl Listen {
    /// Creates a socket that the process inherits.
    pub fn hand_over(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            host: Setting::from("localhost"),
            port: Setting::from(0),
            mode: Mode::HandOver,
        }
    }

    /// Reserves a port that the process binds itself.
    pub fn reserve(name: impl Into<String>) -> Self {
        Self {
            mode: Mode::Reserve,
            ..Self::hand_over(name)
        }
    }

    /// Sets the host to listen on, instead of `localhost`.
    #[must_use]
    pub fn host(mut self, host: impl Into<Setting<String>>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the port, instead of one that the system chooses.
    #[must_use]
    pub fn port(mut self, port: impl Into<Setting<Port>>) -> Self {
        self.port = port.into();
        self
    }

    /// Returns the name under which the port is published.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn settings(&self) -> (&Setting<String>, &Setting<Port>) {
        (&self.host, &self.port)
    }

    pub(crate) fn bind(&self, host: &str, port: u16) -> Result<Bound, BindError> {
        let held = HeldPort::bind(&self.name, host, port)?;
        Ok(Bound {
            name: self.name.clone(),
            host: host.to_owned(),
            port: held.port(),
            handed_over: match self.mode {
                Mode::HandOver => Some(held.hand_over()),
                Mode::Reserve => {
                    held.leave()?;
                    None
                }
            },
        })
    }
}

/// A port that is ours to give.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None` for one that is reserved.
    pub(crate) handed_over: Option<(TcpListener, OtherAddresses)>,
}

/// Colons are what separates the names in `LISTEN_FDNAMES`.
fn name_rule() -> Constraint {
    let check = |name: &String| match is_name(name) {
        true => Ok(()),
        false => Err("the name of a port must not be empty or contain `:` or a control character"),
    };
    Constraint::check(check).with_pattern(r"^[^:\x00-\x1f\x7f-\x9f]+$")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_be_written_and_read() {
        for listen in [
            Listen::hand_over("http"),
            Listen::reserve("http").host("::1").port(80),
        ] {
            let value = listen.to_value();
            assert_eq!(Listen::from_value(&value).unwrap(), listen);
        }
        assert!(Listen::hand_over("a:b").check().is_err());
    }
}
