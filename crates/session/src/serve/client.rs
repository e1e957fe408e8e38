//! [`Client`]: what a service has of its client: its environment, its requests, and the way to it.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standin_sync::{Monitor, Unpoisoned};

use super::conversations::HeldConversations;
use super::error::ServeError;
use super::faults::Faults;
use super::stage::Stage;
use super::waiter::Signal;
use crate::Event;

/// The version of the protocol. It changes when a client for the one before would not work.
pub const PROTOCOL: u32 = 1;

/// How many requests may wait at the same time.
const MOST_REQUESTS: usize = 64;

/// The client of a service.
pub(crate) struct Client {
    pub(crate) stage: Stage,
    pub(crate) held: HeldConversations,
    pub(crate) faults: Faults,
    output: Mutex<Box<dyn Write + Send>>,
    /// The requests that are not answered, by their ids as JSON.
    requests: Mutex<HashMap<String, Arc<Signal>>>,
    /// Why no more requests are wanted, once that is so.
    end: Monitor<Option<Result<(), ServeError>>>,
}

impl Client {
    pub(crate) fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            stage: Stage::default(),
            held: HeldConversations::default(),
            faults: Faults::default(),
            output: Mutex::new(Box::new(output)),
            requests: Mutex::default(),
            end: Monitor::default(),
        }
    }

    /// Sends the version of the service.
    pub(crate) fn greet(&self) {
        self.write(&json!({
            "event": "hello",
            "protocol": PROTOCOL,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
        }));
    }

    /// Notes a request, whose id is `key` as JSON, and what cancels it.
    pub(crate) fn admit(&self, key: &str, signal: Arc<Signal>) -> Result<(), ServeError> {
        let mut requests = self.requests.lock().unpoisoned();
        if requests.contains_key(key) {
            return Err(ServeError::IdInUse { id: key.to_owned() });
        }
        if requests.len() >= MOST_REQUESTS {
            return Err(ServeError::TooMany {
                limit: MOST_REQUESTS,
            });
        }
        requests.insert(key.to_owned(), signal);
        Ok(())
    }

    /// A request is over, and its id is free.
    pub(crate) fn dismiss(&self, key: &str) {
        self.requests.lock().unpoisoned().remove(key);
    }

    /// No more requests are wanted, and why not, if that is an error.
    pub(crate) fn end(&self, how: Result<(), ServeError>) {
        self.end.update(|end| {
            end.get_or_insert(how);
        });
    }

    /// Cancels the request of that id, and returns whether there is one.
    pub(crate) fn cancel(&self, id: &Value) -> bool {
        let requests = self.requests.lock().unpoisoned();
        let request = requests.get(&id.to_string());
        if let Some(signal) = request {
            signal.cancel();
        }
        request.is_some()
    }

    /// Cancels all requests.
    pub(crate) fn cancel_all(&self) {
        let requests = self.requests.lock().unpoisoned();
        requests.values().for_each(|signal| signal.cancel());
    }

    /// Waits until no more requests are wanted, or `is_over` says so, which is asked after each
    /// `period`. Returns the error that was the reason.
    pub(crate) fn wait_for_end(
        &self,
        period: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<(), ServeError> {
        let mut end = self.end.lock();
        while end.is_none() && !is_over() {
            let until = Some(Instant::now() + period);
            end = self.end.wait(end, until);
        }
        end.replace(Ok(())).unwrap_or(Ok(()))
    }

    /// Writes what has happened.
    pub(crate) fn happened(&self, event: &Event) {
        self.write(&event.to_json());
    }

    /// Writes a line.
    pub(crate) fn write(&self, message: &Value) {
        // A client that is about to go need not read more, and must not keep what follows waiting.
        if self.end.lock().is_some() {
            return;
        }
        let mut line = message.to_string();
        line.push('\n');
        let mut output = self.output.lock().unpoisoned();
        let written = output
            .write_all(line.as_bytes())
            .and_then(|()| output.flush());
        drop(output);
        match written.map_err(|error| (error.kind(), error)) {
            Ok(()) => {}
            // Nobody listens any longer.
            Err((ErrorKind::BrokenPipe | ErrorKind::ConnectionReset, _)) => self.end(Ok(())),
            Err((_, source)) => self.end(Err(ServeError::Output { source })),
        }
    }
}
