//! A Redis that knows PING, SET and GET.

use std::collections::HashMap;

use standin::reply::{Answer, Frame, Replies, predicate, reply, reply_bytes};
use standin::socket::framing::{Found, FrameError, Framing};

/// The server. Its values are there for all connections.
pub fn server() -> Replies {
    let mut values = HashMap::new();
    Replies::framed(Commands)
        .on(
            predicate("is PING", |frame| is(frame, "PING"))
                .named("ping")
                .times(1..),
            "+PONG\r\n",
        )
        // What redis-cli asks before it reads commands from its input.
        .on(
            predicate("is COMMAND", |frame| is(frame, "COMMAND")),
            "-ERR not here\r\n",
        )
        .with(move |frame: &Frame<'_>, _: &mut ()| answer(&words(frame.payload()), &mut values))
}

/// `None` for a command that is not known, which fails the test.
fn answer(words: &[&[u8]], values: &mut HashMap<Vec<u8>, Vec<u8>>) -> Option<Answer> {
    let (command, arguments) = words.split_first()?;
    match (&*command.to_ascii_uppercase(), arguments) {
        (b"SET", [key, value]) => {
            values.insert(key.to_vec(), value.to_vec());
            Some(reply("+OK\r\n"))
        }
        (b"GET", [key]) => Some(match values.get(*key) {
            Some(value) => {
                let length = format!("${}\r\n", value.len());
                reply_bytes([length.as_bytes(), value, b"\r\n"].concat())
            }
            None => reply("$-1\r\n"),
        }),
        _ => None,
    }
}

fn is(frame: &[u8], command: &str) -> bool {
    words(frame)
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case(command.as_bytes()))
}

/// The framing of commands, `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`: how many words there are, and then
/// each of them with its length before it. The payload is the whole of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands;

/// Much more than any test sends; a peer that says it has more is not one of Redis.
const MOST: usize = 1 << 20;

impl Framing for Commands {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        Ok(match parse(bytes)? {
            Some((_, size)) => Found::frame(0..size, size),
            None => Found::Incomplete,
        })
    }
}

/// The words of a frame.
fn words(frame: &[u8]) -> Vec<&[u8]> {
    match parse(frame) {
        Ok(Some((words, _))) => words,
        _ => Vec::new(),
    }
}

/// The words of a command, and how many bytes it has.
type Parsed<'a> = (Vec<&'a [u8]>, usize);

/// The first command in `bytes`; `None` if it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<Parsed<'_>>, FrameError> {
    let mut rest = bytes;
    let mut words = Vec::new();
    let Some(count) = number(&mut rest, '*')? else {
        return Ok(None);
    };
    for _ in 0..count {
        let Some(length) = number(&mut rest, '$')? else {
            return Ok(None);
        };
        let Some((word, next)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        match next.split_at_checked(2) {
            None => return Ok(None),
            Some((b"\r\n", next)) => rest = next,
            Some(_) => return Err(FrameError::invalid("a word is longer than its length says")),
        }
        words.push(word);
    }
    Ok(Some((words, bytes.len() - rest.len())))
}

/// Takes a line that is a number behind `mark`; `None` if it is not all there.
fn number(bytes: &mut &[u8], mark: char) -> Result<Option<usize>, FrameError> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(&bytes[..end]);
    *bytes = &bytes[end + 1..];
    let digits = line.trim_end().strip_prefix(mark);
    let number = digits.and_then(|digits| digits.parse().ok());
    let invalid = || FrameError::invalid(format!("{line:?} instead of `{mark}` and a number"));
    number
        .filter(|number| *number <= MOST)
        .map(Some)
        .ok_or_else(invalid)
}
