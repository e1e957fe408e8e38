//! Files that a driver gets before it starts, and the log that it writes.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use standin_config::{Kind, OptionValue};
use standin_driver::{
    Attributes, ContextSource, Driver, InstallFile, Level, Lifecycle, provide_context,
};
use standin_entity::Error;

use support::{Stub, StubBuilder};

fn stub(folder: &Path, files: impl IntoIterator<Item = InstallFile>) -> Stub {
    let options = StubBuilder::new()
        .name("app")
        .runpath(folder.join("app"))
        .install_files(files);
    let mut stub = options.build().unwrap();
    stub.install_target = Some("etc".into());
    stub
}

fn report(error: impl Into<Error>) -> String {
    format!("{:?}", error.into())
}

struct Others;

impl ContextSource for Others {
    fn attributes(&self, name: &str) -> Option<Attributes> {
        (name == "server").then(|| {
            Attributes::new()
                .with("port", 8080)
                .with("status", "Started")
        })
    }

    fn names(&self) -> Vec<String> {
        vec!["server".to_owned()]
    }
}

#[test]
fn fills_in_what_others_publish() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("app.conf");
    let text = "{% for n in [1, 2] %}upstream {{ context.server.port + n }};\r\n{% endfor %}pid {{ runpath }}/pid;\r\n";
    fs::write(&source, text).unwrap();
    let app = stub(folder.path(), [InstallFile::new(&source)]);
    let read = app.base().references();
    let read: Vec<_> = read
        .iter()
        .map(|(o, r)| (o.as_str(), r.name.as_str()))
        .collect();
    assert_eq!(read, [("install_files", "server")]);
    let others: Arc<dyn ContextSource> = Arc::new(Others);
    provide_context(app.base().entity(), Arc::downgrade(&others));
    app.start().unwrap();
    let installed = fs::read_to_string(folder.path().join("app/etc/app.conf")).unwrap();
    let runpath = folder.path().join("app");
    let expected = format!(
        "upstream 8081;\r\nupstream 8082;\r\npid {}/pid;\r\n",
        runpath.display()
    );
    assert_eq!(installed, expected);
}

#[test]
fn a_mistake_in_a_template_names_file_and_line_and_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("app.conf");
    fs::write(&source, "one\ntwo {{ context.server.prot }}\n").unwrap();
    let fine = folder.path().join("fine.conf");
    fs::write(&fine, "fine").unwrap();
    let app = stub(
        folder.path(),
        [InstallFile::new(&fine), InstallFile::new(&source)],
    );
    let others: Arc<dyn ContextSource> = Arc::new(Others);
    provide_context(app.base().entity(), Arc::downgrade(&others));
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("app.conf:2`: driver \"server\" does not publish `prot`"),
        "{report}"
    );
    assert!(report.contains("did you mean `port`?"), "{report}");
    assert!(
        !folder.path().join("app/etc").exists(),
        "something was written"
    );
    for (text, reason) in [
        (
            "\n\n{% if %}",
            "app.conf:3`: `{% if %}` without `{% endif %}`",
        ),
        ("{{ runpath | nope }}", "app.conf:1`: unknown filter"),
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "fuel",
        ),
    ] {
        fs::write(&source, text).unwrap();
        let report = self::report(app.start().unwrap_err());
        assert!(report.contains(reason), "{report}");
    }
}

#[test]
fn copies_what_is_no_template() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("run.sh");
    fs::write(&script, "echo ${#var} {{\n").unwrap();
    let binary = folder.path().join("binary");
    fs::write(&binary, b"\x7fELF\xff{{ nope }}").unwrap();
    let app = stub(
        folder.path(),
        [
            InstallFile::from((&script, "bin/")).verbatim(),
            InstallFile::new(&binary).to("{{ name }}.bin"),
        ],
    );
    app.start().unwrap();
    let etc = folder.path().join("app/etc");
    assert_eq!(
        fs::read(etc.join("bin/run.sh")).unwrap(),
        b"echo ${#var} {{\n"
    );
    assert_eq!(
        fs::read(etc.join("app.bin")).unwrap(),
        b"\x7fELF\xff{{ nope }}"
    );
}

