//! Commands, exit codes, and what is said.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::{fs, io};

use expect_test::expect;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Place, SHOP, ended, wait_until};

#[test]
fn the_command_has_the_variables_and_the_streams() {
    let place = Place::new();
    let script = "echo $BANK $DRIVER_BANK_ATTR_HOST:$DRIVER_BANK_ATTR_PORT; echo mine >&2; cat";
    let mut command = place.command(&["run", "shop.toml", "-q", "--", "sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"from outside").unwrap();
    drop(stdin);
    let ended = ended(child);
    assert_eq!(
        (ended.code, &*ended.stderr),
        (Some(0), "mine\n"),
        "{ended:?}"
    );
    let (bank, rest) = ended.stdout.split_once('\n').unwrap();
    let (export, attributes) = bank.split_once(' ').unwrap();
    assert!(
        export.starts_with("127.0.0.1:") && export == attributes,
        "{bank}"
    );
    assert_eq!(rest, "from outside");
    place.check_left(&ended);
}

#[test]
fn the_environment_file_may_be_a_pipe_but_not_endless() {
    let place = Place::new();
    let fifo = place.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    for arguments in [&["check", "fifo"][..], &["run", "fifo", "--", "true"]] {
        let child = place.command(arguments).spawn().unwrap();
        std::fs::write(&fifo, SHOP).unwrap();
        let ended = ended(child);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
    for (arguments, code) in [
        (&["check", "/dev/zero"][..], 1),
        (&["graph", "/dev/zero"], 1),
        (&["run", "/dev/zero", "--", "true"], 125),
        (&["up", "/dev/zero", "--detach"], 125),
    ] {
        let ended = place.run(arguments);
        ended.check(code, "`/dev/zero` is larger than 64 MiB");
    }
    place.check_nothing_left();
}

#[test]
fn exit_codes_are_as_documented() {
    #[rustfmt::skip]
    let cases: &[(&[&str], &[&str], i32, &str)] = &[
        (&[], &["true"], 0, "is up after"),
        (&[], &["sh", "-c", "exit 7"], 7, ""),
        (&[], &["sh", "-c", "exit 255"], 255, ""),
        (&[], &["sh", "-c", "kill -KILL $$"], 137, ""),
        (&[], &["sh", "-c", "kill -TERM $$"], 143, ""),
        (&["--timeout", "100ms"], &["sleep", "600"], 124, "the command took longer than --timeout"),
        (&["--timeout", "1m"], &["true"], 0, ""),
        (&["--set", "sleeper.binary=there-is-none"], &["true"], 125, "binary_not_found"),
        (&["--set", "bnak.port=1"], &["true"], 125, "did you mean \"bank\"?"),
        (&["--set", "export.BANK={{ context.bank.prot }}"], &["true"], 125, "`prot`"),
        (&["--env-file", "."], &["true"], 125, "cannot write the variables to `.`"),
        (&[], &["./plain"], 126, "cannot run"),
        (&[], &["/"], 126, "cannot run"),
        (&[], &["there-is-none"], 127, "program `there-is-none` was not found in PATH"),
        (&[], &["./there-is-none"], 127, "cannot run"),
        (&[], &["./odd"], 127, "interpreter"),
        (&["--set", "port"], &["true"], 2, "is not a setting"),
        (&["--timeout", "soon"], &["true"], 2, "is not a duration"),
    ];
    for (options, words, code, says) in cases {
        let place = Place::new();
        place.write("plain", "echo");
        let odd = place.write("odd", "#!/there/is/nothing\n");
        std::fs::set_permissions(&odd, std::fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = [&["run", "shop.toml"], *options, &["--"], *words].concat();
        let ended = place.run(&arguments);
        ended.check(*code, says);
        place.check_left(&ended);
    }
    let place = Place::new();
    place.run(&["run", "shop.toml"]).check(2, "COMMAND");
    place
        .run(&["run", "none.toml", "--", "true"])
        .check(125, "cannot read `none.toml`");
}

#[test]
fn an_expectation_that_is_not_met_is_a_failure_of_the_environment() {
    let place = Place::new();
    let file = r#"
name = "expecting"

[[driver]]
type = "tcp-server"
name = "bank"
framing = "lines"

[[driver.on]]
equals = "PING"
reply = "PONG\n"
times = 1
"#;
    place.write("expecting.toml", file);
    let run = |script: &str| place.run(&["run", "expecting.toml", "--", "bash", "-c", script]);
    let talk = "exec 3<>/dev/tcp/$DRIVER_BANK_ATTR_HOST/$DRIVER_BANK_ATTR_PORT; \
                echo PING >&3; read answer <&3; test $answer = PONG";
    run(talk).check(0, "");
    run("true").check(125, "PING");
    // The command's own failure comes first.
    run("exit 3").check(3, "PING");
}

#[test]
fn a_broken_file_has_all_its_mistakes_and_exit_code_125() {
    let place = Place::new();
    let file = "name = 'x'\n[[driver]]\ntype = 'tcp-sever'\nname = 'a'\n\n[[driver]]\n\
                type = 'tcp-server'\nname = 'b'\nprot = 1\n";
    place.write("broken.toml", file);
    let ended = place.run(&["run", "broken.toml", "--", "true"]);
    ended.check(125, "broken.toml: 2 mistakes");
    ended
        .check(125, "did you mean \"tcp-server\"?")
        .check(125, "did you mean \"port\"?");
}

#[test]
fn mistakes_are_shown_in_part_of_a_line_of_any_length() {
    let long = "ö".repeat(70_000);
    let head = "name = \"e\"\n[[driver]]\ntype = \"tcp-server\"\nname = \"bank\"\n";
    #[rustfmt::skip]
    let cases = [
        (format!("host = \"{long}\" oops"), "unexpected key or value"), // the place is far behind
        (format!("encoding = \"{long}\""), "encoding"),                 // and long
        (format!("prot = [\"{long}\"]"), "did you mean \"port\"?"),     // at the beginning
        (format!("prot = 1\n# {long}"), "did you mean \"port\"?"),       // in the line before
    ];
    for (line, says) in cases {
        let place = Place::new();
        place.write("long.toml", &format!("{head}{line}\n"));
        let ended = place.run(&["check", "long.toml"]);
        ended.check(1, says);
        let excerpt = ended
            .stderr
            .lines()
            .find(|line| line.contains(" │ ") || line.contains(" | "));
        assert!(excerpt.is_some_and(|line| line.len() < 400), "{excerpt:?}");
        assert!(ended.stderr.contains("long.toml:5:"), "{ended:?}");
    }
}

#[test]
fn what_the_command_leaves_running_is_ended() {
    let place = Place::new();
    let script = "setsid sleep 600 & env -i setsid sh -c 'sleep 601 & exec sleep 602' & exit 4";
    let ended = place.run(&["run", "shop.toml", "--", "sh", "-c", script]);
    ended.check(4, "ended what the command left running");
    place.check_left(&ended);
}

#[test]
fn a_command_that_closes_its_output_runs_on() {
    let place = Place::new();
    let script = "exec >&- 2>&-; sleep 0.1; touch done; exit 5";
    let ended = place.run(&["run", "shop.toml", "--", "sh", "-c", script]);
    ended.check(5, "is up after");
    assert!(place.path().join("done").exists());
}

#[test]
fn nobody_need_read_what_it_says() {
    let place = Place::new();
    let mut child = place
        .command(&[
            "run",
            "shop.toml",
            "-v",
            "--",
            "sh",
            "-c",
            "sleep 600 & exit 6",
        ])
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(6));
    wait_until("the end of all processes", || place.processes().is_empty());
}

#[test]
fn a_full_disk_is_said() {
    let place = Place::new();
    let arguments = ["run", "shop.toml", "--env-file", "/dev/full", "--", "true"];
    let ended = place.run(&arguments);
    ended.check(125, "cannot write the variables to `/dev/full`");
    place.check_left(&ended);
}

#[test]
fn one_file_can_be_run_twice_at_once() {
    let place = Place::new();
    let script = "touch up-$$; while [ $(ls up-* | wc -l) -lt 2 ]; do sleep 0.01; done";
    let start = || {
        let mut command = place.command(&["run", "shop.toml", "--", "sh", "-c", script]);
        command.spawn().unwrap()
    };
    let (one, other) = (start(), start());
    for child in [one, other] {
        let ended = ended(child);
        ended.check(0, "is up after");
    }
}

#[test]
fn variables_are_added_to_a_file() {
    let place = Place::new();
    place.write("env", "FIRST=1\n");
    let script = "grep -q ^BANK=$BANK$ env";
    let arguments = [
        "run",
        "shop.toml",
        "--env-file",
        "env",
        "--",
        "sh",
        "-c",
        script,
    ];
    place.run(&arguments).check(0, "");
    assert!(
        place
            .read("env")
            .starts_with("FIRST=1\nDRIVER_BANK_ATTR_NAME=bank\n")
    );
}

#[test]
fn events_are_objects_on_lines() {
    let place = Place::new();
    let arguments = [
        "run",
        "shop.toml",
        "--format",
        "json",
        "--",
        "sh",
        "-c",
        "exit 3",
    ];
    let ended = place.run(&arguments);
    let events: Vec<serde_json::Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    expect![[r#"
        environment_starting
        driver_starting
        driver_started
        driver_starting
        driver_started
        environment_started
        command_started
        command_ended
        environment_stopping
        driver_stopping
        driver_stopped
        driver_stopping
        driver_stopped
        environment_stopped
        files_kept
        exited"#]]
    .assert_eq(&names.join("\n"));
    assert_eq!(events.last().unwrap()["exit_code"], 3);

    let arguments = ["run", "none.toml", "--format", "json", "--", "true"];
    let ended = place.run(&arguments);
    let failed: serde_json::Value =
        serde_json::from_str(ended.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(failed["event"], "failed");
    assert_eq!(failed["code"], "standin::environment::unreadable_file");
    assert!(failed["help"].is_string() && failed["report"].is_string());
}

#[test]
fn what_cannot_be_written_about_a_failure_is_told() {
    let place = Place::new();
    place.write("file", "");
    let run = |options: &[&str], words: &[&str]| {
        let mut arguments = vec!["run", "shop.toml"];
        arguments.extend(options);
        arguments.extend([&["--"], words].concat());
        let mut command = place.command(&arguments);
        ended(command.env("STANDIN_ARTIFACTS", "file").spawn().unwrap())
    };
    run(&[], &["false"]).check(1, "standin: what was recorded cannot be written: ");
    run(&[], &["there-is-none"]).check(127, "standin: what was recorded cannot be written: ");
    run(&["--timeout", "1ms"], &["sleep", "600"])
        .check(124, "standin: what was recorded cannot be written: ");
    run(&["--format", "json"], &["false"])
        .check(1, "\"problems\":[\"what was recorded cannot be written: ");
    assert!(!run(&[], &["true"]).stderr.contains("recorded"));
}

#[test]
fn files_that_have_no_end_keep_nobody_waiting() {
    let place = Place::new();
    let fifo = place.path().join("fifo");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    place.write("key", "");
    for (file, what) in [
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        (".", "a directory"),
        ("/dev/zero", "a character device"),
    ] {
        for option in [
            format!("install_files = ['{file}']"),
            format!("greeting = {{ file = '{file}' }}"),
            format!("tls = {{ certificate = '{file}', key = 'key' }}"),
            format!("tls = {{ trust = ['{file}'] }}"),
        ] {
            let driver = "[[driver]]\ntype = 'tcp-server'\nname = 'bank'\nframing = 'lines'";
            place.write("odd.toml", &format!("name = 'odd'\n{driver}\n{option}\n"));
            place
                .run(&["run", "odd.toml", "--", "true"])
                .check(125, &format!("it is {what}, not a regular file"));
        }
    }
    // Nor does a FIFO for secrets that nobody reads.
    let driver = "[[driver]]\ntype = 'tcp-server'\nname = 'bank'\ntls = { names = ['bank.test'] }";
    place.write("odd.toml", &format!("name = 'odd'\n{driver}\n"));
    let mut command = place.command(&["run", "odd.toml", "--", "true"]);
    ended(command.env("SSLKEYLOGFILE", "fifo").spawn().unwrap()).check(0, "");
}

#[test]
fn a_command_that_ends_as_if_its_time_was_over_has_ended_by_itself() {
    let place = Place::new();
    for options in [&[][..], &["--timeout", "1h"]] {
        let arguments = [
            &["run", "shop.toml"],
            options,
            &["--", "sh", "-c", "exit 124"],
        ];
        let ended = place.run(&arguments.concat());
        ended.check(124, "");
        assert!(!ended.stderr.contains("took longer"), "{ended:?}");
    }
}

#[test]
fn colours_are_for_those_who_want_them() {
    let place = Place::new();
    let run = |name: &str, value: &str| {
        let mut command = place.command(&["run", "none.toml", "--", "true"]);
        ended(command.env(name, value).spawn().unwrap()).stderr
    };
    assert!(!run("X", "").contains('\x1b'));
    assert!(run("CLICOLOR_FORCE", "1").contains('\x1b'));
    let mut command = place.command(&["run", "none.toml", "--", "true"]);
    command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "0");
    assert!(!ended(command.spawn().unwrap()).stderr.contains('\x1b'));
}

#[test]
fn files_of_the_drivers_stay_when_the_command_fails() {
    let place = Place::new();
    let file = "name = 'logs'\n[[driver]]\ntype = 'process'\nname = 'app'\nbinary = 'sh'\n\
                args = ['-c', 'echo evidence; sleep 600']\nlog_regexps = ['evidence']\n";
    place.write("logs.toml", file);
    let ended = place.run(&["run", "logs.toml", "--", "false"]);
    ended.check(1, "files of the drivers: ");
    let line = ended
        .stderr
        .lines()
        .find_map(|line| line.split_once("files of the drivers: "));
    let path = std::path::Path::new(line.unwrap().1);
    let log = std::fs::read_to_string(path.join("app/stdout")).unwrap();
    assert_eq!(log, "evidence\n");
    place.run(&["run", "logs.toml", "--", "true"]).check(0, "");
}

#[test]
fn output_that_nobody_gets_is_an_error_unless_its_reader_has_had_enough() {
    let place = Place::new();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "run"],
        &["check", "shop.toml"],
        &["graph", "shop.toml"],
        &["graph", "shop.toml", "--format", "json"],
        &["explain", "bad_name"],
        &["options"],
        &["schema"],
        &["completions", "bash"],
        &["man"],
        &["serve", "--stdio"],
    ] {
        let (input, keeps_open) = io::pipe().unwrap();
        let run = |stdout: Stdio| {
            let mut command = place.command(arguments);
            let input = input.try_clone().unwrap();
            ended(command.stdin(input).stdout(stdout).spawn().unwrap())
        };
        let full = fs::File::options().write(true).open("/dev/full");
        let ended = run(full.unwrap().into());
        let code = if arguments[0] == "serve" { 125 } else { 1 };
        ended.check(code, "cannot write to ");
        ended.check(code, "No space left on device");
        let (_, broken) = io::pipe().unwrap();
        let ended = run(broken.into());
        ended.check(0, "");
        assert_eq!(ended.stderr, "", "{arguments:?}");
        drop(keeps_open);
    }
}

#[test]
fn requests_that_cannot_be_read_are_an_error() {
    let place = Place::new();
    let mut serve = place.command(&["serve", "--stdio"]);
    let folder = fs::File::open(place.path()).unwrap();
    let ended = ended(serve.stdin(folder).spawn().unwrap());
    ended.check(125, "cannot read the requests of the client");
}
