//! `standin check`.

use standin::Error;
use standin_session::Session;

use crate::arguments::Check;
use crate::output::Output;
use crate::print;

pub(crate) fn run(arguments: &Check) -> u8 {
    let output = Output::new(&arguments.output);
    let environment = &arguments.environment;
    match Session::load(&environment.file, &environment.set) {
        Ok(session) if output.is_chatty() => {
            let view = session.view();
            let (name, count) = (view.name(), view.len());
            let drivers = if count == 1 { "driver" } else { "drivers" };
            let file = environment.file.display();
            print(&format!(
                "{file}: environment \"{name}\", {count} {drivers}\n"
            ))
        }
        Ok(_) => 0,
        Err(error) => {
            output.error(&Error::from(error));
            1
        }
    }
}
