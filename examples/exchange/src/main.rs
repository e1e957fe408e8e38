//! A server and two clients that find it by its context: messages both ways, a
//! reconnect, a stop, and a summary of what happened.
//!
//! Run it with `cargo run -p example-exchange`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant};

use standin::{Environment, Lifecycle, TcpClient, TcpServer};

const SOON: Duration = Duration::from_secs(10);

fn main() -> standin::Result<()> {
    let mut env = Environment::new("exchange");
    let server = env.add(TcpServer::builder("server").build()?)?;
    let alice = env.add(TcpClient::builder("alice").connect_to("server").build()?)?;
    let bob = env.add(TcpClient::builder("bob").connect_to("server").build()?)?;

    println!(
        "Starting {} drivers, in the order in which they were added:",
        env.len()
    );
    let began = Instant::now();
    let env = env.start()?; // stops everything when dropped
    for (name, status) in env.statuses() {
        println!("  {name:<7} {status}");
    }
    println!("  up after {:.1?}", began.elapsed());

    println!("The clients found the server by its context:");
    for client in [&alice, &bob] {
        println!(
            "  {:<7} connected to {}:{}",
            client.name(),
            text(client.server_host()),
            text(client.server_port())
        );
    }

    let with_alice = server.accept_connection(SOON)?;
    let with_bob = server.accept_connection(SOON)?;

    println!("Messages go both ways:");
    for (client, connection) in [(&alice, &with_alice), (&bob, &with_bob)] {
        let greeting = format!("hello from {}", client.name());
        client.send_text(&greeting)?;
        let heard = connection.receive_exactly_text(greeting.len())?;
        println!("  {:<7} -> server: {heard:?}", client.name());

        let answer = format!(
            "hello {}, you are connection {}",
            client.name(),
            connection.index()
        );
        connection.send_text(&answer)?;
        let heard = client.receive_exactly_text(answer.len())?;
        println!("  server  -> {}: {heard:?}", client.name());
    }

    println!("Alice reconnects:");
    let before = text(alice.local_port());
    alice.connect()?;
    let again = server.accept_connection(SOON)?;
    println!(
        "  from port {} instead of {before}, now connection {}",
        text(alice.local_port()),
        again.index()
    );
    let ended = with_alice.receive_to_end()?.is_empty();
    println!("  her former connection has ended: {ended}");
    alice.send_text("back again")?;
    println!("  alice   -> server: {:?}", again.receive_exactly_text(10)?);

    println!("Who is connected to whom:");
    for line in env.connections().to_string().lines() {
        println!("  {line}");
    }

    env.stop()?;
    println!("Stopped. What happened:");
    print!("{}", env.report());
    Ok(())
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "nowhere".to_owned(), |value| value.to_string())
}
