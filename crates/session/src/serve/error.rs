//! [`ServeError`]: a request that cannot be carried out, or that did not want to wait any longer.

use std::io;

use miette::Diagnostic;
use standin::error::text::Names;
use thiserror::Error;

/// Why a request is refused, before anything is done, or why no more can be served.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ServeError {
    /// Requests cannot be read.
    #[error("cannot read the requests of the client")]
    #[diagnostic(
        code(standin::serve::input),
        help("connect the input to a pipe that the client writes to")
    )]
    Input {
        /// The system's error.
        source: io::Error,
    },
    /// Answers cannot be written.
    #[error("cannot write to the client")]
    #[diagnostic(
        code(standin::serve::output),
        help("connect the output to a pipe that the client reads")
    )]
    Output {
        /// The system's error.
        source: io::Error,
    },
    /// The line is not JSON.
    #[error("the line is not JSON: {problem}")]
    #[diagnostic(
        code(standin::serve::not_json),
        help("a request is one JSON object on one line")
    )]
    NotJson {
        /// The reason.
        problem: String,
    },
    /// The line is JSON, and not a request.
    #[error("the line is not a request: {problem}")]
    #[diagnostic(
        code(standin::serve::not_a_request),
        help(
            "a request is an object such as {{\"id\": 1, \"method\": \"status\", \"params\": {{}}}}"
        )
    )]
    NotARequest {
        /// The reason.
        problem: String,
    },
    /// The number of the request is that of another one that is not answered yet.
    #[error("a request with the id {id} is still unanswered")]
    #[diagnostic(
        code(standin::serve::id_in_use),
        help("give each request an id of its own")
    )]
    IdInUse {
        /// The number, as JSON.
        id: String,
    },
    /// Too many requests wait.
    #[error("{limit} requests are not answered yet")]
    #[diagnostic(
        code(standin::serve::too_many_requests),
        help("wait for answers, or cancel requests that nobody waits for")
    )]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// There is no such method.
    #[error("unknown method \"{method}\"")]
    #[diagnostic(code(standin::serve::unknown_method), help("{}", meant(nearest.as_deref())))]
    UnknownMethod {
        /// Its name.
        method: String,
        /// A suggestion.
        nearest: Option<String>,
    },
    /// The method has no such parameter.
    #[error("`{method}` has no parameter \"{parameter}\"")]
    #[diagnostic(
        code(standin::serve::unknown_parameter),
        help("it has {}", known_names(known))
    )]
    UnknownParameter {
        /// The method.
        method: String,
        /// The name that no parameter has.
        parameter: String,
        /// The parameters that there are.
        known: Vec<String>,
    },
    /// A parameter is missing.
    #[error("`{method}` lacks its parameter \"{parameter}\"")]
    #[diagnostic(code(standin::serve::missing_parameter), help("it is {expected}"))]
    MissingParameter {
        /// The method.
        method: String,
        /// The parameter.
        parameter: String,
        /// The allowed values.
        expected: String,
    },
    /// A parameter has a value that it cannot have.
    #[error("`{method}`: \"{parameter}\" cannot be {found}: it is {expected}")]
    #[diagnostic(code(standin::serve::bad_parameter))]
    BadParameter {
        /// The method.
        method: String,
        /// The parameter.
        parameter: String,
        /// The allowed values.
        expected: String,
        /// The value, shortened.
        found: String,
    },
    /// A parameter that is an option of a driver has a value that it cannot have.
    #[error("`{method}`: \"{parameter}\": {problem}")]
    #[diagnostic(
        code(standin::serve::bad_option),
        help("write it as in an environment file; `standin options` lists the options")
    )]
    BadOption {
        /// The method.
        method: String,
        /// The parameter.
        parameter: String,
        /// The reason.
        problem: String,
    },
    /// Nothing was loaded.
    #[error("there is no environment")]
    #[diagnostic(
        code(standin::serve::no_environment),
        help("`load` one from a file or a text")
    )]
    NoEnvironment,
    /// The environment does not allow that now.
    #[error("cannot {action}: the environment \"{environment}\" is {phase}")]
    #[diagnostic(code(standin::serve::wrong_phase), help("{}", next(phase)))]
    WrongPhase {
        /// The request, such as `start`.
        action: String,
        /// The name of the environment.
        environment: String,
        /// The state: `loaded`, `starting`, `running`, `stopping`, `stopped`.
        phase: &'static str,
    },
    /// The driver has no connections that can be talked over.
    #[error("driver \"{driver}\" is of the type {kind}, which cannot do that")]
    #[diagnostic(code(standin::serve::wrong_driver), help("`{method}` is for {wanted}"))]
    WrongDriver {
        /// The driver.
        driver: String,
        /// Its type.
        kind: String,
        /// The request.
        method: String,
        /// The types that can do it.
        wanted: &'static str,
    },
    /// The client has another connection now.
    #[error(
        "connection {index} of client \"{driver}\" has ended: the client's connection is now number {current}"
    )]
    #[diagnostic(
        code(standin::serve::other_connection),
        help("`connect` closes the previous connection; use the one that it returns")
    )]
    OtherConnection {
        /// The client.
        driver: String,
        /// The requested number.
        index: usize,
        /// The number of the connection that it has.
        current: usize,
    },
    /// The conversation is not in the hands of the client.
    #[error("connection {index} of \"{driver}\" is not in your hands")]
    #[diagnostic(
        code(standin::serve::not_held),
        help("get it with `held` or `take_over`; `hand_back` and `take` end that")
    )]
    NotHeld {
        /// The driver.
        driver: String,
        /// The number of the connection.
        index: usize,
    },
    /// Another request uses the conversation.
    #[error("another request uses connection {index} of \"{driver}\"")]
    #[diagnostic(
        code(standin::serve::held_in_use),
        help("wait for its answer, or cancel it")
    )]
    HeldInUse {
        /// The driver.
        driver: String,
        /// The number of the connection.
        index: usize,
    },
    /// There is no such fault.
    #[error("proxy \"{driver}\" has no fault {fault}")]
    #[diagnostic(
        code(standin::serve::unknown_fault),
        help("use a number that `inject` returned for this proxy, in this environment")
    )]
    UnknownFault {
        /// The proxy.
        driver: String,
        /// The number that no fault has.
        fault: usize,
    },
    /// The request was cancelled.
    #[error("`{method}` was cancelled")]
    #[diagnostic(code(standin::serve::cancelled))]
    Cancelled {
        /// The method.
        method: String,
    },
    /// The system has no thread for the request.
    #[error("cannot start a thread for the request")]
    #[diagnostic(
        code(standin::serve::no_thread),
        help("the process, or the user, has too many threads")
    )]
    NoThread,
    /// The service itself is wrong.
    #[error("`{method}` has panicked: {message}")]
    #[diagnostic(
        code(standin::serve::panicked),
        help("this is a bug in standin: please report it")
    )]
    Panicked {
        /// The method.
        method: String,
        /// The message of the panic.
        message: String,
    },
}

standin::reportable!(ServeError);

fn meant(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => "schemas/protocol.json has all methods".to_owned(),
    }
}

fn known_names(known: &[String]) -> String {
    match known {
        [] => "no parameters".to_owned(),
        known => Names(known).to_string(),
    }
}

fn next(phase: &str) -> &'static str {
    match phase {
        "loaded" => "`start` it first",
        "running" => "`stop` it first",
        "stopped" => "`load` it again to have it once more",
        _ => "wait for that to end, or `abort` it",
    }
}
