//! What peers that answer by themselves cost, next to an echo of tokio's on one thread.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use standin::reply::{Replies, Responder, anything, echo, equals, pattern, reply};
use standin::{Environment, TcpServer};
use standin_socket::Server;
use standin_socket::framing::Lines;

use super::echo::{MESSAGE, connect, tokio_echo, trip, trips};
use super::measure::{in_turn, median, micros_each};
use super::socket::resident_bytes;
use super::{Figure, Outcome};

/// Tells a child process of ours that it is to answer, and say how much memory it has.
const CHILD: &str = "STANDIN_BENCH_RESPONDER";

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);

/// How many connections one responder has.
const MANY: usize = 10_000;

/// A responder in this process.
struct Answers {
    _responder: Responder,
    server: Server,
}

impl Answers {
    fn new(replies: &Replies) -> Outcome<Answers> {
        let server = Server::builder().host("127.0.0.1").bind()?;
        let responder = Responder::serve(&server, replies.prepare(&[])?)?;
        Ok(Answers {
            _responder: responder,
            server,
        })
    }

    fn connect(&self) -> Outcome<TcpStream> {
        let address = self.server.local_socket_addr().ok_or("no address")?;
        connect(address)
    }
}

/// A round trip of 64 bytes with a peer that echoes; beside it one whose rule is a pattern.
pub(crate) fn roundtrip() -> Outcome<Figure> {
    let echoes = Answers::new(&Replies::raw().on(anything(), echo()))?;
    let rule = Replies::framed(Lines::new()).on(pattern("^(?<all>Z+)$"), reply("{{ all }}\n"));
    let rules = Answers::new(&rule)?;
    let tokio = tokio_echo()?;
    let (mut echoes, mut rules) = (echoes_and(&echoes)?, echoes_and(&rules)?);
    let mut tokio = connect(tokio)?;
    let [ours, theirs, rule] = in_turn(
        31,
        [
            &mut || trips(&mut echoes),
            &mut || trips(&mut tokio),
            &mut || trips(&mut rules),
        ],
    )?;
    Ok(Figure::compared("responder_roundtrip", ours, theirs, "µs")
        .with_other("with a pattern and a template", rule))
}

fn echoes_and(answers: &Answers) -> Outcome<TcpStream> {
    answers.connect()
}

/// A frame on each of 10,000 connections, one after the other, next to as many on one; beside it
/// all at once.
pub(crate) fn connections() -> Outcome<Figure> {
    const NAME: &str = "responder_connections";
    if std::env::var_os(CHILD).is_some() {
        answer_until_the_end()?;
        return Ok(Figure::alone(NAME, 0.0, "µs"));
    }
    let mut many = Many::new()?;
    let (mut each, mut one, mut burst) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..9 {
        each.push(many.each()?);
        one.push(many.one()?);
        burst.push(many.burst()?);
    }
    let figure = Figure::compared(NAME, median(each), median(one), "µs each");
    Ok(figure.with_other("all at once", median(burst)))
}

/// What one of 10,000 connections takes of the process's memory once it has answered.
pub(crate) fn memory() -> Outcome<Figure> {
    let many = Many::new()?;
    Ok(Figure::alone("responder_memory", many.bytes_each, "bytes"))
}

