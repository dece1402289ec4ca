//! `leakcheck init`: sets a project up, and never overwrites anything.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    config::{self, Config, text},
    discover::{Project, command, runner::is_set_up},
    exit_code::ExitCode,
    files::{
        own::{FOLDER, GITIGNORE},
        read::{self, SETTINGS},
        write,
    },
};

const MAKEFILE: &str = include_str!("init/Makefile");
const WORKFLOW: &str = include_str!("init/workflow.yml");
/// What extras and groups with the tests' dependencies are called, those that have nothing else first.
const FOR_TESTS: [&str; 4] = ["test", "tests", "testing", "dev"];
const MARKER: &str = "leakcheck(...): how leakcheck treats this test";

/// Options of `leakcheck init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The project's directory.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// One thing to do, or to say.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A file that is not there.
    Write(PathBuf, String),
    /// One that is, and what to do with it.
    Keep(PathBuf, String),
    /// A hint.
    Say(String),
}

/// Writes what is missing.
pub fn init(args: &InitArgs) -> ExitCode {
    match plan(&args.project).and_then(|steps| carry_out(&steps, &args.project, args.dry_run)) {
        Ok(()) => ExitCode::Success,
        Err(message) => {
            super::complain(format_args!("leakcheck: {message}"));
            ExitCode::Usage
        }
    }
}

fn plan(project: &Path) -> Result<Vec<Step>, String> {
    if !project.is_dir() {
        return Err(format!("no such directory: {}", text::show(project)));
    }
    let (_, configured) = Config::load(project).map_err(|error| error.to_string())?;
    let mut steps = Vec::new();
    steps.push(match configured {
        Some(file) => Step::Keep(file, "has settings already".to_owned()),
        None => missing(project.join("leakcheck.toml"), commented(config::DEFAULTS)),
    });
    steps.push(makefile(project));
    let root = repository(project);
    let inside = inside(project, &root);
    steps.push(missing(
        root.join(".github/workflows/leakcheck.yml"),
        workflow(project, &inside),
    ));
    steps.push(missing(
        project.join(FOLDER).join(".gitignore"),
        GITIGNORE.to_owned(),
    ));
    steps.push(Step::Say(if is_djangos(project) {
        "Django's manage.py is here and no configuration of pytest: `leakcheck run` has `manage.py test` run the tests, with \
         its own arguments after --"
            .to_owned()
    } else {
        marker(project)
    }));
    steps.push(Step::Say(
        "look at the step \"Install what the tests need\" in leakcheck.yml: it has what the project's files say, and tests may need more"
            .to_owned(),
    ));
    steps.push(Step::Say(
        "next: `leakcheck run`; decide with `leakcheck review` on what it finds, if anything; commit .leakcheck and what was written here"
            .to_owned(),
    ));
    Ok(steps)
}

/// Whether the tests are run by Django's own runner.
fn is_djangos(project: &Path) -> bool {
    let suite = Project {
        root: project.to_owned(),
        paths: Vec::new(),
    };
    command::has_manage(project) && !is_set_up(&suite)
}

fn missing(path: PathBuf, text: String) -> Step {
    // A link that leads nowhere is there, too.
    if fs::symlink_metadata(&path).is_ok() {
        Step::Keep(path, "is there already".to_owned())
    } else {
        Step::Write(path, text)
    }
}

/// The defaults with every setting turned off: they hold anyway, and say what there is.
fn commented(defaults: &str) -> String {
    let lines: Vec<String> = defaults
        .lines()
        .map(|line| {
            if line.is_empty() || line.starts_with('#') {
                line.to_owned()
            } else {
                format!("#{line}")
            }
        })
        .collect();
    lines.join("\n") + "\n"
}

fn makefile(project: &Path) -> Step {
    for name in ["GNUmakefile", "makefile", "Makefile"] {
        let path = project.join(name);
        if fs::symlink_metadata(&path).is_err() {
            continue;
        }
        let has = read::text(&path, SETTINGS)
            .is_ok_and(|text| text.lines().any(|line| line.starts_with("leakcheck:")));
        return Step::Keep(
            path,
            if has {
                "has the target already".to_owned()
            } else {
                format!("is there already; add to it:\n\n{MAKEFILE}")
            },
        );
    }
    Step::Write(project.join("Makefile"), MAKEFILE.to_owned())
}

/// The nearest folder from `project` upwards that is a repository; the project itself where none is.
fn repository(project: &Path) -> PathBuf {
    let Ok(real) = project.canonicalize() else {
        return project.to_owned();
    };
    match real.ancestors().find(|folder| folder.join(".git").exists()) {
        Some(root) if root != real => root.to_owned(),
        _ => project.to_owned(),
    }
}

/// The way from the repository's root to the project, with a slash at its end; empty where they are one.
fn inside(project: &Path, root: &Path) -> String {
    let real = project.canonicalize().unwrap_or_default();
    match real.strip_prefix(root) {
        Ok(inside) if !inside.as_os_str().is_empty() => format!("{}/", inside.to_string_lossy()),
        _ => String::new(),
    }
}

