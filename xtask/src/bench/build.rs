//! What the first build of a project takes that tests with standin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::measure::median;
use super::{Figure, Outcome};
use crate::workspace::{root, target_folder};

/// How often each is built.
const ROUNDS: usize = 2;

/// The unit of times in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A package with one dependency, and where it is built.
struct Project {
    folder: PathBuf,
}

/// The facade with its default features next to wiremock: both from scratch, offline, in turn.
pub(super) fn build() -> Outcome<Figure> {
    let base = target_folder().join("bench-build");
    let facade = root().join("crates/standin");
    let ours = format!("standin = {{ path = {:?} }}", facade.to_string_lossy());
    let ours = Project::new(&base.join("standin"), &ours)?;
    fs::copy(root().join("Cargo.lock"), ours.folder.join("Cargo.lock"))?;
    let plain = Project::new(&base.join("wiremock"), "wiremock = \"0.6\"")?;
    for project in [&ours, &plain] {
        project.cargo("fetch")?;
    }
    let (mut times, mut processor) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..ROUNDS {
        for (who, project) in [&ours, &plain].into_iter().enumerate() {
            let (took, used) = project.build()?;
            times[who].push(took);
            processor[who].extend(used);
        }
    }
    let [ours, plain] = times.map(median);
    let [ours_used, plain_used] = processor;
    let ratio = |ours: Vec<f64>, plain: Vec<f64>| median(ours) / median(plain);
    let used = (!ours_used.is_empty()).then(|| ratio(ours_used, plain_used));
    Ok(Figure::compared("build", ours, plain, "s").with_other("ratio of processor time", used))
}

impl Project {
    /// Makes the package, a workspace of its own.
    fn new(folder: &Path, dependency: &str) -> Outcome<Self> {
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/lib.rs"), "")?;
        let manifest = format!(
            "[package]\nname = \"bench-build\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Builds everything again: seconds by the clock and, where the system counts them, of all
    /// processors.
    fn build(&self) -> Outcome<(f64, Option<f64>)> {
        let target = self.folder.join("target");
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let used = processor_seconds();
        let began = Instant::now();
        self.cargo("build --offline --quiet")?;
        let took = began.elapsed().as_secs_f64();
        let used = used
            .zip(processor_seconds())
            .map(|(before, after)| after - before);
        fs::remove_dir_all(&target)?;
        Ok((took, used))
    }

    fn cargo(&self, arguments: &str) -> Outcome<()> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(program)
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            // What comes from a registry is built without; ours has to be, too.
            .env("CARGO_INCREMENTAL", "0")
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("`cargo {arguments}` in {}: {said}", self.folder.display()).into())
    }
}

/// What all ended children of this process, and theirs, have used: `cutime` and `cstime` of
/// `/proc/self/stat`.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold anything but ends at the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((next()? + next()?) as f64 / TICKS_PER_SECOND)
}
