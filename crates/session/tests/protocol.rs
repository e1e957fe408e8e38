//! Conversations with the service, and its end.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail the test")]
#![allow(
    clippy::print_stderr,
    reason = "what is said last shows which line of a conversation fails"
)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jsonschema::Validator;
use serde_json::{Value, json};
use standin_session::{protocol_schema, serve};
use test_port::TestPort;

/// After which a test that hears nothing fails.
const HANG: Duration = Duration::from_secs(60);

/// A client of the service, which runs in this process.
struct Client {
    to: Option<UnixStream>,
    from: BufReader<UnixStream>,
    service: Option<JoinHandle<standin::Result<()>>>,
    is_over: Arc<AtomicBool>,
    /// What came while something else was waited for.
    heard: Vec<Value>,
    /// The methods of the requests, by their ids.
    methods: HashMap<String, String>,
}

impl Client {
    fn new() -> Self {
        let (to, input) = UnixStream::pair().unwrap();
        let (from, output) = UnixStream::pair().unwrap();
        from.set_read_timeout(Some(HANG)).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let service = thread::spawn(move || {
            serve(BufReader::new(input), output, move || {
                ends.load(Ordering::SeqCst)
            })
        });
        Self {
            to: Some(to),
            from: BufReader::new(from),
            service: Some(service),
            is_over,
            heard: Vec::new(),
            methods: HashMap::new(),
        }
    }

    fn say(&mut self, line: &str) {
        if let Ok(request) = serde_json::from_str::<Value>(line)
            && let Some(method) = request["method"].as_str()
        {
            self.methods
                .insert(request["id"].to_string(), method.to_owned());
        }
        let line = format!("{line}\n");
        self.to
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
    }

    /// The first message that is wanted, those that came before included.
    fn hear(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.heard.iter().position(&is_wanted) {
            return self.heard.remove(index);
        }
        loop {
            let mut line = String::new();
            let read = self.from.read_line(&mut line).unwrap();
            assert!(read > 0, "the service has ended; it said {:#?}", self.heard);
            let message: Value = serde_json::from_str(&line).unwrap();
            self.check(&message);
            if is_wanted(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// Everything that the service says is as its schema has it.
    fn check(&self, message: &Value) {
        if let Some(event) = message.get("event") {
            let schema = protocol_schema();
            let known = schema["$defs"]["event"]["allOf"].as_array().unwrap();
            let is_it = |one: &Value| one["if"]["properties"]["event"]["const"] == *event;
            assert!(known.iter().any(is_it), "the schema does not have {event}");
        }
        check(
            if message.get("event").is_some() {
                "event"
            } else {
                "answer"
            },
            message,
        );
        if let Some(result) = message.get("result") {
            let method = &self.methods[&message["id"].to_string()];
            check(&format!("results/$defs/{method}"), result);
        }
    }

    fn ask(&mut self, id: u64, method: &str, parameters: &Value) -> Value {
        self.say(&json!({ "id": id, "method": method, "params": parameters }).to_string());
        self.hear(|message| message["id"] == id)
    }

    /// Ends the input, and returns how the service ended.
    fn leave(mut self) -> standin::Result<()> {
        drop(self.to.take());
        self.service.take().unwrap().join().unwrap()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol")
}

fn greeting() -> String {
    folder().join("greeting.toml").display().to_string()
}

/// The schema of what `name` leads to within that of the protocol.
fn schema(name: &str) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let schema = known.entry(name.to_owned()).or_insert_with(|| {
        let mut schema = protocol_schema();
        let object = schema.as_object_mut().unwrap();
        object.shift_remove("anyOf");
        object.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
        Arc::new(jsonschema::validator_for(&schema).unwrap())
    });
    Arc::clone(schema)
}

#[track_caller]
fn check(name: &str, value: &Value) {
    let valid = schema(name)
        .validate(value)
        .map_err(|error| error.to_string());
    assert_eq!(valid, Ok(()), "{value:#}");
}

/// A conversation of a file.
struct Conversation {
    client: Client,
    names: HashMap<String, Value>,
}

impl Conversation {
    fn line(&mut self, line: &str) {
        if let Some(request) = line.strip_prefix("> ") {
            let request: Value = serde_json::from_str(request).unwrap();
            let request = self.filled(request);
            check("request", &request);
            self.client.say(&request.to_string());
        } else if let Some(request) = line.strip_prefix("!> ") {
            let is_allowed = serde_json::from_str(request)
                .is_ok_and(|request: Value| schema("request").is_valid(&request));
            assert!(!is_allowed, "the schema allows it");
            self.client.say(request);
        } else if let Some(expected) = line.strip_prefix("< ") {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let key = match expected.get("event") {
                Some(_) => "event",
                None => "id",
            };
            let is_it = |message: &Value| message.get(key) == Some(&expected[key]);
            let message = self.client.hear(is_it);
            let fits = self.fits(&expected, &message);
            assert!(fits, "heard {message:#}");
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "what is that?");
        }
    }

    fn filled(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => self.names[name].clone(),
                None => Value::String(text),
            },
            Value::Object(object) => {
                let entries = object.into_iter();
                Value::Object(
                    entries
                        .map(|(key, value)| (key, self.filled(value)))
                        .collect(),
                )
            }
            other => other,
        }
    }

