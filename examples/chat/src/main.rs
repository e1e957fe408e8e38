//! A driver of your own, in an environment that is read from a file.
//!
//! Run it with `cargo run -p example-chat`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use example_chat::ChatPeer;
use standin::{Driver, Lifecycle, TcpClient};

fn main() -> standin::Result<()> {
    let env =
        example_chat::types().load(concat!(env!("CARGO_MANIFEST_DIR"), "/environment.toml"))?;
    let host = env.get::<ChatPeer>("host")?;
    let guest = env.get::<TcpClient>("guest")?;
    let _env = env.start()?;

    println!(
        "The options of the host, and where each comes from:\n{}",
        host.base().options().explain()
    );
    println!(
        "What it publishes: {}",
        host.context().names().collect::<Vec<_>>().join(", ")
    );

    guest.send_text("knock knock\n")?;
    let said = host.serve_one(Duration::from_secs(10))?;
    println!("The guest said {said:?}, and heard:");
    for _ in 0..2 {
        println!("  {}", guest.receive_line_text()?);
    }
    Ok(())
}
