//! The drivers that take part in one connection.

use std::collections::HashMap;

use crate::{ConnectionInfo, Direction, Protocol};

/// The listening and the connecting drivers of one connection, by its
/// [`connection_rep`](ConnectionInfo::connection_rep) alone.
///
/// The simplest way to group ends. It ignores addresses, so that servers on one port of different
/// hosts are in one group; [`ConnectionGraph`](crate::ConnectionGraph) distinguishes them.
///
/// ```
/// use standin_connection::{ConnectionGroup, ConnectionInfo};
///
/// let server = ConnectionInfo::tcp_listening(80, "127.0.0.1");
/// let mut group = ConnectionGroup::of(&server);
/// assert!(group.add("server", &server));
/// assert!(group.add("client", &ConnectionInfo::tcp_connecting(80, "127.0.0.1", 5000)));
/// assert!(!group.add("other", &ConnectionInfo::tcp_connecting(81, "127.0.0.1", 5001)));
/// assert!(group.is_complete());
/// assert_eq!(group.connecting()[0].labels(), ["5000"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionGroup {
    connection_rep: String,
    listening: Members,
    connecting: Members,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Members {
    list: Vec<GroupMember>,
    /// The place of each driver in the list.
    places: HashMap<String, usize>,
}

/// A driver in a [`ConnectionGroup`], with what its ends are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    driver: String,
    labels: Vec<String>,
}

impl ConnectionGroup {
    /// Creates a group without members for the connection that `info` is an end of.
    pub fn of(info: &ConnectionInfo) -> Self {
        Self {
            connection_rep: info.connection_rep(),
            listening: Members::default(),
            connecting: Members::default(),
        }
    }

    /// Adds a driver by one of its ends; `false`, and nothing is added, when
    /// the end belongs to another connection.
    pub fn add(&mut self, driver: impl Into<String>, info: &ConnectionInfo) -> bool {
        if info.connection_rep() != self.connection_rep {
            return false;
        }
        let members = match info.direction() {
            Direction::Listening => &mut self.listening,
            Direction::Connecting => &mut self.connecting,
        };
        let driver = driver.into();
        let place = match members.places.get(&driver) {
            Some(place) => *place,
            None => {
                let place = members.list.len();
                members.places.insert(driver.clone(), place);
                members.list.push(GroupMember {
                    driver,
                    labels: Vec::new(),
                });
                place
            }
        };
        add_label(&mut members.list[place].labels, label(info));
        true
    }

    /// Returns the identifier of the connection.
    pub fn connection_rep(&self) -> &str {
        &self.connection_rep
    }

    /// Returns the listening drivers, in the order in which they were added.
    pub fn listening(&self) -> &[GroupMember] {
        &self.listening.list
    }

    /// Returns the connecting drivers, in the order in which they were added.
    pub fn connecting(&self) -> &[GroupMember] {
        &self.connecting.list
    }

    /// Returns whether there is a driver at either end.
    pub fn is_complete(&self) -> bool {
        !self.listening.list.is_empty() && !self.connecting.list.is_empty()
    }
}

impl GroupMember {
    /// Returns the driver's name.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// Returns the ports of the driver's ends, lowest first; `Read` or `Write` for a
    /// file, `Unknown` for a port that is not known.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

/// The name of one end of a connection.
pub(crate) fn label(info: &ConnectionInfo) -> String {
    match (info.protocol(), info.direction(), info.port()) {
        (Protocol::File, Direction::Listening, _) => "Read".to_owned(),
        (Protocol::File, Direction::Connecting, _) => "Write".to_owned(),
        (_, _, Some(port)) => port.to_string(),
        (_, _, None) => "Unknown".to_owned(),
    }
}

/// Adds a label once, ports in the order of their numbers and before words.
pub(crate) fn add_label(labels: &mut Vec<String>, label: String) {
    let key = |label: &str| (label.parse::<u16>().unwrap_or(u16::MAX), label.to_owned());
    if let Err(place) = labels.binary_search_by_key(&key(&label), |label| key(label)) {
        labels.insert(place, label);
    }
}
