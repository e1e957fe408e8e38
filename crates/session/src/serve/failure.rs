//! An error as an answer has it.

use miette::Diagnostic;
use serde_json::{Value, json};
use standin::environment::EnvironmentError;
use standin::proxy::ProxyError;
use standin::{Error, TcpError};

/// The error as an object. `transcript` is what was recorded last of what it is about.
pub(crate) fn to_json(error: &Error, transcript: Vec<String>) -> Value {
    let diagnostic = error.diagnostic();
    let tcp = error.find::<TcpError>();
    let proxy = error.find::<ProxyError>();
    let unmet = error.find::<EnvironmentError>();
    json!({
        "code": code(diagnostic),
        "message": error.to_string(),
        "help": help(diagnostic),
        "report": format!("{error:?}"),
        "timed_out": tcp.is_some_and(TcpError::is_timeout)
            || proxy.is_some_and(ProxyError::is_timeout),
        "peer_closed": tcp.is_some_and(TcpError::is_peer_closed),
        "unmet": unmet.is_some_and(EnvironmentError::is_unmet),
        "transcript": transcript,
    })
}

/// The code of the error, or of what it is about.
fn code(error: &dyn Diagnostic) -> Option<String> {
    first(error, &|error| error.code().map(|code| code.to_string()))
}

fn help(error: &dyn Diagnostic) -> Option<String> {
    first(error, &|error| error.help().map(|help| help.to_string()))
}

fn first(error: &dyn Diagnostic, of: &dyn Fn(&dyn Diagnostic) -> Option<String>) -> Option<String> {
    of(error)
        .or_else(|| first(error.diagnostic_source()?, of))
        .or_else(|| error.related()?.find_map(|error| first(error, of)))
}
