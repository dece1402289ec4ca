//! What a worker finds when it starts: its folder, its socket, its heartbeat, its log and its orders.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{
    log::Log,
    protocol::Orders,
    setup::{CAPACITY, STACK_SIGNAL, Setup},
    wire::Wire,
};
use crate::files::name;

/// What a worker finds when it starts.
pub(crate) struct Layout {
    pub(crate) wire: Wire,
    pub(crate) heartbeat: File,
    pub(crate) orders: PathBuf,
    pub(crate) log: Log,
    pub(crate) output: File,
    pub(crate) errors: File,
}

impl Layout {
    pub(crate) fn make(setup: &Setup, folder: &Path, skip: &[String]) -> io::Result<Layout> {
        fs::create_dir_all(folder.join("tmp"))?;
        let at = |name: &str| folder.join(name);
        let file = |name: &str| name::to_text(&at(name));
        let _ = fs::remove_file(at("s"));
        let wire = Wire::bind(&at("s"))?;
        let heartbeat = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(at("heartbeat"))?;
        heartbeat.set_len(4096)?;
        let deadly = setup.deadly.files();
        let is_deadly = |path: &String| {
            let path = setup.project.join(name::to_path(path));
            deadly.iter().any(|file| name::to_path(file) == path)
        };
        let mut paths = setup.paths.clone();
        paths.retain(|path| !is_deadly(path));
        if paths.is_empty() {
            // Without any it would be the whole project.
            paths.clone_from(&setup.paths);
        }
        let project = name::to_text(&setup.project);
        let orders = Orders {
            socket: &file("s"),
            token: wire.token(),
            heartbeat: &file("heartbeat"),
            stacks: &file("stacks"),
            stack_signal: STACK_SIGNAL as i32,
            capacity: CAPACITY,
            runner: setup.runner,
            args: &setup.args,
            paths: &paths,
            listing: &name::to_text(&setup.directory.join("listing")),
            skip,
            deadly: &deadly,
            importing: &file("importing"),
            preload: setup.preload.as_ref().map(|preload| preload.path()),
            inside: setup.inside.then(|| file("inside")),
            cwd: &project,
            cwd_on_path: true,
            base_temp: &file("t"),
            cache_dir: &file("cache"),
            counters: { setup.counters.iter() }
                .map(|(name, place)| (&**name, &**place))
                .collect(),
            outside: setup.outside.as_deref(),
            project: setup.alone.then_some(&*project),
        };
        let path = folder.join("orders.json");
        fs::write(&path, serde_json::to_vec(&orders)?)?;
        let (log, output) = Log::open(&folder.join("log"))?;
        let errors = output.try_clone()?;
        Ok(Layout {
            wire,
            heartbeat,
            orders: path,
            log,
            output,
            errors,
        })
    }
}
