//! The life of a resource as its users meet it: failures, threads, aborts.

mod abort;
mod pause;
mod report;
mod script;
mod start;
mod stop;
mod threads;
mod wait;
