//! The process between a test and its program. Linux only.
//!
//! A program's descendants can leave their group, their session and their parent, and drop
//! everything that they inherited. What they cannot leave is a *child subreaper* above them: a
//! process that loses its parent becomes the subreaper's child. So between the test and the program
//! stands a process that is one. It
//!
//! 1. is forked from the test and never becomes another program, so that it needs
//!    nothing to be installed;
//! 2. closes all descriptors of the test but its end of a stream, blocks all
//!    signals, and leads a group of its own, so that neither Ctrl-C nor a signal to the
//!    test's group ends it;
//! 3. starts the program, and reports its number, with the end of a pipe in which the process that
//!    becomes the program reports why it cannot;
//! 4. reaps what falls to it, except for the program itself, whose number (also
//!    that of its group) must not become another's while the test may use it; and
//!    reports the end of the program and the end of the last one below it;
//! 5. when the stream ends, because the test requests that or because the test is gone: kills its
//!    children and reaps them until there is none. When one dies, its children become the
//!    supervisor's before that is seen, so this reaches all of them, and no others: the process ids
//!    in the list of its children are not reused before the supervisor reaps them.
//!
//! # Why `unsafe`, and what it must keep to
//!
//! Only `fork` makes such a process, and after it there is a copy of the test with
//! one thread, in which any lock may be held by a thread that is not there. Until
//! its end that process therefore calls the system and nothing else: no
//! allocation, no lock, no panic. What it needs is laid out before the fork in an
//! [`Image`]. `rustix` makes system calls without a detour through the C library;
//! `libc` is used for what it does not have, all of it async-signal-safe.

#![allow(
    unsafe_code,
    reason = "the one file with `unsafe`: see the module's documentation"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::process::{getpid, getppid, kill_process, pidfd_open, setpgid};

use super::children::{each_child, look};
use super::message::{Message, Stage};
use crate::Exit;

/// What to run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: CString,
    pub(super) arguments: Vec<CString>,
    /// `NAME=value`, all of them, with a NUL behind each. They are in one place, because after the
    /// fork the system copies every page in which the test frees something.
    pub(super) variables: Vec<u8>,
    pub(super) directory: Option<CString>,
    /// What becomes its descriptors 0, 1, 2, 3, ...
    pub(super) files: Vec<OwnedFd>,
    /// The process group that it joins; `None` for one of its own.
    pub(super) group: Option<Pid>,
    /// In its group it waits for the end of this pipe.
    pub(super) hold: Option<OwnedFd>,
}

/// Everything that is needed after the fork, in the form in which the system
/// takes it.
struct Image<'a> {
    program: &'a Program,
    arguments: Vec<*const c_char>,
    /// For a script that does not say who interprets it.
    for_shell: Vec<*const c_char>,
    variables: Vec<*const c_char>,
    /// The descriptors that are needed, in ascending order.
    keep: Vec<RawFd>,
    /// A place for copies of the program's files.
    copies: Vec<RawFd>,
    /// For the process that becomes the program: see [`spawn`].
    stack: Vec<MaybeUninit<Aligned>>,
    /// Where that process reports.
    reports: RawFd,
    supervisor: Option<Pid>,
}

/// A piece of a stack, aligned as every platform wants it.
#[repr(align(16))]
struct Aligned {
    _bytes: [u8; 16],
}

/// Far more than the calls of [`run`] need.
const STACK_SIZE: usize = 64 * 1024;

const SHELL: &CStr = c"/bin/sh";

impl<'a> Image<'a> {
    fn new(program: &'a Program, control: RawFd) -> Self {
        let arguments = program.arguments.iter().map(|text| text.as_ptr());
        let arguments: Vec<_> = arguments.chain([ptr::null()]).collect();
        let variables = program.variables.split_inclusive(|byte| *byte == 0);
        let variables = variables.map(|text| text.as_ptr().cast());
        let mut for_shell = vec![SHELL.as_ptr(), program.path.as_ptr()];
        for_shell.extend(arguments.iter().skip(1));
        let files = program.files.iter().map(|file| file.as_raw_fd());
        let hold = program.hold.iter().map(|hold| hold.as_raw_fd());
        let mut keep: Vec<RawFd> = files.chain([control]).chain(hold).collect();
        keep.sort_unstable();
        Self {
            program,
            arguments,
            for_shell,
            variables: variables.chain([ptr::null()]).collect(),
            keep,
            copies: vec![-1; program.files.len()],
            stack: uninit_stack(),
            reports: -1,
            supervisor: None,
        }
    }
}

