//! Peers that answer by themselves, from files and in Rust, and real clients that talk to them.
//!
//! Run it with `cargo run -p example-peers`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use example_peers::client::{has, python, redis_cli};
use example_peers::{environment, file, pop3, redis, run, smtp};
use standin::Environment;

fn main() -> standin::Result<()> {
    if has("python3") {
        println!("Python's smtplib delivers a mail to smtp.toml:");
        let env = Environment::from_file(file("smtp.toml"))?;
        print(&run(env, python("send_mail.py", "smtp"))?);

        println!("And to the server in Rust, which gives it to the test:");
        let (server, mails) = smtp::server();
        run(environment("smtp", server)?, python("send_mail.py", "smtp"))?;
        for mail in mails.try_iter() {
            println!("  from {} to {}:", mail.sender, mail.recipients.join(", "));
            print(&mail.lines.join("\n"));
        }

        println!("Python's poplib reads the mailbox of pop3.toml:");
        let env = Environment::from_file(file("pop3.toml"))?;
        print(&run(env, python("read_mail.py", "pop3"))?);

        println!("And the one in Rust:");
        let server = pop3::server("secret", "Subject: Dinner\r\n\r\nAt eight?\r\n");
        print(&run(
            environment("pop3", server)?,
            python("read_mail.py", "pop3"),
        )?);
    } else {
        println!("There is no python3 here, which brings the clients of the mail servers.");
    }

    if has("redis-cli") {
        let commands = "PING\nGET colour\nSET colour green\nGET colour\n";
        println!("redis-cli talks to redis.toml:");
        let env = Environment::from_file(file("redis.toml"))?;
        print(&run(env, redis_cli(commands, "redis"))?);

        println!("And to the server in Rust, which keeps what it is given:");
        let env = environment("redis", redis::server())?;
        print(&run(
            env,
            redis_cli("PING\nSET colour blue\nGET colour\n", "redis"),
        )?);
    } else {
        println!("There is no redis-cli here (Debian: apt-get install redis-tools).");
    }
    Ok(())
}

fn print(text: &str) {
    for line in text.lines() {
        println!("  {line}");
    }
}
