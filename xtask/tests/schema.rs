//! The JSON Schema and the loader say the same of a file, except for what a schema cannot know.

#![expect(clippy::unwrap_used, reason = "a test fails by them")]

use standin_config::OptionError;
use standin_environment::file::{Mistake, schema};
use standin_environment::{DriverTypes, LoadError};
use toml::{Table, Value};

/// Files with every sort of option, to be damaged.
const FILES: [&str; 5] = [
    r#"
        name = "greeting"
        timeout = "10s"
        concurrent = false
        workers = 3
        [defaults]
        error_logs_max_lines = 5
        timeout = 1.5
        [defaults.tcp-client]
        retry_connect = true
        [[driver]]
        type = "tcp-server"
        name = "server"
        host = "127.0.0.1"
        port = 8080
        [[driver]]
        type = "tcp-client"
        name = "client"
        host = { driver = "server", value = "{{ host }}" }
        port = { driver = "server", value = "{{ port }}" }
        interface = ["127.0.0.1", 0]
        after = ["server"]
    "#,
    r#"
        name = "app"
        status_wait_timeout = "1m 30s"
        [[driver]]
        type = "process"
        name = "app"
        binary = "true"
        args = ["--dir", "{{ runpath }}"]
        shell = false
        stdin = { text = "hello" }
        listen = [{ name = "http", port = 0, mode = "reserve" }, { name = "admin", host = "::1" }]
        install_files = ["a.conf", ["b.conf", "etc/"], { source = "c.conf", verbatim = true }]
        ready = [
            { log = "up", times = 2 },
            { port = "{{ port }}", interval = "20ms" },
            { all = [{ file = "app.pid" }, { any = [{ command = ["true"] }, { ended_with = 0 }] }] },
        ]
        expected_retcode = 0
        stop_signal = "SIGINT"
        log_regexps = ['ready on (?<port>\d+)']
        runpath = "files"
        [driver.env]
        LEVEL = "debug"
        PORT = "{{ ports.http }}"
    "#,
    r#"
        name = "two"
        [[driver]]
        type = "process"
        name = "a"
        binary = "true"
        stdin = "null"
        auto_start = false
        [[driver]]
        type = "tcp-server"
        name = "b"
        port = "http"
        after = "a"
        timeout = 5
    "#,
    r#"
        name = "mail"
        [export]
        URL = "tcp://{{ context.smtp.host }}:{{ context.smtp.port }}"
        RAW = { verbatim = "{{" }
        [record]
        keep = 1000
        on_failure = ["text", "page"]
        redact = ['password=\S+']
        [[driver]]
        type = "tcp-server"
        name = "smtp"
        framing = "lines"
        greeting = ["220 ready\r\n", { hex = "0d 0a", delay = "1ms" }]
        otherwise = { reply = { text = "500 what?", framed = true } }
        connections = "1.."
        dialogue = [
            { expect = { match = '^HELO (?<who>\S+)$' } },
            { send = "250 {{ who }}\r\n" },
            { pause = "1ms" },
            { repeat = 2, steps = [{ expect = "NOOP" }, { send = { verbatim = "250 {{" } }] },
            { branch = [{ expect = { prefix = "A" }, steps = [] }, { expect = "B" }] },
            { then = { hold = "turn" } },
        ]
        connection = [{ index = 1, dialogue = [{ expect = { anything = true } }] }]
        on = [
            { match = '^PAY (?<n>\d+)$', reply = "{{ n }}\r\n", times = "1..", name = "pay" },
            { equals = "DATA", reply = "354\r\n", enter = "mail", times = 3 },
            { equals = { hex = "2e" }, in = "mail", leave_state = true, then = "half-close" },
            { anything = true, in_any_state = true, delay = "2ms" },
        ]
    "#,
    r#"
        name = "way"
        [[driver]]
        type = "tcp-server"
        name = "bank"
        framing = { length_prefix = { width = 2, endian = "little", limit = 100 } }
        [driver.tls]
        names = ["bank.test"]
        client_auth = "optional"
        alpn = ["h2"]
        versions = ["1.2"]
        handshake_limit = "2s"
        defect = "expired"
        [[driver]]
        type = "tcp-proxy"
        name = "wan"
        to = { driver = "bank", value = "{{ host }}:{{ port }}" }
        framing = { delimiter = { hex = "00" } }
        seed = 7
        up = { latency = "1ms", jitter = "500us" }
        down = [{ bandwidth = 1000, slice = 100 }, { limit = 0, connection = 5, peer = "::1" }]
        fault = [
            { kind = "drop", match = "^INSERT" },
            { kind = { delay = "2ms" }, at_frame = 0, connection = 0 },
            { kind = "close", direction = "down", after_bytes = 3, probability = 0.5 },
        ]
        [[driver]]
        type = "tls-certificate"
        name = "own"
        names = ["app.test"]
        defect = "self-signed"
        [[driver]]
        type = "tcp-client"
        name = "client"
        host = { driver = "wan", value = "{{ host }}" }
        port = { driver = "wan", value = "{{ port }}" }
        framing = { matching = '\r?\n' }
        dialogue = [{ send = "x\n" }]
    "#,
];

