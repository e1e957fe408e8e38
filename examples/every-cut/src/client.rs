//! The program under test: a small client of a bank, right, or with one of ten bugs.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// What is wrong with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A payment whose answer got lost is made again under another number.
    SendsTwice,
    /// It waits for an answer forever.
    NoTimeout,
    /// What comes before the end of the stream is an answer, whole or not.
    TakesHalfAReply,
    /// Of several payments at once, those without an answer count as made.
    IgnoresAReset,
    /// Before it connects again it does not close the connection that is broken.
    LeaksAConnection,
    /// Once a connection was broken, it connects again and again.
    ReconnectsInAHotLoop,
    /// What was to be sent when the connection broke is forgotten.
    LosesItsQueue,
    /// The answers after a reconnect are taken for those to the first questions.
    AnswersOutOfOrder,
    /// The end of the stream is taken for nothing new yet.
    HangsOnHalfClose,
    /// A statement that ends too early is a statement.
    TruncatedIsFine,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 10] = [
        Bug::SendsTwice,
        Bug::NoTimeout,
        Bug::TakesHalfAReply,
        Bug::IgnoresAReset,
        Bug::LeaksAConnection,
        Bug::ReconnectsInAHotLoop,
        Bug::LosesItsQueue,
        Bug::AnswersOutOfOrder,
        Bug::HangsOnHalfClose,
        Bug::TruncatedIsFine,
    ];
}

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How often it connects for one request.
const TRIES: usize = 5;

/// A client of the bank.
#[derive(Debug)]
pub struct Client {
    port: u16,
    bug: Option<Bug>,
    stream: Option<BufReader<TcpStream>>,
    /// What it forgets to close.
    leaked: Vec<BufReader<TcpStream>>,
    next_number: u32,
    was_broken: bool,
}

