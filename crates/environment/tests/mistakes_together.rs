//! Mistakes do not hide each other: what is wrong alone is reported with everything else.

#![cfg(all(feature = "proxy", feature = "tls"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use expect_test::expect;
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;
use standin_config::{ConfigDescription, Kind, Located, OptionDescription};
use standin_environment::{DriverTypes, LoadError};

/// Values of all sorts; each is wrong for most options.
const VALUES: [&str; 22] = [
    "true",
    "-1",
    "0",
    "70000",
    "1.5",
    "''",
    "'('",
    "'{{ bad'",
    "'no such word'",
    "99999999999999999999",
    "[]",
    "[3, '(']",
    "['{{ a', true, '{{ b']",
    "[99999999999999999999, '{{ b', 1.5]",
    "{}",
    "{ a = 1, b = 2 }",
    "[{ a = 1 }, { b = '{{' }]",
    "{ driver = 'nobody', value = '{{ a' }",
    "{ driver = 'nobody' }",
    "[{ port = 'x y', host = 3 }, { log = '(', times = 0 }, { file = '{{' }]",
    "[{ match = 3, delay = 'soon', reply = [{ hex = 4, text = '{{' }] }, { times = true }]",
    "{ kind = 3, names = 4, width = 3, latency = 'soon', bandwidth = 0 }",
];

/// Each type with the options that its drivers must have.
const TYPES: [(&str, &str); 5] = [
    ("tcp-server", ""),
    ("tcp-client", "host = 'h'\nport = 1\n"),
    ("process", "binary = 'true'\n"),
    ("tcp-proxy", "to = 'b:1'\n"),
    ("tls-certificate", ""),
];

/// What is wrong only as long as another option or key is not there.
const UNLESS: [&str; 7] = [
    "it has no effect without",
    "no framing is set",
    "is missing",
    "it does not say",
    "the step does nothing",
    "there are no steps to repeat",
    "no answer brings a connection into the state",
];

/// The mistakes in a text, each with how often it is reported.
fn mistakes_in(text: &str) -> BTreeMap<String, usize> {
    let errors = match DriverTypes::standard().parse("env.toml", text) {
        Ok(_) => return BTreeMap::new(),
        Err(LoadError::Mistakes(errors)) => errors,
        Err(error) => panic!("not a mistake of the file: {error:?}"),
    };
    let mut found = BTreeMap::new();
    for mistake in errors.mistakes() {
        assert!(!mistake.span().is_empty(), "a place: {mistake}");
        let message = mistake.to_string();
        if !UNLESS.iter().any(|reason| message.contains(reason)) {
            *found.entry(message).or_default() += 1;
        }
    }
    found
}

/// An option of a type with a value, and what is wrong with it when everything else is right.
struct Wrong {
    type_name: &'static str,
    required: &'static str,
    option: String,
    value: &'static str,
    mistakes: BTreeMap<String, usize>,
}

impl Wrong {
    fn new(
        (type_name, required): (&'static str, &'static str),
        option: &str,
        value: &'static str,
    ) -> Option<Self> {
        let mut wrong = Self {
            type_name,
            required,
            option: option.to_owned(),
            value,
            mistakes: BTreeMap::new(),
        };
        wrong.mistakes = mistakes_in(&driver(&[&wrong]));
        (!wrong.mistakes.is_empty()).then_some(wrong)
    }
}

/// A file with a driver that has these wrong options, which are of one type.
fn driver(wrong: &[&Wrong]) -> String {
    format!("name = 'e'\n{}", table(wrong))
}

fn table(wrong: &[&Wrong]) -> String {
    let [first, ..] = wrong else {
        return String::new();
    };
    let type_name = first.type_name;
    let is_wrong = |line: &&str| !wrong.iter().any(|wrong| line.starts_with(&wrong.option));
    let right = first.required.lines().filter(is_wrong);
    let options = wrong
        .iter()
        .map(|wrong| format!("{} = {}", wrong.option, wrong.value));
    let options: Vec<String> = right.map(str::to_owned).chain(options).collect();
    format!(
        "[[driver]]\ntype = '{type_name}'\nname = '{type_name}'\n{}\n",
        options.join("\n")
    )
}

