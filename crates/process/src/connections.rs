//! Who a process is connected to.

use standin_connection::{
    ConnectionExtractor, ConnectionInfo, ConnectionSource, Direction, ProcessFiles, ProcessSockets,
    ProcessState,
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

/// What the process and all below it have open, but for its standard streams and its `log`, and
/// its `ports`, each with a name and a host.
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
    for (_, host, port) in ports {
        let is_known = infos.iter().any(|info: &ConnectionInfo| {
            info.direction() == Direction::Listening && info.port() == Some(port)
        });
        // One that nobody is connected to yet is there all the same.
        if !is_known {
            infos.push(ConnectionInfo::tcp_listening(port, host));
        }
    }
    infos
}
