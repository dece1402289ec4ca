//! Test files that end the process which imports them: named, and left out by the workers that follow.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use super::protocol::Trouble;
use crate::files::name;

/// Each costs the start of a worker; a suite with more of them has one cause for all.
const MOST: usize = 20;

/// What is known of such files in a run, shared by all of its workers.
#[derive(Debug, Clone, Default)]
pub struct Deadly(Arc<Mutex<Vec<(String, Trouble)>>>);

impl Deadly {
    /// Notes that importing `file` ended a worker; says whether it makes sense to try without it.
    pub(crate) fn add(&self, file: &str, trouble: Trouble) -> bool {
        let Ok(mut known) = self.0.lock() else {
            return false;
        };
        // A file that ended another one although it was to be left out is needed by something else.
        let is_new = known.len() < MOST && known.iter().all(|(known, _)| known != file);
        if is_new {
            known.push((file.to_owned(), trouble));
        }
        is_new
    }

    /// The files.
    pub(crate) fn files(&self) -> Vec<String> {
        self.each(|(file, _)| file.clone())
    }

    /// What to report of them.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.each(|(_, trouble)| trouble.clone())
    }

    fn each<T>(&self, of: impl Fn(&(String, Trouble)) -> T) -> Vec<T> {
        self.0
            .lock()
            .map(|known| known.iter().map(of).collect())
            .unwrap_or_default()
    }
}

/// The file as the project knows it, and what its import did.
pub(crate) fn trouble(file: &str, project: &Path, what: &str) -> Trouble {
    let path = name::to_path(file);
    let place = path.strip_prefix(project);
    Trouble {
        place: place.map_or_else(|_| name::shown(file), |path| path.display().to_string()),
        message: format!("while it was imported the test process {what}"),
    }
}
