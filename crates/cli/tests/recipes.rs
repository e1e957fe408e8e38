//! The recipes of the guide, with the real tools where they are installed.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what is missing fails a test, or is said"
)]

mod support;

use std::process::{Command, Stdio};

use support::{Ended, Place, ended};

/// Whether a program is installed; if not, that is said.
fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    let command = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let is_there = command.status().is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

/// Runs another program as `Place::run` runs the command, which it finds in `PATH`.
#[track_caller]
fn run(place: &Place, program: &str, arguments: &[&str]) -> Ended {
    let like = place.command(&[]);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place.path());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", place.path().display()));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    ended(command.spawn().unwrap())
}

#[test]
fn a_script_runs_itself_in_the_environment() {
    let place = Place::new();
    let script = "#!/bin/sh\n[ -n \"$BANK\" ] || exec standin run shop.toml -- sh \"$0\" \"$@\"\n\
                  echo \"talks to $BANK as $1\"; exit 3\n";
    place.write("test.sh", script);
    let ended = run(&place, "sh", &["test.sh", "me"]);
    ended.check(3, "is up after");
    assert!(ended.stdout.starts_with("talks to 127.0.0.1:"), "{ended:?}");
    assert!(ended.stdout.ends_with("as me\n"), "{ended:?}");
    place.check_left(&ended);
}

#[test]
fn make_has_it_in_a_rule() {
    if !has("make") {
        return;
    }
    let place = Place::new();
    let rules = "test:\n\tstandin run shop.toml -- sh -c 'echo $$BANK > bank'\n";
    place.write("Makefile", rules);
    let ended = run(&place, "make", &["test"]);
    ended.check(0, "is up after");
    assert!(place.read("bank").starts_with("127.0.0.1:"));
    place.check_left(&ended);
    place.write("Makefile", &rules.replace("echo", "false"));
    run(&place, "make", &["test"]).check(2, "Error 1");
}

#[test]
fn npm_has_it_as_its_test() {
    if !has("npm") || !has("node") {
        return;
    }
    let place = Place::new();
    let package = r#"{ "name": "shop", "version": "1.0.0",
        "scripts": { "test": "standin run shop.toml -- node test.js" } }"#;
    place.write("package.json", package);
    let test = "const [host, port] = process.env.BANK.split(':');\n\
        require('net').connect(port, host, function () { this.end(); process.exit(0); });\n";
    place.write("test.js", test);
    let ended = run(&place, "npm", &["test", "--offline"]);
    ended.check(0, "is up after");
    place.check_left(&ended);
    place.write("test.js", "process.exit(7)");
    run(&place, "npm", &["test", "--offline"]).check(7, "is up after");
}

#[test]
fn nextest_gets_the_teardown_that_its_setup_scripts_lack() {
    if !has("cargo-nextest") {
        return;
    }
    let place = Place::new();
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    write(
        "src/lib.rs",
        "#[test]\nfn talks() {\n    let bank = std::env::var(\"BANK\").unwrap();\n    \
         std::net::TcpStream::connect(bank).unwrap();\n}\n",
    );
    write(
        ".config/nextest.toml",
        "experimental = [\"setup-scripts\"]\n[scripts.setup.shop]\ncommand = \"sh -c 'standin up \
         shop.toml --detach --with-parent $PPID --env-file $NEXTEST_ENV'\"\n\
         [[profile.default.scripts]]\nfilter = \"all()\"\nsetup = \"shop\"\n",
    );
    let ended = run(
        &place,
        "cargo",
        &["nextest", "run", "--offline", "--color=never"],
    );
    ended.check(0, "1 passed");
    place.check_nothing_left();
}
