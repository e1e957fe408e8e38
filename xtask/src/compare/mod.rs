//! `cargo xtask compare`: one conversation through the drivers, and the same
//! through testplan, the Python framework that they follow, where it is installed.
//!
//! A conversation is: start a server and a client that gets its address from a
//! context value, accept, send messages to and fro in one thread, reconnect,
//! accept a burst of connections, stop.
//!
//! Beside it, one question and its answer with others that answer by themselves: see
//! `responders.rs`; and the command `standin` next to others that bring servers up: see
//! `runners.rs`.

mod responders;
mod runners;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use standin_config::context;
use standin_environment::Environment;
use standin_tcp::{TcpClient, TcpServer};

use crate::bench::{Outcome, measure::median};
use crate::python::{self, PYTHON};

/// How often each has the conversation. The figures are medians.
const ROUNDS: usize = 5;
/// Messages to and fro.
const TRIPS: usize = 1_000;
const RECONNECTS: usize = 5;
/// Connections made at once, before the first is accepted.
const BURST: usize = 10;

const MESSAGE: [u8; 64] = [b'Z'; 64];
const LIMIT: Duration = Duration::from_secs(10);

/// The parts in their order, with what one figure is of.
const PARTS: [(&str, &str); 6] = [
    ("start", "both drivers"),
    ("accept", "one connection that is there"),
    ("round trip", "64 bytes to and fro"),
    ("reconnect", "close, connect and accept"),
    ("burst", "each of 10 connects and accepts"),
    ("stop", "both drivers; standin removes their files, too"),
];

const SCRIPT: &str = include_str!("conversation.py");

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum CompareError {
    #[error("the conversation failed")]
    #[diagnostic(code(xtask::compare::failed), help("see the cause"))]
    Failed {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Microseconds of each part, of each conversation.
type Times = [Vec<f64>; PARTS.len()];

pub(crate) fn run() -> Result<(), CompareError> {
    let failed = |source| CompareError::Failed { source };
    // What is only done once, such as finding the user's name, counts for neither.
    converse(&mut Times::default()).map_err(failed)?;
    let mut ours = Times::default();
    for _ in 0..ROUNDS {
        converse(&mut ours).map_err(failed)?;
    }
    let theirs = testplan();
    say!(
        "{:<12} {:>12} {:>12} {:>9}   of",
        "us",
        "standin",
        "testplan",
        "ratio"
    );
    for (index, (part, of)) in PARTS.into_iter().enumerate() {
        let ours = median(ours[index].clone());
        let (theirs, ratio) = match &theirs {
            Some(theirs) => {
                let theirs = median(theirs[index].clone());
                (format!("{theirs:.1}"), format!("{:.1}", theirs / ours))
            }
            None => ("-".to_owned(), "-".to_owned()),
        };
        say!("{part:<12} {ours:>12.1} {theirs:>12} {ratio:>9}   {of}");
    }
    if theirs.is_none() {
        say!(
            "\ntestplan was not asked: `python3 -c \"import testplan\"` fails; {PYTHON} can name a Python that has it"
        );
    }
    say!("");
    responders::run().map_err(failed)?;
    say!("");
    runners::run().map_err(failed)
}

fn converse(times: &mut Times) -> Outcome<()> {
    let mut index = 0;
    let mut part = |count: usize, begun: Instant| {
        times[index].push(begun.elapsed().as_secs_f64() * 1e6 / count as f64);
        index += 1;
    };
    let mut env = Environment::new("compare");
    let server = env.add(TcpServer::builder("server").host("127.0.0.1").build()?)?;
    let client = env.add(
        TcpClient::builder("client")
            .host(context("server", "{{ host }}"))
            .port(context("server", "{{ port }}"))
            .build()?,
    )?;
    let begun = Instant::now();
    let env = env.start()?;
    part(1, begun);

    let begun = Instant::now();
    let connection = server.accept_connection(LIMIT)?;
    part(1, begun);

    let begun = Instant::now();
    for _ in 0..TRIPS {
        client.send(MESSAGE)?;
        connection.receive_exactly(MESSAGE.len())?;
        connection.send(MESSAGE)?;
        client.receive_some(MESSAGE.len())?;
    }
    part(TRIPS, begun);

    let begun = Instant::now();
    for _ in 0..RECONNECTS {
        client.connect()?;
        server.accept_connection(LIMIT)?;
    }
    part(RECONNECTS, begun);

    let port = server.port().ok_or("the server has no port")?;
    let begun = Instant::now();
    let peers = (0..BURST)
        .map(|_| TcpStream::connect(("127.0.0.1", port)))
        .collect::<Result<Vec<_>, _>>()?;
    for _ in 0..BURST {
        server.accept_connection(LIMIT)?;
    }
    part(BURST, begun);

    let begun = Instant::now();
    env.stop()?;
    part(1, begun);
    drop(peers);
    Ok(())
}

/// The times of testplan, if there is one to ask.
fn testplan() -> Option<Times> {
    let counts = [ROUNDS, TRIPS, RECONNECTS, BURST].map(|count| count.to_string());
    parsed(&python::output(SCRIPT, &counts)?)
}

fn parsed(text: &str) -> Option<Times> {
    let mut times = Times::default();
    for line in text.lines() {
        let (part, micros) = line.rsplit_once(' ')?;
        // testplan may print lines of its own.
        if let Some(index) = PARTS.iter().position(|(name, _)| *name == part) {
            times[index].push(micros.parse().ok()?);
        }
    }
    times.iter().all(|times| !times.is_empty()).then_some(times)
}

#[cfg(test)]
mod tests {
    use super::{PARTS, Times, converse, parsed};

    #[test]
    fn every_part_has_a_time() {
        let mut times = Times::default();
        converse(&mut times).unwrap();
        assert!(times.iter().all(|times| times.len() == 1));
    }

    #[test]
    fn the_other_sides_lines_are_read() {
        let lines: Vec<_> = PARTS
            .iter()
            .map(|(part, _)| format!("{part} 1.5"))
            .collect();
        let times = parsed(&lines.join("\n")).unwrap();
        assert!(times.iter().all(|times| times == &[1.5]));
        assert!(parsed("start 1.5").is_none(), "the other parts are missing");
    }
}