/// Everything that can be wrong with one option, for each type.
static WRONG: LazyLock<Vec<Vec<Wrong>>> = LazyLock::new(|| {
    let types = DriverTypes::standard();
    let known = TYPES.into_iter().filter_map(|of_type| {
        let description = types.registry().get(of_type.0)?;
        let options = description.options().iter();
        // The name is in all messages.
        let options = options.filter(|o| !o.is_code_only() && o.name() != "name");
        let wrong = options.flat_map(|option: &OptionDescription| {
            let values = VALUES.into_iter();
            values.filter_map(move |value| Wrong::new(of_type, option.name(), value))
        });
        Some(wrong.collect())
    });
    known.collect()
});

fn sum<'a>(wrong: impl IntoIterator<Item = &'a &'a Wrong>) -> BTreeMap<String, usize> {
    let mut sum = BTreeMap::new();
    for (mistake, count) in wrong.into_iter().flat_map(|wrong| &wrong.mistakes) {
        *sum.entry(mistake.clone()).or_default() += count;
    }
    sum
}

/// Some of them, each of another option.
fn chosen<'a>(of_type: &'a [Wrong], choice: &[prop::sample::Index]) -> Vec<&'a Wrong> {
    let mut chosen: Vec<&Wrong> = Vec::new();
    for index in choice {
        let wrong = index.get(of_type);
        if !chosen.iter().any(|other| other.option == wrong.option) {
            chosen.push(wrong);
        }
    }
    chosen
}

#[test]
fn every_option_has_a_value_that_is_wrong() {
    for of_type in &*WRONG {
        assert!(of_type.len() > 100, "{}", of_type[0].type_name);
    }
}

/// A key of the tables that an option is a list of, with what is wrong with its value alone.
struct WrongKey {
    key: String,
    value: &'static str,
    mistakes: BTreeMap<String, usize>,
}

/// The options that are lists of tables: the file up to the list, and what can be wrong in a table.
static LISTS: LazyLock<Vec<(String, Vec<WrongKey>)>> = LazyLock::new(|| {
    let types = DriverTypes::standard();
    let mut lists = Vec::new();
    for (type_name, required) in TYPES {
        let Some(description) = types.registry().get(type_name) else {
            continue;
        };
        for option in description.options() {
            let Some(table) = table_of(option.kind()) else {
                continue;
            };
            let before = format!(
                "name = 'e'\n[[driver]]\ntype = '{type_name}'\nname = 'x'\n{required}{} = ",
                option.name()
            );
            let keys = table.options().iter().flat_map(|key| {
                let wrong = VALUES.iter().map(|value| WrongKey {
                    key: key.name().to_owned(),
                    value,
                    mistakes: mistakes_in(&format!("{before}[{{ {} = {value} }}]", key.name())),
                });
                wrong.filter(|wrong| !wrong.mistakes.is_empty())
            });
            let keys = keys.collect();
            lists.push((before, keys));
        }
    }
    lists
});

