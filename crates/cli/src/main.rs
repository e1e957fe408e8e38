//! The command `standin`: arguments in, events and errors out. What it does is in
//! `standin-session`.

mod arguments;
mod check;
mod down;
mod every_cut;
mod explain;
mod graph;
mod options;
mod output;
mod progress;
mod report;
mod run;
mod serve;
mod status;
mod took;
mod up;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::arguments::{Arguments, Subcommands};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => error.exit(),
        // Help is output as any other, which may be lost.
        Err(help) => return ExitCode::from(print(&help.render().ansi().to_string())),
    };
    let code = match arguments.command {
        Subcommands::Run(run) => run::run(&run),
        Subcommands::EveryCut(every_cut) => every_cut::run(&every_cut),
        Subcommands::Up(up) => up::run(&up),
        Subcommands::Down(down) => down::run(&down),
        Subcommands::Status(status) => status::run(&status),
        Subcommands::Check(check) => check::run(&check),
        Subcommands::Graph(graph) => graph::run(&graph),
        Subcommands::Explain { code } => explain::run(&code),
        Subcommands::Report(report) => report::run(&report),
        Subcommands::Options(options) => options::run(&options),
        Subcommands::Serve(_) => serve::run(),
        Subcommands::Schema => print(&standin::DriverTypes::standard().schema()),
        Subcommands::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "standin", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Subcommands::Man => manual(),
        Subcommands::Sweep { root, files } => match standin_session::sweep(&root, &files) {
            Ok(()) => 0,
            Err(_) => 1,
        },
    };
    ExitCode::from(code)
}

/// The manual page of the command, and after it those of its subcommands.
fn manual() -> u8 {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    let mut commands = vec![command.clone()];
    commands.extend(
        command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set())
            .cloned(),
    );
    for command in commands {
        // Writing to memory does not fail.
        let _ = clap_mangen::Man::new(command).render(&mut page);
    }
    print(&String::from_utf8_lossy(&page))
}

/// Writes to standard output. Its reader may have read enough.
pub(crate) fn print(text: &str) -> u8 {
    let mut stdout = anstream::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            output::say(&format!(
                "standin: cannot write to standard output: {error}"
            ));
            1
        }
        _ => 0,
    }
}