fn uninit_stack() -> Vec<MaybeUninit<Aligned>> {
    let count = STACK_SIZE / size_of::<Aligned>();
    let mut stack = Vec::with_capacity(count);
    stack.resize_with(count, MaybeUninit::uninit);
    stack
}

/// Makes a supervisor that starts the program. It reports through `control`, and
/// ends when the other end of that is shut down or closed.
pub(super) fn fork(program: Program, control: BorrowedFd<'_>) -> io::Result<Pid> {
    let mut image = Image::new(&program, control.as_raw_fd());
    let test = getpid();
    // No handler of the test may run in the supervisor.
    let before = set_mask(every_signal());
    // SAFETY: the child only calls `supervise`, which keeps to the rules above.
    let forked = unsafe { fork_bare() };
    if let Ok(None) = forked {
        // SAFETY: this is the child, and `control` is open in it.
        unsafe { supervise(&mut image, control.as_raw_fd(), test) }
    }
    set_mask(before);
    Ok(forked?.ok_or(Errno::SRCH)?)
}

/// Forks without the C library's `fork`, which takes its locks before and mends it afterwards, and
/// runs what others have registered for that in both processes. Nothing of it is used in the child,
/// for which this is `None`.
///
/// # Safety
///
/// The child may do only what the documentation of this module says.
unsafe fn fork_bare() -> Result<Option<Pid>, Errno> {
    let none: libc::c_long = 0;
    let flags = libc::c_long::from(libc::SIGCHLD);
    // Without a stack of its own, the child goes on with a copy of this one. The order of these
    // depends on the architecture.
    let (first, second) = match cfg!(target_arch = "s390x") {
        true => (none, flags),
        false => (flags, none),
    };
    // SAFETY: without `CLONE_VM` the child has its own memory, and the pointers are null.
    let forked = unsafe { libc::syscall(libc::SYS_clone, first, second, none, none, none) };
    Ok(Pid::from_raw(checked(forked as c_int)?))
}

/// The life of a supervisor. `extern "C"`, so that a panic, which there must not
/// be, ends the process instead of leaving this function.
///
/// # Safety
///
/// To be called in a forked process that has one thread and that does nothing
/// else: it closes descriptors that others own. `control` must be open.
unsafe extern "C" fn supervise(image: &mut Image<'_>, control: RawFd, test: Pid) -> ! {
    // SAFETY: nothing in this process uses them; `control` is among those kept.
    let control = unsafe {
        close_from(0, &image.keep);
        OwnedFd::from_raw_fd(control)
    };
    // SAFETY: as required of the caller.
    match unsafe { start(image, &control) } {
        Ok((leader, changes)) => {
            let mut below = Below {
                leader,
                changes,
                has_exited: false,
                is_alone: false,
            };
            below.watch(&control, test);
            below.end(&control);
        }
        Err(errno) => report(&control, Message::Failed(Stage::Supervisor, errno)),
    }
    exit(0)
}

fn exit(code: c_int) -> ! {
    // SAFETY: it ends the process and runs nothing of the test's.
    unsafe { libc::_exit(code) }
}

/// It is no longer read when the test is gone.
fn report(to: impl AsFd, message: Message) {
    let _ = rustix::io::write(to, &message.encode());
}