/// From the send of what nobody expects to the end of a wait on another driver of the environment.
pub(crate) fn unexpected_to_failure() -> Outcome<Figure> {
    let mut times = Vec::new();
    for _ in 0..21 {
        let mut env = Environment::new("bench");
        let bank = Replies::framed(Lines::new()).on(equals("PING"), reply("PONG\n"));
        let bank = env.add(TcpServer::builder("bank").replies(bank).build()?)?;
        let other = env.add(TcpServer::builder("other").build()?)?;
        let env = env.start()?;
        let port = bank.port().ok_or("it has no port")?;
        let mut peer = TcpStream::connect(("localhost", port))?;
        let (waits, is_waiting) = mpsc::channel();
        let millis = thread::scope(|scope| {
            let wait = scope.spawn(move || {
                let _ = waits.send(());
                let outcome = other.accept_connection(LIMIT);
                (outcome.err(), Instant::now())
            });
            is_waiting.recv()?;
            // So that it waits, as a rule.
            thread::sleep(Duration::from_millis(2));
            let begun = Instant::now();
            peer.write_all(b"FOO\n")?;
            let (error, ended) = wait.join().map_err(|_| "the wait panicked")?;
            let report = format!("{:?}", error.ok_or("somebody has connected")?);
            match report.contains("FOO") {
                true => Outcome::Ok(ended.duration_since(begun).as_secs_f64() * 1e3),
                false => Err(report.into()),
            }
        })?;
        times.push(millis);
        // It reports the same.
        let _ = env.stop();
    }
    Ok(Figure::alone("unexpected_to_failure", median(times), "ms"))
}

/// The child's part: answers, and says how much memory it has each time it is asked.
fn answer_until_the_end() -> Outcome<()> {
    let answers = Answers::new(&Replies::framed(Lines::new()).on(anything(), echo().framed()))?;
    say!("port {}", answers.server.port());
    for line in std::io::stdin().lines() {
        line?;
        say!("memory {}", resident_bytes()?);
    }
    Ok(())
}

/// Ten thousand connections with a responder in another process: this one has the other ends.
struct Many {
    streams: Vec<TcpStream>,
    child: Child,
    _input: ChildStdin,
    bytes_each: f64,
}

impl Many {
    fn new() -> Outcome<Many> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "responder_connections"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().ok_or("no pipe to the child")?;
        let output = child.stdout.take().ok_or("no pipe from the child")?;
        let mut output = BufReader::new(output);
        let port: u16 = said(&mut output, "port")?.parse()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut streams = Vec::with_capacity(MANY);
        let mut before = 0.0;
        for nth in 0..MANY {
            // The first ones pay for what all of them share.
            if nth == 100 {
                before = memory_of(&mut input, &mut output)?;
            }
            let mut stream = connect(address)?;
            trip(&mut stream)?;
            streams.push(stream);
        }
        let after = memory_of(&mut input, &mut output)?;
        Ok(Many {
            streams,
            child,
            _input: input,
            bytes_each: (after - before) / (MANY - 100) as f64,
        })
    }

    /// A frame on each connection, and its answer, before the next.
    fn each(&mut self) -> Outcome<f64> {
        micros_each(MANY, || self.streams.iter_mut().try_for_each(trip))
    }

    /// The same on one connection.
    fn one(&mut self) -> Outcome<f64> {
        let stream = &mut self.streams[0];
        micros_each(MANY, || (0..MANY).try_for_each(|_| trip(stream)))
    }

    /// A frame on each connection before the first answer is read.
    fn burst(&mut self) -> Outcome<f64> {
        let streams = &mut self.streams;
        micros_each(MANY, || {
            for stream in &mut *streams {
                stream.write_all(&MESSAGE)?;
            }
            let mut answer = MESSAGE;
            for stream in streams {
                stream.read_exact(&mut answer)?;
            }
            Ok(())
        })
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory_of(input: &mut ChildStdin, output: &mut BufReader<ChildStdout>) -> Outcome<f64> {
    input.write_all(b"memory?\n")?;
    Ok(said(output, "memory")?.parse()?)
}

/// What the child says after this word; its other lines are of the table that it begins.
fn said(output: &mut BufReader<ChildStdout>, word: &str) -> Outcome<String> {
    let mut line = String::new();
    while output.read_line(&mut line)? > 0 {
        if let Some(rest) = line.trim().strip_prefix(word) {
            return Ok(rest.trim().to_owned());
        }
        line.clear();
    }
    Err("the child process has ended".into())
}