/// Values that are wrong in some places and right in others.
const VALUES: &str = r#"
    v = [
        0, 1, -1, 80, 255, 256, 300, -64, -65, 65535, 65536, 0.0, 1.0, 8080.0, 0.5, -0.5, 1e300,
        true, false, "", " ", "a", "a/b", "..", ".", "...", "start", "server", "app", "nope",
        "http", "80", "+80", "65535", "65536", "-1", "-1s", "1e3", "no-such-service",
        "1s", "1m 30s", "90 sec", "1h, 2m", "2 hours", "1.5h", "1y", "1d", "1:30", "00:01:30", "0x10",
        "10 sec onds", "1s 1m", "soon", "+5", "0.25", "250ms", "3 us", "3µs", "7 nanoseconds",
        "{{ name }}", "{{ (", "{{ x", "{% if %}", "{{ 1 + }}", { driver = "server", value = "{{" }, "{{ context.server.port }}", "{{ context.nope.port }}", '\d', "(",
        "pipe", "null", "SIGTERM", "TERM", "reserve", "tcp-server", "tcp-client", "process",
        [], ["a"], ["a", "b"], ["a", 1], [1], [["a", "b"]], [true],
        {}, { a = 1 }, { driver = "server", value = "{{ host }}" }, { driver = "server" },
        { driver = "", value = "" }, { driver = "nope", value = "x" }, { text = "x" }, { file = "x" },
        { name = "x" }, { name = "" }, { name = "a:b" }, { log = "(" }, { log = "up", times = 0 }, { nope = 1 },
        { port = 80, file = "x" }, { all = ["x"] }, { any = [{ nope = 1 }] }, { all = [] }, { command = [] },
        { source = "x", destination = "y" }, { "" = "v" }, { "A=B" = "c" }, { file = "x", times = 1 },
        { interval = 1 }, { times = 2 }, { host = "a", interval = 1 },
        "1..", "..=3", "3..1", "2..x", "0d 0a", "zz", "::1", "x.test",
    ]
"#;

const KEYS: [&str; 18] = [
    "name",
    "type",
    "after",
    "host",
    "port",
    "timeout",
    "binary",
    "args",
    "env",
    "driver",
    "value",
    "nope",
    "timeuot",
    "interval",
    "file",
    "defaults",
    "pre_start",
    "workers",
];

/// Whether a mistake is of some kind.
type Kind = fn(&Mistake) -> bool;

/// What the loader knows and a schema does not.
const ONLY_THE_LOADER: [(&str, Kind); 8] = [
    ("which drivers there are, and who needs whom", |mistake| {
        matches!(
            mistake,
            Mistake::DuplicateName { .. }
                | Mistake::UnknownDependency { .. }
                | Mistake::UnknownContextDriver { .. }
                | Mistake::Cycle { .. }
        ) || says(mistake, "has the runpath of")
            || says(mistake, "which starts later")
    }),
    ("whether a template parses", |mistake| {
        matches!(
            mistake.option_error(),
            Some(OptionError::BadTemplate { .. })
        )
    }),
    ("whether a regular expression parses", |mistake| {
        says(mistake, "is not a regular expression")
            || (says(mistake, "the pattern `") && says(mistake, "is not valid"))
    }),
    ("whether another notation is kept to", |mistake| {
        says(mistake, "is not a number or a range of numbers")
            || says(mistake, "hexadecimal")
            || says(mistake, "is not an IP address")
            || says(mistake, "is not a host and a port")
            || says(mistake, "that a certificate can be issued for")
            || says(mistake, "the delimiter is empty")
            || says(mistake, "is not a valid port or a context value")
            || says(mistake, "is not a valid port: ports are")
    }),
    ("whether options make sense together", |mistake| {
        [
            "has no effect without",
            "does not say which frames",
            "does not say what to send",
            "does not say how often",
            "the step does nothing",
            "can never be reached",
            "no answer brings a connection into",
            "which is unknown",
            "it is about frames, but no framing is set",
            "is about one frame",
            "has a dialogue, but the limit is",
        ]
        .iter()
        .any(|words| says(mistake, words))
    }),
    ("which services this system has", |mistake| {
        says(mistake, "no service is called")
    }),
    (
        "that 8080.0 is written as a fraction, which JSON has no word for",
        |mistake| says(mistake, ".0 is not ") || says(mistake, "1e300 is not a whole"),
    ),
    (
        "which names mean something else, or are two of a kind",
        |mistake| {
            says(mistake, "this name is reserved")
                || says(mistake, "another one has this")
                || says(mistake, "is called")
        },
    ),
];

fn says(mistake: &Mistake, words: &str) -> bool {
    mistake.to_string().contains(words)
}