/// Reports which process becomes the program, with the pipe in which that reports.
fn hand_over(control: &OwnedFd, leader: Pid, pipe: &OwnedFd) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let pipe = [pipe.as_fd()];
    if !attached.push(SendAncillaryMessage::ScmRights(&pipe)) {
        return Err(Errno::NOBUFS);
    }
    let message = Message::Starting(leader.as_raw_pid()).encode();
    let message = [IoSlice::new(&message)];
    sendmsg(control, &message, &mut attached, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Starts the program. Returns its number, and a descriptor that can be read when a child has
/// ended.
///
/// # Safety
///
/// As [`supervise`].
unsafe fn start(image: &mut Image<'_>, control: &OwnedFd) -> Result<(Pid, OwnedFd), Errno> {
    // Ignored by the program that started the test, it would have the system forget how
    // children ended.
    set_default(libc::SIGCHLD);
    setpgid(None, None)?;
    image.supervisor = Some(getpid());
    rustix::process::set_child_subreaper(image.supervisor)?;
    let changes = signals_of(libc::SIGCHLD)?;
    let (reports, reporter) = pipe_with(PipeFlags::CLOEXEC)?;
    image.reports = reporter.as_raw_fd();
    // SAFETY: as required of the caller.
    let leader = unsafe { spawn(image) }?;
    // Now only that process can write to the pipe: it ends when that is the program or has ended.
    drop(reporter);
    if let Err(errno) = hand_over(control, leader, &reports) {
        // Upon which the test has everything ended.
        report(control, Message::Failed(Stage::Supervisor, errno));
    }
    wait_for_end(&reports);
    drop(reports);
    let mut keep = [control.as_raw_fd(), changes.as_raw_fd()];
    keep.sort_unstable();
    // SAFETY: the files of the program are its own now, and not used here.
    unsafe { close_from(0, &keep) };
    // What the program need not wait for.
    // SAFETY: it reads the name, up to its null.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"standin-child".as_ptr()) };
    // So that it keeps no directory in use.
    let _ = rustix::process::chdir(c"/");
    Ok((leader, changes))
}

/// Returns when nobody can write to the pipe any longer.
fn wait_for_end(pipe: &OwnedFd) {
    let mut fds = [PollFd::new(pipe, PollFlags::empty())];
    while poll(&mut fds, None) == Err(Errno::INTR) {}
}

/// Starts the process that becomes the program. It uses this one's memory, on a stack of its own,
/// which costs no copy.
///
/// With `CLONE_VFORK` this process would stand still meanwhile, and then go on when a processor is
/// free, which the program may keep busy for milliseconds. So the test does not wait for this
/// process, but for the end of the pipe.
///
/// # Safety
///
/// As [`supervise`]. Until the end of the pipe this process may not use the C library: both have
/// the same variable for its errors.
unsafe fn spawn(image: &mut Image<'_>) -> Result<Pid, Errno> {
    // Its descriptors, signal handlers and directory are copies.
    let flags = libc::CLONE_VM | libc::SIGCHLD;
    let top = image.stack.as_mut_ptr_range().end;
    let image: *mut Image<'_> = image;
    // SAFETY: the stack grows down from its end, and nothing else uses it or the image from now on.
    let pid = checked(unsafe { libc::clone(become_program, top.cast(), flags, image.cast()) })?;
    Pid::from_raw(pid).ok_or(Errno::SRCH)
}

/// The life of the program until it is one.
extern "C" fn become_program(image: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes an image, which only this process uses.
    let image = unsafe { &mut *image.cast::<Image<'_>>() };
    // SAFETY: this process has one thread and does nothing else.
    let Err((stage, errno)) = unsafe { run(image) };
    // SAFETY: it is open, wherever `place_files` has put it.
    let reports = unsafe { BorrowedFd::borrow_raw(image.reports) };
    report(reports, Message::Failed(stage, errno));
    127
}

/// Returns only if the program cannot be run.
///
/// # Safety
///
/// To be called in a process that has one thread and descriptors of its own, and
/// that does nothing else.
unsafe fn run(image: &mut Image<'_>) -> Result<std::convert::Infallible, (Stage, Errno)> {
    setpgid(None, image.program.group).map_err(|errno| (Stage::Supervisor, errno))?;
    // If the supervisor is killed, at least the program goes with it.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if getppid() != image.supervisor {
        exit(127);
    }
    if let Some(hold) = &image.program.hold {
        // Signals wait meanwhile, each at most once.
        // SAFETY: it is open.
        report(
            unsafe { BorrowedFd::borrow_raw(image.reports) },
            Message::Joined,
        );
        while rustix::io::read(hold, &mut [0_u8; 1]) == Err(Errno::INTR) {}
    }
    // Those that cannot be set are left out.
    for signal in (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        set_default(signal);
    }
    if let Some(directory) = &image.program.directory {
        rustix::process::chdir(directory.as_c_str()).map_err(|errno| (Stage::Directory, errno))?;
    }
    // SAFETY: as required of the caller.
    unsafe { place_files(image) }.map_err(|errno| (Stage::Descriptors, errno))?;
    set_mask(no_signal());
    // SAFETY: the pointers are to texts that end in NUL, and the lists end in null.
    unsafe {
        let variables = image.variables.as_ptr();
        libc::execve(
            image.program.path.as_ptr(),
            image.arguments.as_ptr(),
            variables,
        );
        // As a shell does it, and `std::process::Command`.
        if last_errno() == Errno::NOEXEC {
            libc::execve(SHELL.as_ptr(), image.for_shell.as_ptr(), variables);
        }
    }
    Err((Stage::Program, last_errno()))
}

/// Puts the files of the program in their places, and closes all others but that for reports.
///
/// # Safety
///
/// As [`run`].
unsafe fn place_files(image: &mut Image<'_>) -> Result<(), Errno> {
    let behind = image.copies.len() as RawFd;
    // First out of the way: each may be where another has to go.
    for (copy, file) in image.copies.iter_mut().zip(&image.program.files) {
        *copy = fcntl_dupfd_cloexec(file, behind)?.into_raw_fd();
    }
    // SAFETY: it is open.
    let reports = unsafe { BorrowedFd::borrow_raw(image.reports) };
    image.reports = fcntl_dupfd_cloexec(reports, behind)?.into_raw_fd();
    for (place, copy) in (0_i32..).zip(&image.copies) {
        let (copy, place) = (libc::c_long::from(*copy), libc::c_long::from(place));
        let flags: libc::c_long = 0;
        // SAFETY: what was in that place is no longer used.
        let placed = unsafe { libc::syscall(libc::SYS_dup3, copy, place, flags) };
        checked(placed as c_int)?;
    }
    // SAFETY: none of them is used any longer.
    unsafe { close_from(behind, &[image.reports]) };
    Ok(())
}

/// The children of a supervisor.
struct Below {
    leader: Pid,
    /// Can be read when a child has ended.
    changes: OwnedFd,
    /// Whether the end of the leader was reported.
    has_exited: bool,
    /// Whether it was reported that there is nothing but the leader.
    is_alone: bool,
}

impl Below {
    /// Returns when all shall end.
    fn watch(&mut self, control: &OwnedFd, test: Pid) {
        // A copy of the other end may be in a process that the test has forked.
        let end_of_test = pidfd_open(test, rustix::process::PidfdFlags::empty());
        if getppid() != Some(test) {
            return;
        }
        let end_of_test = end_of_test.ok();
        loop {
            self.collect(control);
            // Without a descriptor for the end of the test, the stream is polled twice.
            let end_of_test = end_of_test.as_ref().unwrap_or(control);
            let mut fds = [
                PollFd::new(control, PollFlags::IN),
                PollFd::new(end_of_test, PollFlags::IN),
                PollFd::new(&self.changes, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                // Without knowing when to end it would stay forever.
                Err(_) => return,
            }
            let [control, end_of_test, changes] = fds.map(|fd| !fd.revents().is_empty());
            if control || end_of_test {
                return;
            }
            if changes {
                self.take_changes();
            }
        }
    }

    fn take_changes(&self) {
        let mut buffer = [0; 1024];
        while rustix::io::read(&self.changes, &mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// Reaps those that have ended, but not the leader, and reports what is new.
    fn collect(&mut self, control: &OwnedFd) {
        let Some((exit, alone)) = look(self.leader) else {
            return;
        };
        if !self.has_exited {
            self.has_exited = true;
            report(control, Message::Exited { exit, alone });
        } else if alone && !self.is_alone {
            report(control, Message::Alone);
        }
        self.is_alone |= alone;
    }

    /// Ends everything, and returns when there is nothing left.
    fn end(&mut self, control: &OwnedFd) {
        const INTERVAL: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        // A process that the system holds up, or that may not be killed because it
        // changed its user, is waited for no longer than half a minute.
        let mut patience = 300;
        let mut is_leader_reaped = false;
        while patience > 0 {
            let is_known = each_child(|child| {
                let _ = kill_process(child, Signal::KILL);
            });
            if !is_known && !is_leader_reaped {
                // Its number, and so that of its group, is still its own.
                let _ = rustix::process::kill_process_group(self.leader, Signal::KILL);
            }
            let mut reaped = false;
            loop {
                match rustix::process::wait(WaitOptions::NOHANG) {
                    Ok(Some((child, status))) => {
                        reaped = true;
                        is_leader_reaped |= child == self.leader;
                        if is_leader_reaped && !self.has_exited {
                            self.has_exited = true;
                            let exit = Exit::of(status.terminating_signal(), status.exit_status());
                            report(control, Message::Exited { exit, alone: false });
                        }
                    }
                    Ok(None) => break,
                    Err(Errno::INTR) => {}
                    // There is none left.
                    Err(_) => return,
                }
            }
            if reaped {
                continue;
            }
            let mut fds = [PollFd::new(&self.changes, PollFlags::IN)];
            // What was left without a parent by a process that is not a child of this
            // process does not show: so it looks again from time to time.
            if poll(&mut fds, Some(&INTERVAL)).is_ok_and(|ready| ready > 0) {
                self.take_changes();
            } else {
                patience -= 1;
            }
        }
    }
}

fn last_errno() -> Errno {
    // Only reads a variable of the C library.
    let number = io::Error::last_os_error().raw_os_error();
    number.map_or(Errno::IO, Errno::from_raw_os_error)
}

fn checked(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(result)
    }
}

fn set_default(signal: c_int) {
    // Not with the C library, which refuses the signals that it uses itself: the program
    // that started the test may have ignored them anyway. In all of the system's
    // structures zeros are the default action, without flags and mask.
    let default = [0_u64; 8];
    let before: *mut u64 = ptr::null_mut();
    // SAFETY: it is larger than the structure, and no function of this process is
    // made a handler.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            default.as_ptr(),
            before,
            8_usize,
        )
    };
}

fn every_signal() -> libc::sigset_t {
    // SAFETY: it is initialised by `sigfillset`.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&mut set);
        set
    }
}

