//! The JSON Schema and the loader say the same of a file, except for what a schema cannot know.

#![expect(clippy::unwrap_used, reason = "a test fails by them")]

use standin_config::OptionError;
use standin_environment::file::{Mistake, schema};
use standin_environment::{DriverTypes, LoadError};
use toml::{Table, Value};

/// Files with every sort of option, to be damaged.
const FILES: [&str; 3] = [
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
        { interval = 1 },
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
const ONLY_THE_LOADER: [(&str, Kind); 6] = [
    ("which drivers there are, and who needs whom", |mistake| {
        matches!(
            mistake,
            Mistake::DuplicateName { .. }
                | Mistake::UnknownDependency { .. }
                | Mistake::UnknownContextDriver { .. }
                | Mistake::Cycle { .. }
        )
    }),
    ("whether a template parses", |mistake| {
        matches!(
            mistake.option_error(),
            Some(OptionError::BadTemplate { .. })
        )
    }),
    ("whether a regular expression parses", |mistake| {
        says(mistake, "is not a regular expression")
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
        |mistake| says(mistake, "this name is reserved") || says(mistake, "another one has this"),
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
    for round in 0..2500 {
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
