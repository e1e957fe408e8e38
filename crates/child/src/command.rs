use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::program::find_program;
use crate::stdin::Input;
use crate::sys::Prepared;
use crate::{Child, SpawnError};

/// A program to start, with all that it gets. The counterpart of
/// [`std::process::Command`] for a [`Child`].
///
/// The program only gets what is set here: it inherits the environment variables and the directory,
/// but no descriptor, no ignored signal and no signal mask, and its standard streams are empty.
///
/// ```
/// use standin_child::{Command, Exit};
///
/// let child = Command::new("sh").args(["-c", "exit $CODE"]).env("CODE", "7").spawn()?;
/// assert_eq!(child.wait(None), Some(Exit::Code(7)));
/// # Ok::<(), standin_child::SpawnError>(())
/// ```
#[derive(Debug)]
pub struct Command {
    program: OsString,
    /// The first argument: what the program is called, by default as here.
    name: Option<OsString>,
    arguments: Vec<OsString>,
    is_environment_cleared: bool,
    /// `None` for one that is removed.
    variables: BTreeMap<OsString, Option<OsString>>,
    directory: Option<PathBuf>,
    streams: [Stdio; 3],
    passed: Vec<File>,
    keeps_group: bool,
}

/// A standard stream of a program.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stdio {
    /// Nothing: reads are at the end, what is written is dropped.
    Null,
    /// A pipe, for its input only: [`Child::write_stdin`] writes to it.
    Pipe,
    /// The stream of the calling process.
    Inherit,
    /// This file, or pipe, or device.
    File(File),
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Stdio::File(file)
    }
}

