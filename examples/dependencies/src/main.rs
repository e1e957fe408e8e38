//! An environment whose drivers depend on each other: they start as soon as they
//! can, several at once. Then one of them fails, and the error and the report
//! tell who, why, and who was waiting for it.
//!
//! Run it with `cargo run -p example-dependencies`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use standin::{Driver, Environment, Error, TcpClient, TcpServer, context};

/// What was started, in order.
type Started = Arc<Mutex<Vec<String>>>;

fn main() -> standin::Result<()> {
    println!("All goes well:");
    let started = Started::default();
    let env = shop(&started, None)?.start()?;
    for name in &*names(&started) {
        println!("  started {name}");
    }
    println!("Who is connected to whom:");
    for line in env.connections().to_string().lines() {
        println!("  {line}");
    }
    env.stop()?;
    println!("Stopped. What happened:");
    print!("{}", env.report());
    drop(env);

    println!();
    println!("The database has no disk:");
    let started = Started::default();
    let env = shop(&started, Some("database"))?;
    // A start takes the environment; its report stays with the entity.
    let entity = env.entity().clone();
    let Err(error) = env.start() else {
        return Err(Error::msg("the start succeeds without a database"));
    };
    for name in &*names(&started) {
        println!("  started {name}");
    }
    // What a test that returns it would show.
    println!("The error:");
    println!("{:?}", Error::from(error));
    println!("What happened:");
    print!("{}", entity.report());

    // The files are kept for who wants to know more. Here nobody does.
    entity.remove_runpath()?;
    Ok(())
}

/// A shop that needs a database and a queue, and two customers who need the shop.
fn shop(started: &Started, broken: Option<&'static str>) -> standin::Result<Environment> {
    let hook = |name: &'static str| {
        let started = started.clone();
        move |_: &dyn Driver| {
            if broken == Some(name) {
                return Err(Error::msg(format!("no space left for the {name}")));
            }
            names(&started).push(name.to_owned());
            Ok(())
        }
    };
    let mut env = Environment::builder("shop")
        .timeout(Duration::from_secs(10))
        .build()?;
    let server = |name: &'static str| TcpServer::builder(name).post_start(hook(name)).build();
    // Added in no particular order: the dependencies say what must be first.
    let shop = env.add(server("shop")?)?;
    let database = env.add(server("database")?)?;
    let queue = env.add(server("queue")?)?;
    env.add_dependency((&database, &queue), &shop)?;
    for name in ["alice", "bob"] {
        // A driver that reads the context of the shop starts after it, undeclared.
        let customer = TcpClient::builder(name)
            .host(context("shop", "{{ host }}"))
            .port(context("shop", "{{ port }}"))
            .post_start(hook(name));
        env.add(customer.build()?)?;
    }
    Ok(env)
}

fn names(started: &Started) -> MutexGuard<'_, Vec<String>> {
    started.lock().unwrap_or_else(PoisonError::into_inner)
}
