//! The one table from our errors to the recorded categories.

use std::error::Error as StdError;
use std::io;

use miette::Diagnostic;
use standin::socket::{BindError, ConnectError};
use standin::tcp::TcpError;

use crate::failure::Failure;

/// An operation on a socket that was closed on this side.
const CLOSED: &str = "os_error EBADF";

/// What the system says decides.
const SYSTEM: &str = "system";

/// The code of an error, and the category of what the reference raises there.
const TABLE: &[(&str, &str)] = &[
    ("standin::config::bad_pattern", "config_invalid_value"),
    ("standin::config::bad_template", "config_invalid_value"),
    ("standin::config::constraint_broken", "config_invalid_value"),
    ("standin::config::wrong_type", "config_invalid_value"),
    ("standin::config::unknown_option", "config_unknown_key"),
    ("standin::config::missing_option", "config_missing_key"),
    ("standin::config::no_value", "config_missing_option"),
    ("standin::config::parent_already_set", "parent_already_set"),
    ("standin::config::parent_cycle", "parent_cycle"),
    ("standin::config::port_out_of_range", "out_of_range"),
    ("standin::config::unknown_service", "os_error"),
    ("standin::config::no_services", "os_error"),
    ("standin::connection::no_process", "no_attribute"),
    ("standin::connection::unknown_transport", "unknown_key"),
    ("standin::driver::no_environment", "invalid_argument"),
    ("standin::driver::unknown_driver", "runtime_error"),
    ("standin::driver::no_log", "config_invalid_value"),
    ("standin::driver::log_pattern", "config_invalid_value"),
    ("standin::driver::log_unreadable", SYSTEM),
    ("standin::driver::extract_not_text", "decode_error"),
    ("standin::driver::install_source", SYSTEM),
    ("standin::driver::install_write", SYSTEM),
    ("standin::driver::install_template", "generic"),
    ("standin::driver::no_install_target", "not_implemented"),
    ("standin::driver::file_logger", SYSTEM),
    ("standin::driver::unknown_attribute", "template_error"),
    ("standin::driver::template", "template_error"),
    ("standin::driver::context_value", "invalid_argument"),
    ("standin::entity::bad_name", "invalid_argument"),
    ("standin::entity::illegal_transition", "illegal_transition"),
    ("standin::entity::unknown_status", "illegal_transition"),
    ("standin::entity::interval_not_started", "unknown_key"),
    ("standin::entity::start_illegal", "illegal_transition"),
    ("standin::entity::stop_illegal", "illegal_transition"),
    ("standin::entity::pause_illegal", "illegal_transition"),
    ("standin::entity::wait_unreachable", "illegal_transition"),
    ("standin::entity::start_timeout", "timeout"),
    ("standin::entity::start_busy", "timeout"),
    ("standin::entity::stop_timeout", "timeout"),
    ("standin::entity::stop_busy", "timeout"),
    ("standin::entity::pause_busy", "timeout"),
    ("standin::entity::wait_timeout", "timeout"),
    ("standin::entity::start_failed", "runtime_error"),
    ("standin::entity::stop_failed", "runtime_error"),
    ("standin::entity::pause_failed", "runtime_error"),
    ("standin::entity::abort_failed", "runtime_error"),
    ("standin::entity::wait_failed", "runtime_error"),
    ("standin::entity::start_aborted", "aborted"),
    ("standin::entity::stop_aborted", "aborted"),
    ("standin::entity::wait_aborted", "aborted"),
    ("standin::entity::start_interrupted", "interrupted"),
    ("standin::entity::runpath_dirs", SYSTEM),
    ("standin::entity::runpath_foreign", "invalid_argument"),
    ("standin::entity::runpath_is_file", "file_exists"),
    ("standin::entity::runpath_locked", "os_error"),
    ("standin::entity::runpath_not_private", "os_error"),
    ("standin::entity::runpath_not_utf8", "invalid_argument"),
    ("standin::entity::runpath_precious", "invalid_argument"),
    ("standin::entity::runpath_replaced", "os_error"),
    ("standin::entity::runpath_root", "os_error"),
    ("standin::entity::runpath_shared", "invalid_argument"),
    ("standin::environment::aborted", "aborted"),
    ("standin::environment::async_start", "invalid_argument"),
    ("standin::environment::cycle", "invalid_argument"),
    ("standin::environment::duplicate_name", "runtime_error"),
    (
        "standin::environment::in_two_environments",
        "invalid_argument",
    ),
    ("standin::environment::later_driver", "invalid_argument"),
    ("standin::environment::other_type", "type_error"),
    ("standin::environment::reserved_name", "invalid_argument"),
    ("standin::environment::unknown_context", "runtime_error"),
    (
        "standin::environment::unknown_dependency",
        "invalid_argument",
    ),
    ("standin::environment::unknown_driver", "unknown_key"),
    ("standin::socket::accept_aborted", "aborted"),
    ("standin::socket::accept_closed", "not_running"),
    ("standin::socket::accept_failed", "os_error"),
    ("standin::socket::accept_timed_out", "timeout"),
    ("standin::socket::bind_failed", "os_error"),
    ("standin::socket::bind_host", "name_resolution"),
    ("standin::socket::bind_in_use", "os_error"),
    ("standin::socket::connect_aborted", "aborted"),
    ("standin::socket::connect_closed", CLOSED),
    ("standin::socket::connect_failed", "os_error"),
    ("standin::socket::connect_host", "name_resolution"),
    ("standin::socket::connect_refused", "conn_refused"),
    ("standin::socket::connect_timed_out", "timeout"),
    (
        "standin::socket::connection_not_active",
        "connection_not_active",
    ),
    (
        "standin::socket::connection_unknown",
        "connection_not_active",
    ),
    ("standin::socket::receive_aborted", "aborted"),
    ("standin::socket::receive_closed", CLOSED),
    ("standin::socket::receive_failed", "os_error"),
    ("standin::socket::receive_limit", "out_of_range"),
    ("standin::socket::receive_peer_closed", "connection_broken"),
    ("standin::socket::receive_reset", "conn_reset"),
    ("standin::socket::receive_timed_out", "timeout"),
    ("standin::socket::send_aborted", "aborted"),
    ("standin::socket::send_closed", CLOSED),
    ("standin::socket::send_failed", "os_error"),
    ("standin::socket::send_peer_closed", "broken_pipe"),
    ("standin::socket::send_reset", "conn_reset"),
    ("standin::socket::send_timed_out", "timeout"),
    ("standin::tcp::decode", "decode_error"),
    ("standin::tcp::encode", "encode_error"),
    ("standin::tcp::no_connection", "no_connection"),
    ("standin::tcp::not_connected", "not_connected"),
    ("standin::tcp::not_running", "runtime_error"),
    ("standin::tcp::port", "os_error"),
    ("standin::tcp::unknown_connection", "connection_not_active"),
    ("standin::tcp::unknown_encoding", "lookup_error"),
];