/// The generator of Knuth's MMIX: the same documents in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Changes one part of the value, at any depth.
fn damage(value: &mut Value, values: &[Value], random: &mut Random) {
    let goes_deeper = random.below(4) > 0;
    match value {
        Value::Table(entries) if goes_deeper && !entries.is_empty() => {
            let at = random.below(entries.len());
            let (_, entry) = entries.iter_mut().nth(at).unwrap();
            damage(entry, values, random);
        }
        Value::Array(items) if goes_deeper && !items.is_empty() => {
            let at = random.below(items.len());
            damage(&mut items[at], values, random);
        }
        Value::Table(entries) => damage_table(entries, values, random),
        Value::Array(items) => match random.below(3) {
            0 => items.push(values[random.below(values.len())].clone()),
            1 => drop(items.pop()),
            _ => items.extend(items.first().cloned()),
        },
        value => *value = values[random.below(values.len())].clone(),
    }
}

fn damage_table(entries: &mut Table, values: &[Value], random: &mut Random) {
    let name = entries.keys().nth(random.below(entries.len())).cloned();
    let key = KEYS[random.below(KEYS.len())].to_owned();
    let new = values[random.below(values.len())].clone();
    match (random.below(4), name) {
        (0, Some(name)) => drop(entries.remove(&name)),
        (1, Some(name)) => {
            let value = entries.remove(&name).unwrap();
            entries.insert(key, value);
        }
        (2, Some(name)) => drop(entries.insert(name, new)),
        _ => drop(entries.insert(key, new)),
    }
}

#[test]
fn damaged_files_are_refused_by_both_or_by_neither() {
    let types = DriverTypes::standard();
    let schema = schema::of_file(types.registry());
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let values: Table = toml::from_str(VALUES).unwrap();
    let values = values["v"].as_array().unwrap();
    for file in FILES {
        types.parse("environment.toml", file).unwrap();
        let json = serde_json::to_value(toml::from_str::<Value>(file).unwrap()).unwrap();
        jsonschema::validate(schema.as_value(), &json).unwrap();
    }
    let mut random = Random(2026);
    let mut used = [0; ONLY_THE_LOADER.len()];
    let mut disagreements = Vec::new();
    let mut refused = 0;
    for round in 0..5000 {
        let mut file: Value = toml::from_str(FILES[round % FILES.len()]).unwrap();
        for _ in 0..=random.below(2) {
            damage(&mut file, values, &mut random);
        }
        let Ok(text) = toml::to_string(&file) else {
            continue;
        };
        let mistakes = match types.parse("environment.toml", &text) {
            Ok(_) => Vec::new(),
            Err(LoadError::Mistakes(errors)) => errors.mistakes().to_vec(),
            Err(error) => panic!("not a mistake of the file: {error:?}\n{text}"),
        };
        refused += usize::from(!mistakes.is_empty());
        let json = serde_json::to_value(&file).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).collect();
        match (mistakes.as_slice(), errors.as_slice()) {
            ([], [first, ..]) => disagreements.push(format!(
                "only the schema refuses it, at {}: {first}\n{text}",
                first.instance_path()
            )),
            (mistakes, []) => {
                for mistake in mistakes {
                    match ONLY_THE_LOADER.iter().position(|(_, is_it)| is_it(mistake)) {
                        Some(which) => used[which] += 1,
                        None => disagreements
                            .push(format!("only the loader refuses it: {mistake}\n{text}")),
                    }
                }
            }
            _ => {}
        }
    }
    assert!(refused > 500, "only {refused} files were damaged");
    let count = disagreements.len();
    let shown: Vec<String> = disagreements.into_iter().take(8).collect();
    assert!(
        shown.is_empty(),
        "{count} disagreements:\n{}",
        shown.join("\n----\n")
    );
    for ((reason, _), count) in ONLY_THE_LOADER.iter().zip(used) {
        assert!(
            count > 0,
            "nothing is left that only the loader knows of {reason}"
        );
    }
}

/// The schema distinguishes the kinds of such tables by a key that each must have.
#[test]
fn a_table_with_only_what_accompanies_that_key_is_refused_by_both() {
    let types = DriverTypes::standard();
    let schema = schema::of_file(types.registry());
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for (condition, problems) in [
        ("{ times = 2 }", 1),
        ("{ host = \"a\", interval = 1 }", 2),
        ("{ all = [{ any = [{ interval = 1 }] }] }", 1),
        // One problem, not two.
        ("{ nope = 1 }", 1),
        ("{ log = \"up\", times = 2 }", 0),
        ("{ file = \"up\" }", 0),
    ] {
        let file = format!(
            "name = \"e\"\n[[driver]]\ntype = \"process\"\nname = \"p\"\nbinary = \"true\"\n\
             ready = [{condition}]\n"
        );
        assert_eq!(
            types.parse("environment.toml", &file).is_err(),
            problems > 0
        );
        let json = serde_json::to_value(toml::from_str::<Value>(&file).unwrap()).unwrap();
        let found: Vec<_> = validator.iter_errors(&json).collect();
        assert_eq!(found.len(), problems, "{condition}: {found:?}");
    }
}