impl Client {
    /// One that connects to that port of this machine when it has to.
    pub fn new(port: u16, bug: Option<Bug>) -> Client {
        Client {
            port,
            bug,
            stream: None,
            leaked: Vec::new(),
            next_number: 1,
            was_broken: false,
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Makes a payment.
    ///
    /// # Errors
    ///
    /// Returns an error if it could not be made.
    pub fn pay(&mut self, amount: u64) -> io::Result<()> {
        let mut number = self.number();
        self.retry(|client| {
            let paid = client.ask(&format!("PAY {number} {amount}"));
            if paid.is_err() && client.has(Bug::SendsTwice) {
                number = client.number();
            }
            match paid? == format!("PAID {number}") {
                true => Ok(()),
                false => Err(io::Error::other("not the answer to this payment")),
            }
        })
    }

    /// Makes several payments at once.
    ///
    /// # Errors
    ///
    /// Returns an error if not all of them could be made.
    pub fn pay_all(&mut self, amounts: &[u64]) -> io::Result<()> {
        let amounts = amounts.iter();
        let mut queue: Vec<(String, u64)> =
            amounts.map(|amount| (self.number(), *amount)).collect();
        self.retry(|client| {
            let lines: String = queue
                .iter()
                .map(|(number, amount)| format!("PAY {number} {amount}\n"))
                .collect();
            client.send(&lines)?;
            while let Some((number, _)) = queue.first() {
                match client.receive() {
                    Ok(answer) if answer == format!("PAID {number}") => {}
                    Ok(_) => return Err(io::Error::other("not the answer to this payment")),
                    Err(_) if client.has(Bug::IgnoresAReset) => return Ok(()),
                    Err(error) => {
                        if client.has(Bug::LosesItsQueue) {
                            queue.clear();
                        }
                        return Err(error);
                    }
                }
                queue.remove(0);
            }
            Ok(())
        })
    }

    /// Asks for several rates at once.
    ///
    /// # Errors
    ///
    /// Returns an error if not all of them are known.
    pub fn rates(&mut self, currencies: &[&str]) -> io::Result<Vec<u64>> {
        let mut rates: Vec<Option<u64>> = vec![None; currencies.len()];
        self.retry(|client| {
            let open: Vec<usize> = (0..rates.len()).filter(|&at| rates[at].is_none()).collect();
            let lines: String = open
                .iter()
                .map(|at| format!("RATE {}\n", currencies[*at]))
                .collect();
            client.send(&lines)?;
            for (nth, at) in open.into_iter().enumerate() {
                let answer = client.receive()?;
                let rate = answer.parse().map_err(io::Error::other)?;
                let at = if client.has(Bug::AnswersOutOfOrder) {
                    nth
                } else {
                    at
                };
                rates[at] = Some(rate);
            }
            Ok(())
        })?;
        let rates: Option<Vec<u64>> = rates.into_iter().collect();
        rates.ok_or_else(|| io::Error::other("a rate is missing"))
    }

    /// The lines of the statement.
    ///
    /// # Errors
    ///
    /// Returns an error if they did not come.
    pub fn statement(&mut self) -> io::Result<Vec<String>> {
        self.retry(|client| {
            let head = client.ask("STATEMENT")?;
            let count = head
                .strip_prefix("LINES ")
                .and_then(|count| count.parse().ok());
            let count: usize = count.ok_or_else(|| io::Error::other("not a statement"))?;
            let mut lines = Vec::new();
            while lines.len() < count {
                match client.receive() {
                    Ok(line) => lines.push(line),
                    Err(_) if client.has(Bug::TruncatedIsFine) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(lines)
        })
    }

    fn number(&mut self) -> String {
        self.next_number += 1;
        format!("n{}", self.next_number)
    }

    /// Does it again over a new connection, when one has broken.
    fn retry<T>(&mut self, mut deed: impl FnMut(&mut Client) -> io::Result<T>) -> io::Result<T> {
        let mut tries = 1;
        loop {
            match deed(self) {
                Ok(value) => return Ok(value),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => {
                    self.was_broken = true;
                    let broken = self.stream.take();
                    if self.has(Bug::LeaksAConnection) {
                        self.leaked.extend(broken);
                    }
                }
            }
            tries += 1;
        }
    }

    fn ask(&mut self, line: &str) -> io::Result<String> {
        self.send(&format!("{line}\n"))?;
        self.receive()
    }

    fn send(&mut self, lines: &str) -> io::Result<()> {
        self.stream()?.get_mut().write_all(lines.as_bytes())
    }

    /// A line, without its end.
    fn receive(&mut self) -> io::Result<String> {
        let (takes_half, waits) = (
            self.has(Bug::TakesHalfAReply),
            self.has(Bug::HangsOnHalfClose),
        );
        let begin = Instant::now();
        let mut line = String::new();
        loop {
            self.stream()?.read_line(&mut line)?;
            if line.pop_if_end() {
                return Ok(line);
            }
            if takes_half && !line.is_empty() {
                return Ok(line);
            }
            // Not forever, so that a test of it ends.
            if !waits || begin.elapsed() > 60 * TIMEOUT {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            thread::sleep(TIMEOUT / 10);
        }
    }

    fn stream(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        if self.has(Bug::ReconnectsInAHotLoop) && self.was_broken && self.stream.is_none() {
            for _ in 0..20 {
                self.connect()?;
            }
        }
        if self.stream.is_none() {
            self.connect()?;
        }
        self.stream
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn connect(&mut self) -> io::Result<()> {
        let stream = TcpStream::connect(("localhost", self.port))?;
        if !self.has(Bug::NoTimeout) {
            stream.set_read_timeout(Some(TIMEOUT))?;
        }
        self.stream = Some(BufReader::new(stream));
        Ok(())
    }
}

/// Takes the end of a line away.
trait PopEnd {
    /// Whether there was one.
    fn pop_if_end(&mut self) -> bool;
}

impl PopEnd for String {
    fn pop_if_end(&mut self) -> bool {
        let is_whole = self.ends_with('\n');
        if is_whole {
            self.pop();
        }
        is_whole
    }
}