#[test]
fn a_destination_without_a_name_is_a_folder() {
    for (destination, place) in [
        ("", "etc/app.conf"),
        (".", "etc/app.conf"),
        ("./", "etc/app.conf"),
        ("conf/..", "etc/app.conf"),
        ("..", "app.conf"),
        ("conf/", "etc/conf/app.conf"),
        ("./conf", "etc/conf"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("app.conf");
        fs::write(&source, "{{ name }}").unwrap();
        let app = stub(folder.path(), [InstallFile::new(&source).to(destination)]);
        app.start().unwrap();
        let installed = fs::read_to_string(folder.path().join("app").join(place));
        assert_eq!(installed.unwrap(), "app", "{destination:?}");
        app.stop().unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_template_is_not_replaced_by_what_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (source, link) = (folder.path().join("app.conf"), folder.path().join("link"));
    fs::write(&source, "{{ name }}").unwrap();
    std::os::unix::fs::symlink(&source, &link).unwrap();
    let itself = |path: &Path| path.to_str().unwrap().to_owned();
    let within = format!("{}/", folder.path().display());
    for (from, to) in [
        (&source, itself(&source)),
        (&source, within.clone()),
        (&source, itself(&folder.path().join("./app.conf"))),
        (
            &source,
            format!(
                "{within}../{}/app.conf",
                folder.path().file_name().unwrap().display()
            ),
        ),
        (&link, itself(&source)),
        (&link, itself(&link)),
        (&link, within),
    ] {
        let app = stub(folder.path(), [InstallFile::new(from).to(to)]);
        let report = report(app.start().unwrap_err());
        assert!(report.contains("as itself"), "{report}");
        assert_eq!(fs::read_to_string(&source).unwrap(), "{{ name }}");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}

#[test]
#[cfg(unix)]
fn keeps_mode_bits_and_replaces_what_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("secret");
    fs::write(&source, "x").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o440)).unwrap();
    let out = folder.path().join("out");
    let app = stub(
        folder.path(),
        [InstallFile::new(&source).to(out.display().to_string())],
    );
    for _ in 0..2 {
        app.start().unwrap();
        assert_eq!(
            fs::metadata(&out).unwrap().permissions().mode() & 0o777,
            0o440
        );
        app.stop().unwrap();
    }
}

#[test]
fn files_to_install_can_be_written_and_read() {
    for file in [
        InstallFile::new("a"),
        InstallFile::new("a").to("b"),
        InstallFile::new("a").to("b").verbatim(),
        InstallFile::new("a").verbatim(),
    ] {
        let value = file.to_value();
        InstallFile::kind().check(&value).unwrap();
        assert_eq!(InstallFile::from_value(&value).unwrap(), file);
    }
    assert!(matches!(InstallFile::kind(), Kind::Union(_)));
}

#[test]
fn its_own_log_goes_to_a_file_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let options = StubBuilder::new()
        .name("app")
        .runpath(folder.path().join("app"))
        .file_logger("own/app.log");
    let mut app = options.build().unwrap();
    app.fails = Some("no".to_owned());
    let shown = report(app.start().unwrap_err());
    assert!(
        !shown.contains("own/app.log"),
        "there is nothing in it: {shown}"
    );
    app.fails = None;
    app.start().unwrap();
    app.base().log(Level::WARN, "low on fuel");
    let lines = app.fetch_error_log().unwrap();
    assert!(lines[1].ends_with("WARN low on fuel"), "{lines:?}");
    app.stop().unwrap();
    app.base().log(Level::INFO, "nobody reads this");
    assert_eq!(app.fetch_error_log().unwrap().len(), 2);
}

/// Writes to the log while it is written there.
struct Echo<'a>(&'a Stub);

impl fmt::Display for Echo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.base().log(Level::INFO, "first");
        f.write_str("second")
    }
}

#[test]
fn what_is_written_to_its_log_may_write_to_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = StubBuilder::new()
        .name("app")
        .runpath(folder.path().join("app"))
        .file_logger("app.log");
    let app = options.build().unwrap();
    app.start().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        app.base().log(Level::INFO, Echo(&app));
        tell.send(app.fetch_error_log())
    });
    let lines = told.recv_timeout(Duration::from_secs(30)).unwrap();
    let lines = lines.unwrap();
    let [_, first, second] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(first.ends_with("first") && second.ends_with("second"));
}

#[test]
fn its_context_can_be_had_without_some_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let app = stub(folder.path(), []);
    let context = app.context_input(&["name", "nothing"]);
    assert!(context.get("name").is_none() && context.get("uid").is_some());
    assert_eq!(app.render_template("{{ name }}!").unwrap(), "app!");
    app.render_template("{{ nope }}").unwrap_err();
}
