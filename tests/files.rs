//! Files that tests leave behind: which are counted, and where they may stay.

mod common;

use common::{Checked, Finding, Project};

const APP: &str = "\
import itertools
import os
import tempfile

NUMBERS = itertools.count()
HERE = os.path.dirname(os.path.abspath(__file__))


def draft():
    number, path = tempfile.mkstemp()
    os.close(number)


def report():
    name = 'report-%d-%d.txt' % (os.getpid(), next(NUMBERS))
    with open(os.path.join(HERE, 'out', name), 'w') as file:
        file.write('all is well')


def hidden():
    name = '.state-%d-%d' % (os.getpid(), next(NUMBERS))
    with open(os.path.join(HERE, name), 'w') as file:
        file.write('all is well')
";

const TESTS: &str = "\
import app


def test_draft():
    app.draft()


def test_report():
    app.report()


def test_hidden():
    app.hidden()


def test_tmp_path(tmp_path):
    (tmp_path / 'page').write_text('news')


def test_tmp_path_factory(tmp_path_factory):
    (tmp_path_factory.mktemp('book') / 'page').write_text('news')
";

fn project(config: &str) -> Project {
    let project = Project::configured(APP, TESTS, config);
    project.write("out/README", "reports\n");
    project
}

fn files(checked: &Checked) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = { checked.report.findings.iter() }
        .filter(|finding| finding.kind == "file")
        .collect();
    found.sort_by_key(|finding| finding.summary.clone());
    found
}

#[test]
fn a_file_that_stays_is_told_with_its_line_and_its_name() {
    let checked = project("").check(&[]);
    checked.exits(1);
    let found = files(&checked);
    let [draft, report] = found[..] else {
        panic!("{}", checked.stdout);
    };
    for finding in [draft, report] {
        assert_eq!((&*finding.code, finding.fails), ("LK306", true));
    }
    let start = "1 file stays on disk after each iteration, made at ";
    assert_eq!(draft.summary, format!("{start}app.py:10 in draft"));
    assert_eq!(report.summary, format!("{start}app.py:16 in report"));
    assert!(checked.stdout.contains("$TMPDIR/tmp"), "{}", checked.stdout);
    assert!(checked.stdout.contains("out/report-"), "{}", checked.stdout);
    for clean in ["test_hidden", "test_tmp_path", "test_tmp_path_factory"] {
        assert_eq!(checked.test(clean).verdict, "clean", "{clean}");
    }
}

#[test]
fn with_several_workers_the_projects_folder_is_nobodys() {
    let checked = project("").check(&["-j", "2"]);
    checked.exits(1);
    let found = files(&checked);
    assert_eq!(found.len(), 1, "{}", checked.stdout);
    assert!(found[0].summary.ends_with("in draft"));
    assert_eq!(checked.test("test_report").verdict, "clean");
}

#[test]
fn files_that_are_meant_are_allowed() {
    let terms = "[[tool.leakcheck.override]]\ntests = [\"*\"]\nallow = { files = 1 }\nreason = \"kept for the operator\"\n";
    project(terms).check(&[]).exits(0);
}
