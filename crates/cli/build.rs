//! How the program is linked that is built for size, as by the profile `dist`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_linux = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is("OPT_LEVEL", "z") && is_linux {
        // At a fixed address nothing is to be relocated: half a megabyte less to have and to read.
        println!("cargo::rustc-link-arg-bin=standin=-no-pie");
    }
}
