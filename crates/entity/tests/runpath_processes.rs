//! Runpaths and several processes: who has one, where the default ones are, and how
//! much of them stays.
//!
//! Each test here runs this test program again, as one that does what
//! [`acts_as_told`] is told by the environment.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use standin_entity::{Entity, RunpathError, default_root};

/// What the program is told to do.
const TASK: &str = "STANDIN_TEST_TASK";
/// The explicit runpath, if there is one.
const RUNPATH: &str = "STANDIN_TEST_RUNPATH";

#[test]
#[ignore = "the other tests run it, in processes of their own"]
fn acts_as_told() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let entity = Entity::new("other").unwrap();
    entity
        .define_runpath(std::env::var_os(RUNPATH).map(PathBuf::from))
        .unwrap();
    let made = match entity.make_runpath_dirs(task != "share") {
        Ok(path) => path,
        Err(error) => {
            println!("\nrefused: {error:?}");
            return;
        }
    };
    if task == "leave" {
        fs::write(made.join("evidence"), "x").unwrap();
    }
    if task == "move" {
        // A relative path stays what it was when it was defined.
        fs::write(made.join("file"), "x").unwrap();
        std::env::set_current_dir("elsewhere").unwrap();
        entity.release_runpath();
        entity.make_runpath_dirs(true).unwrap();
    }
    println!("\nmade: {}", made.display());
    // Until the other end is closed.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The program at work.
