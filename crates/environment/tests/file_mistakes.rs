//! What the loader says about files with mistakes, as a terminal shows it.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

mod options;

use expect_test::{Expect, expect};
use miette::{GraphicalReportHandler, GraphicalTheme};
use options::registry;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let errors = registry().parse("environment.toml", text).unwrap_err();
    let mut rendered = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(90)
        .render_report(&mut rendered, &errors)
        .unwrap();
    let rendered: Vec<&str> = rendered.lines().map(str::trim_end).collect();
    expected.assert_eq(&(rendered.join("\n") + "\n"));
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 'server'\ntimeuot = 5\n",
        expect![[r#"
            standin::config::unknown_option

              × environment.toml:4:1: driver "server": unknown option "timeuot"
               ╭─[environment.toml:4:1]
             3 │ name = 'server'
             4 │ timeuot = 5
               · ───┬───
               ·    ╰── not known here
               ╰────
              help: did you mean "timeout"?
        "#]],
    );
}

#[test]
fn an_unknown_key_of_the_environment_is_told_apart() {
    check(
        "drivers = []\n",
        expect![[r#"
            standin::config::unknown_option

              × environment.toml:1:1: the environment: unknown option "drivers"
               ╭─[environment.toml:1:1]
             1 │ drivers = []
               · ───┬───
               ·    ╰── not known here
               ╰────
              help: did you mean "driver"?
        "#]],
    );
}

#[test]
fn a_key_for_code_says_so() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 'a'\npre_start = 'x'\n",
        expect![[r#"
            standin::config::unknown_option

              × environment.toml:4:1: driver "a": unknown option "pre_start"
               ╭─[environment.toml:4:1]
             3 │ name = 'a'
             4 │ pre_start = 'x'
               · ────┬────
               ·     ╰── not known here
               ╰────
              help: "pre_start" can only be set in code. Runs before the driver starts.
        "#]],
    );
}

#[test]
fn a_single_bracket_is_told_from_two() {
    check(
        "[driver]\ntype = 'tcp-server'\nname = 'a'\n",
        expect![[r#"
            standin::config::wrong_type

              × environment.toml:1:1: the file: option "driver": a table is not a list of tables
               ╭─[environment.toml:1:1]
             1 │ [driver]
               · ────┬───
               ·     ╰── expected a list of tables
             2 │ type = 'tcp-server'
               ╰────
              help: write `[[driver]]`, with two brackets, once for each driver
        "#]],
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 'server'\ntimeout = 'soon'\n",
        expect![[r#"
            standin::config::wrong_type

              × environment.toml:4:11: driver "server": option "timeout": "soon" is not a duration
               ╭─[environment.toml:4:11]
             3 │ name = 'server'
             4 │ timeout = 'soon'
               ·           ───┬──
               ·              ╰── expected a duration
               ╰────
              help: timeout: How long the driver may take to start, and to stop.
                    a duration is a text such as "1m 30s" or "250ms", or a number of seconds
        "#]],
    );
}

#[test]
fn the_item_of_a_list_is_pointed_at() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 'server'\nlog_regexps = ['ok', '(']\n",
        expect![[r#"
            standin::config::wrong_type

              × environment.toml:4:22: driver "server": option "log_regexps[1]": "(" is not a
              │ regular expression: unclosed group
               ╭─[environment.toml:4:22]
             3 │ name = 'server'
             4 │ log_regexps = ['ok', '(']
               ·                      ─┬─
               ·                       ╰── unclosed group
               ╰────
              help: log_regexps: Expressions that the log must match before the driver is ready.
        "#]],
    );
}

#[test]
fn missing_options_are_missed_at_their_driver() {
    check(
        "[[driver]]\ntype = 'tcp-client'\nname = 'client'\nport = 80\n\n[[driver]]\nname = 'x'\n",
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 2 mistakes
              │   1:1  driver "client": option "host" is missing
              │   6:1  driver "x": option "type" is missing
              ╰─▶ driver "client": option "host" is missing

            Error: standin::config::missing_option

              × driver "client": option "host" is missing
               ╭─[environment.toml:1:1]
             1 │ [[driver]]
               · ─────┬────
               ·      ╰── "host" is missing here
             2 │ type = 'tcp-client'
               ╰────
              help: "host" is a string or a context value: Host name or address of the server.

            Error: standin::config::missing_option

              × driver "x": option "type" is missing
               ╭─[environment.toml:6:1]
             5 │
             6 │ [[driver]]
               · ─────┬────
               ·      ╰── "type" is missing here
             7 │ name = 'x'
               ╰────
              help: the types are: tcp-server, tcp-client
        "#]],
    );
}

#[test]
fn a_broken_constraint() {
    check(
        "[[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = 'h'\nport = 80\ngreeting = 'moin'\nerror_logs_max_lines = 5000\n",
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 2 mistakes
              │   6:12  driver "c": option "greeting" is "moin", but it must be one of "hello",
              │ "ahoy"
              │   7:24  driver "c": option "error_logs_max_lines" is 5000, but it must be from 0 to
              │ 1000
              ╰─▶ driver "c": option "greeting" is "moin", but it must be one of "hello", "ahoy"

            Error: standin::config::constraint_broken

              × driver "c": option "greeting" is "moin", but it must be one of "hello", "ahoy"
               ╭─[environment.toml:6:12]
             5 │ port = 80
             6 │ greeting = 'moin'
               ·            ───┬──
               ·               ╰── it must be one of "hello", "ahoy"
             7 │ error_logs_max_lines = 5000
               ╰────
              help: greeting: What it says first.

            Error: standin::config::constraint_broken

              × driver "c": option "error_logs_max_lines" is 5000, but it must be from 0 to 1000
               ╭─[environment.toml:7:24]
             6 │ greeting = 'moin'
             7 │ error_logs_max_lines = 5000
               ·                        ──┬─
               ·                          ╰── it must be from 0 to 1000
               ╰────
              help: error_logs_max_lines: How many lines of a log an error shows.
        "#]],
    );
}

#[test]
fn a_duplicate_name_shows_both_places() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 'server'\n[[driver]]\ntype = 'tcp-server'\nname = 'server'\n",
        expect![[r#"
            standin::environment::duplicate_name

              × environment.toml:6:8: two drivers are called "server"
               ╭─[environment.toml:6:8]
             2 │ type = 'tcp-server'
             3 │ name = 'server'
               ·        ────┬───
               ·            ╰── first used here
             4 │ [[driver]]
             5 │ type = 'tcp-server'
             6 │ name = 'server'
               ·        ────┬───
               ·            ╰── used again here
               ╰────
              help: give each driver a name of its own: others refer to it by its name
        "#]],
    );
}

#[test]
fn an_unknown_type() {
    check(
        "[[driver]]\ntype = 'tcp-sever'\nname = 'server'\n",
        expect![[r#"
            standin::environment::unknown_type

              × environment.toml:2:8: unknown driver type "tcp-sever"
               ╭─[environment.toml:2:8]
             1 │ [[driver]]
             2 │ type = 'tcp-sever'
               ·        ─────┬─────
               ·             ╰── not a known type
             3 │ name = 'server'
               ╰────
              help: did you mean "tcp-server"?
        "#]],
    );
}

#[test]
fn names_of_unknown_drivers() {
    check(
        r#"
[[driver]]
type = "tcp-server"
name = "server"
after = ["sevrer"]

[[driver]]
type = "tcp-client"
name = "client"
host = { driver = "serve", value = "{{ host }}" }
port = { driver = "database", value = "{{ port }}" }
"#,
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 3 mistakes
              │   5:10   driver "server" depends on "sevrer", but there is no such driver
              │   10:19  driver "client": option "host" reads from driver "serve", but there is no
              │ such driver
              │   11:19  driver "client": option "port" reads from driver "database", but there is
              │ no such driver
              ╰─▶ driver "server" depends on "sevrer", but there is no such driver

            Error: standin::environment::unknown_dependency

              × driver "server" depends on "sevrer", but there is no such driver
               ╭─[environment.toml:5:10]
             4 │ name = "server"
             5 │ after = ["sevrer"]
               ·          ────┬───
               ·              ╰── no driver has this name
             6 │
               ╰────
              help: did you mean "server"?

            Error: standin::environment::unknown_context

              × driver "client": option "host" reads from driver "serve", but there is no such
              │ driver
                ╭─[environment.toml:10:19]
              9 │ name = "client"
             10 │ host = { driver = "serve", value = "{{ host }}" }
                ·                   ───┬───
                ·                      ╰── no driver has this name
             11 │ port = { driver = "database", value = "{{ port }}" }
                ╰────
              help: did you mean "server"?

            Error: standin::environment::unknown_context

              × driver "client": option "port" reads from driver "database", but there is no such
              │ driver
                ╭─[environment.toml:11:19]
             10 │ host = { driver = "serve", value = "{{ host }}" }
             11 │ port = { driver = "database", value = "{{ port }}" }
                ·                   ─────┬────
                ·                        ╰── no driver has this name
                ╰────
              help: the drivers are: server, client
        "#]],
    );
}

#[test]
fn a_template_that_does_not_parse() {
    check(
        "[[driver]]\ntype = 'tcp-server'\nname = 's'\nport = { driver = 's2', value = '{{ port' }\n\n[[driver]]\ntype = 'tcp-server'\nname = 's2'\n",
        expect![[r#"
            standin::config::bad_template

              × environment.toml:4:33: driver "s": option "port.value": the template does not parse:
              │ `{{` without `}}`
               ╭─[environment.toml:4:33]
             3 │ name = 's'
             4 │ port = { driver = 's2', value = '{{ port' }
               ·                                 ────┬────
               ·                                     ╰── `{{` without `}}`
             5 │
               ╰────
              help: a template reads another driver's context, such as "{{ host }}:{{ port }}"
        "#]],
    );
}

#[test]
fn a_cycle_is_spelt_out() {
    check(
        r#"
[[driver]]
type = "tcp-server"
name = "a"
after = ["c"]
[[driver]]
type = "tcp-server"
name = "b"
after = "a"
[[driver]]
type = "tcp-server"
name = "c"
host = { driver = "b", value = "{{ host }}" }
"#,
        expect![[r#"
            standin::environment::cycle

              × environment.toml:9:9: drivers wait for each other: a -> c -> b -> a
                ╭─[environment.toml:9:9]
              8 │ name = "b"
              9 │ after = "a"
                ·         ─┬─
                ·          ╰── this closes the cycle
             10 │ [[driver]]
                ╰────
              help: a driver starts after those in its `after` and those whose context it reads:
                    remove one of these
        "#]],
    );
}

#[test]
fn defaults_are_checked_too() {
    check(
        "[defaults]\ntimeout = true\nname = 'x'\nhots = 'x'\n[defaults.tcp-server]\ngreeting = 'hello'\n[defaults.tcp-sever]\nport = 1\n",
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 5 mistakes
              │   2:11  [defaults]: option "timeout": true is not a duration
              │   3:1   [defaults]: unknown option "name"
              │   4:1   [defaults]: unknown option "hots"
              │   6:1   [defaults.tcp-server]: unknown option "greeting"
              │   7:11  unknown driver type "tcp-sever"
              ╰─▶ [defaults]: option "timeout": true is not a duration

            Error: standin::config::wrong_type

              × [defaults]: option "timeout": true is not a duration
               ╭─[environment.toml:2:11]
             1 │ [defaults]
             2 │ timeout = true
               ·           ──┬─
               ·             ╰── expected a duration
             3 │ name = 'x'
               ╰────
              help: timeout: How long the driver may take to start, and to stop.
                    a duration is a text such as "1m 30s" or "250ms", or a number of seconds

            Error: standin::config::unknown_option

              × [defaults]: unknown option "name"
               ╭─[environment.toml:3:1]
             2 │ timeout = true
             3 │ name = 'x'
               · ──┬─
               ·   ╰── not known here
             4 │ hots = 'x'
               ╰────
              help: each driver has a name of its own

            Error: standin::config::unknown_option

              × [defaults]: unknown option "hots"
               ╭─[environment.toml:4:1]
             3 │ name = 'x'
             4 │ hots = 'x'
               · ──┬─
               ·   ╰── not known here
             5 │ [defaults.tcp-server]
               ╰────
              help: did you mean "host"?

            Error: standin::config::unknown_option

              × [defaults.tcp-server]: unknown option "greeting"
               ╭─[environment.toml:6:1]
             5 │ [defaults.tcp-server]
             6 │ greeting = 'hello'
               · ────┬───
               ·     ╰── not known here
             7 │ [defaults.tcp-sever]
               ╰────
              help: the options of tcp-server are: name, timeout, log_regexps, error_logs_max_lines,
                    host, port

            Error: standin::environment::unknown_type

              × unknown driver type "tcp-sever"
               ╭─[environment.toml:7:11]
             6 │ greeting = 'hello'
             7 │ [defaults.tcp-sever]
               ·           ────┬────
               ·               ╰── not a known type
             8 │ port = 1
               ╰────
              help: did you mean "tcp-server"?
        "#]],
    );
}

#[test]
fn what_the_environment_hands_down_must_fit_the_drivers() {
    check(
        "timeout = 0\n[[driver]]\ntype = 'tcp-server'\nname = 'a'\n[[driver]]\ntype = 'tcp-server'\nname = 'b'\n",
        expect![[r#"
            standin::config::constraint_broken

              × environment.toml:1:11: the environment, for tcp-server: option "timeout" is "0s",
              │ but it must be at least "1ms"
               ╭─[environment.toml:1:11]
             1 │ timeout = 0
               ·           ┬
               ·           ╰── it must be at least "1ms"
             2 │ [[driver]]
               ╰────
              help: timeout: How long the driver may take to start, and to stop.
        "#]],
    );
}

#[test]
fn syntax_and_meaning_are_reported_together() {
    check(
        "name = \ntimeout = 'soon'\n[[driver]]\ntype = 'tcp-client'\nname = 'c'\nhost = 'h\nport = 5\n",
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 3 mistakes
              │   1:8   string values must be quoted, expected literal string
              │   2:11  the environment: option "timeout": "soon" is not a duration
              │   6:10  invalid literal string, expected `'`
              ╰─▶ string values must be quoted, expected literal string

            Error: standin::config::syntax

              × string values must be quoted, expected literal string
               ╭─[environment.toml:1:8]
             1 │ name =
               ·        ▲
               ·        ╰── here
             2 │ timeout = 'soon'
               ╰────

            Error: standin::config::wrong_type

              × the environment: option "timeout": "soon" is not a duration
               ╭─[environment.toml:2:11]
             1 │ name =
             2 │ timeout = 'soon'
               ·           ───┬──
               ·              ╰── expected a duration
             3 │ [[driver]]
               ╰────
              help: timeout: How long each driver may take to start, and to stop.
                    a duration is a text such as "1m 30s" or "250ms", or a number of seconds

            Error: standin::config::syntax

              × invalid literal string, expected `'`
               ╭─[environment.toml:6:10]
             5 │ name = 'c'
             6 │ host = 'h
               ·          ▲
               ·          ╰── here
             7 │ port = 5
               ╰────
        "#]],
    );
}

#[test]
fn spans_are_right_with_a_byte_order_mark_crlf_tabs_and_wide_characters() {
    check(
        "\u{feff}name = 'größe 中文'\r\n\t[[driver]]\r\n\ttype = 'tcp-server'\r\n\tname\t= '中'\r\n\tcolour\t= '文'\r\n",
        expect![[r#"
            standin::config::unknown_option

              × environment.toml:5:2: driver "中": unknown option "colour"
               ╭─[environment.toml:5:2]
             4 │     name    = '中'
             5 │     colour  = '文'
               ·     ───┬──
               ·        ╰── not known here
               ╰────
              help: the options of tcp-server are: name, timeout, log_regexps, error_logs_max_lines,
                    host, port
        "#]],
    );
}

#[test]
fn an_unknown_driver_in_the_defaults_is_reported_once() {
    check(
        "[defaults]\nhost = { driver = 'x', value = 'x' }\n\
         [[driver]]\ntype = 'tcp-server'\nname = 's'\n\
         [[driver]]\ntype = 'tcp-client'\nname = 'c'\nport = 1\n",
        expect![[r#"
            standin::environment::unknown_context

              × environment.toml:2:19: [defaults]: option "host" reads from driver "x", but there is
              │ no such driver
               ╭─[environment.toml:2:19]
             1 │ [defaults]
             2 │ host = { driver = 'x', value = 'x' }
               ·                   ─┬─
               ·                    ╰── no driver has this name
             3 │ [[driver]]
               ╰────
              help: the drivers are: s, c
        "#]],
    );
}

#[test]
fn a_date_is_a_text_only_in_quotes() {
    check(
        "timeout = 1979-05-27\n[context]\ntimes = ['x', 07:32:00]\n\
         [[driver]]\ntype = 'tcp-server'\nname = 1979-05-27T07:32:00Z\nhost = 1979-05-27\n",
        expect![[r#"
            standin::config::invalid_file

              × environment.toml: 4 mistakes
              │   1:11  the environment: option "timeout": 1979-05-27 is not a duration: it is a
              │ date
              │   3:15  [context]: option "times": 07:32:00 is not a text or a number: it is a time
              │   6:8   driver number 1: option "name": 1979-05-27T07:32:00Z is not a string: it is
              │ a date
              │   7:8   driver number 1: option "host": 1979-05-27 is not a string or a context
              │ value: it is a date
              ╰─▶ the environment: option "timeout": 1979-05-27 is not a duration: it is a date

            Error: standin::config::wrong_type

              × the environment: option "timeout": 1979-05-27 is not a duration: it is a date
               ╭─[environment.toml:1:11]
             1 │ timeout = 1979-05-27
               ·           ─────┬────
               ·                ╰── it is a date
             2 │ [context]
               ╰────
              help: timeout: How long each driver may take to start, and to stop.

            Error: standin::config::wrong_type

              × [context]: option "times": 07:32:00 is not a text or a number: it is a time
               ╭─[environment.toml:3:15]
             2 │ [context]
             3 │ times = ['x', 07:32:00]
               ·               ────┬───
               ·                   ╰── it is a time
             4 │ [[driver]]
               ╰────
              help: write it in quotes: "07:32:00"

            Error: standin::config::wrong_type

              × driver number 1: option "name": 1979-05-27T07:32:00Z is not a string: it is a date
               ╭─[environment.toml:6:8]
             5 │ type = 'tcp-server'
             6 │ name = 1979-05-27T07:32:00Z
               ·        ──────────┬─────────
               ·                  ╰── it is a date
             7 │ host = 1979-05-27
               ╰────
              help: write it in quotes: "1979-05-27T07:32:00Z"

            Error: standin::config::wrong_type

              × driver number 1: option "host": 1979-05-27 is not a string or a context value: it is
              │ a date
               ╭─[environment.toml:7:8]
             6 │ name = 1979-05-27T07:32:00Z
             7 │ host = 1979-05-27
               ·        ─────┬────
               ·             ╰── it is a date
               ╰────
              help: write it in quotes: "1979-05-27"
        "#]],
    );
}

#[test]
fn a_number_that_is_too_large_for_the_context_is_pointed_at() {
    check(
        "[context]\nports = [80, 99999999999999999999]\n",
        expect![[r#"
            standin::config::wrong_type

              × environment.toml:2:14: [context]: option "ports": 99999999999999999999 is not a
              │ valid number: it does not fit in 64 bits
               ╭─[environment.toml:2:14]
             1 │ [context]
             2 │ ports = [80, 99999999999999999999]
               ·              ──────────┬─────────
               ·                        ╰── it does not fit in 64 bits
               ╰────
              help: write it in quotes: "99999999999999999999"
        "#]],
    );
}