fn workflow(project: &Path, prefix: &str) -> String {
    let there = |name: &str| project.join(name).is_file();
    let mut install = Vec::new();
    for name in [
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-test.txt",
    ] {
        if there(name) {
            install.push(format!("python -m pip install -r {name}"));
        }
    }
    if there("pyproject.toml") || there("setup.py") {
        install.extend(of_package(project));
    }
    if !is_djangos(project) {
        install.push("python -m pip install pytest".to_owned());
    } else if install.is_empty() {
        install.push("python -m pip install django".to_owned());
    }
    // Folders are named by the user, and a name may hold anything: it stands where YAML takes it for text only.
    let (directory, working) = if prefix.is_empty() {
        (String::new(), String::new())
    } else {
        let name = serde_json::Value::from(prefix.trim_end_matches('/')).to_string();
        let line = format!("\n        working-directory: {name}");
        (line.clone(), line)
    };
    let install: Vec<String> = install
        .iter()
        .map(|line| format!("          {line}"))
        .collect();
    let path = serde_json::Value::from(format!("{prefix}.leakcheck/snapshots/*.snap.new"));
    WORKFLOW
        .replace("{install}", &(install.join("\n") + &working))
        .replace("{directory}", &directory)
        .replace("{prefix}.leakcheck/snapshots/*.snap.new", &path.to_string())
}

/// How a package is installed with what its tests need, where it says that in an extra or a group of a usual name.
fn of_package(project: &Path) -> Vec<String> {
    let text = read::text(&project.join("pyproject.toml"), SETTINGS).unwrap_or_default();
    let pyproject = toml::from_str::<toml::Table>(&text).unwrap_or_default();
    let named = |table: Option<&toml::Value>| {
        let names = table.and_then(toml::Value::as_table)?;
        { FOR_TESTS.iter() }.find(|name| names.contains_key(**name))
    };
    let project = pyproject.get("project").and_then(toml::Value::as_table);
    let extra = named(project.and_then(|project| project.get("optional-dependencies")));
    let package = match extra {
        Some(extra) => format!("python -m pip install -e \".[{extra}]\""),
        None => "python -m pip install -e .".to_owned(),
    };
    let group = named(pyproject.get("dependency-groups")).filter(|_| extra.is_none());
    let group = group.map(|group| format!("python -m pip install --group {group}"));
    [package].into_iter().chain(group).collect()
}

/// How to make the marker known to pytest, which refuses unknown ones under `--strict-markers`.
fn marker(project: &Path) -> String {
    let holds = |name: &str, words: &str| {
        read::text(&project.join(name), SETTINGS).is_ok_and(|text| text.contains(words))
    };
    let (file, lines) = if project.join("pytest.ini").is_file() {
        (
            "pytest.ini, under [pytest]",
            format!("markers =\n    {MARKER}"),
        )
    } else if holds("pyproject.toml", "[tool.pytest") {
        (
            "pyproject.toml, under [tool.pytest.ini_options]",
            format!("markers = [\"{MARKER}\"]"),
        )
    } else if holds("tox.ini", "[pytest]") {
        (
            "tox.ini, under [pytest]",
            format!("markers =\n    {MARKER}"),
        )
    } else if holds("setup.cfg", "[tool:pytest]") {
        (
            "setup.cfg, under [tool:pytest]",
            format!("markers =\n    {MARKER}"),
        )
    } else {
        (
            "pytest.ini, under [pytest]",
            format!("markers =\n    {MARKER}"),
        )
    };
    format!(
        "if tests use the marker `leakcheck(...)`, pytest must know it (--strict-markers refuses unknown ones): add to {file}:\n\n{lines}\n"
    )
}

fn carry_out(steps: &[Step], project: &Path, dry: bool) -> Result<(), String> {
    let roots = [project.to_owned(), repository(project)];
    for step in steps {
        match step {
            Step::Write(path, text) => {
                if dry {
                    anstream::println!("would write {}:\n\n{text}", text::show(path));
                    continue;
                }
                match create(&roots, path, text) {
                    Ok(()) => anstream::println!("wrote {}", text::show(path)),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        anstream::println!("kept {}: is there already", text::show(path));
                    }
                    Err(error) => {
                        return Err(format!("cannot write {}: {error}", text::show(path)));
                    }
                }
            }
            Step::Keep(path, why) => anstream::println!("kept {}: {why}", text::show(path)),
            Step::Say(words) => anstream::println!("{words}"),
        }
    }
    Ok(())
}

