//! [`Service`]: requests in, answers and events out.
//!
//! The thread that reads a request executes it, and another thread reads the next one meanwhile:
//!
//! 1. A thread takes the lock of the input and reads a line.
//! 2. It sees to it that another one waits for the lock, and gives it up.
//! 3. It carries the request out, writes the answer, and comes back.
//!
//! So no request waits for another one, and one by itself is never handed from thread to thread.

use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Map, Value, json};
use standin::record::Place;
use standin::{Error, Result};
use standin_sync::Unpoisoned;

use super::call::Call;
use super::client::Client;
use super::error::ServeError;
use super::methods::find;
use super::waiter::Waiter;

/// How many threads stay to wait for requests.
const MOST_IDLE: usize = 4;

/// Answers the requests of one client.
pub(crate) struct Service {
    pub(crate) client: Client,
    input: Mutex<Box<dyn BufRead + Send>>,
    /// How many threads read requests, or wait to do so.
    idle: AtomicUsize,
}

/// What a line asks for.
struct Request {
    id: Value,
    method: String,
    parameters: Map<String, Value>,
    /// The line of the test that asks.
    place: Option<Place>,
}

/// A request that is being carried out.
struct Admitted {
    request: Request,
    /// Its id as JSON.
    key: String,
}

impl Service {
    pub(crate) fn new(
        input: impl BufRead + Send + 'static,
        output: impl Write + Send + 'static,
    ) -> Self {
        Self {
            client: Client::new(output),
            input: Mutex::new(Box::new(input)),
            idle: AtomicUsize::new(0),
        }
    }

    /// Says who answers here, and begins to read requests.
    pub(crate) fn begin(self: &Arc<Self>) -> io::Result<()> {
        self.client.greet();
        self.idle.fetch_add(1, Ordering::SeqCst);
        self.add_thread()
    }

    /// Adds a thread that reads requests, which is counted as idle already.
    fn add_thread(self: &Arc<Self>) -> io::Result<()> {
        let service = Arc::clone(self);
        let waiter = Waiter::new()?;
        let thread = thread::Builder::new().name("standin-serve".to_owned());
        thread.spawn(move || service.work(&waiter)).map(drop)
    }

