//! All ten planted bugs are found, and the right client has none.

use example_every_cut::client::Bug;
use example_every_cut::every_cut;

#[test]
fn the_right_client_passes_every_cut() -> standin::Result<()> {
    every_cut(None)?.check()?;
    Ok(())
}

#[test]
fn all_ten_planted_bugs_are_found() -> standin::Result<()> {
    let mut found = Vec::new();
    for bug in Bug::ALL {
        let report = every_cut(Some(bug))?;
        match report.failures().next() {
            Some(smallest) => found.push(format!("{bug:?}: {}", smallest.cut)),
            None => panic!("{bug:?} is not found:\n{report}"),
        }
    }
    assert_eq!(found.len(), 10, "{found:#?}");
    Ok(())
}

#[test]
fn the_files_for_other_programs_are_right() -> standin::Result<()> {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
    for file in ["http.toml", "redis.toml"] {
        let env = standin::Environment::from_file(files.join(file))?.start()?;
        env.get::<standin::TcpProxy>("wan")?;
        env.stop()?;
    }
    Ok(())
}