struct Other {
    child: Child,
    _stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .args(["--exact", "acts_as_told", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            _stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What it says of its runpath: where that is, or why it has none.
    fn says(&mut self, what: &str) -> String {
        let mut all = String::new();
        let mut line = String::new();
        while self.stdout.read_line(&mut line).unwrap() > 0 {
            all.push_str(&line);
            if let Some(text) = line.strip_prefix(what) {
                return text.trim().to_owned();
            }
            if line.starts_with("made: ") || line.starts_with("refused: ") {
                break;
            }
            line.clear();
        }
        panic!("no {what:?} in\n{all}");
    }

    fn refused(&mut self) -> String {
        let mut text = self.says("refused: ");
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }

    fn made(&mut self) -> PathBuf {
        self.says("made: ").into()
    }

    fn end(self) {
        let Self {
            mut child, _stdin, ..
        } = self;
        drop(_stdin);
        assert!(child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn told(task: &str, runpath: &Path) -> Command {
    let mut command = Command::new(program());
    command.env(TASK, task).env(RUNPATH, runpath);
    command
}

fn take(path: &Path, cleanup: bool) -> Result<Entity, RunpathError> {
    let entity = Entity::new("mine").unwrap();
    entity.define_runpath(Some(path.to_owned())).unwrap();
    entity.make_runpath_dirs(cleanup).map(|_| entity)
}

#[test]
fn a_directory_that_another_process_uses_is_refused_until_it_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    let mut other = Other::start(&mut told("hold", &shared));
    let process = other.child.id();
    other.made();
    fs::write(shared.join("precious"), "x").unwrap();
    symlink(&shared, folder.path().join("link")).unwrap();
    for path in [shared.clone(), folder.path().join("link")] {
        let error = take(&path, true).map(drop).unwrap_err();
        assert!(matches!(error, RunpathError::Locked { .. }), "{error}");
        let holder = format!(
            "entity[other] of process {process} ({}) is using it",
            program().display()
        );
        assert!(error.to_string().ends_with(&holder), "{error}");
    }
    assert!(shared.join("precious").exists());
    other.kill();
    let mine = take(&shared, true).unwrap();
    assert!(!shared.join("precious").exists());
    let mut other = Other::start(&mut told("hold", &shared));
    let refused = other.refused();
    assert!(
        refused.contains(&format!("entity[mine] of process {}", std::process::id())),
        "{refused}"
    );
    mine.remove_runpath().unwrap();
    let mut other = Other::start(&mut told("hold", &shared));
    other.made();
    other.end();
}

#[test]
fn processes_share_a_directory_that_neither_empties() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    let mut other = Other::start(&mut told("share", &shared));
    other.made();
    fs::write(shared.join("precious"), "x").unwrap();
    let mine = take(&shared, false).unwrap();
    assert!(matches!(
        mine.remove_runpath().unwrap_err(),
        RunpathError::Locked { .. }
    ));
    assert!(take(&shared, true).is_err());
    assert!(shared.join("precious").exists());
    other.end();
    mine.remove_runpath().unwrap();
    assert!(!shared.exists());
}

#[test]
fn what_another_process_uses_in_a_directory_keeps_it_from_being_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("above");
    take(&above, true).unwrap().release_runpath();
    for task in ["hold", "share"] {
        let mut other = Other::start(&mut told(task, &above.join("in/it")));
        other.made();
        fs::write(above.join("in/it/precious"), "x").unwrap();
        let error = take(&above, true).map(drop).unwrap_err();
        assert!(matches!(error, RunpathError::Locked { .. }), "{error}");
        assert!(error.to_string().contains("entity[other]"), "{error}");
        assert!(above.join("in/it/precious").exists());
        other.end();
        take(&above, true).unwrap();
        assert!(!above.join("in").exists());
    }
}

#[test]
fn a_process_that_moves_to_another_directory_keeps_its_relative_runpath() {
    let folder = tempfile::tempdir().unwrap();
    let tmp = folder.path().canonicalize().unwrap();
    fs::create_dir_all(tmp.join("elsewhere/run")).unwrap();
    fs::write(tmp.join("elsewhere/run/precious"), "x").unwrap();
    let mut other = Other::start(told("move", Path::new("run")).current_dir(&tmp));
    assert_eq!(other.made(), tmp.join("run"));
    other.end();
    assert!(tmp.join("elsewhere/run/precious").exists());
    assert!(tmp.join("run/scratch").exists() && !tmp.join("run/file").exists());
}

/// A program that is in no target directory: its default place is below `tmp`.
struct Stranger {
    folder: tempfile::TempDir,
}

impl Stranger {
    fn new() -> Self {
        // Where programs may be run, and where cargo's mark is not above.
        let folder = tempfile::tempdir().unwrap();
        // Not by this process: another thread may start a program meanwhile, which would have the
        // copy open for writing until it is executed, and so keep it from being executed.
        let copied = Command::new("cp")
            .arg(program())
            .arg(folder.path().join("stranger-0123456789abcdef"))
            .status();
        assert!(copied.unwrap().success());
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp").canonicalize().unwrap()
    }

    fn shared(&self) -> PathBuf {
        let user = fs::metadata(self.tmp()).unwrap().uid();
        self.tmp().join(format!("standin-{user}"))
    }

    fn told(&self, task: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("stranger-0123456789abcdef"));
        command
            .env(TASK, task)
            .env("TMPDIR", self.tmp())
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("NEXTEST_RUN_ID");
        command
    }

    fn runs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.shared().join("stranger"));
        let names = entries.into_iter().flatten();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_default_place_is_below_the_target_directory() {
    let root = default_root().unwrap();
    let target = program()
        .ancestors()
        .filter(|path| path.join("CACHEDIR.TAG").exists())
        .last()
        .unwrap()
        .canonicalize()
        .unwrap();
    assert!(
        root.starts_with(target.join("standin/runpath_processes")),
        "{root:?}"
    );
}

#[test]
fn else_it_is_a_private_directory() {
    let stranger = Stranger::new();
    let mut other = Other::start(&mut stranger.told("hold"));
    let made = other.made();
    assert!(
        made.starts_with(stranger.shared().join("stranger")),
        "{made:?}"
    );
    let mut above = made.parent().unwrap();
    while above != stranger.tmp() {
        let mode = fs::metadata(above).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{above:?}");
        above = above.parent().unwrap();
    }
    other.end();
}

#[test]
fn which_nobody_else_may_have_made() {
    let stranger = Stranger::new();
    let shared = stranger.shared();
    let refused = |reason: &str| {
        let refused = Other::start(&mut stranger.told("hold")).refused();
        assert!(
            refused.contains(&shared.display().to_string()) && refused.contains(reason),
            "{refused}"
        );
    };
    let victim = stranger.folder.path().join("victim");
    fs::create_dir(&victim).unwrap();
    symlink(&victim, &shared).unwrap();
    refused("it is not a directory");
    fs::remove_file(&shared).unwrap();
    symlink("nowhere", &shared).unwrap();
    refused("it is not a directory");
    fs::remove_file(&shared).unwrap();

    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    refused("other users can write to it");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o700)).unwrap();
    // Only root can give something away.
    if std::os::unix::fs::chown(&shared, Some(65534), None).is_ok() {
        refused("it belongs to the user 65534");
    } else {
        println!("not root: that it belongs to somebody else was not tried");
    }
    assert!(fs::read_dir(&victim).unwrap().next().is_none());
}

#[test]
fn of_earlier_runs_the_latest_three_that_left_files_keep_them() {
    let stranger = Stranger::new();
    let mut left = Vec::new();
    for _ in 0..5 {
        let mut other = Other::start(&mut stranger.told("leave"));
        let run = other.made().parent().unwrap().to_owned();
        left.push(run);
        other.end();
    }
    // What was never of a run is nobody's business.
    let program = stranger.shared().join("stranger");
    fs::create_dir(program.join("notes")).unwrap();
    fs::write(program.join("notes/precious"), "x").unwrap();
    let foreign = program.join("20000101T000000-4000000");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("precious"), "x").unwrap();
    // One that was killed and left no files, and one that is running.
    let mut killed = Other::start(&mut stranger.told("hold"));
    let empty = killed.made().parent().unwrap().to_owned();
    killed.kill();
    let mut running = Other::start(&mut stranger.told("leave"));
    let of_running = running.made();

    let mut other = Other::start(&mut stranger.told("hold"));
    let present = other.made();
    let there: Vec<bool> = left.iter().map(|run| run.exists()).collect();
    assert_eq!(there.iter().filter(|there| **there).count(), 3, "{there:?}");
    assert!(!empty.exists());
    assert!(of_running.join("evidence").exists() && present.exists());
    assert!(program.join("notes/precious").exists() && foreign.join("precious").exists());
    other.end();
    running.end();
}

