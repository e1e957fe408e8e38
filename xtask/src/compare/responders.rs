//! One question and its answer, with peers that answer by themselves: standin's, an echo of
//! tokio's, socket-server-mocker, and mountebank where it is installed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket_server_mocker::Instruction::{ReceiveMessage, SendMessage};
use socket_server_mocker::ServerMocker;
use standin::reply::{Replies, Responder, equals, reply};
use standin_socket::Server;
use standin_socket::framing::Lines;

use crate::bench::{Outcome, echo::tokio_echo, measure::median, measure::micros_each};

/// The variable that names mountebank's program, if that is not `mb`.
const MOUNTEBANK: &str = "STANDIN_BENCH_MOUNTEBANK";

const QUESTION: &[u8] = b"PING\n";
const ANSWER: &[u8] = b"PONG\n";

/// Questions of one round.
const TRIPS: usize = 500;
const ROUNDS: usize = 9;

/// How long a program may take until it listens.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks all, in turn, and prints what an answer takes.
pub(super) fn run() -> Outcome<()> {
    let server = Server::builder().host("127.0.0.1").bind()?;
    let replies = Replies::framed(Lines::new()).on(equals("PING"), reply("PONG\n"));
    let responder = Responder::serve(&server, replies.prepare(&[])?)?;
    let ours = server.local_socket_addr().ok_or("it has no address")?;
    let echo = tokio_echo()?;
    let scripted = ServerMocker::tcp()?;
    for _ in 0..(ROUNDS + 1) * TRIPS {
        scripted.add_mock_instructions(vec![ReceiveMessage, SendMessage(ANSWER.to_vec())])?;
    }
    let mountebank = Mountebank::start()?;
    let mut peers = vec![
        ("standin", connect(ours)?, ANSWER),
        ("tokio, an echo", connect(echo)?, QUESTION),
        (
            "socket-server-mocker",
            connect(scripted.socket_address())?,
            ANSWER,
        ),
    ];
    if let Some(mountebank) = &mountebank {
        peers.push(("mountebank", connect(mountebank.imposter)?, ANSWER));
    }
    let mut times = vec![Vec::new(); peers.len()];
    for round in 0..=ROUNDS {
        for ((_, stream, answer), times) in peers.iter_mut().zip(&mut times) {
            let micros = micros_each(TRIPS, || (0..TRIPS).try_for_each(|_| ask(stream, answer)))?;
            // The first is for warming up.
            if round > 0 {
                times.push(micros);
            }
        }
    }
    say!("{:<22} {:>12} {:>9}   of", "us", "answer", "ratio");
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    for ((who, ..), micros) in peers.iter().zip(&medians) {
        let ratio = micros / medians[0];
        say!("{who:<22} {micros:>12.1} {ratio:>9.1}   a line and its answer");
    }
    if mountebank.is_none() {
        say!("\nmountebank was not asked: `mb` is not there; {MOUNTEBANK} can name its program");
    }
    responder.stop(LIMIT)?;
    Ok(())
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, answer: &[u8]) -> Outcome<()> {
    let mut bytes = vec![0; answer.len()];
    stream.write_all(QUESTION)?;
    stream.read_exact(&mut bytes)?;
    match bytes == answer {
        true => Ok(()),
        false => Err(format!("the answer is {}", bytes.escape_ascii()).into()),
    }
}

/// A running mountebank with one imposter.
struct Mountebank {
    child: Child,
    imposter: SocketAddr,
}

impl Mountebank {
    /// Starts it; `None` if it is not installed.
    fn start() -> Outcome<Option<Mountebank>> {
        let program = std::env::var_os(MOUNTEBANK).unwrap_or_else(|| "mb".into());
        let (port, own) = (free_port()?, free_port()?);
        let child = Command::new(program)
            .args(["start", "--nologfile", "--localOnly", "--loglevel", "error"])
            .args(["--nologfile", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            return Ok(None);
        };
        let imposter = SocketAddr::from(([127, 0, 0, 1], own));
        let mountebank = Mountebank { child, imposter };
        let begun = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > LIMIT => return Err(error.into()),
                // It says nowhere else that it listens.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        let wish = serde_json::json!({
            "protocol": "tcp", "port": own, "mode": "text",
            "stubs": [{
                "predicates": [{ "equals": { "data": "PING\n" } }],
                "responses": [{ "is": { "data": "PONG\n" } }],
            }],
        })
        .to_string();
        write!(
            stream,
            "POST /imposters HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{wish}",
            wish.len()
        )?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 201") {
            true => Ok(Some(mountebank)),
            false => Err(format!("mountebank refuses: {answer}").into()),
        }
    }
}

impl Drop for Mountebank {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
