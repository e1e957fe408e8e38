//! Files of vectors, as they are recorded.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::error::ConformanceError;

/// One file: the vectors of one area.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) area: String,
    pub(crate) vectors: Vec<Vector>,
}

/// One recorded conversation with the reference.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) steps: Vec<Step>,
}

/// One operation of a vector, with what it is to answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    pub(crate) op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Map<String, Json>>,
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) volatile: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timing: Option<(f64, f64)>,
    /// What the reference answered.
    #[serde(default)]
    pub(crate) expect: Json,
    /// What is right, where the reference is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correct: Option<Json>,
}

impl Step {
    /// What this step is to answer.
    pub(crate) fn wanted(&self) -> &Json {
        self.correct.as_ref().unwrap_or(&self.expect)
    }

    pub(crate) fn is_join(&self) -> bool {
        self.op == "join"
    }
}

/// The files of `path`, which is a folder or a single file, by name.
pub(crate) fn load(path: &Path) -> Result<Vec<File>, ConformanceError> {
    let mut paths = Vec::new();
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|source| unreadable(path, source))?;
        for entry in entries {
            let file = entry.map_err(|source| unreadable(path, source))?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(file);
            }
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    if paths.is_empty() {
        return Err(ConformanceError::NoVectors {
            path: path.to_owned(),
        });
    }
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Result<File, ConformanceError> {
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    serde_json::from_str(&text).map_err(|source| ConformanceError::NotVectors {
        path: path.clone(),
        source,
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> ConformanceError {
    ConformanceError::Unreadable {
        path: path.to_owned(),
        source,
    }
}
