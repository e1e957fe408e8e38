//! The protocol of `standin serve`: JSON lines in and out.

mod call;
mod client;
mod conversations;
mod environment;
mod error;
mod events;
mod failure;
mod faults;
mod field;
mod held;
mod method;
mod methods;
mod peer;
mod proxy;
mod schema;
mod service;
mod stage;
mod talk;
mod waiter;

use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rustix::process::getppid;
use standin::Result;

use self::service::Service;
use crate::signals::Requests;
use crate::{Event, Outcome, RunError};

pub use self::client::PROTOCOL;
pub use self::error::ServeError;
pub use self::schema::{protocol_page, protocol_schema};

/// How often it is checked whether the process is still needed. No event reports the end of a
/// parent.
const PERIOD: Duration = Duration::from_millis(250);

/// Serves the process that started this one, over standard input and output, as [`serve`] does:
/// until the input ends, that process is gone, or a signal asks this one to end. The third signal
/// ends it at once.
pub fn serve_stdio() -> Outcome {
    let asked = Arc::new(AtomicI32::new(0));
    let requests = Requests::listen(None, {
        let asked = Arc::clone(&asked);
        move |request| asked.store(request.signal, Ordering::SeqCst)
    });
    let _requests = match requests {
        Ok(requests) => requests,
        Err(source) => return Outcome::failed(RunError::Signals { source }),
    };
    let parent = getppid();
    let is_over = || asked.load(Ordering::SeqCst) != 0 || getppid() != parent;
    let served = serve(BufReader::new(io::stdin()), io::stdout(), is_over);
    let mut outcome = match served {
        Ok(()) => Outcome::ended(0),
        Err(error) => Outcome::failed(error),
    };
    match asked.load(Ordering::SeqCst) {
        0 => {}
        signal => outcome.code = Outcome::code_of_signal(signal),
    }
    outcome
}

/// Answers the requests of one client, which are lines of JSON from `input`, by lines of JSON to
/// `output`, until the input ends or `is_over` returns true, which is called several times a
/// second. Then the environment is stopped.
///
/// The [protocol] is documented in the guide, and `schemas/protocol.json` is its JSON Schema.
///
/// ```
/// use std::io::Cursor;
///
/// // The input ends after one request, and what was loaded never starts.
/// let request = r#"{"id": 1, "method": "load", "params": {"text": "name = 'shop'"}}"#;
/// standin_session::serve(Cursor::new(request), Vec::new(), || false)?;
/// # Ok::<(), standin::Error>(())
/// ```
///
/// [protocol]: https://github.com/standin-rs/standin/blob/main/docs/protocol.md
///
/// # Errors
///
/// Returns an error if the system has no thread left, the environment does not stop cleanly at the
/// end, requests cannot be read, or answers cannot be written to a client that is still there.
pub fn serve(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    is_over: impl Fn() -> bool,
) -> Result<()> {
    let service = Arc::new(Service::new(input, output));
    service.begin()?;
    let ended = service.client.wait_for_end(PERIOD, is_over);
    service.client.cancel_all();
    service.client.held.forget();
    service.client.stage.end(&|_: &Event| {})?;
    Ok(ended?)
}
