use std::fmt;

use standin_config::{Kind, OptionValue, Value, ValueError};

/// A signal that asks a process to end.
///
/// In a file it is its name: `"SIGTERM"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGTERM`: please end.
    #[default]
    Terminate,
    /// `SIGINT`: what Ctrl-C sends.
    Interrupt,
    /// `SIGQUIT`: end, with a core dump; some servers finish their work first.
    Quit,
    /// `SIGHUP`: the terminal is gone; servers often reload their config.
    HangUp,
    /// `SIGKILL`: cannot be caught.
    Kill,
    /// `SIGUSR1`: defined by the program.
    User1,
    /// `SIGUSR2`: defined by the program.
    User2,
}

const ALL: [Signal; 7] = [
    Signal::Terminate,
    Signal::Interrupt,
    Signal::Quit,
    Signal::HangUp,
    Signal::Kill,
    Signal::User1,
    Signal::User2,
];

impl Signal {
    /// Returns the name, as `kill -l` shows it with `SIG` in front.
    pub const fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
            Signal::Quit => "SIGQUIT",
            Signal::HangUp => "SIGHUP",
            Signal::Kill => "SIGKILL",
            Signal::User1 => "SIGUSR1",
            Signal::User2 => "SIGUSR2",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl OptionValue for Signal {
    fn kind() -> Kind {
        Kind::one_of(ALL.map(Signal::name))
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        ALL.into_iter()
            .find(|signal| value.as_str() == Some(signal.name()))
            .ok_or_else(|| Self::kind().unfit(value))
    }

    fn to_value(&self) -> Value {
        Value::from(self.name())
    }
}
