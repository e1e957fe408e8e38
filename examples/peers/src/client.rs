//! The clients: programs under test, which are drivers of the environment, too.

use std::time::Duration;

use standin::child::find_program;
use standin::process::{Exit, Stdin};
use standin::{Error, Lifecycle, Process, ProcessBuilder, Result};

/// How long a client may take: a bound for a hang.
pub const SOON: Duration = Duration::from_secs(30);

/// Whether there is such a program here.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_program(program, std::env::split_paths(&path)).is_ok()
}

/// A client called `client`: a script in Python from the folder `clients`, which learns where the
/// server of that name is.
pub fn python(script: &str, server: &str) -> ProcessBuilder {
    let script = crate::file("clients").join(script);
    let [host, port] = address(server);
    client("python3").args([script.display().to_string(), host, port])
}

/// A client called `client`: redis-cli, which does these commands with the server of that name.
pub fn redis_cli(commands: &str, server: &str) -> ProcessBuilder {
    let [host, port] = address(server);
    client("redis-cli")
        .args(["-h".to_owned(), host, "-p".to_owned(), port])
        .stdin(Stdin::Text(commands.into()))
}

/// Waits for the end of a client, and gives what it has printed.
///
/// # Errors
///
/// Returns an error if it does not end in time, the test has failed elsewhere meanwhile, or it has
/// ended with an error of its own, which is shown.
pub fn finish(client: &Process) -> Result<String> {
    let exit = client.wait_for_exit(SOON)?;
    let read = |name| -> Result<String> {
        let path = client.context().text(name);
        let path = path.ok_or_else(|| Error::msg(format!("it has no {name}")))?;
        Ok(std::fs::read_to_string(path)?)
    };
    if exit != Exit::Code(0) {
        let said = read("errpath")?;
        return Err(Error::msg(format!("the client ended with {exit}:\n{said}")));
    }
    read("outpath")
}

fn client(program: &str) -> ProcessBuilder {
    Process::builder("client").binary(program)
}

/// Templates over what the server publishes.
fn address(server: &str) -> [String; 2] {
    ["host", "port"].map(|what| format!("{{{{ context[\"{server}\"].{what} }}}}"))
}
