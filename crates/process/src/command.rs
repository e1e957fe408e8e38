//! From options to a command: templates rendered, the program found.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use indexmap::IndexMap;
use standin_config::Setting;
use standin_driver::{ContextError, Lifecycle};
use standin_entity::Result;

use crate::{Process, ProcessConfig, ProcessError, Stdin, sys};

const ANNOUNCE: &str = "LISTEN_PID=$$; export LISTEN_PID; ";

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
        let text = |setting: &Setting<String>| process.text(setting);
        let mut words = Vec::new();
        for setting in &config.pre_args {
            words.push(text(setting)?);
        }
        words.push(text(&config.binary)?);
        for setting in &config.args {
            words.push(text(setting)?);
        }
        let mut env = IndexMap::new();
        for (name, setting) in &config.env {
            env.insert(name.clone(), text(setting)?);
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

    /// The command, with environment and directory, and no streams yet. It
    /// inherits the sockets of `handed_over`, each with its name.
    pub(crate) fn command(
        &self,
        driver: &str,
        handed_over: Vec<(String, TcpListener)>,
    ) -> Result<Command, ProcessError> {
        let has_sockets = !handed_over.is_empty();
        let mut command = if self.shell {
            let announced = if has_sockets { ANNOUNCE } else { "" };
            let mut command = Command::new("/bin/sh");
            command
                .arg("-c")
                .arg(format!("{announced}{}", self.words.join(" ")));
            command
        } else {
            let first = self.words.first().map(String::as_str).unwrap_or_default();
            let program = self.find(driver, first)?;
            let mut command;
            if has_sockets {
                // Only the process itself knows its number before it runs, so a
                // shell puts it into the environment and becomes the program.
                command = Command::new("/bin/sh");
                command
                    .arg("-c")
                    .arg(format!("{ANNOUNCE}exec \"$0\" \"$@\""))
                    .arg(program);
            } else {
                command = Command::new(program);
                sys::set_first_argument(&mut command, first);
            }
            command.args(self.words.iter().skip(1));
            command
        };
        if !self.inherit_env {
            command.env_clear();
        }
        command.envs(&self.env).current_dir(&self.working_dir);
        if has_sockets {
            let (names, sockets): (Vec<String>, Vec<TcpListener>) = handed_over.into_iter().unzip();
            command
                .env("LISTEN_FDS", sockets.len().to_string())
                .env("LISTEN_FDNAMES", names.join(":"));
            sys::pass(&mut command, sockets).map_err(|source| ProcessError::Spawn {
                driver: driver.to_owned(),
                command: self.line(),
                source,
            })?;
        } else {
            // Those that the test itself may have been given are not for others.
            for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
                if !self.env.contains_key(name) {
                    command.env_remove(name);
                }
            }
        }
        Ok(command)
    }

    /// The file of a program: itself when it is a path, else the first in PATH.
    fn find(&self, driver: &str, binary: &str) -> Result<PathBuf, ProcessError> {
        let not_executable = |path: PathBuf, reason| ProcessError::NotExecutable {
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
                Ok(metadata) if !metadata.is_file() => Err(not_executable(path, "it is no file")),
                Ok(metadata) if !sys::is_executable(&metadata) => {
                    Err(not_executable(path, "it may not be executed, by anybody"))
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
        let mut refused = None;
        for folder in &searched {
            let file = folder.join(binary);
            match fs::metadata(&file) {
                Ok(metadata) if !metadata.is_file() => {}
                Ok(metadata) if sys::is_executable(&metadata) => return Ok(file),
                Ok(_) => refused = refused.or(Some(file)),
                Err(_) => {}
            }
        }
        Err(match refused {
            Some(file) => not_executable(file, "it may not be executed, by anybody"),
            None => ProcessError::BinaryNotFound {
                driver: driver.to_owned(),
                binary: binary.to_owned(),
                searched,
            },
        })
    }
}

impl Process {
    /// The text of a setting: a context value, or a template over this driver's
    /// own context.
    pub(crate) fn text(&self, setting: &Setting<String>) -> Result<String, ContextError> {
        match setting {
            Setting::Plain(text) => self.render_template(text),
            setting => self.expand_text(setting),
        }
    }

    /// Opens what the process has as standard input.
    pub(crate) fn open_stdin(&self, stdin: &Stdin, runpath: &Path) -> Result<Stdio> {
        let file = match stdin {
            Stdin::Pipe => return Ok(Stdio::piped()),
            Stdin::Null => return Ok(Stdio::null()),
            Stdin::File(file) => file.clone(),
            // A file rather than a pipe: nobody has to write while the process reads.
            Stdin::Text(text) => {
                let file = runpath.join("stdin");
                fs::write(&file, self.render_template(text)?)
                    .map_err(|source| self.stream_error(&file, source))?;
                file
            }
        };
        let opened = File::open(&file).map_err(|source| self.stream_error(&file, source))?;
        Ok(Stdio::from(opened))
    }

    /// Opens an empty file for the process to write to. It appends, so that a
    /// log that somebody truncates begins at its beginning again.
    pub(crate) fn open_output(&self, file: &Path) -> Result<File, ProcessError> {
        File::create(file)
            .and_then(|_| OpenOptions::new().append(true).open(file))
            .map_err(|source| self.stream_error(file, source))
    }

    fn stream_error(&self, file: &Path, source: std::io::Error) -> ProcessError {
        ProcessError::Stream {
            driver: self.name().to_owned(),
            path: file.to_owned(),
            source,
        }
    }
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
