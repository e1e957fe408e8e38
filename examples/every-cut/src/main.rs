//! What every cut says of a small client, with ten bugs in turn.
//!
//! Run it with `cargo run -p example-every-cut`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use example_every_cut::client::Bug;
use example_every_cut::every_cut;

fn main() -> standin::Result<()> {
    let report = every_cut(None)?;
    println!("The right client:\n{report}");
    report.check()?;
    for bug in Bug::ALL {
        let report = every_cut(Some(bug))?;
        let smallest = report.failures().next();
        let smallest = smallest
            .ok_or_else(|| standin::Error::msg(format!("{bug:?} is not found:\n{report}")))?;
        println!("{bug:?}: {}", smallest.cut);
    }
    Ok(())
}