/// Writes the file, which is below one of `roots`.
fn create(roots: &[PathBuf], path: &Path, text: &str) -> io::Result<()> {
    roots
        .iter()
        .find_map(|root| Some((root, path.strip_prefix(root).ok()?)))
        .map_or_else(
            || write::create(path, text),
            |(root, inside)| write::create_below(root, inside, text),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(steps: &[Step]) -> Vec<String> {
        steps
            .iter()
            .filter_map(|step| match step {
                Step::Write(path, _) => Some(path.file_name()?.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_configuration_that_says_nothing_new() {
        let project = tempfile::tempdir().unwrap();
        carry_out(&plan(project.path()).unwrap(), project.path(), false).unwrap();
        let (config, _) = Config::load(project.path()).unwrap();
        assert_eq!(config, Config::default());
        let text = fs::read_to_string(project.path().join("leakcheck.toml")).unwrap();
        assert!(text.contains("\n#min_judged = 0.9\n"), "{text}");
        // A second time there is nothing left to do.
        assert_eq!(
            written(&plan(project.path()).unwrap()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn nothing_is_written_when_nothing_is_to_be() {
        let project = tempfile::tempdir().unwrap();
        carry_out(&plan(project.path()).unwrap(), project.path(), true).unwrap();
        assert_eq!(fs::read_dir(project.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_kept() {
        let project = tempfile::tempdir().unwrap();
        let root = project.path();
        fs::create_dir_all(root.join(".leakcheck")).unwrap();
        fs::write(root.join("pyproject.toml"), "[tool.leakcheck]\njobs = 2\n").unwrap();
        fs::write(root.join("makefile"), "all:\n").unwrap();
        std::os::unix::fs::symlink("nowhere", root.join(".leakcheck/.gitignore")).unwrap();
        let steps = plan(root).unwrap();
        assert_eq!(written(&steps), ["leakcheck.yml"]);
        let says = |words: &str| {
            steps
                .iter()
                .any(|step| matches!(step, Step::Keep(_, why) if why.contains(words)))
        };
        assert!(says("add to it") && says("has settings"), "{steps:?}");
        carry_out(&steps, root, false).unwrap();
        assert!(!root.join(".leakcheck/nowhere").exists());
    }

    #[test]
    fn a_project_inside_a_repository_gets_its_workflow_at_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        let project = root.join("services/it's: #1");
        fs::create_dir_all(&project).unwrap();
        carry_out(&plan(&project).unwrap(), &project, false).unwrap();
        let text = fs::read_to_string(root.join(".github/workflows/leakcheck.yml")).unwrap();
        let workflow: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let steps = &workflow["jobs"]["leakcheck"]["steps"];
        let check = steps
            .as_sequence()
            .unwrap()
            .iter()
            .find(|step| step["run"] == "leakcheck run --ci");
        assert_eq!(check.unwrap()["working-directory"], "services/it's: #1");
        let last = steps.as_sequence().unwrap().last().unwrap();
        assert_eq!(
            last["with"]["path"],
            "services/it's: #1/.leakcheck/snapshots/*.snap.new"
        );
        assert!(!text.contains('{'), "a blank was not filled in");
    }

    #[test]
    fn a_package_is_installed_with_what_its_tests_need() {
        for (text, expected) in [
            ("", &["-e ."][..]),
            ("[project]\nname = \"a\"\n", &["-e ."]),
            (
                "[project.optional-dependencies]\ndev = []\ntests = [\"freezegun\"]\n",
                &["-e \".[tests]\""],
            ),
            (
                "project.optional-dependencies.docs = []\n[dependency-groups]\ntest = []\n",
                &["-e .", "--group test"],
            ),
            ("[project.optional-dependencies]\n'te;st' = []\n", &["-e ."]),
            ("no TOML", &["-e ."]),
        ] {
            let project = tempfile::tempdir().unwrap();
            fs::write(project.path().join("pyproject.toml"), text).unwrap();
            let expected: Vec<String> = { expected.iter() }
                .map(|words| format!("python -m pip install {words}"))
                .collect();
            assert_eq!(of_package(project.path()), expected, "{text}");
        }
    }

    #[test]
    fn djangos_projects_are_told_who_runs_their_tests() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path();
        let says = |words: &str| {
            let steps = plan(project).unwrap();
            steps
                .iter()
                .any(|step| matches!(step, Step::Say(said) | Step::Write(_, said) if said.contains(words)))
        };
        fs::write(project.join("manage.py"), "import django").unwrap();
        assert!(says("manage.py is here") && !says("pip install pytest"));
        // A step that does nothing is none that a workflow may have.
        assert!(says("pip install django"));
        fs::write(project.join("requirements.txt"), "django~=5.2\n").unwrap();
        assert!(says("install -r requirements.txt") && !says("pip install django"));
        fs::write(project.join("pytest.ini"), "[pytest]\n").unwrap();
        assert!(!says("manage.py is here") && says("pip install pytest"));
    }

    #[test]
    fn the_marker_goes_where_the_project_configures_pytest() {
        for (name, text, expected) in [
            ("pytest.ini", "[pytest]\n", "pytest.ini"),
            (
                "pyproject.toml",
                "[tool.pytest.ini_options]\n",
                "markers = [\"leakcheck",
            ),
            ("setup.cfg", "[tool:pytest]\n", "setup.cfg"),
            ("tox.ini", "[pytest]\n", "tox.ini"),
            ("other", "", "pytest.ini"),
        ] {
            let project = tempfile::tempdir().unwrap();
            fs::write(project.path().join(name), text).unwrap();
            assert!(marker(project.path()).contains(expected), "{name}");
        }
    }
}