    fn fits(&mut self, expected: &Value, value: &Value) -> bool {
        match (expected, value) {
            (Value::String(expected), value) => match expected.split_at_checked(1) {
                Some(("*", "")) => true,
                Some(("~", part)) => value.as_str().is_some_and(|text| text.contains(part)),
                Some(("$", name)) => {
                    let known = self.names.entry(name.to_owned());
                    known.or_insert_with(|| value.clone()) == value
                }
                _ => value == expected,
            },
            (Value::Object(expected), Value::Object(object)) => {
                expected.iter().all(|(key, one)| {
                    let value = object.get(key);
                    value.is_some_and(|value| self.fits(one, value))
                })
            }
            (Value::Array(expected), Value::Array(list)) => {
                let mut pairs = expected.iter().zip(list);
                expected.len() == list.len() && pairs.all(|(one, value)| self.fits(one, value))
            }
            (expected, value) => expected == value,
        }
    }
}

#[track_caller]
fn converse(name: &str, text: &str) {
    let mut conversation = Conversation {
        client: Client::new(),
        names: [("file".to_owned(), json!(greeting()))].into(),
    };
    for (index, line) in text.lines().enumerate() {
        eprintln!("{name}:{}: {line}", index + 1);
        conversation.line(line);
    }
    conversation.client.leave().unwrap();
}

#[test]
fn every_conversation_goes_as_its_file_says() {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap());
    let mut count = 0;
    for file in files.filter(|file| file.path().extension().is_some_and(|end| end == "txt")) {
        let text = fs::read_to_string(file.path()).unwrap();
        converse(&file.file_name().to_string_lossy(), &text);
        count += 1;
    }
    assert!(count >= 7, "only {count} conversations");
}

#[test]
fn the_conversations_of_the_page_are_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = fs::read_to_string(page).unwrap();
    let mut conversations = page.split("```text\n").skip(1);
    let first = conversations.next().unwrap();
    let text = first.split("```").next().unwrap();
    assert!(text.lines().count() > 5);
    converse("protocol.md", text);
    assert!(
        conversations.next().is_none(),
        "there are more conversations"
    );
}

/// Starts a server at a port that nobody else gets.
fn started(client: &mut Client) -> TestPort {
    let port = TestPort::claim();
    let settings = [format!("server.port={}", port.number())];
    let parameters = json!({ "file": greeting(), "settings": settings });
    client.ask(1, "load", &parameters);
    let answer = client.ask(2, "start", &json!({}));
    assert!(answer.get("result").is_some(), "{answer:#}");
    TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    port
}

#[test]
fn the_end_of_the_input_takes_everything_down_also_what_waits() {
    let mut client = Client::new();
    let port = started(&mut client);
    client.say(
        r#"{"id": 4, "method": "receive_line", "params": {"driver": "client", "timeout": null}}"#,
    );
    client.ask(5, "status", &json!({}));
    client.leave().unwrap();
    // Free again.
    TcpListener::bind(("127.0.0.1", port.number())).unwrap();
}