    /// What each thread does.
    fn work(self: Arc<Self>, waiter: &Waiter) {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut input = self.input.lock().unpoisoned();
            match input.read_until(b'\n', &mut line) {
                Ok(1..) => {}
                Ok(0) => return self.client.end(Ok(())),
                Err(source) => return self.client.end(Err(ServeError::Input { source })),
            }
            // Before the next line is read, which may cancel this one.
            let admitted = self.admit(&line, waiter);
            let is_read_on = self.see_to_next_reader();
            drop(input);
            self.take(admitted, waiter, is_read_on);
            if self.idle.fetch_add(1, Ordering::SeqCst) >= MOST_IDLE {
                self.idle.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// The calling thread reads no more for now. Returns whether another one does.
    fn see_to_next_reader(self: &Arc<Self>) -> bool {
        if self.idle.fetch_sub(1, Ordering::SeqCst) > 1 {
            return true;
        }
        self.idle.fetch_add(1, Ordering::SeqCst);
        let added = self.add_thread();
        if added.is_err() {
            self.idle.fetch_sub(1, Ordering::SeqCst);
        }
        added.is_ok()
    }

    /// Reads a line; `None` if it is empty.
    fn admit(&self, line: &[u8], waiter: &Waiter) -> Option<Result<Admitted, (Value, ServeError)>> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let request = match Request::read(line) {
            Ok(request) => request,
            Err(refused) => return Some(Err(refused)),
        };
        let key = request.id.to_string();
        Some(match self.client.admit(&key, waiter.begin()) {
            Ok(()) => Ok(Admitted { request, key }),
            Err(refused) => Err((request.id, refused)),
        })
    }

    /// Answers a line.
    fn take(
        &self,
        line: Option<Result<Admitted, (Value, ServeError)>>,
        waiter: &Waiter,
        is_read_on: bool,
    ) {
        let admitted = match line {
            None => return,
            Some(Err((id, error))) => return self.answer(&id, Err(error.into()), None),
            Some(Ok(admitted)) => admitted,
        };
        let Admitted { request, key } = admitted;
        let driver = request.parameters.get("driver").and_then(Value::as_str);
        let driver = driver.map(str::to_owned);
        let id = request.id.clone();
        // Without a thread that reads on nobody could cancel it.
        let result = match is_read_on {
            true => self.carry_out(request, waiter),
            false => Err(ServeError::NoThread.into()),
        };
        self.client.dismiss(&key);
        self.answer(&id, result, driver.as_deref());
    }

    fn carry_out(&self, request: Request, waiter: &Waiter) -> Result<Value> {
        let method = find(&request.method)?;
        let call = Call {
            client: &self.client,
            method: method.name,
            place: request.place.unwrap_or_else(Place::caller),
            waiter,
            parameters: request.parameters,
        };
        call.check(method.parameters)?;
        let done = catch_unwind(AssertUnwindSafe(|| (method.run)(&call)));
        done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(ServeError::Panicked {
                method: method.name.to_owned(),
                message: text.unwrap_or_else(|| "it gives no reason".to_owned()),
            }
            .into())
        })
    }

    fn answer(&self, id: &Value, result: Result<Value>, driver: Option<&str>) {
        let answer = match result {
            Ok(result) => json!({ "id": id, "result": result }),
            Err(error) => json!({ "id": id, "error": self.failure(&error, driver) }),
        };
        self.client.write(&answer);
    }

    /// An error as an object, with the last that was recorded of the driver that it is about.
    fn failure(&self, error: &Error, driver: Option<&str>) -> Value {
        let lines = driver.map(|driver| self.client.stage.last_records(driver));
        super::failure::to_json(error, lines.unwrap_or_default())
    }
}

impl Request {
    /// Reads a line. An error comes with the id of the request, as far as there is one.
    fn read(line: &[u8]) -> Result<Self, (Value, ServeError)> {
        let value: Value = serde_json::from_slice(line).map_err(|error| {
            let problem = error.to_string();
            (Value::Null, ServeError::NotJson { problem })
        })?;
        let not_a_request = |id: &Value, problem: &str| {
            let problem = problem.to_owned();
            (id.clone(), ServeError::NotARequest { problem })
        };
        let Value::Object(mut object) = value else {
            return Err(not_a_request(&Value::Null, "it is not an object"));
        };
        let id = object.shift_remove("id").unwrap_or_default();
        if !(id.is_i64() || id.is_u64() || id.is_string()) {
            let problem = "its \"id\" is neither a whole number nor a text";
            return Err(not_a_request(&Value::Null, problem));
        }
        let Some(Value::String(method)) = object.shift_remove("method") else {
            return Err(not_a_request(&id, "its \"method\" is not a text"));
        };
        let parameters = match object.shift_remove("params") {
            None => Map::new(),
            Some(Value::Object(parameters)) => parameters,
            Some(_) => return Err(not_a_request(&id, "its \"params\" are not an object")),
        };
        let place = match object.shift_remove("place").map(|place| place_of(&place)) {
            None => None,
            Some(Some((file, line))) => Place::elsewhere(&file, line),
            Some(None) => {
                let problem = "its \"place\" is not an object with \"file\" and \"line\"";
                return Err(not_a_request(&id, problem));
            }
        };
        match object.keys().next() {
            None => Ok(Self {
                id,
                method,
                parameters,
                place,
            }),
            Some(key) => {
                let problem = format!("it has a key \"{key}\", which requests do not have");
                Err(not_a_request(&id, &problem))
            }
        }
    }
}

/// The file and the line of a place.
fn place_of(value: &Value) -> Option<(String, u32)> {
    let object = value.as_object().filter(|object| object.len() == 2)?;
    let line = object.get("line")?.as_u64()?;
    Some((
        object.get("file")?.as_str()?.to_owned(),
        line.try_into().ok()?,
    ))
}
