//! What cannot be said, and where.

use expect_test::{Expect, expect};
use standin_config::Located;
use standin_environment::LoadError;

use crate::{parse, server};

/// Checks what is wrong in the options of a server, each with the part of the text that it is
/// about.
#[track_caller]
fn check(options: &str, expected: Expect) {
    let text = server(options);
    let Err(LoadError::Mistakes(errors)) = parse(&text) else {
        panic!("the file is refused");
    };
    let mut said = String::new();
    for mistake in errors.mistakes() {
        let (start, length) = (mistake.span().offset(), mistake.span().len());
        let line = text[..start].lines().count();
        let part = text[start..start + length].trim_end();
        let help = miette::Diagnostic::help(mistake).map(|help| help.to_string());
        said += &format!("{part:?} in line {line}: {mistake}\n");
        said += &format!("  {}\n", help.unwrap_or_default());
    }
    expected.assert_eq(&said);
}

#[test]
fn replies_need_a_framing() {
    check(
        "greeting = 'hi'\nconnections = 2",
        expect![[r#"
        "'hi'" in line 5: driver "s": option "greeting": it has no effect without `framing`
          set it, such as framing = "lines"
    "#]],
    );
    check(
        "[[driver.on]]\nequals = 'A'",
        expect![[r#"
        "[[driver.on]]" in line 4: driver "s": option "on": it has no effect without `framing`
          set it, such as framing = "lines"
    "#]],
    );
}

#[test]
fn framings_that_cannot_be_are_mistakes() {
    check(
        "framing = { delimiter = '' }",
        expect![[r#"
            "''" in line 5: driver "s": option "framing.delimiter": the delimiter is empty
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = { fixed_size = 0 }",
        expect![[r#"
            "0" in line 5: driver "s": option "framing.fixed_size": a frame must have at least 1 byte
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = { matching = 'a(b' }",
        expect![[r#"
            "(" in line 5: driver "s": option "framing.matching": the pattern `a(b` is not valid: unclosed group
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = { delimiter = { hex = '0' } }",
        expect![[r#"
            "'0'" in line 5: driver "s": option "framing.delimiter.hex": "0" is not valid hexadecimal: the last byte has only one digit
              framing: How the stream is divided into frames, which makes this a peer that answers by itself (in code, `replies` replaces this and the options up to `connections`). Default: it answers nothing, the test receives and sends.
        "#]],
    );
    check(
        "framing = 'line'",
        expect![[r#"
        "'line'" in line 5: driver "s": option "framing": "line" is not one of "lines", "raw" or a table { delimiter } or a table { length_prefix } or a table { fixed_size } or a table { matching }
          did you mean "lines"?
    "#]],
    );
}

#[test]
fn patterns_that_do_not_parse_are_shown_where_they_do_not() {
    check(
        "framing = 'lines'\non = [{ match = '^PAY (?<amount>\\d+$' }]",
        expect![[r#"
            "(" in line 6: driver "s": option "on[0].match": the pattern `^PAY (?<amount>\d+$` is not valid: unclosed group
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        r#"framing = 'lines'
on = [{ match = "\u00fc\\d[z-a]" }]"#,
        expect![[r#"
            "z-a" in line 6: driver "s": option "on[0].match": the pattern `ü\d[z-a]` is not valid: invalid character class range, the start must be <= the end
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { match = 'x{2,1}' } }]",
        expect![[r#"
            "{2,1}" in line 6: driver "s": option "dialogue[0].expect.match": the pattern `x{2,1}` is not valid: invalid repetition count range, the start must be <= the end
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ branch = [{ expect = 'a' }, { expect = { match = '[' } }] }]",
        expect![[r#"
            "[" in line 6: driver "s": option "dialogue[0].branch[1].expect.match": the pattern `[` is not valid: unclosed character class
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
    check(
        "framing = 'lines'\n[[driver.connection]]\nindex = 0\ndialogue = [{ repeat = 2, steps = [{ pause = 1, expect = { match = '(' } }] }]",
        expect![[r#"
            "(" in line 8: driver "s": option "connection[0].dialogue[0].steps[0].expect.match": the pattern `(` is not valid: unclosed group
              see https://docs.rs/regex/latest/regex/#syntax; `\` before a special character makes it literal
        "#]],
    );
}

#[test]
fn names_that_nobody_knows_are_mistakes() {
    check(
        "framing = 'lines'\ngreeting = 'hi {{ who }}'",
        expect![[r#"
            "who" in line 6: driver "s": option "greeting": the reply names `who`, which is unknown
              a pattern gives a name to what its groups match, `(?<who>...)`; the known names are "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ match = '(?<a>.)', reply = '{{ a }}{{ b }}' }]",
        expect![[r#"
            "b" in line 6: driver "s": option "on[0].reply": the reply names `b`, which is unknown
              a pattern gives a name to what its groups match, `(?<b>...)`; the known names are "a", "frame", "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { match = '(?<a>.)' } }, { send = '{{ b }}' }]",
        expect![[r#"
            "b" in line 6: driver "s": option "dialogue[1].send": the reply names `b`, which is unknown
              a pattern gives a name to what its groups match, `(?<b>...)`; the known names are "a", "frame", "connection", "context"
        "#]],
    );
    check(
        r#"framing = 'lines'
greeting = ['b', 'b {{ a.b }} {{ abb }} {{ b }}', { text = "\u00fc{{ cc }}" }]"#,
        expect![[r#"
            "a" in line 6: driver "s": option "greeting[1]": the reply names `a`, which is unknown
              a pattern gives a name to what its groups match, `(?<a>...)`; the known names are "connection", "context"
            "cc" in line 6: driver "s": option "greeting[2].text": the reply names `cc`, which is unknown
              a pattern gives a name to what its groups match, `(?<cc>...)`; the known names are "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\notherwise = { reply = '{{ a }}' }",
        expect![[r#"
            "a" in line 6: driver "s": option "otherwise.reply": the reply names `a`, which is unknown
              a pattern gives a name to what its groups match, `(?<a>...)`; the known names are "frame", "connection", "context"
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = '{{ 1'",
        expect![[r#"
            "'{{ 1'" in line 6: driver "s": option "greeting": the template does not parse: `{{` without `}}`
              greeting: What the peer sends first on each connection. Default: nothing.
        "#]],
    );
}

#[test]
fn rules_that_can_never_apply_are_mistakes() {
    check(
        "framing = 'lines'\n[[driver.on]]\nprefix = 'PA'\n[[driver.on]]\nequals = 'PAY'",
        expect![[r#"
            "'PAY'" in line 9: driver "s": option "on[1].equals": equals "PAY" can never be reached: rule 1 (prefix "PA") matches everything that it matches
              the first rule that matches applies: write this one before the other, or limit how often the other does, times = "..=1"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'A', in = 'data' }]",
        expect![[r#"
            "'data'" in line 6: driver "s": option "on[0].in": no answer brings a connection into the state "data"
              answers enter a state with `enter`; none does
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'A', times = '3..=1' }]",
        expect![[r#"
            "'3..=1'" in line 6: driver "s": option "on[0].times": no number is 3 or more and 1 or less
              write "1..=3", the smaller number first
        "#]],
    );
    check(
        "framing = 'lines'\nconnections = '..=1'\nconnection = [{ index = 1, dialogue = [{ expect = 'a' }] }]",
        expect![[r#"
            "'..=1'" in line 6: driver "s": option "connections": connection 1 has a dialogue, but the limit is 1 connection
              connections are counted from 0: the first one is connection 0
        "#]],
    );
}

#[test]
fn what_says_too_little_or_too_much_is_a_mistake() {
    check(
        "framing = 'lines'\non = [{ reply = 'a' }, { equals = 'a', prefix = 'b' }]",
        expect![[r#"
            "{ reply = 'a' }" in line 6: driver "s": option "on[0]": it does not say which frames it is for
              a rule has one of `match`, `equals`, `prefix` and `anything`
            "{ equals = 'a', prefix = 'b' }" in line 6: driver "s": option "on[1]": `equals` and `prefix` both say which frames are meant
              a rule has one of `match`, `equals`, `prefix` and `anything`
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', in = 'b', in_any_state = true, enter = 'c', leave_state = true }]",
        expect![[r#"
            "true" in line 6: driver "s": option "on[0].in_any_state": it conflicts with `in`
              remove one of the two
            "true" in line 6: driver "s": option "on[0].leave_state": it conflicts with `enter`
              remove one of the two
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = { delay = 1 }",
        expect![[r#"
            "{ delay = 1 }" in line 6: driver "s": option "greeting": it does not say what to send
              a piece has one of `text`, `verbatim`, `hex` and `file`
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', reply = ['a', { text = 'a', hex = '00' }] }]",
        expect![[r#"
            "{ text = 'a', hex = '00' }" in line 6: driver "s": option "on[0].reply[1]": it says more than one thing to send
              a piece has one of `text`, `verbatim`, `hex` and `file`
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{}]",
        expect![[r#"
        "{}" in line 6: driver "s": option "dialogue[0]": the step does nothing
          a step has one or more of `expect`, `pause`, `send`, `repeat`, `branch` and `then`
    "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ repeat = 2 }, { steps = [{ send = 'a' }] }]",
        expect![[r#"
            "2" in line 6: driver "s": option "dialogue[0].repeat": there are no steps to repeat
              write them beside it: steps = [{ expect = "PING", send = "PONG\n" }]
            "[{ send = 'a' }]" in line 6: driver "s": option "dialogue[1].steps": it does not say how often the steps are repeated
              write repeat = 3 beside them
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { anything = false } }]",
        expect![[r#"
            "{ anything = false }" in line 6: driver "s": option "dialogue[0].expect": it expects nothing
              write { anything = true }, or leave it out
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', name = 'n' }, { equals = 'b', name = 'n' }]",
        expect![[r#"
            "'n'" in line 6: driver "s": option "on[1].name": rule 1 is called "n" too
              give each rule a name of its own
        "#]],
    );
    check(
        "framing = 'lines'\nconnection = [{ index = 0 }, { index = 0 }]",
        expect![[r#"
            "0" in line 6: driver "s": option "connection[1].index" is 0, but another one has this `index` already
              connection: Dialogues of single connections, `[[driver.connection]]`, instead of `dialogue`.
        "#]],
    );
}

#[test]
fn values_of_other_sorts_are_mistakes() {
    check(
        "framing = 'lines'\non = [{ equals = 'a', times = 'often' }]",
        expect![[r#"
            "'often'" in line 6: driver "s": option "on[0].times": "often" is not a number or a range of numbers
              write it as "2", "1..", "..=3" or "1..=3"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', times = -1 }]",
        expect![[r#"
            "-1" in line 6: driver "s": option "on[0].times": -1 is not a whole number of at least 0 or a string
              write it in quotes: "-1"
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', then = 'leave' }]",
        expect![[r#"
            "'leave'" in line 6: driver "s": option "on[0].then": "leave" is not one of "close", "half-close", "reset", "stop-reading", "start-tls" or a table { hold }
              on: Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = 'a', replies = 'b' }]",
        expect![[r#"
            "replies" in line 6: driver "s": option "on[0]": unknown key "replies"
              the options are: match, equals, prefix, anything, reply, delay, then, times, in, in_any_state, enter, leave_state, name
        "#]],
    );
    check(
        "framing = 'lines'\non = [{ equals = { hex = '0g' } }]",
        expect![[r#"
            "'0g'" in line 6: driver "s": option "on[0].equals.hex": "0g" is not valid hexadecimal: 'g' at character 1 is not a hexadecimal digit
              on: Rules, `[[driver.on]]`: which frames are answered, and how. The first that matches applies.
        "#]],
    );
    check(
        "framing = 'lines'\ndialogue = [{ expect = { matches = 'a' } }]",
        expect![[r#"
            "matches" in line 6: driver "s": option "dialogue[0].expect": unknown key "matches"
              did you mean "match"?
        "#]],
    );
    check(
        "framing = 'lines'\ngreeting = { hex = '0g' }",
        expect![[r#"
            "'0g'" in line 6: driver "s": option "greeting.hex": invalid hexadecimal: 'g' at character 1 is not a hexadecimal digit
              write two digits for each byte: "00 ff 0a"
        "#]],
    );
}
