//! [`Says`]: what a peer sends, as an option.

use std::path::PathBuf;
use std::time::Duration;

use miette::Diagnostic;
use standin_config::{Config, Kind, Misfit, OptionValue, Value, ValueError};
use standin_reply::{
    Answer, Problem, bytes_of_hex, no_reply, reply, reply_bytes, reply_file, reply_hex,
};

/// What a peer sends: one piece, or a list of pieces.
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    One(Piece),
    Several(Vec<Piece>),
}

/// A piece of what a peer sends: a text, or a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Table(Table),
}

/// A piece of what a peer sends: one of `text`, `verbatim`, `hex` and `file`.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(
    table,
    check(text, verbatim, hex, file) = one_thing,
    check(hex) = digits
)]
pub struct Table {
    /// A text, which is a template: `{{ who }}` is the value of the pattern's group `(?<who>...)`,
    /// `{{ frame }}` the frame, `{{ connection.index }}` the number of the connection, and `{{
    /// context["server"].port }}` a value published by another driver.
    #[config(template)]
    text: Option<String>,
    /// A text that is sent verbatim, including braces.
    verbatim: Option<String>,
    /// Bytes, two hexadecimal digits for each.
    hex: Option<String>,
    /// The content of this file. A relative path starts at the folder of the environment file.
    file: Option<PathBuf>,
    /// Whether the piece is made a frame: a line gets its end, a payload its length. Default: no,
    /// it is sent as it is.
    #[config(default = false)]
    framed: bool,
    /// How long the peer waits before it sends the piece. Default: not at all.
    delay: Option<Duration>,
}

fn one_thing(
    text: &Option<String>,
    verbatim: &Option<String>,
    hex: &Option<String>,
    file: &Option<PathBuf>,
) -> Vec<Misfit> {
    let texts = [text, verbatim, hex].into_iter().flatten().count();
    let wrong = match texts + usize::from(file.is_some()) {
        0 => "it does not say what to send",
        1 => return Vec::new(),
        _ => "it says more than one thing to send",
    };
    let help = "a piece has one of `text`, `verbatim`, `hex` and `file`";
    vec![Misfit::whole(wrong).help(help)]
}

fn digits(hex: &Option<String>) -> Vec<Misfit> {
    let wrong = hex.as_ref().and_then(|digits| bytes_of_hex(digits).err());
    let misfit = |reason| {
        let problem = Problem::Hex { reason };
        let misfit = Misfit::new("hex", problem.to_string());
        let help = problem.help().map(|help| help.to_string());
        misfit.help(help.unwrap_or_default())
    };
    wrong.map(misfit).into_iter().collect()
}

impl Says {
    pub(crate) fn pieces(&self) -> &[Piece] {
        match self {
            Says::One(piece) => std::slice::from_ref(piece),
            Says::Several(pieces) => pieces,
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        let pieces = self.pieces().iter();
        pieces.fold(no_reply(), |answer, piece| answer.and(piece.answer()))
    }
}

impl Piece {
    /// Its template, if it is one, with the key of the table that has it.
    pub(crate) fn template(&self) -> Option<(Option<&'static str>, &str)> {
        match self {
            Piece::Text(text) => Some((None, text)),
            Piece::Table(table) => Some((Some("text"), table.text.as_deref()?)),
        }
    }

    fn answer(&self) -> Answer {
        let table = match self {
            Piece::Text(text) => return reply(text),
            Piece::Table(table) => table,
        };
        let answer = match table {
            Table {
                text: Some(text), ..
            } => reply(text),
            Table {
                verbatim: Some(text),
                ..
            } => reply_bytes(text),
            Table {
                hex: Some(digits), ..
            } => reply_hex(digits),
            Table {
                file: Some(path), ..
            } => reply_file(path),
            _ => no_reply(),
        };
        let answer = match table.framed {
            true => answer.framed(),
            false => answer,
        };
        match table.delay {
            Some(delay) => answer.after(delay),
            None => answer,
        }
    }
}

impl OptionValue for Piece {
    fn kind() -> Kind {
        Kind::Union(vec![Kind::Template, Table::kind()])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::String(text) => Ok(Piece::Text(text.clone())),
            Value::Map(_) => Table::from_value(value).map(Piece::Table),
            _ => Err(Self::kind().unfit(value)),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Piece::Text(text) => text.to_value(),
            Piece::Table(table) => table.to_value(),
        }
    }
}

impl OptionValue for Says {
    fn kind() -> Kind {
        let pieces = Vec::<Piece>::kind();
        Kind::Union(vec![Kind::Template, Table::kind(), pieces])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::List(_) => Vec::from_value(value).map(Says::Several),
            Value::String(_) | Value::Map(_) => Piece::from_value(value).map(Says::One),
            _ => Err(Self::kind().unfit(value)),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Says::One(piece) => piece.to_value(),
            Says::Several(pieces) => pieces.to_value(),
        }
    }
}
