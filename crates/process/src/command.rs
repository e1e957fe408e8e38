//! From options to a command: templates rendered, the program found.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use standin_child::{Command, SpawnError, Stdio, find_program, is_executable};
use standin_config::{Setting, Text};
use standin_driver::{ContextError, Driver, Lifecycle};
use standin_entity::Result;
use standin_error::open_file;

use crate::{NotExecutable, Process, ProcessConfig, ProcessError, Stdin, sys, trust};

const ANNOUNCE: &str = "LISTEN_PID=$$; export LISTEN_PID; ";
/// The variable that has the path of a FIFO, until that is open.
const FIFO: &str = "STANDIN_FIFO";
const OPEN_FIFO: &str = "exec <\"$STANDIN_FIFO\"; unset STANDIN_FIFO; ";

/// The standard input of a process.
#[derive(Debug)]
pub(crate) enum Input {
    Stream(Stdio),
    /// To be opened by the process itself, as that takes until another program has
    /// opened it to write.
    Fifo(PathBuf),
}

/// What to run, with nothing left to look up.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The words of the command line, as a user would write them.
    pub(crate) words: Vec<String>,
    shell: bool,
    env: IndexMap<String, String>,
    inherit_env: bool,
    working_dir: PathBuf,
}

impl Prepared {
    pub(crate) fn new(process: &Process, config: &ProcessConfig, runpath: &Path) -> Result<Self> {
        let text = |text: &Text| process.text(text);
        let mut words = Vec::new();
        for setting in &config.pre_args {
            words.push(text(setting)?);
        }
        words.push(text(&Text::from(config.binary.clone()))?);
        for setting in &config.args {
            words.push(text(setting)?);
        }
        let mut env = IndexMap::new();
        for (name, setting) in &config.env {
            env.insert(name.clone(), text(setting)?);
        }
        if let Some(file) = trust::file(process, &config.trust, runpath)? {
            for name in trust::VARIABLES {
                env.entry(name.to_owned()).or_insert_with(|| file.clone());
            }
        }
        let working_dir = match &config.working_dir {
            None => runpath.to_owned(),
            Some(Setting::Plain(path)) => match path.to_str() {
                Some(text) => PathBuf::from(process.render_template(text)?),
                None => path.clone(),
            },
            Some(setting) => process.expand_path(setting)?,
        };
        if !working_dir.is_dir() {
            Err(ProcessError::WorkingDir {
                driver: process.name().to_owned(),
                path: working_dir.clone(),
            })?;
        }
        Ok(Self {
            words,
            shell: config.shell,
            env,
            inherit_env: config.inherit_env,
            working_dir,
        })
    }

    /// The command line as one could paste it into a shell.
    pub(crate) fn line(&self) -> String {
        if self.shell {
            return self.words.join(" ");
        }
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }

    /// The command, with environment and directory, and no output yet. It inherits
    /// the sockets of `handed_over`, each with its name.
    pub(crate) fn command(
        &self,
        driver: &str,
        input: Input,
        handed_over: Vec<(String, TcpListener)>,
    ) -> Result<Command, ProcessError> {
        // What only the process itself can do before it is the program is done by a
        // shell that becomes the program.
        let mut first = String::new();
        if !handed_over.is_empty() {
            first.push_str(ANNOUNCE);
        }
        let (stream, fifo) = match input {
            Input::Stream(stream) => (stream, None),
            Input::Fifo(path) => {
                first.push_str(OPEN_FIFO);
                (Stdio::Null, Some(path))
            }
        };
        let mut command;
        if self.shell {
            command = Command::new("/bin/sh");
            command
                .arg("-c")
                .arg(format!("{first}{}", self.words.join(" ")));
        } else {
            let name = self.words.first().map(String::as_str).unwrap_or_default();
            let program = self.find(driver, name)?;
            if first.is_empty() {
                command = Command::new(program);
                command.arg0(name);
            } else {
                command = Command::new("/bin/sh");
                command
                    .arg("-c")
                    .arg(format!("{first}exec \"$0\" \"$@\""))
                    .arg(program);
            }
            command.args(self.words.iter().skip(1));
        }
        command.stdin(stream);
        if !self.inherit_env {
            command.env_clear();
        }
        command.envs(&self.env).current_dir(&self.working_dir);
        if let Some(fifo) = fifo {
            command.env(FIFO, fifo);
        }
        if handed_over.is_empty() {
            // Those that the test itself may have been given are not for others.
            for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
                if !self.env.contains_key(name) {
                    command.env_remove(name);
                }
            }
        } else {
            let (names, sockets): (Vec<String>, Vec<TcpListener>) = handed_over.into_iter().unzip();
            command
                .env("LISTEN_FDS", sockets.len().to_string())
                .env("LISTEN_FDNAMES", names.join(":"));
            sys::pass(&mut command, sockets);
        }
        Ok(command)
    }

    /// What a start that failed says.
    pub(crate) fn spawn_error(&self, driver: &str, source: SpawnError) -> ProcessError {
        if let SpawnError::Program { program, source } = &source
            && source.kind() == io::ErrorKind::NotFound
            && let Some(interpreter) = interpreter(Path::new(program))
        {
            return ProcessError::Interpreter {
                driver: driver.to_owned(),
                path: PathBuf::from(program),
                interpreter,
            };
        }
        ProcessError::Spawn {
            driver: driver.to_owned(),
            command: self.line(),
            source,
        }
    }

    /// The file of a program: itself when it is a path, else the first in PATH.
    fn find(&self, driver: &str, binary: &str) -> Result<PathBuf, ProcessError> {
        let not_executable = |path, reason| ProcessError::NotExecutable {
            driver: driver.to_owned(),
            path,
            reason,
        };
        if binary.contains(std::path::is_separator) {
            // The process starts in another directory than this one is in.
            let path = std::path::absolute(binary).unwrap_or_else(|_| PathBuf::from(binary));
            return match fs::metadata(&path) {
                Err(_) => Err(ProcessError::BinaryNotFound {
                    driver: driver.to_owned(),
                    binary: binary.to_owned(),
                    searched: Vec::new(),
                }),
                Ok(metadata) if metadata.is_dir() => {
                    Err(not_executable(path, NotExecutable::Directory))
                }
                Ok(metadata) if !metadata.is_file() => {
                    Err(not_executable(path, NotExecutable::NoFile))
                }
                Ok(metadata) if !is_executable(&metadata) => {
                    Err(not_executable(path, NotExecutable::Permission))
                }
                Ok(_) => Ok(path),
            };
        }
        let path = match self.env.get("PATH") {
            Some(path) => Some(OsString::from(path)),
            None => std::env::var_os("PATH").filter(|_| self.inherit_env),
        };
        let searched: Vec<PathBuf> = path
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        find_program(binary, &searched).map_err(|refused| match refused {
            Some(file) => not_executable(file, NotExecutable::Permission),
            None => ProcessError::BinaryNotFound {
                driver: driver.to_owned(),
                binary: binary.to_owned(),
                searched,
            },
        })
    }
}

impl Process {
    /// The text of an option: a context value, or a template over this driver's
    /// own context, unless it is verbatim.
    pub(crate) fn text(&self, text: &Text) -> Result<String, ContextError> {
        match text {
            Text::Template(template) => self.render_template(template),
            Text::Verbatim(text) => Ok(text.clone()),
            Text::Context(value) => Driver::base(self).render(value),
        }
    }

    /// Opens what the process has as standard input.
    pub(crate) fn open_stdin(&self, stdin: &Stdin, runpath: &Path) -> Result<Input> {
        let file = match stdin {
            Stdin::Pipe => return Ok(Input::Stream(Stdio::Pipe)),
            Stdin::Null => return Ok(Input::Stream(Stdio::Null)),
            Stdin::File(file) => file.clone(),
            // A file rather than a pipe: nobody has to write while the process reads.
            Stdin::Text(text) => {
                let file = runpath.join("stdin");
                fs::write(&file, self.text(text)?)
                    .map_err(|source| self.stream_error(&file, source))?;
                file
            }
        };
        // The process may start in another directory.
        let file = std::path::absolute(&file).unwrap_or(file);
        let opened = sys::open_to_read(&file).map_err(|source| self.stream_error(&file, source))?;
        Ok(match opened {
            Some(opened) => Input::Stream(Stdio::File(opened)),
            None => Input::Fifo(file),
        })
    }

    /// Opens an empty file for the process to write to. It appends, so that a
    /// log that is truncated begins at its beginning again.
    pub(crate) fn open_output(&self, file: &Path) -> Result<File, ProcessError> {
        sys::open_to_append(file).map_err(|source| self.stream_error(file, source))
    }

    fn stream_error(&self, file: &Path, source: std::io::Error) -> ProcessError {
        ProcessError::Stream {
            driver: self.name().to_owned(),
            path: file.to_owned(),
            source,
        }
    }
}

/// What a file that is there needs, and what is not, as the first line says or
/// as it was linked.
fn interpreter(program: &Path) -> Option<String> {
    let mut start = [0; 256];
    let count = io::Read::read(&mut open_file(program).ok()?, &mut start).ok()?;
    let start = &start[..count];
    if start.starts_with(b"\x7fELF") {
        return Some("the loader that it was linked with".to_owned());
    }
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    // A `\r` at its end is part of the name.
    let name = line
        .trim_start_matches([' ', '\t'])
        .split([' ', '\t'])
        .next()?;
    Some(format!("\"{}\"", name.escape_debug()))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("--port=80"), "--port=80");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
