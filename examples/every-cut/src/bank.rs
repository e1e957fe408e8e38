//! The bank that the client talks to: a stand-in that answers by itself, and remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use standin::reply::{Frame, Otherwise, Replies, reply};
use standin::socket::framing::Lines;

/// What the bank has been told.
#[derive(Clone, Debug, Default)]
pub struct Books {
    inner: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Books {
    /// The payments, by their number. One that comes again is the same payment.
    pub fn payments(&self) -> BTreeMap<String, u64> {
        let books = self.inner.lock();
        books.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn book(&self, number: &str, amount: u64) {
        let mut books = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        books.insert(number.to_owned(), amount);
    }
}

/// The lines of the account's statement.
pub const STATEMENT: [&str; 3] = ["rent 700", "bread 3", "trams 40"];

/// The rate of each currency.
pub fn rate(currency: &str) -> u64 {
    currency.bytes().map(u64::from).sum()
}

/// `PAY number amount` is answered with `PAID number`, `RATE currency` with a number alone, and
/// `STATEMENT` with `LINES n` and so many lines.
pub fn replies(books: &Books) -> Replies {
    let books = books.clone();
    Replies::framed(Lines::new())
        .with(move |frame: &Frame<'_>, _: &mut ()| {
            let text = frame.text();
            let words: Vec<&str> = text.split(' ').collect();
            match words[..] {
                ["PAY", number, amount] => {
                    books.book(number, amount.parse().ok()?);
                    Some(reply(format!("PAID {number}\n")))
                }
                ["RATE", currency] => Some(reply(format!("{}\n", rate(currency)))),
                ["STATEMENT"] => {
                    let lines = STATEMENT.map(|line| format!("{line}\n")).concat();
                    Some(reply(format!("LINES {}\n{lines}", STATEMENT.len())))
                }
                _ => None,
            }
        })
        // Half a line, if the connection breaks there, is not the client's fault.
        .otherwise(Otherwise::Ignore)
}
