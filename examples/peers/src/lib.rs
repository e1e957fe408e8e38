//! Three peers that answer by themselves, each for a client that is not standin's: a mail
//! server, a Redis and a mailbox. Each is a file, `smtp.toml`, `redis.toml` and `pop3.toml`,
//! and again in Rust, in a module of this crate.

pub mod client;
pub mod pop3;
pub mod redis;
pub mod smtp;

use std::path::{Path, PathBuf};

use standin::reply::Replies;
use standin::{Environment, ProcessBuilder, Result, TcpServer};

/// Where a file of this example is.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// An environment with a server that answers by itself.
pub fn environment(server: &str, replies: Replies) -> Result<Environment> {
    let mut env = Environment::new(server);
    env.add(TcpServer::builder(server).replies(replies).build()?)?;
    Ok(env)
}

/// Runs a client in an environment until it has ended, stops everything, and gives what it has
/// printed.
///
/// # Errors
///
/// Returns an error if the client fails, if it does what nobody has expected, or if it does not do
/// what it must.
pub fn run(mut env: Environment, client: ProcessBuilder) -> Result<String> {
    let client = env.add(client.build()?)?;
    env.start()?.run(|_| client::finish(&client))
}