impl Command {
    /// Creates a program: a path with a separator in it, or a name that is looked up in `PATH`,
    /// that of the program if it is set here.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            name: None,
            arguments: Vec::new(),
            is_environment_cleared: false,
            variables: BTreeMap::new(),
            directory: None,
            streams: [Stdio::Null, Stdio::Null, Stdio::Null],
            passed: Vec::new(),
            keeps_group: false,
        }
    }

    /// Sets the name that the program gets as its first argument, instead of its path.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        let arguments = arguments.into_iter();
        self.arguments
            .extend(arguments.map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let value = Some(value.as_ref().to_owned());
        self.variables.insert(name.as_ref().to_owned(), value);
        self
    }

    /// Sets environment variables.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Removes all environment variables, those set so far included.
    pub fn env_clear(&mut self) -> &mut Self {
        self.is_environment_cleared = true;
        self.variables.clear();
        self
    }

    /// Sets the directory that the program starts in, by default that of this process.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets the standard input. By default nothing.
    pub fn stdin(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[0] = stream.into();
        self
    }

    /// Sets the standard output. By default it is dropped.
    pub fn stdout(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[1] = stream.into();
        self
    }

    /// Sets the standard error. By default it is dropped.
    pub fn stderr(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[2] = stream.into();
        self
    }

    /// Has the program inherit a descriptor: the first one as number 3, the next as
    /// 4, and so on.
    #[cfg(unix)]
    pub fn pass(&mut self, descriptor: impl Into<std::os::fd::OwnedFd>) -> &mut Self {
        self.passed.push(File::from(descriptor.into()));
        self
    }

    /// Leaves the program in the process group of the caller, instead of making it the leader of a
    /// new one. That is for interactive programs: a terminal lets its foreground group read, and
    /// sends it signals.
    pub fn keep_group(&mut self) -> &mut Self {
        self.keeps_group = true;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such program, the system does not run it, or
    /// something that it shall get cannot be given to a program.
    pub fn spawn(&mut self) -> Result<Child, SpawnError> {
        self.start(|| {}, None)
    }

    /// As [`spawn`](Command::spawn). `joined` is called with the number of the process when that is
    /// in its process group, and before it is the program. Until `joined` returns, signals to the
    /// process wait: one that is sent to it and to the group, it gets once.
    ///
    /// On systems other than Linux it may be the program already. If the program cannot be
    /// run yet because it is still being written, `joined` is called again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`spawn`](Command::spawn).
    pub fn spawn_held(&mut self, joined: impl Fn(u32)) -> Result<Child, SpawnError> {
        self.start(|| {}, Some(&joined))
    }

    /// As [`spawn`](Command::spawn). `notify` is called by another thread when the program has
    /// ended, and again when everything that it has started has ended.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`spawn`](Command::spawn).
    pub fn spawn_and_notify(
        &mut self,
        notify: impl Fn() + Send + 'static,
    ) -> Result<Child, SpawnError> {
        self.start(notify, None)
    }

    fn start(
        &mut self,
        notify: impl Fn() + Send + 'static,
        joined: Option<&dyn Fn(u32)>,
    ) -> Result<Child, SpawnError> {
        // A program that another thread has just written may still be open for
        // writing in a process that a third thread has forked and that is about to
        // become another program. No event reports when that is over, so it is tried again for
        // a while.
        let until = Instant::now() + Duration::from_secs(1);
        loop {
            let (prepared, input) = self.prepare()?;
            let started = Instant::now();
            match crate::sys::Handle::spawn(prepared, joined) {
                Ok((handle, watch)) => {
                    let leads = !self.keeps_group;
                    return Child::new(handle, watch, started, input, leads, notify);
                }
                Err(SpawnError::Program { source, .. })
                    if source.kind() == std::io::ErrorKind::ExecutableFileBusy
                        && Instant::now() < until =>
                {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn prepare(&self) -> Result<(Prepared, Input), SpawnError> {
        let failed = |source| SpawnError::System {
            program: self.program.to_string_lossy().into_owned(),
            source,
        };
        let variables = self.all_variables()?;
        let mut input = None;
        let mut files = Vec::new();
        for (number, stream) in self.streams.iter().enumerate() {
            let file = match stream {
                Stdio::File(file) => file.try_clone(),
                Stdio::Pipe if number == 0 => std::io::pipe().map(|(reader, writer)| {
                    input = Some(writer);
                    file_of(reader)
                }),
                Stdio::Inherit => inherited(number),
                Stdio::Null | Stdio::Pipe => {
                    let mut options = File::options();
                    options.read(true).write(true).open("/dev/null")
                }
            };
            files.push(file.map_err(failed)?);
        }
        for file in &self.passed {
            files.push(file.try_clone().map_err(failed)?);
        }
        let input = Input::new(input).map_err(failed)?;
        let name = self.name.as_ref().unwrap_or(&self.program);
        let mut arguments = vec![name.clone()];
        arguments.extend(self.arguments.iter().cloned());
        let prepared = Prepared {
            path: self.find(&variables)?,
            arguments,
            variables,
            directory: self.directory.clone(),
            files,
            keeps_group: self.keeps_group,
        };
        Ok((prepared, input))
    }

    fn all_variables(&self) -> Result<Vec<(OsString, OsString)>, SpawnError> {
        let mut all = BTreeMap::new();
        if !self.is_environment_cleared {
            all.extend(std::env::vars_os().map(|(name, value)| (name, Some(value))));
        }
        for (name, value) in &self.variables {
            let bytes = name.as_encoded_bytes();
            if bytes.is_empty() || bytes.contains(&b'=') {
                return Err(SpawnError::Variable {
                    name: name.to_string_lossy().into_owned(),
                });
            }
            all.insert(name.clone(), value.clone());
        }
        let set = all.into_iter();
        Ok(set
            .filter_map(|(name, value)| Some((name, value?)))
            .collect())
    }

    /// The path of the program.
    fn find(&self, variables: &[(OsString, OsString)]) -> Result<PathBuf, SpawnError> {
        let program = Path::new(&self.program);
        if self.program.as_encoded_bytes().contains(&b'/') {
            return Ok(program.to_owned());
        }
        let path = variables.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsStr::new("/usr/local/bin:/bin:/usr/bin"), |(_, path)| path);
        find_program(program, std::env::split_paths(path)).map_err(|refused| match refused {
            Some(file) => SpawnError::Program {
                program: file.display().to_string(),
                source: std::io::ErrorKind::PermissionDenied.into(),
            },
            None => SpawnError::NotFound {
                program: program.display().to_string(),
            },
        })
    }
}

#[cfg(unix)]
fn file_of(reader: std::io::PipeReader) -> File {
    File::from(std::os::fd::OwnedFd::from(reader))
}

#[cfg(unix)]
fn inherited(number: usize) -> std::io::Result<File> {
    use std::os::fd::AsFd;
    let copy = match number {
        0 => std::io::stdin().as_fd().try_clone_to_owned(),
        1 => std::io::stdout().as_fd().try_clone_to_owned(),
        _ => std::io::stderr().as_fd().try_clone_to_owned(),
    };
    copy.map(File::from)
}

#[cfg(not(unix))]
fn file_of(reader: std::io::PipeReader) -> File {
    File::from(std::os::windows::io::OwnedHandle::from(reader))
}

#[cfg(not(unix))]
fn inherited(_number: usize) -> std::io::Result<File> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}
