//! The connections of a process.

use standin_connection::{
    ConnectionExtractor, ConnectionInfo, ConnectionSource, Direction, ProcessFiles, ProcessSockets,
    ProcessState, Protocol,
};
use standin_driver::DriverBase;

use crate::log;

/// The process as extractors see it.
struct Source<'a> {
    base: &'a DriverBase,
    process: ProcessState,
}

impl ConnectionSource for Source<'_> {
    fn name(&self) -> &str {
        self.base.name()
    }

    fn process(&self) -> ProcessState {
        self.process
    }
}

/// The open connections of the process and its descendants, except for its standard streams and its
/// `log`, and its `ports`, each with a name and a host.
pub(crate) fn of(
    base: &DriverBase,
    process: ProcessState,
    log: Option<String>,
    ports: Vec<(String, String, u16)>,
) -> Vec<ConnectionInfo> {
    let own = ["stdin", "stdout", "stderr"].map(str::to_owned);
    let extractors: [&dyn ConnectionExtractor; 2] = [
        &ProcessSockets::new(),
        &ProcessFiles::new().ignore(own.into_iter().chain(log)),
    ];
    let source = Source { base, process };
    let mut infos = Vec::new();
    for extractor in extractors {
        match extractor.extract(&source) {
            Ok(found) => infos.extend(found),
            Err(error) => log::warn(base, error),
        }
    }
    add_ports(&mut infos, ports);
    infos
}

/// Adds the ports without a connection.
fn add_ports(infos: &mut Vec<ConnectionInfo>, ports: Vec<(String, String, u16)>) {
    for (_, host, port) in ports {
        let is_known = infos.iter().any(|info| {
            *info.protocol() == Protocol::Tcp
                && info.direction() == Direction::Listening
                && info.port() == Some(port)
        });
        if !is_known {
            infos.push(ConnectionInfo::tcp_listening(port, host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_tcp_is_not_that_of_udp() {
        let udp = ConnectionInfo::new(Protocol::Udp, Direction::Listening)
            .with_identifier(53)
            .with_port(53);
        let tcp = ConnectionInfo::tcp_listening(53, "localhost");
        let mut infos = vec![udp.clone()];
        let ports = vec![("dns".to_owned(), "localhost".to_owned(), 53)];
        add_ports(&mut infos, ports.clone());
        assert_eq!(infos, [udp.clone(), tcp.clone()]);
        add_ports(&mut infos, ports);
        assert_eq!(infos, [udp, tcp]);
    }
}
