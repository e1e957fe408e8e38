use std::fmt;

use miette::Diagnostic;
use standin_config::{PortError, ResolveError};
use standin_driver::{ContextError, Explainer, WaitEnd};
use standin_entity::{Status, check_name};
use standin_error::Reportable;
use standin_error::text::{Count, Quoted};
use standin_socket::{BindError, ControlError};
use thiserror::Error;

/// The errors of a proxy.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy was used before it was started, or after it was stopped.
    #[error("proxy \"{proxy}\" is not running: {}", status.in_words())]
    #[diagnostic(
        code(standin::proxy::not_running),
        help("use \"{proxy}\" between the start and the stop of its environment")
    )]
    NotRunning {
        /// The proxy.
        proxy: String,
        /// Its status.
        status: Status,
    },
    /// The test has failed elsewhere, so that all waits end; or what was waited for came only with
    /// the end of the proxy.
    #[error("proxy \"{proxy}\" stopped waiting\n{reason}")]
    #[diagnostic(
        code(standin::proxy::interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The proxy.
        proxy: String,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// Faults that were to happen have not: what they are for was not tested.
    #[error("proxy \"{proxy}\": {} never happened{}", Count(faults.len(), "fault"), lines(faults, connections))]
    #[diagnostic(
        code(standin::proxy::never_happened),
        help(
            "a fault that does not happen tests nothing: its place may be beyond the end of the connection, or another fault comes first; one that need not happen is `optional`"
        )
    )]
    NeverHappened {
        /// The proxy.
        proxy: String,
        /// The faults.
        faults: Vec<String>,
        /// The connections that there were, with what went over them.
        connections: Vec<String>,
    },
    /// An awaited fault has not happened.
    #[error("proxy \"{proxy}\": {fault} has not happened: {reason}")]
    #[diagnostic(
        code(standin::proxy::not_yet),
        help("check that a client connects and enough is sent")
    )]
    NotYet {
        /// The proxy.
        proxy: String,
        /// The fault.
        fault: String,
        /// Why the waits have ended.
        reason: String,
        /// Whether that is because the time is up.
        timed_out: bool,
    },
    /// More connections are open than should be.
    #[error("proxy \"{proxy}\": {} open, and it should be {most} at most{}", Count(*open, "connection"), lines(&[], connections))]
    #[diagnostic(
        code(standin::proxy::still_open),
        help("does a program forget to close a broken connection?")
    )]
    StillOpen {
        /// The proxy.
        proxy: String,
        /// How many are open.
        open: usize,
        /// How many should be, at most.
        most: usize,
        /// The connections that there were, with what went over them.
        connections: Vec<String>,
    },
    /// A fault cannot happen as it is described.
    #[error("proxy \"{proxy}\": {fault}: {reason}")]
    #[diagnostic(
        code(standin::proxy::fault),
        help("choose another place, or give the proxy a framing")
    )]
    Fault {
        /// The proxy.
        proxy: String,
        /// The fault.
        fault: String,
        /// The reason.
        reason: String,
    },
    /// The option `to` is not a valid address.
    #[error("proxy \"{proxy}\": {} is not a host and a port", Quoted(to))]
    #[diagnostic(
        code(standin::proxy::target),
        help(
            "write a host and a port, such as `127.0.0.1:5432` or `[::1]:5432`, or `unix:` and the path of a Unix socket{}",
            of_driver(to)
        )
    )]
    Target {
        /// The proxy.
        proxy: String,
        /// The value of `to`.
        to: String,
    },
    /// The host of the target has no address.
    #[error("proxy \"{proxy}\": the host of \"{to}\" has no address")]
    #[diagnostic(
        code(standin::proxy::resolve),
        help("is the name spelled as the system's resolver knows it?")
    )]
    Resolve {
        /// The proxy.
        proxy: String,
        /// The value of `to`.
        to: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The target is the proxy, which would connect to itself without end.
    #[error("proxy \"{proxy}\": \"{to}\" is its own address")]
    #[diagnostic(
        code(standin::proxy::itself),
        help(
            "name what is behind the proxy in `to`, or have the proxy listen on another port: 0 has one chosen{}",
            of_driver(to)
        )
    )]
    Itself {
        /// The proxy.
        proxy: String,
        /// The value of `to`.
        to: String,
    },
    /// The configured port is not a valid port.
    #[error("proxy \"{proxy}\": {source}")]
    #[diagnostic(
        code(standin::proxy::port),
        help("give a number from 0 to 65535, or the name of a TCP service such as \"http\"")
    )]
    Port {
        /// The proxy.
        proxy: String,
        /// The reason.
        source: PortError,
    },
    /// The system has no thread for the proxy.
    #[error("proxy \"{proxy}\" cannot run")]
    #[diagnostic(
        code(standin::proxy::no_reactor),
        help("the process has too many threads or open files")
    )]
    NoReactor {
        /// The proxy.
        proxy: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The thread that moves the bytes is not free in time.
    #[error("{stuck}")]
    #[diagnostic(
        code(standin::proxy::stuck),
        help("framings run on the one thread that moves the bytes: none may block")
    )]
    Stuck {
        /// What blocks it.
        stuck: standin_reactor::Stuck,
    },
    /// A context value has no value.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Context(#[from] ContextError),
    /// An option has no value.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Options(#[from] ResolveError),
    /// The proxy cannot listen.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bind(#[from] BindError),
    /// The proxy could not be made to do something.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Control(#[from] ControlError),
}

standin_error::reportable!(ProxyError, parts = ProxyError::parts);

impl ProxyError {
    /// Returns whether a wait timed out.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            ProxyError::NotYet {
                timed_out: true,
                ..
            } | ProxyError::StillOpen { .. }
        )
    }

    pub(crate) fn interrupted(proxy: &str, explainer: &Explainer, over: WaitEnd) -> ProxyError {
        ProxyError::Interrupted {
            reason: over.explain(proxy, explainer),
            proxy: proxy.to_owned(),
        }
    }

    /// The errors that this one passes on.
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            ProxyError::Context(error) => vec![error],
            ProxyError::Options(error) => vec![error],
            ProxyError::Bind(error) => vec![error],
            ProxyError::Control(error) => vec![error],
            _ => Vec::new(),
        }
    }
}

/// Faults and connections, below a sentence.
fn lines(faults: &[String], connections: &[String]) -> impl fmt::Display {
    let mut lines: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    match connections {
        [] => lines.push_str("\nnobody has connected to it"),
        connections => {
            lines.push_str("\nwhat went through it:");
            lines.extend(
                connections
                    .iter()
                    .map(|connection| format!("\n  {connection}")),
            );
        }
    }
    lines
}

/// How to write the address of a driver, if `to` may be the name of one.
fn of_driver(to: &str) -> String {
    // Names may have some of these, but addresses and templates have them more often.
    match to.contains([':', '.', '{']) || check_name(to).is_err() {
        true => String::new(),
        false => format!(
            "; for the driver \"{to}\", write `{{ driver = \"{to}\", value = \"{{{{ host \
             }}}}:{{{{ port }}}}\" }}`, in code `.to_driver(\"{to}\")`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_how_to_name_a_driver_where_there_may_be_one() {
        for name in ["db", "a b", &"x".repeat(255)] {
            let help = of_driver(name);
            assert!(help.contains(&format!(".to_driver(\"{name}\")")), "{help}");
        }
        let too_long = "x".repeat(256);
        for other in [
            "", " ", "db:1", "a/b", "a\\b", "a\nb", "{{ to }}", &too_long,
        ] {
            assert_eq!(of_driver(other), "", "{other:?}");
        }
    }
}
