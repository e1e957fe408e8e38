use std::fmt;

use standin_config::OptionValue;

/// Which way bytes go through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, OptionValue)]
pub enum Direction {
    /// From the peer that has connected to the target: usually requests.
    Up,
    /// From the target to the peer that has connected: usually answers.
    Down,
}

impl Direction {
    /// Both of them.
    pub const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

    pub(crate) fn index(self) -> usize {
        match self {
            Direction::Up => 0,
            Direction::Down => 1,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Up => "up",
            Direction::Down => "down",
        })
    }
}
