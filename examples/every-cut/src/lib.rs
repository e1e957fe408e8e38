//! A client with ten planted bugs, and what every cut says of it.

pub mod bank;
pub mod client;

use std::time::Duration;

use standin::proxy::{CutReport, EveryCut, FaultKind, Trial};
use standin::socket::framing::Lines;
use standin::{Environment, Error, Result, TcpProxy, TcpServer};

use bank::{Books, STATEMENT, rate};
use client::{Bug, Client};

/// How long a run may take: several times what the client gives itself.
const RUN_LIMIT: Duration = Duration::from_secs(6);

/// How often the client may connect, with one connection that breaks, and some that a busy machine
/// is too slow for.
const MOST_CONNECTIONS: usize = 6;

/// Every cut of all that the client does, by four faults, before each frame and in it.
///
/// # Errors
///
/// Returns an error if the client does not get along with a good network.
pub fn every_cut(bug: Option<Bug>) -> Result<CutReport> {
    // One is enough to know that there is a bug; where there is none, all have to be tried.
    let every_cut = EveryCut::new()
        .most_failures(1)
        .framed(Lines::new())
        .inside_frames(true)
        .kinds([
            FaultKind::Reset,
            FaultKind::Close,
            FaultKind::HalfClose,
            FaultKind::Silence,
        ])
        .run_limit(RUN_LIMIT)
        .seed(1);
    Ok(every_cut.run(move |trial| test(trial, bug))?)
}

/// The test itself: an environment with the bank, and a bad network between it and the client.
fn test(trial: &Trial, bug: Option<Bug>) -> Result<()> {
    let books = Books::default();
    let mut env = Environment::new("bank");
    let bank = TcpServer::builder("bank").replies(bank::replies(&books));
    env.add(bank.build()?)?;
    let wan = env.add(TcpProxy::builder("wan").to_driver("bank").build()?)?;
    trial.watch(&wan)?;
    let env = env.start()?;
    let mut client = Client::new(wan.port().unwrap_or_default(), bug);

    // What a client says of itself has to be true, whatever the network does.
    let outcome = (|| -> std::io::Result<()> {
        client.pay(5)?;
        client.pay_all(&[10, 20, 30])?;
        check(
            client.rates(&["EUR", "USD", "GBP"])? == ["EUR", "USD", "GBP"].map(rate),
            "rates",
        )?;
        check(client.statement()? == STATEMENT, "the statement")
    })();
    let payments = books.payments();
    let mut amounts: Vec<u64> = payments.into_values().collect();
    amounts.sort_unstable();
    match outcome {
        // One connection breaks, and there is a way to continue: nothing has to fail.
        Ok(()) => assert_eq!(amounts, [5, 10, 20, 30], "the payments"),
        Err(error) => return Err(Error::other(error)),
    }
    assert!(
        wan.accepted() <= MOST_CONNECTIONS,
        "{} connections",
        wan.accepted()
    );
    wan.heal();
    wan.wait_until_open(1, RUN_LIMIT / 2)?;
    env.stop()?;
    Ok(())
}

fn check(is_right: bool, what: &str) -> std::io::Result<()> {
    match is_right {
        true => Ok(()),
        false => Err(std::io::Error::other(format!("{what} are not right"))),
    }
}