#[test]
fn all_processes_of_one_run_of_nextest_count_as_one() {
    let stranger = Stranger::new();
    let leave = |session: &str| {
        let mut other = Other::start(stranger.told("leave").env("NEXTEST_RUN_ID", session));
        other.made();
        other.end();
    };
    for _ in 0..5 {
        leave("0badcafe-0000-4000-8000-000000000000");
    }
    assert_eq!(stranger.runs().len(), 5);
    for session in ["1", "2", "3"] {
        leave(session);
    }
    assert_eq!(stranger.runs().len(), 8);
    leave("4");
    assert_eq!(stranger.runs().len(), 4, "{:?}", stranger.runs());
}

#[test]
fn nothing_is_left_of_a_run_without_files() {
    let folder = tempfile::tempdir().unwrap();
    let entity = Entity::new("gone").unwrap();
    let root = default_root().unwrap();
    let made = entity.make_runpath_dirs(true).unwrap();
    assert!(made.starts_with(&root));
    let inner = Entity::new("explicit, below the default place").unwrap();
    inner.define_runpath(Some(root.join("x/y"))).unwrap();
    inner.make_runpath_dirs(true).unwrap();
    entity.remove_runpath().unwrap();
    assert!(root.exists(), "somebody else is in it");
    inner.remove_runpath().unwrap();
    fs::remove_dir(root.join("x")).unwrap();
    let again = entity.make_runpath_dirs(true).unwrap();
    assert_eq!(again, made);
    entity.remove_runpath().unwrap();
    assert!(!root.exists());
    drop(folder);
}

/// Runs a script that may mount file systems; `None` if this user may not.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
fn with_mounts(script: &str, folder: &Path, variables: &[(&str, PathBuf)]) -> Option<String> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script]);
        command.current_dir(folder).stdin(Stdio::null());
        command.envs(variables.iter().map(|(name, path)| (name, path)));
        command.output()
    };
    let may = unshare("mount -t tmpfs -o size=16k none .").is_ok_and(|run| run.status.success());
    if !may {
        eprintln!("skipped: this user may not mount a file system");
        return None;
    }
    let run = unshare(script).unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{error}");
    Some(said)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_that_is_in_the_way_later() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = r#"
        run() { ./program --exact acts_as_told --ignored --nocapture; }
        # In no target directory, so that its own directory is on the disk, too.
        cp "$PROGRAM" program
        mount -t tmpfs -o size=16k none disk
        cat /dev/zero > disk/full || true
        run
        echo left: $(ls -A disk)
        (unset STANDIN_TEST_RUNPATH CARGO_MANIFEST_DIR CARGO_TARGET_DIR; run)
        echo left: $(ls -A disk)
        rm disk/full
        run
        cat /dev/zero > disk/full || true
        run
        echo "marker: $(head -n 1 "$STANDIN_TEST_RUNPATH/.standin")"
    "#;
    let variables = [
        ("PROGRAM", program()),
        (TASK, PathBuf::from("share")),
        (RUNPATH, disk.join("run")),
        ("TMPDIR", disk.clone()),
    ];
    let Some(said) = with_mounts(script, folder.path(), &variables) else {
        return;
    };
    let lines = said.lines().filter_map(|line| {
        let kinds = ["refused: ", "made: ", "left: ", "marker: ", "  caused by: "];
        let is_told = kinds.iter().any(|kind| line.starts_with(kind));
        is_told.then(|| line.replace(&disk.display().to_string(), "/disk"))
    });
    let lines: Vec<String> = lines.collect();
    let refused = [
        "refused: entity[other] cannot use the directory `/disk/run`",
        "  caused by: No space left on device (os error 28)",
        "left: full",
    ];
    assert_eq!(lines[..3], refused, "{said}");
    // That of the process.
    assert!(lines[3].starts_with("refused: process "), "{said}");
    assert!(lines[3].contains("`/disk/standin-0/program/"), "{said}");
    let then = [
        "left: full",
        "made: /disk/run",
        "made: /disk/run",
        "marker: Signature: standin-runpath-1",
    ];
    assert_eq!(lines[5..], then, "{said}");
}