fn table_of(kind: &Kind) -> Option<ConfigDescription> {
    let Kind::List(item) = kind else { return None };
    match &**item {
        Kind::Lazy(kind) => match kind.get() {
            Kind::Nested(table) => Some(table),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn there_are_lists_of_tables() {
    assert!(LISTS.len() > 6, "{}", LISTS.len());
    assert!(LISTS.iter().all(|(_, wrong)| wrong.len() > 10));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn options_of_one_driver_are_judged_one_by_one(
        at in any::<prop::sample::Index>(),
        choice in prop::collection::vec(any::<prop::sample::Index>(), 2..8),
    ) {
        let wrong = chosen(&WRONG[at.index(WRONG.len())], &choice);
        let text = driver(&wrong);
        prop_assert_eq!(mistakes_in(&text), sum(&wrong), "{}", text);
    }

    #[test]
    fn tables_in_a_list_are_judged_one_by_one(
        at in any::<prop::sample::Index>(),
        tables in prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 1..4), 1..4,
        ),
    ) {
        let (before, wrong) = &LISTS[at.index(LISTS.len())];
        let mut expected = BTreeMap::new();
        let mut written = Vec::new();
        for (index, keys) in tables.iter().enumerate() {
            let mut entries: Vec<&WrongKey> = Vec::new();
            for key in keys {
                let key = key.get(wrong);
                if !entries.iter().any(|other| other.key == key.key) {
                    entries.push(key);
                }
            }
            for (mistake, count) in entries.iter().flat_map(|wrong| &wrong.mistakes) {
                let here = mistake.replacen("[0]", &format!("[{index}]"), 1);
                *expected.entry(here).or_default() += count;
            }
            let entries = entries.iter().map(|wrong| format!("{} = {}", wrong.key, wrong.value));
            written.push(format!("{{ {} }}", entries.collect::<Vec<_>>().join(", ")));
        }
        let text = format!("{before}[{}]", written.join(", "));
        prop_assert_eq!(mistakes_in(&text), expected, "{}", text);
    }

    #[test]
    fn drivers_and_the_environment_are_judged_one_by_one(
        choices in prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 0..3), TYPES.len(),
        ),
        environment in prop::sample::select(vec!["", "timeout = 'soon'\n", "concurrent = 3\n"]),
        last in prop::sample::select(vec![
            "",
            "[[driver]]\ntype = 'tcp-sever'\nname = 'x'\nstart_limit = true\n",
            "[[driver]]\ntype = 'tcp-server'\nname = 'x'\nafter = ['nobody', 3]\nbacklog = 'a'\n",
        ]),
    ) {
        let mut text = format!("name = 'e'\n{environment}");
        let mut expected = mistakes_in(&text);
        let lone = format!("name = 'e'\n{last}");
        for (mistake, count) in mistakes_in(&lone) {
            *expected.entry(mistake).or_default() += count;
        }
        for (of_type, choice) in WRONG.iter().zip(&choices) {
            let wrong = chosen(of_type, choice);
            text += &table(&wrong);
            for (mistake, count) in sum(&wrong) {
                *expected.entry(mistake).or_default() += count;
            }
        }
        text += last;
        // A name that nobody has is reported with the names that there are, in the help only.
        prop_assert_eq!(mistakes_in(&text), expected, "{}", text);
    }
}

/// Each mistake in a line, with its line in the text.
fn lines_of(text: &str) -> String {
    let Err(LoadError::Mistakes(errors)) = DriverTypes::standard().parse("env.toml", text) else {
        panic!("there are mistakes");
    };
    let mut lines = String::new();
    for mistake in errors.mistakes() {
        let line = text[..mistake.span().offset()].matches('\n').count() + 1;
        lines.push_str(&format!("{line}: {mistake}\n"));
    }
    lines
}

