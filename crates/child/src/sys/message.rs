//! What a supervisor reports, and how it is written into a stream.

use std::io::Read;

use rustix::io::Errno;

use crate::Exit;

/// What a supervisor reports about its program, and the process that becomes the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The process of this number becomes the program. A pipe is attached, in which it reports why
    /// it cannot. If that ends without a report, it is the program.
    Starting(i32),
    /// That process is in its group, and goes on when it is released.
    Joined,
    /// The program could not be started; nothing follows.
    Failed(Stage, Errno),
    /// It has ended; `alone` if nothing that it has started still runs.
    Exited { exit: Exit, alone: bool },
    /// Nothing that it has started still runs.
    Alone,
}

/// How far a start came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The supervisor could not prepare itself.
    Supervisor,
    /// The standard streams and sockets could not be put in their places.
    Descriptors,
    /// The program could not enter its directory.
    Directory,
    /// The program could not be run.
    Program,
}

const STAGES: [Stage; 4] = [
    Stage::Supervisor,
    Stage::Descriptors,
    Stage::Directory,
    Stage::Program,
];

impl Message {
    /// Small enough to be written in one piece.
    pub(super) const SIZE: usize = 12;

    pub(super) fn encode(self) -> [u8; Self::SIZE] {
        let words = match self {
            Message::Failed(stage, errno) => [0, stage as i32, errno.raw_os_error()],
            Message::Starting(pid) => [1, pid, 0],
            Message::Exited { exit, alone } => match exit {
                Exit::Code(code) => [2, code, i32::from(alone)],
                Exit::Signal(signal) => [3, signal, i32::from(alone)],
            },
            Message::Alone => [4, 0, 0],
            Message::Joined => [5, 0, 0],
        };
        let mut bytes = [0; Self::SIZE];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// The next message; `None` at the end.
    pub(super) fn read(from: &mut impl Read) -> Option<Self> {
        let mut bytes = [0; Self::SIZE];
        from.read_exact(&mut bytes).ok()?;
        Self::decode(bytes)
    }

    /// `None` for what no supervisor writes.
    pub(super) fn decode(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        let first = i32::from_ne_bytes([e, f, g, h]);
        let second = i32::from_ne_bytes([i, j, k, l]);
        let exited = |exit| Message::Exited {
            exit,
            alone: second != 0,
        };
        Some(match i32::from_ne_bytes([a, b, c, d]) {
            0 => {
                let stage = usize::try_from(first).ok().and_then(|n| STAGES.get(n));
                Message::Failed(*stage?, Errno::from_raw_os_error(second))
            }
            1 => Message::Starting(first),
            2 => exited(Exit::Code(first)),
            3 => exited(Exit::Signal(first)),
            4 => Message::Alone,
            5 => Message::Joined,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let exited = |exit| [true, false].map(|alone| Message::Exited { exit, alone });
        let failed = STAGES.map(|stage| Message::Failed(stage, Errno::NOENT));
        let all = [Message::Starting(4711), Message::Joined, Message::Alone]
            .into_iter()
            .chain(failed)
            .chain(exited(Exit::Code(255)))
            .chain(exited(Exit::Signal(9)));
        for message in all {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([7; Message::SIZE]), None);
    }
}
