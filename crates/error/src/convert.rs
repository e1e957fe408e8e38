//! The errors that `?` accepts: reportable errors, and those of the standard library.

use std::any::Any;
use std::error::Error as StdError;
use std::sync::{PoisonError, mpsc};
use std::{array, char, env, ffi, fmt, io, net, num, path, str, string, time};

use miette::Diagnostic;

use crate::error::Error;
use crate::reportable::Reportable;

impl<E: Reportable> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::reportable(error)
    }
}

macro_rules! from_standard {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Error {
            #[track_caller]
            fn from(error: $error) -> Self {
                Self::other(error)
            }
        })+
    };
}

from_standard!(
    io::Error,
    fmt::Error,
    num::ParseIntError,
    num::ParseFloatError,
    num::TryFromIntError,
    str::ParseBoolError,
    str::Utf8Error,
    string::FromUtf8Error,
    string::FromUtf16Error,
    string::ParseError,
    char::ParseCharError,
    char::CharTryFromError,
    array::TryFromSliceError,
    net::AddrParseError,
    path::StripPrefixError,
    env::VarError,
    env::JoinPathsError,
    ffi::NulError,
    ffi::IntoStringError,
    ffi::FromBytesWithNulError,
    time::SystemTimeError,
    time::TryFromFloatSecsError,
    mpsc::RecvError,
    mpsc::TryRecvError,
    mpsc::RecvTimeoutError,
    Box<dyn StdError + Send + Sync + 'static>,
    String,
    &str,
);

/// The value that was not sent is dropped.
impl<T> From<mpsc::SendError<T>> for Error {
    #[track_caller]
    fn from(error: mpsc::SendError<T>) -> Self {
        Self::msg(error.to_string())
    }
}

/// The value that was not sent is dropped.
impl<T> From<mpsc::TrySendError<T>> for Error {
    #[track_caller]
    fn from(error: mpsc::TrySendError<T>) -> Self {
        Self::msg(error.to_string())
    }
}

impl<T> From<PoisonError<T>> for Error {
    #[track_caller]
    fn from(_: PoisonError<T>) -> Self {
        Self::msg("a thread panicked while it held a lock that is needed here")
    }
}

/// The panic of a joined thread, from [`JoinHandle::join`](std::thread::JoinHandle::join).
impl From<Box<dyn Any + Send + 'static>> for Error {
    #[track_caller]
    fn from(payload: Box<dyn Any + Send + 'static>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self::new(Panicked { message })
    }
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("a thread panicked{}{}", if message.is_some() { ": " } else { "" }, message.as_deref().unwrap_or_default())]
#[diagnostic(code(standin::error::panicked))]
struct Panicked {
    message: Option<String>,
}

/// It may not leave its thread; its messages may.
impl From<Box<dyn StdError + 'static>> for Error {
    #[track_caller]
    fn from(error: Box<dyn StdError + 'static>) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::new(Messages::of(&*error)),
        }
    }
}

/// The messages of an error and of its causes.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Messages {
    message: String,
    #[source]
    cause: Option<Box<Messages>>,
}

impl Messages {
    fn of(error: &dyn StdError) -> Self {
        Self {
            message: error.to_string(),
            cause: error.source().map(|cause| Box::new(Self::of(cause))),
        }
    }
}
