//! Files, as vectors prepare and look at them, and names of directories.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use standin::Lifecycle;
use standin::config::Pattern;
use standin::driver::{DriverBuilder, InstallFile, match_regexps_in_file};
use standin::entity::{Entity, slugify};

use super::Entry;
use super::drivers::attributes;
use super::trace_driver::ContextStub;
use crate::category::of_io;
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("match.regexps_in_file", regexps_in_file),
    ("fs.write", write),
    ("fs.write_lines", write_lines),
    ("fs.read", read),
    ("fs.exists", |call| {
        Ok(Value::Bool(path(call, "path")?.exists()))
    }),
    ("fs.is_dir", |call| {
        Ok(Value::Bool(path(call, "path")?.is_dir()))
    }),
    ("fs.mkdir", mkdir),
    ("fs.list", list),
    ("fs.symlink", symlink),
    ("fs.chmod", chmod),
    ("fs.is_executable", is_executable),
    ("path.slugify", |call| {
        Ok(Value::Text(slugify(call.text("value")?)))
    }),
    ("path.instantiate", instantiate),
    ("path.makedirs", makedirs),
    ("path.makeemptydirs", makeemptydirs),
];

fn done<T>(result: std::io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| of_io(&error))
}

fn path(call: &Call, name: &str) -> Result<PathBuf, Failure> {
    call.text(name).map(PathBuf::from)
}

/// Makes the directory of the file, too.
fn prepare(call: &Call) -> Result<PathBuf, Failure> {
    let path = path(call, "path")?;
    if let Some(parent) = path.parent() {
        done(fs::create_dir_all(parent))?;
    }
    Ok(path)
}

fn write(call: &Call) -> Outcome {
    let path = prepare(call)?;
    let bytes = match (call.given("data"), call.given("text")) {
        (Some(Value::Bytes(bytes)), _) => bytes.as_slice(),
        (_, Some(Value::Text(text))) => text.as_bytes(),
        _ => return Err(Failure::broken("the step needs data or text")),
    };
    let append = call.flag("append", false);
    let mut options = fs::OpenOptions::new();
    options
        .create(true)
        .append(append)
        .write(true)
        .truncate(!append);
    done(
        options
            .open(path)
            .and_then(|mut file| file.write_all(bytes)),
    )?;
    Ok(Value::count(bytes.len()))
}

fn write_lines(call: &Call) -> Outcome {
    let path = prepare(call)?;
    let width = call.size("width")?.unwrap_or_default();
    let mut text = String::new();
    for number in 0..call.int("n")?.unwrap_or_default() {
        let line = format!("{}{number}", call.text("prefix")?);
        let missing = width.saturating_sub(line.chars().count());
        text += &line;
        text += &"x".repeat(missing);
        text.push('\n');
    }
    done(fs::write(path, &text))?;
    Ok(Value::count(text.len()))
}

fn read(call: &Call) -> Outcome {
    Ok(Value::Bytes(done(fs::read(path(call, "path")?))?))
}

fn mkdir(call: &Call) -> Outcome {
    let path = path(call, "path")?;
    if path.exists() {
        return Err(of_io(&std::io::ErrorKind::AlreadyExists.into()));
    }
    done(fs::create_dir_all(path))?;
    Ok(Value::Null)
}

fn list(call: &Call) -> Outcome {
    let mut names = Vec::new();
    for entry in done(fs::read_dir(path(call, "path")?))? {
        names.push(done(entry)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Value::List(names.into_iter().map(Value::Text).collect()))
}

fn symlink(call: &Call) -> Outcome {
    done(std::os::unix::fs::symlink(
        path(call, "target")?,
        path(call, "link")?,
    ))?;
    Ok(Value::Null)
}

fn chmod(call: &Call) -> Outcome {
    let mode = u32::from_str_radix(call.text("mode")?, 8)
        .map_err(|_| Failure::broken("mode has to be octal"))?;
    done(fs::set_permissions(
        path(call, "path")?,
        fs::Permissions::from_mode(mode),
    ))?;
    Ok(Value::Null)
}

fn is_executable(call: &Call) -> Outcome {
    let mode = done(fs::metadata(path(call, "path")?))?
        .permissions()
        .mode();
    Ok(Value::Bool(mode & 0o100 != 0))
}

fn makedirs(call: &Call) -> Outcome {
    done(fs::create_dir_all(path(call, "path")?))?;
    Ok(Value::Null)
}

/// What an entity does with its runpath when it starts, without the scratch.
fn makeemptydirs(call: &Call) -> Outcome {
    let path = path(call, "path")?;
    let entity = Entity::new("directories")?;
    entity.define_runpath(Some(path.clone()))?;
    entity.make_runpath_dirs(true)?;
    done(fs::remove_dir(path.join("scratch")))?;
    Ok(Value::Null)
}

/// A file that a driver gets, with these values as its context.
fn instantiate(call: &Call) -> Outcome {
    let file = InstallFile::new(call.text("template")?).to(call.text("destination")?);
    let runpath = PathBuf::from(&call.world.tmp).join("runpath of instantiate");
    let options = DriverBuilder::new()
        .name("instantiate")
        .runpath(runpath.clone())
        .install_files([file]);
    let driver = ContextStub::new("Driver", options, attributes(&call.map("values"))?)?;
    driver.start()?;
    driver.stop()?;
    done(fs::remove_dir_all(runpath))?;
    Ok(Value::Null)
}

/// All patterns are over bytes; what they capture is answered as they are given.
fn regexps_in_file(call: &Call) -> Outcome {
    let given = call.list("regexps");
    let mut patterns = Vec::new();
    for pattern in given {
        patterns.push(match pattern {
            Value::Pattern(pattern) => pattern.rust(),
            Value::Text(text) => text.clone(),
            other => {
                let kind = other.python_type();
                return Err(Failure::error(
                    "type_error",
                    format!("a {kind} is not a pattern"),
                ));
            }
        });
    }
    let patterns: Vec<Pattern> = patterns.into_iter().map(Pattern::from).collect();
    let found = match_regexps_in_file(call.text("path")?, &patterns)?;
    let bytes = given
        .iter()
        .all(|given| matches!(given, Value::Pattern(given) if given.bytes));
    let extracts = found.extracts.into_iter().map(|(name, value)| match bytes {
        true => (name, Value::Bytes(value.into_bytes())),
        false => (name, Value::Text(value)),
    });
    let unmatched = patterns.iter().zip(given);
    let unmatched = unmatched.filter(|(pattern, _)| found.unmatched.contains(pattern));
    Ok(Value::map([
        ("all_matched", Value::Bool(found.all_matched)),
        ("extracts", Value::Map(extracts.collect())),
        (
            "unmatched",
            Value::List(unmatched.map(|(_, given)| given.clone()).collect()),
        ),
    ]))
}