fn no_signal() -> libc::sigset_t {
    // SAFETY: it is initialised by `sigemptyset`.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

/// Sets the signals that this thread blocks, and returns those that it blocked.
fn set_mask(set: libc::sigset_t) -> libc::sigset_t {
    let mut before = no_signal();
    // SAFETY: both are sets of signals. It cannot fail with these arguments.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set, &mut before) };
    before
}

/// A descriptor that can be read when the signal comes, which must be blocked.
fn signals_of(signal: c_int) -> Result<OwnedFd, Errno> {
    let mut set = no_signal();
    // SAFETY: the set is valid, and the descriptor is new and nobody else's.
    unsafe {
        libc::sigaddset(&mut set, signal);
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        checked(libc::signalfd(-1, &set, flags)).map(|fd| OwnedFd::from_raw_fd(fd))
    }
}

/// # Safety
///
/// Nothing in this process may use a descriptor from `first` on that is not among `keep`, which
/// must be in ascending order.
unsafe fn close_from(mut first: RawFd, keep: &[RawFd]) {
    for fd in keep {
        if *fd > first {
            // SAFETY: as required of the caller.
            unsafe { close_range(first, *fd - 1) };
        }
        first = *fd + 1;
    }
    // SAFETY: as required of the caller.
    unsafe { close_range(first, RawFd::MAX) };
}

/// # Safety
///
/// Nothing in this process may use a descriptor of the range.
unsafe fn close_range(first: RawFd, last: RawFd) {
    // SAFETY: as required of the caller.
    let closed = unsafe {
        let none: libc::c_long = 0;
        let (first, last) = (libc::c_long::from(first), libc::c_long::from(last));
        libc::syscall(libc::SYS_close_range, first, last, none)
    };
    if closed == 0 {
        return;
    }
    // Before Linux 5.9: one by one, as far as descriptors may go. A limit beyond a
    // million would take too long for what nobody has open.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX).min(1 << 20) as RawFd;
    for fd in first..=last.min(limit) {
        // SAFETY: as required of the caller.
        unsafe { libc::close(fd) };
    }
}