#[test]
fn a_mistake_has_no_consequences() {
    // The name is misspelt: it is not missing, and nobody is wrong to use it.
    expect![[r#"
        4: driver number 1: unknown option "nmae"
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\n[[driver]]\ntype = 'tcp-server'\nnmae = 's'\n[[driver]]\ntype = 'tcp-client'\n\
         name = 'c'\nhost = { driver = 's', value = '{{ host }}' }\nport = 1\nafter = ['s']\n",
    ));
    // The type, too.
    expect![[r#"
        3: driver "s": unknown option "tpye"
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\n[[driver]]\ntpye = 'tcp-server'\nname = 's'\n",
    ));
    // What is wrong in the defaults is not missing from the drivers.
    expect![[r#"
        3: [defaults]: option "port": true is not a valid port or a context value
        5: [defaults.process]: unknown option "biinary"
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\n[defaults]\nport = true\n[defaults.process]\nbiinary = 'app'\n\
         [[driver]]\ntype = 'process'\nname = 'p'\n[[driver]]\ntype = 'tcp-server'\nname = 's'\n\
         [[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = 'h'\n",
    ));
    // A framing that is misspelt, or wrong, is one.
    for framing in ["framng = 'lines'", "framing = 'line'", "framing = 3"] {
        let text = format!(
            "name = 'e'\n[[driver]]\ntype = 'tcp-server'\nname = 's'\ngreeting = 'a'\n{framing}\n"
        );
        let lines = lines_of(&text);
        assert!(
            lines.lines().count() == 1 && lines.starts_with("6: "),
            "{lines}"
        );
    }
    // Whether drivers start in their order is not known.
    expect![[r#"
        2: the environment: option "concurrent": "yes" is not true or false
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\nconcurrent = 'yes'\n[[driver]]\ntype = 'tcp-client'\nname = 'c'\n\
         host = { driver = 's', value = '{{ host }}' }\nport = 1\n\
         [[driver]]\ntype = 'tcp-server'\nname = 's'\n",
    ));
}

#[test]
fn the_order_is_judged_whatever_else_is_wrong() {
    expect![[r#"
        2: the environment: option "timeout": true is not a duration
        6: option "host" of driver "c" reads the context of "s", which starts later
        7: driver "c": option "port": true is not a valid port or a context value
        9: unknown driver type "tcp-sever"
        11: driver "x": option "start_limit": "soon" is not a duration
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\ntimeout = true\n[[driver]]\ntype = 'tcp-client'\nname = 'c'\n\
         host = { driver = 's', value = '{{ host }}' }\nport = true\n\
         [[driver]]\ntype = 'tcp-sever'\nname = 'x'\nstart_limit = 'soon'\n\
         [[driver]]\ntype = 'tcp-server'\nname = 's'\n",
    ));
}

#[test]
fn options_that_fit_together_are_judged_whatever_else_is_wrong() {
    expect![[r#"
        5: driver "p": option "to": "nowhere" is not a host and a port
        6: driver "p": option "timeout": true is not a duration
        7: driver "p": option "up.slice_pause": it has no effect without `slice`
        7: driver "p": option "up.latency": true is not a duration
        8: driver "p": option "fault[0].kind": "drop" is about one frame: say which by `at_frame` or `match`
        8: driver "p": option "fault[1].kind": 3 is not one of "reset", "close", "half-close", "silence", "drop", "corrupt" or a table { delay }
        8: driver "p": option "fault[1].peer" is "x", but "x" is not an IP address
        12: driver "s": option "timeout": true is not a duration
        14: driver "s": option "otherwise": 3 is not one of "fail", "ignore", "close" or a table { reply }
        15: driver "s": option "greeting": the reply names `who`, which is unknown
        16: driver "s": option "on[0].match": the pattern `(` is not valid: unclosed group
        16: driver "s": option "on[0].reply.hex": invalid hexadecimal: 'z' at character 0 is not a hexadecimal digit
        16: driver "s": option "on[1]": it does not say which frames it is for
        16: driver "s": option "on[1].times": true is not a whole number of at least 0 or a string
        16: driver "s": option "on[1].reply": the reply names `b`, which is unknown
        16: driver "s": option "on[2]": `equals` and `prefix` both say which frames are meant
        16: driver "s": option "on[2].times": no number is 2 or more and 0 or less
        17: driver "s": option "dialogue[0].send": it says more than one thing to send
        17: driver "s": option "dialogue[1].repeat": there are no steps to repeat
        17: driver "s": option "dialogue[2].expect": true is not a string or a table { match } or a table { equals } or a table { prefix } or a table { anything }
        21: driver "t": option "timeout": true is not a duration
        22: driver "t": option "names[0]": "a b" is neither a name nor an address that a certificate can be issued for
    "#]]
    .assert_eq(&lines_of(
        "name = 'e'\n[[driver]]\ntype = 'tcp-proxy'\nname = 'p'\nto = 'nowhere'\ntimeout = true\n\
         up = { slice_pause = 1, latency = true }\n\
         fault = [{ kind = 'drop' }, { kind = 3, at_byte = 1, at_frame = 1, peer = 'x' }]\n\
         [[driver]]\ntype = 'tcp-server'\nname = 's'\ntimeout = true\nframing = 'lines'\n\
         otherwise = 3\ngreeting = '{{ who }}'\non = [{ match = '(', reply = { hex = 'z' } }, \
         { times = true, reply = 'a{{ b }}' }, { equals = 'a', prefix = 'b', times = '2..1' }]\n\
         dialogue = [{ send = { file = 'a', text = 'b' } }, { repeat = 2 }, { expect = true }]\n\
         [[driver]]\ntype = 'tls-certificate'\nname = 't'\ntimeout = true\nnames = ['a b']\n",
    ));
}

#[test]
fn tables_within_tables_are_read_once() {
    // With two looks at each level, this would take an hour.
    let deep = (0..30).fold("{ pause = true }".to_owned(), |inner, _| {
        format!("{{ repeat = 2, steps = [{inner}] }}")
    });
    let conditions = (0..30).fold("{ port = true }".to_owned(), |inner, _| {
        format!("{{ all = [{inner}] }}")
    });
    let text = format!(
        "name = 'e'\n[[driver]]\ntype = 'tcp-server'\nname = 's'\nframing = 'lines'\n\
         dialogue = [{deep}]\nready = [{conditions}]\n"
    );
    let lines = lines_of(&text);
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

/// Long texts wherever a file can have one.
#[test]
fn nobody_has_to_read_what_a_program_wrote() {
    let long = "x".repeat(1 << 16);
    let server = "[[driver]]\ntype = 'tcp-server'\nname = 's'\n";
    let app = "[[driver]]\ntype = 'process'\nname = 'app'\nbinary = 'a'\n";
    for text in [
        format!("{long} = 1\n"),
        format!("name = '{long}'\n"),
        format!("timeout = '{long}'\n"),
        format!("timeout = [{}]\n", "1, ".repeat(1 << 14)),
        format!("timeout = {{ {long} = 1 }}\n"),
        format!("\"{long}\\d\" = 1\n"),
        format!("[context]\n{long} = 99999999999999999999\n"),
        format!("[defaults]\n{long} = 1\n"),
        format!("[defaults.{long}]\n"),
        format!("[[driver]]\ntype = '{long}'\nname = 's'\n"),
        format!("[[driver]]\ntype = 'tcp-server'\nname = '{long}'\n{long} = 3\nport = true\n"),
        format!("[[driver]]\ntype = 'tcp-server'\nname = '{long}'\nafter = ['{long}']\n").repeat(2),
        format!("{server}after = ['{long}']\n"),
        format!("{server}host = {{ driver = '{long}', value = '{{{{ host }}}}' }}\n"),
        format!("{server}host = {{ driver = 's', value = '{{{{ {long}' }}\n"),
        format!("{server}{long} = 1\n"),
        format!("{server}encoding = '{long}'\n"),
        format!("{server}framing = '{long}'\n"),
        format!("{server}framing = {{ {long} = 1 }}\n"),
        format!("{server}framing = {{ matching = '({long}' }}\n"),
        format!("{server}framing = 'lines'\ngreeting = '{{{{ {long} }}}}'\n"),
        format!("{server}framing = 'lines'\ngreeting = {{ hex = '{long}' }}\n"),
        format!("{server}framing = 'lines'\non = [{{ equals = 'a', in = '{long}' }}]\n"),
        format!(
            "{server}framing = 'lines'\non = [{{ equals = '{long}' }}, {{ prefix = '{long}y' }}, {{ equals = '{long}' }}]\n"
        ),
        format!(
            "{server}framing = 'lines'\non = [{{ equals = 'a', name = '{long}' }}, {{ equals = 'b', name = '{long}' }}]\n"
        ),
        format!("{server}ready = [{{ {long} = 1 }}, {{ log = '({long}' }}]\n"),
        format!("{app}args = '{long}'\n"),
        format!("{app}env = {{ {long} = 3, 'a={long}' = 'b' }}\n"),
        format!("{app}listen = [{{ name = '{long}' }}, {{ name = '{long}' }}]\n"),
        format!("{app}stop_signal = '{long}'\nworking_dir = '{{{{ {long}'\n"),
        format!("{app}trust = ['{long}']\n"),
        format!(
            "[[driver]]\ntype = 'tcp-proxy'\nname = 'p'\nto = '{long}'\nup = {{ peer = '{long}' }}\nfault = [{{ kind = 'reset', match = '({long}' }}]\n"
        ),
        format!(
            "[[driver]]\ntype = 'tls-certificate'\nname = 't'\nnames = ['{long} ']\ndefect = '{long}'\n"
        ),
        format!("record = {{ redact = ['({long}'] }}\nexport = {{ '{long}' = '{{{{ {long}' }}\n"),
    ] {
        let text = format!("name = 'e'\n{text}");
        let error = match DriverTypes::standard().parse("env.toml", &text) {
            Ok(_) => continue,
            Err(error) => error,
        };
        let mut drawn = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut drawn, &error)
            .unwrap();
        for report in [error.to_string(), format!("{error:?}"), drawn] {
            let begin: String = text.chars().take(80).collect();
            assert!(report.len() < 10_000, "{} bytes of {begin:?}", report.len());
        }
    }
}
