use std::io;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

pub(crate) fn signal(pid: u32, signal: i32) -> io::Result<()> {
    send(pid, signal, kill_process)
}

pub(crate) fn signal_group(pid: u32, signal: i32) -> io::Result<()> {
    send(pid, signal, kill_process_group)
}

fn send(
    pid: u32,
    signal: i32,
    send: impl FnOnce(Pid, Signal) -> rustix::io::Result<()>,
) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(send(pid, signal)?)
}
