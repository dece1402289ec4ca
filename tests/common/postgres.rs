//! A PostgreSQL server of a test's own, where its programs are installed.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// Listens at a socket in a folder of its own and at no port; is stopped when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// Starts a server with a superuser of this name, whom it believes. None where PostgreSQL is not installed.
    pub fn start(user: &str) -> Option<Postgres> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        if is_root() {
            // The server refuses to run as root.
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let server = Postgres { programs, folder };
        let name = format!("--username={user}");
        server.run(
            "initdb",
            &["--no-sync", "--auth=trust", "--encoding=UTF8", &name],
        );
        let socket = server.socket();
        let options = format!("-c listen_addresses= -c fsync=off -k {}", socket.display());
        server.run("pg_ctl", &["start", "--wait", "-o", &options]);
        Some(server)
    }

    /// The folder of its socket, which clients take for a host.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
            command.arg("--clear-groups").arg(program);
            command
        } else {
            Command::new(program)
        };
        let log = self.folder.path().join("log");
        let data = self.folder.path().join("data");
        // The server that stays has these as its own: a pipe would never end.
        let output = fs::File::options().create(true).append(true).open(&log);
        let output = output.unwrap();
        let status = command
            .args(args)
            .arg("-D")
            .arg(data)
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .unwrap();
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(status.success(), "{command:?}: {said}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("pg_ctl", &["stop", "--wait", "-m", "immediate"]);
        }
    }
}

/// The user who owns nothing.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Where the server's programs are: on PATH, or where Debian keeps those of each version.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.flatten().map(|version| version.path().join("bin"));
    env::split_paths(&path)
        .chain(debian)
        .find(|folder| folder.join("initdb").is_file())
}
