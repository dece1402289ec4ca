//! The journal of a run, for whoever wants to know why it decided so: `LEAKCHECK_LOG=FILE` and `--keep DIR`.

use std::{
    env,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tracing::Level;
use tracing_subscriber::fmt::{MakeWriter, time::Uptime};

use crate::{config::text, files::write};

/// Names the file that is to have the journal.
const VARIABLE: &str = "LEAKCHECK_LOG";
/// Its name in a folder that is kept.
const NAME: &str = "journal.log";

/// Begins it in every file that was asked for. `kept` is the new folder of `--keep`.
pub(super) fn begin(kept: Option<&Path>) -> Result<(), String> {
    let mut files = Vec::new();
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let file = write::stream(&path);
        files.push(file.map_err(|error| trouble(VARIABLE, &path, &error))?);
    }
    if let Some(folder) = kept {
        let file = write::private_folder(folder).and_then(|()| write::private(&folder.join(NAME)));
        files.push(file.map_err(|error| trouble("--keep", folder, &error))?);
    }
    if files.is_empty() {
        return Ok(());
    }
    let begun = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_timer(Uptime::default())
        .with_ansi(false)
        .with_target(false)
        .with_writer(Files(Mutex::new(files)))
        .try_init();
    begun.map_err(|error| format!("cannot begin the journal: {error}"))
}

fn trouble(asked: &str, path: &Path, error: &io::Error) -> String {
    let path = text::excerpt(&path.to_string_lossy(), 200);
    format!("cannot write {path}, which {asked} names: {error}")
}

/// All files get each line.
struct Files(Mutex<Vec<File>>);

impl<'a> MakeWriter<'a> for Files {
    type Writer = &'a Files;

    fn make_writer(&'a self) -> &'a Files {
        self
    }
}

impl Write for &Files {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        for file in self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter_mut()
        {
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