/// An error of ours, as a recorded one.
impl<E: Diagnostic + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        of_diagnostic(&error)
    }
}

/// The error of a step of ours.
pub(crate) fn of_step(error: &standin::Error) -> Failure {
    of_diagnostic(error.diagnostic())
}

pub(crate) fn of_diagnostic(error: &(dyn Diagnostic + Send + Sync + 'static)) -> Failure {
    let category = of_connection(error)
        .or_else(|| category(error))
        .or_else(|| code(error))
        .unwrap_or_else(|| "runtime_error".to_owned());
    let (category, errno) = match category.split_once(' ') {
        Some((category, errno)) => (category.to_owned(), Some(errno.to_owned())),
        None => (category, system_errno(error)),
    };
    let category = match (category.as_str(), errno.as_deref()) {
        (SYSTEM, Some("ENOENT")) => "file_not_found".to_owned(),
        (SYSTEM, Some("EEXIST")) => "file_exists".to_owned(),
        // Refused before the system was asked.
        (SYSTEM, None) => "invalid_argument".to_owned(),
        (SYSTEM, _) => "os_error".to_owned(),
        _ => category,
    };
    Failure::Error {
        category,
        errno,
        message: error.to_string(),
    }
}

/// An error of the standard library, where we have none around it.
pub(crate) fn of_io(error: &io::Error) -> Failure {
    let category = match error.kind() {
        io::ErrorKind::ConnectionRefused => "conn_refused",
        io::ErrorKind::ConnectionReset => "conn_reset",
        io::ErrorKind::BrokenPipe => "broken_pipe",
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "os_timeout",
        io::ErrorKind::NotFound => "file_not_found",
        io::ErrorKind::AlreadyExists => "file_exists",
        _ => "os_error",
    };
    Failure::Error {
        category: category.to_owned(),
        errno: errno(error),
        message: error.to_string(),
    }
}

/// There, a server that has accepted nobody says so first, whatever it is asked.
fn of_connection(error: &(dyn StdError + 'static)) -> Option<String> {
    match error.downcast_ref()? {
        TcpError::NoConnection { accepted, .. } | TcpError::UnknownConnection { accepted, .. } => {
            let category = match accepted {
                0 => "no_connection",
                _ => "connection_not_active",
            };
            Some(category.to_owned())
        }
        _ => None,
    }
}

/// The category of the deepest error that has one.
fn category(error: &dyn Diagnostic) -> Option<String> {
    if let Some(found) = error.diagnostic_source().and_then(category) {
        return Some(found);
    }
    if let Some(known) = code(error).and_then(|code| lookup(&code)) {
        return Some(known.to_owned());
    }
    error.related()?.find_map(category)
}

fn lookup(code: &str) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, category)| *category)
}