#[test]
fn the_end_of_the_input_ends_a_start() {
    let mut client = Client::new();
    let text = "name = 'x'\n[[driver]]\ntype = 'process'\nname = 'app'\nbinary = 'sleep'\n\
                args = ['60']\nready = [{ log = 'never' }]\n";
    client.ask(1, "load", &json!({ "text": text }));
    client.say(r#"{"id": 2, "method": "start"}"#);
    client.hear(|message| message["event"] == "driver_starting");
    client.leave().unwrap();
}

#[test]
fn who_is_not_wanted_any_more_takes_everything_down() {
    let mut client = Client::new();
    let port = started(&mut client);
    client.is_over.store(true, Ordering::SeqCst);
    client.service.take().unwrap().join().unwrap().unwrap();
    TcpListener::bind(("127.0.0.1", port.number())).unwrap();
}

#[test]
fn a_client_that_does_not_listen_is_one_that_is_gone() {
    let mut client = Client::new();
    let port = started(&mut client);
    client
        .from
        .get_ref()
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    client.say(r#"{"id": 4, "method": "status"}"#);
    client.service.take().unwrap().join().unwrap().unwrap();
    TcpListener::bind(("127.0.0.1", port.number())).unwrap();
}

#[test]
fn many_requests_wait_at_once_and_too_many_are_refused() {
    let mut client = Client::new();
    let _port = started(&mut client);
    // The peer of `started` is the first; nobody comes after the client.
    client.ask(4, "accept_connection", &json!({ "driver": "server" }));
    client.ask(5, "accept_connection", &json!({ "driver": "server" }));
    for id in 1000..1065 {
        let wait = json!({ "driver": "server", "timeout": null });
        client.say(&json!({ "id": id, "method": "accept_connection", "params": wait }).to_string());
    }
    let refused = client.hear(|message| message.get("error").is_some());
    assert_eq!(
        refused["error"]["code"],
        "standin::serve::too_many_requests"
    );
    // The answers of all the others have no room: nobody reads them.
    client.leave().unwrap();
}

#[test]
fn every_wait_can_be_cancelled() {
    let mut client = Client::new();
    let text = "name = 'x'\n[[driver]]\ntype = 'tcp-server'\nname = 'server'\n\
                host = '127.0.0.1'\n[[driver]]\ntype = 'tcp-proxy'\nname = 'proxy'\n\
                host = '127.0.0.1'\nto = { driver = 'server', value = '{{ host }}:{{ port }}' }\n\
                [[driver]]\ntype = 'tcp-client'\nname = 'client'\nhost = '127.0.0.1'\n\
                port = { driver = 'proxy', value = '{{ port }}' }\n[[driver]]\n\
                type = 'tcp-server'\nname = 'bank'\nframing = 'lines'\n\
                [[driver.on]]\nequals = 'PAY'\nname = 'pay'\nreply = 'paid'\ntimes = '0..'\n\
                [[driver]]\ntype = 'tcp-server'\nname = 'silent'\nhost = '127.0.0.1'\n\
                receive_buffer = 65536\n[[driver]]\ntype = 'tcp-client'\nname = 'talker'\n\
                host = '127.0.0.1'\nport = { driver = 'silent', value = '{{ port }}' }\n\
                send_buffer = 65536\n";
    client.ask(1, "load", &json!({ "text": text }));
    client.ask(2, "start", &json!({}));
    client.ask(3, "accept_connection", &json!({ "driver": "server" }));
    let fault = json!({ "kind": "close", "after_bytes": 1_000_000_000, "optional": true });
    let fault = client.ask(4, "inject", &json!({ "driver": "proxy", "fault": fault }));
    assert_eq!(fault["result"]["fault"], 0, "{fault:#}");
    let all = "x".repeat(16 << 20);
    let waits = [
        ("accept_connection", json!({ "driver": "server" })),
        ("receive_exactly", json!({ "driver": "server", "size": 5 })),
        ("receive_some", json!({ "driver": "server", "as": "text" })),
        (
            "receive_until",
            json!({ "driver": "server", "delimiter": { "text": ";" } }),
        ),
        ("receive_line", json!({ "driver": "server" })),
        (
            "receive_frame",
            json!({ "driver": "server", "framing": { "fixed_size": 3 } }),
        ),
        ("receive_to_end", json!({ "driver": "server" })),
        (
            "receive_until_silence",
            json!({ "driver": "server", "silence": 3600 }),
        ),
        (
            "expect",
            json!({ "driver": "server", "data": { "text": "hello" } }),
        ),
        ("held", json!({ "driver": "bank", "name": "pay" })),
        ("take_over", json!({ "driver": "bank", "connection": 0 })),
        ("wait_until", json!({ "driver": "bank", "rule": "pay" })),
        ("wait_for_fault", json!({ "driver": "proxy", "fault": 0 })),
        ("wait_until_open", json!({ "driver": "proxy", "most": 0 })),
        (
            "send_in_pieces",
            json!({ "driver": "client", "data": { "text": "xx" }, "size": 1, "every": 3600 }),
        ),
        // More than there is room for on the way, on any system.
        (
            "send",
            json!({ "driver": "talker", "data": { "text": all } }),
        ),
    ];
    for (id, (method, mut parameters)) in (100..).zip(waits) {
        parameters["timeout"] = Value::Null;
        let request = json!({ "id": id, "method": method, "params": parameters });
        check("request", &request);
        client.say(&request.to_string());
        let answer = client.ask(id + 100, "cancel", &json!({ "request": id }));
        assert_eq!(answer["result"]["found"], true, "{method}");
        let answer = client.hear(|message| message["id"] == id);
        assert_eq!(
            answer["error"]["code"], "standin::serve::cancelled",
            "{answer:#}"
        );
    }
    client.leave().unwrap();
}

#[test]
fn receives_that_are_cancelled_at_any_moment_lose_nothing() {
    const LINES: usize = 2000;
    let mut client = Client::new();
    let port = started(&mut client);
    client.ask(4, "accept_connection", &json!({ "driver": "server" }));
    let mut peer = TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    // The peer of `started`, and the client, come before.
    for id in 5..7 {
        client.ask(id, "accept_connection", &json!({ "driver": "server" }));
    }
    let text: String = (0..LINES).map(|line| format!("line {line}\n")).collect();
    let sent = text.clone();
    // The second half comes once a receive was cancelled: one that waits for it, if none before.
    let (goes_on, has_cancelled) = mpsc::channel();
    let sender = thread::spawn(move || {
        let (first, second) = sent.as_bytes().split_at(sent.len() / 2);
        let mut send = |half: &[u8]| {
            for piece in half.chunks(7) {
                peer.write_all(piece).unwrap();
                thread::yield_now();
            }
        };
        send(first);
        has_cancelled.recv().unwrap();
        send(second);
    });
    let methods = [
        ("receive_line", json!({ "driver": "server", "as": "text" })),
        (
            "receive_exactly",
            json!({ "driver": "server", "as": "text", "size": 40 }),
        ),
        ("receive_some", json!({ "driver": "server", "as": "text" })),
        (
            "receive_until",
            json!({ "driver": "server", "as": "text", "delimiter": { "text": "9\n" } }),
        ),
    ];
    let mut received = String::new();
    for id in (1000..).step_by(2) {
        let last = text.len() - received.len() < 50;
        let (method, parameters) = match last {
            true => ("receive_some", json!({ "driver": "server", "as": "text" })),
            false => methods[id / 2 % methods.len()].clone(),
        };
        client.say(&json!({ "id": id, "method": method, "params": parameters }).to_string());
        if !last {
            client.say(
                &json!({ "id": id + 1, "method": "cancel", "params": { "request": id } })
                    .to_string(),
            );
        }
        let answer = client.hear(|message| message["id"] == id);
        match answer["result"]["data"]["text"].as_str() {
            Some(text) if method == "receive_line" => received.push_str(&format!("{text}\n")),
            Some(text) => received.push_str(text),
            None => {
                assert_eq!(
                    answer["error"]["code"], "standin::serve::cancelled",
                    "{answer:#}"
                );
                // Only the first counts.
                let _ = goes_on.send(());
            }
        }
        if received.len() == text.len() {
            break;
        }
    }
    assert!(received == text, "{received}");
    sender.join().unwrap();
    client.leave().unwrap();
}

#[test]
fn the_schema_refuses_what_the_service_never_says() {
    let at = "2026-11-29T02:00:00Z";
    for (name, value) in [
        (
            "event",
            json!({ "event": "driver_started", "driver": "a", "at": at }),
        ),
        (
            "event",
            json!({ "event": "hello", "protocol": 1, "version": "0.1.0", "pid": -1 }),
        ),
        ("event", json!({ "at": at })),
        ("answer", json!({ "id": 1 })),
        ("answer", json!({ "id": 1, "result": {}, "error": {} })),
        ("results/$defs/send", json!({ "sent": "5" })),
        ("results/$defs/wait_for_fault", json!({})),
    ] {
        assert!(!schema(name).is_valid(&value), "{name}: {value}");
    }
    let later = json!({ "event": "of_a_later_version", "more": true });
    assert!(schema("event").is_valid(&later));
}