fn code(error: &dyn Diagnostic) -> Option<String> {
    error.code().map(|code| code.to_string())
}

/// The errno of what the system said, wherever it is kept.
fn system_errno(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return errno(error);
    }
    if let Some(error) = error.downcast_ref::<BindError>() {
        return error.io_error().and_then(errno);
    }
    if let Some(error) = error.downcast_ref::<ConnectError>() {
        return error.io_error().and_then(errno);
    }
    match error.downcast_ref::<TcpError>() {
        Some(TcpError::Bind(error)) => return error.io_error().and_then(errno),
        Some(TcpError::Connect(error)) => return error.io_error().and_then(errno),
        _ => {}
    }
    if let Some(error) = error.downcast_ref::<standin::Error>() {
        return system_errno(error.diagnostic());
    }
    error.source().and_then(system_errno)
}

/// The name that C has for an error of the system.
fn errno(error: &io::Error) -> Option<String> {
    let name = match (error.raw_os_error()?, error.kind()) {
        (_, io::ErrorKind::AddrInUse) => "EADDRINUSE",
        (_, io::ErrorKind::AddrNotAvailable) => "EADDRNOTAVAIL",
        (_, io::ErrorKind::ConnectionRefused) => "ECONNREFUSED",
        (_, io::ErrorKind::ConnectionReset) => "ECONNRESET",
        (_, io::ErrorKind::BrokenPipe) => "EPIPE",
        (_, io::ErrorKind::NotFound) => "ENOENT",
        (_, io::ErrorKind::AlreadyExists) => "EEXIST",
        (_, io::ErrorKind::IsADirectory) => "EISDIR",
        (_, io::ErrorKind::NotADirectory) => "ENOTDIR",
        (_, io::ErrorKind::PermissionDenied) => "EACCES",
        (_, io::ErrorKind::WouldBlock) => "EAGAIN",
        (_, io::ErrorKind::NotConnected) => "ENOTCONN",
        (_, io::ErrorKind::InvalidInput) => "EINVAL",
        (number, _) => return Some(number.to_string()),
    };
    Some(name.to_owned())
}
