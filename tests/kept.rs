//! Verdicts are kept of tests of which nothing has changed, and of no others.

mod common;

use std::{collections::BTreeSet, fs};

use common::{Checked, Packages, Project, git, python_version};

/// A package with all that a test may depend on, and tests that each reach a part of it.
fn suite() -> Project {
    Project::of(&[
        ("app/__init__.py", ""),
        (
            "app/store.py",
            "import functools\n\n\
             LIMIT = 10\nITEMS = []\n\n\n\
             def check(value):\n    return value < LIMIT\n\n\n\
             def count(values):\n    return len(values)\n\n\n\
             class Shelf:\n    size = 3\n\n    def holds(self):\n        return self.size\n\n    def label(self):\n        return \"shelf\"\n\n\n\
             def doubled(function):\n    def inner(*args):\n        return function(*args) * 2\n\n    return inner\n\n\n\
             @doubled\ndef price(value):\n    return value + 1\n\n\n\
             @functools.lru_cache(None)\ndef table():\n    return make()\n\n\n\
             def make():\n    return {\"rows\": 2}\n",
        ),
        (
            "app/text.py",
            "import os\n\nWORD = \"word\"\n\n\ndef shout(text):\n    return text.upper() + \"!\"\n\n\n\
             def mode():\n    return os.environ.get(\"APP_MODE\", \"plain\")\n",
        ),
        (
            "app/data.py",
            "import pathlib\n\n\ndef rows():\n    return pathlib.Path(__file__).with_name(\"rows.txt\").read_text().split()\n",
        ),
        ("app/rows.txt", "1 2 3\n"),
        (
            "tests/conftest.py",
            "import pytest\n\n\n@pytest.fixture\ndef number():\n    return seven()\n\n\n\
             def seven():\n    return 7\n\n\n\
             @pytest.fixture(scope=\"module\")\ndef wide():\n    return broad()\n\n\n\
             def broad():\n    return [1]\n",
        ),
        (
            "tests/test_store.py",
            "from app import store\n\n\n\
             def test_check():\n    assert store.check(3)\n\n\n\
             def test_count():\n    assert store.count([1]) == 1\n\n\n\
             def test_shelf():\n    assert store.Shelf().holds() == 3\n\n\n\
             def test_price():\n    assert store.price(1) == 4\n\n\n\
             def test_table():\n    assert store.table()[\"rows\"] == 2\n",
        ),
        (
            "tests/test_text.py",
            "from app.text import mode, shout\n\n\n\
             def test_shout():\n    assert shout(\"a\") == \"A!\"\n\n\n\
             def test_mode():\n    assert mode()\n",
        ),
        (
            "tests/test_data.py",
            "from app.data import rows\n\n\ndef test_rows():\n    assert len(rows()) >= 3\n",
        ),
        (
            "tests/test_fixtures.py",
            "def test_number(number):\n    assert number == 7\n\n\n\
             def test_wide(wide):\n    assert wide\n\n\n\
             def test_wide_too(wide):\n    assert wide\n\n\n\
             def test_alone():\n    assert True\n",
        ),
    ])
}

/// With nothing that adds up over runs.
fn run(project: &Project, args: &[&str]) -> Checked {
    let mut all = vec!["--cache", "--deepen=0"];
    all.extend(args);
    project.check(&all)
}

/// Names of the tests that were asked.
fn asked(checked: &Checked) -> BTreeSet<&str> {
    let asked = checked
        .report
        .tests
        .iter()
        .filter(|test| test.kept.is_none());
    asked
        .map(|test| test.id.rsplit("::").next().unwrap())
        .collect()
}

/// Whether functions can be told apart here.
fn is_fine() -> bool {
    python_version() >= (3, 12)
}

/// Replaces a part of a file that is there once.
#[track_caller]
fn edit(project: &Project, file: &str, from: &str, to: &str) {
    let path = project.root().join(file);
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
    project.write(file, &text.replace(from, to));
}

const STORE: [&str; 5] = [
    "test_check",
    "test_count",
    "test_shelf",
    "test_price",
    "test_table",
];

#[test]
fn nothing_is_asked_of_which_nothing_has_changed() {
    let project = suite();
    let first = run(&project, &[]);
    first.exits(0).all("clean", 12);
    assert_eq!(asked(&first).len(), 12);
    let second = run(&project, &[]);
    second.exits(0).all("clean", 12);
    assert_eq!(asked(&second), BTreeSet::new(), "{}", second.report.kept);
    assert_eq!(first.verdicts(), second.verdicts());
    assert_eq!(second.report.kept["tests"], 12);
    assert!(
        second.stdout.contains("12 of them kept from "),
        "{}",
        second.stdout
    );
    for (one, other) in first.report.tests.iter().zip(&second.report.tests) {
        assert_eq!((one.iterations, &one.rule), (other.iterations, &other.rule));
    }
    let all = project.check(&["--cache", "--no-cache"]);
    assert_eq!(asked(all.exits(0)).len(), 12);
    assert!(all.report.kept.is_null());
}

#[test]
fn what_a_change_may_reach_is_asked_and_nothing_else() {
    if !is_fine() {
        return;
    }
    let project = suite();
    run(&project, &[]).exits(0);
    let expect = |what: &str, reached: &[&str]| {
        let checked = run(&project, &[]);
        checked.exits(0);
        let wanted: BTreeSet<&str> = reached.iter().copied().collect();
        assert_eq!(asked(&checked), wanted, "{what}: {}", checked.report.kept);
    };
    edit(
        &project,
        "app/store.py",
        "    return len(values)",
        "    return len(list(values))",
    );
    expect("a function", &["test_count"]);

    edit(
        &project,
        "app/store.py",
        "def count",
        "# Moved down.\n\n\ndef count",
    );
    expect("a comment", &[]);

    edit(&project, "app/store.py", "LIMIT = 10", "LIMIT = 11");
    expect("a constant", &["test_check"]);

    edit(
        &project,
        "app/store.py",
        "    size = 3",
        "    size = 3\n    depth = 1",
    );
    expect("a class", &STORE);

    edit(
        &project,
        "app/store.py",
        "@doubled\n",
        "@doubled\n@functools.wraps(len)\n",
    );
    expect("a decorator", &STORE);

    edit(
        &project,
        "app/store.py",
        "return function(*args) * 2",
        "return 2 * function(*args)",
    );
    expect("what a decorator made", &["test_price"]);

    edit(
        &project,
        "app/text.py",
        "WORD = \"word\"",
        "WORD = \"words\"",
    );
    expect("what nobody mentions", &[]);

    edit(
        &project,
        "tests/conftest.py",
        "    return 7",
        "    return 6 + 1",
    );
    expect("what a fixture calls", &["test_number"]);

    edit(
        &project,
        "tests/conftest.py",
        "    return [1]",
        "    return [1, 2]",
    );
    // It stands while the last one runs, too.
    expect(
        "what a wider fixture calls",
        &["test_wide", "test_wide_too", "test_alone"],
    );

    project.write("app/rows.txt", "1 2 3 4\n");
    expect("data", &["test_rows"]);

    edit(
        &project,
        "tests/test_text.py",
        "def test_mode",
        "def test_more():\n    assert True\n\n\ndef test_mode",
    );
    expect("a new test", &["test_more"]);
}

/// A package in which names are used in all ways that there are, with a test for each.
fn names() -> Project {
    Project::of(&[
        ("app/__init__.py", ""),
        (
            "app/consts.py",
            "LIMIT = 10\nSIZE = 4\nUNUSED = 1\nSEEN = 2\nTOTAL = LIMIT * 2\nKINDS = [\"tea\", \"limit_of_tea\"]\n\n\n\
             def get(name):\n    return globals()[name]\n",
        ),
        ("app/starred.py", "STAR = 1\n"),
        ("app/handed.py", "DEBUG = 1\n"),
        ("app/late.py", "def go():\n    return 1\n"),
        (
            "app/shop.py",
            "import enum\nimport operator\n\nimport app.handed\nfrom app import consts\nfrom app.consts import SIZE, TOTAL\nfrom app.starred import *\n\n\n\
             def total():\n    return TOTAL\n\n\n\
             def default(n=SIZE):\n    return n\n\n\n\
             def by_text():\n    return getattr(consts, operator.concat(\"SEEN\", \"\"))\n\n\n\
             def by_upper(key):\n    return getattr(consts, key.upper())\n\n\n\
             def lazily():\n    from app import late\n\n    return late.go()\n\n\n\
             def alone():\n    return 1\n\n\n\
             def names_of(module):\n    return [name for name in dir(module) if name.isupper()]\n\n\n\
             def handed_over():\n    return len(names_of(app.handed))\n\n\n\
             class Color(enum.Enum):\n    RED = 1\n\n\n\
             def colors():\n    return len(list(Color))\n\n\n\
             class Base:\n    unit_price = 1\n\n    def unit_cost(self):\n        return self.unit_price\n\n\n\
             class Derived(Base):\n    pass\n\n\n\
             class Plain:\n    def __init__(self):\n        self.at = 1\n\n\n\
             def same():\n    return Plain() == Plain()\n\n\n\
             class Commands:\n    def do_start(self):\n        return 1\n\n    def run_one(self, name):\n        return getattr(self, f\"do_{name}\", alone)()\n\n\n\
             def make(kind):\n    return getattr(consts, kind.title() + \"Maker\", alone)()\n\n\n\
             class Plugin:\n    known = []\n\n    def __init_subclass__(cls):\n        Plugin.known.append(cls)\n\n\n\
             class First(Plugin):\n    pass\n\n\n\
             def plugins():\n    return len(Plugin.known)\n",
        ),
        (
            "tests/test_names.py",
            "import pathlib\n\nimport pytest\n\nfrom app import shop\n\n\n\
             def test_total():\n    assert shop.total() > 0\n\n\n\
             def test_default():\n    assert shop.default() > 0\n\n\n\
             def test_by_text():\n    assert shop.by_text() > 0\n\n\n\
             def test_by_upper():\n    assert shop.by_upper(\"seen\") > 0\n\n\n\
             def test_lazily():\n    assert shop.lazily() > 0\n\n\n\
             def test_alone():\n    assert shop.alone() > 0\n\n\n\
             def test_colors():\n    assert shop.colors() > 0\n\n\n\
             def test_derived():\n    assert shop.Derived().unit_cost() > 0\n\n\n\
             def test_same():\n    assert shop.same() in (False, True)\n\n\n\
             def test_commands():\n    assert shop.Commands().run_one(\"stop\") > 0\n\n\n\
             def test_made():\n    assert shop.make(\"tea\") > 0\n\n\n\
             class TestPlain:\n    def test_of_class(self):\n        assert self\n\n\n\
             def test_data():\n    names = pathlib.Path(__file__).with_name(\"names.txt\").read_text().split()\n    assert [getattr(shop.consts, each) for each in names]\n\n\n\
             @pytest.fixture\ndef bag():\n    return [1]\n\n\n\
             def test_bag(bag):\n    assert bag\n",
        ),
        ("tests/names.txt", "SIZE KINDS\n"),
        (
            "tests/test_more.py",
            "from app import shop\n\n\n\
             def test_handed():\n    assert shop.handed_over() > 0\n\n\n\
             def test_plugins():\n    assert shop.plugins() > 0\n",
        ),
    ])
}

#[test]
fn a_change_outside_of_functions_reaches_those_that_mention_its_names() {
    if !is_fine() {
        return;
    }
    let project = names();
    let first = run(&project, &[]);
    first.exits(0);
    let everyone: Vec<String> = asked(&first).into_iter().map(str::to_owned).collect();
    let all: Vec<&str> = everyone.iter().map(String::as_str).collect();
    let others = ["test_handed", "test_plugins"];
    let names: Vec<&str> = { all.iter().copied() }
        .filter(|name| !others.contains(name))
        .collect();
    let bags = { names.iter().copied() }.filter(|name| *name != "test_bag");
    let bags: Vec<&str> = bags.chain(["test_bag[1]", "test_bag[2]"]).collect();
    let shop = "app/shop.py";
    let consts = "app/consts.py";
    let alone = "def alone():";
    for (what, file, from, to, reached) in [
        (
            "nobody's constant",
            consts,
            "UNUSED = 1",
            "UNUSED = 2",
            &[][..],
        ),
        (
            "a new constant",
            consts,
            "UNUSED = 2",
            "UNUSED = 2\nNEWER = 3",
            &[],
        ),
        (
            "by a text",
            consts,
            "SEEN = 2",
            "SEEN = 3",
            &["test_by_text", "test_by_upper"],
        ),
        (
            "what stands before what",
            consts,
            "NEWER = 3\nSEEN = 3",
            "SEEN = 3\nNEWER = 3",
            &all,
        ),
        (
            "a module that is loaded as tests run",
            "app/late.py",
            "def go()",
            "EXTRA = 1\n\n\ndef go()",
            &all,
        ),
        (
            "a default, a file of data",
            consts,
            "SIZE = 4",
            "SIZE = 5",
            &["test_default", "test_data"],
        ),
        (
            "computed by what may be the project's",
            consts,
            "LIMIT = 10",
            "LIMIT = 11",
            &all,
        ),
        (
            "a file of data",
            consts,
            "KINDS = [",
            "KINDS = [\"tee\", ",
            &["test_data"],
        ),
        (
            "a name that is made up",
            consts,
            "NEWER = 3",
            "NEWER = 3\n\n\ndef TeaMaker():\n    return 5\n",
            &["test_made"],
        ),
        (
            "what others may look for in any object",
            "tests/test_names.py",
            "class TestPlain:\n",
            "class TestPlain:\n    name = 1\n\n",
            &names,
        ),
        (
            "a new function",
            shop,
            alone,
            "def newer():\n    return 2\n\n\ndef alone():",
            &[],
        ),
        (
            "a new import",
            shop,
            "import operator\n",
            "import operator\nimport os\n",
            &[],
        ),
        (
            "a signature",
            shop,
            alone,
            "def alone(n=1):",
            &["test_alone", "test_commands", "test_made"],
        ),
        (
            "a member of an enumeration",
            shop,
            "    RED = 1",
            "    RED = 1\n    BLUE = 2",
            &all,
        ),
        (
            "an attribute of a base",
            shop,
            "    unit_price = 1",
            "    unit_price = 2",
            &all,
        ),
        (
            "a method that overrides",
            shop,
            "class Derived(Base):\n    pass",
            "class Derived(Base):\n    def unit_cost(self):\n        return 3",
            &all,
        ),
        (
            "what Python calls by itself",
            shop,
            "        self.at = 1\n",
            "        self.at = 1\n\n    def __eq__(self, other):\n        return True\n",
            &all,
        ),
        (
            "a name that is put together",
            shop,
            "    def do_start(self):",
            "    def do_stop(self):\n        return 3\n\n    def do_start(self):",
            &all,
        ),
        (
            "what registers itself",
            shop,
            "class First(Plugin):",
            "class Other(Plugin):\n    pass\n\n\nclass First(Plugin):",
            &all,
        ),
        (
            "what does something",
            shop,
            "class Plugin:",
            "shown = print()\n\n\nclass Plugin:",
            &all,
        ),
        (
            "all of a module's names",
            "app/starred.py",
            "STAR = 1",
            "STAR = 1\nSTARS = 2",
            &all,
        ),
        (
            "a module that is handed over",
            "app/handed.py",
            "DEBUG = 1",
            "DEBUG = 1\nMORE = 2",
            &all,
        ),
        (
            "a fixture",
            "tests/test_names.py",
            "@pytest.fixture\n",
            "@pytest.fixture(params=[1, 2])\n",
            &bags,
        ),
    ] {
        edit(&project, file, from, to);
        let checked = run(&project, &[]);
        checked.exits(0);
        let wanted: BTreeSet<&str> = reached.iter().copied().collect();
        assert_eq!(asked(&checked), wanted, "{what}: {}", checked.report.kept);
    }
}

#[test]
fn what_is_imported_while_tests_run_counts_for_all_that_may_find_it() {
    if !is_fine() {
        return;
    }
    let project = Project::of(&[
        ("app/__init__.py", ""),
        (
            "app/words.py",
            "from .deep import LETTER\n\nWORD = LETTER * 3\n",
        ),
        ("app/deep.py", "LETTER = \"a\"\n"),
        ("app/found.py", "NUMBER = 7\n"),
        ("app/wide.py", "SIZE = 2\n"),
        (
            "app/text.py",
            "import importlib\nimport sys\n\n\ndef word():\n    from .words import WORD\n\n    return WORD\n\n\n\
             def number():\n    return importlib.import_module(\"app.\" + \"\".join(\"found\")).NUMBER\n",
        ),
        (
            "test_wide.py",
            "import pytest\n\n\n@pytest.fixture(scope=\"module\")\ndef wide():\n    __import__(\"app.\" + \"\".join(\"wide\"))\n\n\n\
             def test_wide(wide):\n    assert True\n",
        ),
        (
            "test_text.py",
            "import sys\n\nfrom app.text import number, word\n\n\n\
             def test_word():\n    assert word()\n\n\ndef test_word_too():\n    assert word() == \"aaa\"\n\n\n\
             def test_number():\n    assert number() == 7\n\n\ndef test_number_too():\n    assert number() == 7\n\n\n\
             def test_size():\n    wide = sys.modules.get(\"app.wide\")\n    assert wide is None or wide.SIZE == 2\n",
        ),
    ]);
    run(&project, &[]).exits(0);
    assert_eq!(asked(&run(&project, &[])), BTreeSet::new());
    let expect = |what: &str, reached: &[&str]| {
        let checked = run(&project, &[]);
        let asked = asked(&checked);
        for test in reached {
            assert!(asked.contains(test), "{what}: {asked:?}");
        }
        let cold = project.check(&["--no-cache"]);
        assert_eq!(checked.verdicts(), cold.verdicts(), "{what}");
    };
    let words = ["test_word", "test_word_too"];
    edit(&project, "app/words.py", "* 3", "* 4");
    expect("a constant", &words);
    edit(&project, "app/words.py", "* 4", "* 3");
    expect("a constant", &words);
    edit(&project, "app/deep.py", "\"a\"", "\"b\"");
    expect("what it imports", &words);
    edit(&project, "app/deep.py", "\"b\"", "\"a\"");
    expect("what it imports", &words);
    project.write("app/words/__init__.py", "WORD = \"other\"\n");
    expect("what takes its place", &words);
    fs::remove_file(project.root().join("app/words/__init__.py")).unwrap();
    run(&project, &[]);
    edit(&project, "app/found.py", "7", "8");
    expect("by a name made up", &["test_number", "test_number_too"]);
    edit(&project, "app/wide.py", "2", "3");
    expect("in a wider fixture", &["test_size"]);
}

#[test]
fn a_new_file_is_seen_by_those_that_it_reaches() {
    if !is_fine() {
        return;
    }
    let project = suite();
    project.write(
        "tests/test_optional.py",
        "try:\n    import extra\nexcept ImportError:\n    extra = None\n\n\ndef test_extra():\n    assert True\n",
    );
    project.write(
        "tests/test_late.py",
        "def test_late():\n    import json\n\n    assert json\n",
    );
    run(&project, &[]).exits(0);
    project.write("unused.py", "X = 1\n");
    assert_eq!(asked(&run(&project, &[])), BTreeSet::new());
    // Found where nothing was.
    project.write("extra.py", "X = 1\n");
    let checked = run(&project, &[]);
    assert_eq!(
        asked(&checked),
        BTreeSet::from(["test_extra"]),
        "{}",
        checked.report.kept
    );
    // A package of the same name comes before it.
    project.write("extra/__init__.py", "X = 2\n");
    let checked = run(&project, &[]);
    assert!(
        asked(&checked).contains("test_extra"),
        "{}",
        checked.report.kept
    );
    // Fixtures and hooks for all that is below it.
    project.write("tests/sub/conftest.py", "");
    project.write(
        "conftest.py",
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef all_of_them():\n    pass\n",
    );
    let checked = run(&project, &[]);
    assert_eq!(asked(&checked).len(), 14, "{}", checked.report.kept);
}

#[test]
fn a_leak_is_found_wherever_it_is_put() {
    let project = suite();
    run(&project, &[]).exits(0);
    let leak = "ITEMS.append([])";
    for (file, from, to, tests) in [
        (
            "app/store.py",
            "    return len(values)",
            format!("    {leak}\n    return len(values)"),
            &["test_count"][..],
        ),
        (
            "app/store.py",
            "        return self.size",
            format!("        {leak}\n        return self.size"),
            &["test_shelf"],
        ),
        (
            "app/store.py",
            "    size = 3",
            format!("    size = 3\n\n    def __init__(self):\n        {leak}"),
            &["test_shelf"],
        ),
        (
            "app/store.py",
            "        return function(*args) * 2",
            format!("        {leak}\n        return function(*args) * 2"),
            &["test_price"],
        ),
        // It is called once in a process, and only its caller shows it.
        (
            "app/store.py",
            "@functools.lru_cache(None)\n",
            String::new(),
            &[],
        ),
        (
            "app/store.py",
            "    return {\"rows\": 2}",
            format!("    {leak}\n    return {{\"rows\": 2}}"),
            &["test_table"],
        ),
        (
            "tests/conftest.py",
            "    return seven()",
            "    import app.store\n\n    app.store.ITEMS.append([])\n    return seven()".to_owned(),
            &["test_number"],
        ),
    ] {
        edit(&project, file, from, &to);
        let kept = run(&project, &[]);
        let leaking = kept
            .report
            .tests
            .iter()
            .filter(|test| test.verdict == "leak");
        let leaking: Vec<&str> = leaking
            .map(|test| test.id.rsplit("::").next().unwrap())
            .collect();
        for test in tests {
            assert!(
                leaking.contains(test),
                "{to}: {leaking:?} {}",
                kept.report.kept
            );
        }
        let cold = project.check(&["--no-cache"]);
        assert_eq!(kept.verdicts(), cold.verdicts(), "{to}");
        assert_eq!(kept.code, cold.code, "{to}");
    }
}

#[test]
fn what_leaks_is_asked_in_every_run_and_stays_in_the_report() {
    let project = suite();
    edit(
        &project,
        "app/store.py",
        "    return len(values)",
        "    ITEMS.append([])\n    return len(values)",
    );
    let first = run(&project, &[]);
    first.exits(1);
    let second = run(&project, &[]);
    second.exits(1);
    assert_eq!(
        asked(&second),
        BTreeSet::from(["test_count"]),
        "{}",
        second.report.kept
    );
    assert_eq!(
        first.only_leak().fingerprint,
        second.only_leak().fingerprint
    );
    assert_eq!(second.report.kept["asked"]["not-clean"], 1);
}

#[test]
fn what_does_not_fail_is_kept_with_all_of_its_tests() {
    let project = Project::of(&[
        (
            "app.py",
            "class Node:\n    def __init__(self):\n        self.me = self\n",
        ),
        (
            "test_one.py",
            "import app\n\n\ndef test_one():\n    app.Node()\n\n\ndef test_other():\n    app.Node()\n\n\ndef test_none():\n    pass\n",
        ),
        (
            "test_two.py",
            "import app\n\n\ndef test_two():\n    app.Node()\n",
        ),
    ]);
    let cycles = |checked: &Checked| {
        let [finding] = &checked.report.findings[..] else {
            panic!("{}", checked.stdout);
        };
        assert_eq!((&*finding.code, finding.fails), ("LK401", false));
        (finding.fingerprint.clone(), finding.tests.clone())
    };
    let first = run(&project, &[]);
    let second = run(&project, &[]);
    assert_eq!(
        asked(second.exits(0)),
        BTreeSet::new(),
        "{}",
        second.report.kept
    );
    assert_eq!(cycles(&first), cycles(&second));
    assert_eq!(cycles(&first).1.len(), 3);
    // Accepted or not is no matter of the evidence.
    let id = cycles(&first).0;
    assert_eq!(second.report.findings[0].status, "new");
    assert!(second.stdout.contains(&id), "{}", second.stdout);
    edit(
        &project,
        "test_two.py",
        "    app.Node()",
        "    assert app.Node()",
    );
    let third = run(&project, &[]);
    let all = ["test_one", "test_other", "test_two"];
    let expected: BTreeSet<&str> = if is_fine() {
        all.into()
    } else {
        ["test_none"].into_iter().chain(all).collect()
    };
    assert_eq!(asked(third.exits(0)), expected, "{}", third.report.kept);
    assert_eq!(cycles(&first), cycles(&third));
    // One more in another file: its finding is the same.
    project.write(
        "test_three.py",
        "import app\n\n\ndef test_three():\n    app.Node()\n",
    );
    let fourth = run(&project, &[]);
    assert_eq!(cycles(fourth.exits(0)).1.len(), 4);
}

#[test]
fn variables_of_the_environment_are_what_they_were() {
    let project = suite();
    run(&project, &[]).exits(0);
    let mut command = project.command();
    let path = project.beside("other.json");
    let report = format!("--report=json={}", path.display());
    let output = command
        .env("APP_MODE", "loud")
        .args(["--cache", &report])
        .output()
        .unwrap();
    let checked = Checked::read(output, &path);
    assert!(
        asked(&checked).contains("test_mode"),
        "{}",
        checked.report.kept
    );
    if is_fine() {
        assert_eq!(asked(&checked), BTreeSet::from(["test_mode"]));
    }
}

#[test]
fn other_settings_and_a_spoiled_cache_hold_nothing() {
    let project = suite();
    run(&project, &[]).exits(0);
    let folder = project.root().join(".leakcheck/cache");
    let files = || -> Vec<_> {
        let entries = fs::read_dir(&folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .collect()
    };
    assert_eq!(files().len(), 1);
    // On other terms nothing is known, and what was is not lost.
    assert_eq!(asked(run(&project, &["--warmup", "2"]).exits(0)).len(), 12);
    assert_eq!(asked(run(&project, &[]).exits(0)).len(), 0);
    let good: Vec<_> = files()
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    assert_eq!(good.len(), 2);
    let spoil = |how: &dyn Fn(&[u8]) -> Vec<u8>| {
        for (bytes, path) in &good {
            fs::write(path, how(bytes)).unwrap();
        }
        let checked = run(&project, &[]);
        checked.exits(0).all("clean", 12);
        asked(&checked).len()
    };
    assert_eq!(spoil(&|bytes| bytes.to_vec()), 0);
    assert_eq!(spoil(&|bytes| bytes[..bytes.len() / 2].to_vec()), 12);
    assert_eq!(spoil(&|_| Vec::new()), 12);
    assert_eq!(spoil(&|_| b"{}\n{}\n".to_vec()), 12);
    assert_eq!(
        spoil(&|bytes| {
            let mut bytes = bytes.to_vec();
            let at = bytes.len() - 20;
            bytes[at] ^= 1;
            bytes
        }),
        12
    );
}

#[test]
fn what_cannot_be_seen_is_not_kept() {
    let project = suite();
    project.write(
        "tests/test_outside.py",
        "import subprocess\nimport socket\nimport sys\n\n\n\
         def test_program():\n    subprocess.run([sys.executable, \"-c\", \"\"], check=True)\n\n\n\
         def test_network():\n    with socket.socket() as one:\n        one.connect_ex((\"127.0.0.1\", 9))\n",
    );
    run(&project, &[]).exits(0);
    let checked = run(&project, &[]);
    assert_eq!(
        asked(&checked),
        BTreeSet::from(["test_program", "test_network"]),
        "{}",
        checked.report.kept
    );
    assert_eq!(checked.report.kept["asked"]["starts-programs"], 1);
    assert_eq!(checked.report.kept["asked"]["network"], 1);
}

#[test]
fn unittest_has_a_cache_too() {
    let project = Project::of(&[
        (
            "app.py",
            "ITEMS = []\n\n\ndef one():\n    return 1\n\n\ndef two():\n    return 2\n",
        ),
        (
            "test_app.py",
            "import unittest\n\nimport app\n\n\nclass TestApp(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.two = app.two()\n\n    \
             def test_one(self):\n        self.assertEqual(app.one(), 1)\n\n    def test_two(self):\n        self.assertEqual(self.two, 2)\n",
        ),
        (
            "test_other.py",
            "import unittest\n\nimport app\n\n\nclass TestOther(unittest.TestCase):\n    def test_other(self):\n        self.assertEqual(app.one(), 1)\n",
        ),
    ]);
    let args = ["--runner", "unittest"];
    run(&project, &args).exits(0).all("clean", 3);
    assert_eq!(asked(&run(&project, &args)).len(), 0);
    edit(
        &project,
        "app.py",
        "    return 2",
        "    ITEMS.append([])\n    return 2",
    );
    let checked = run(&project, &args);
    let ids: BTreeSet<_> = asked(&checked)
        .iter()
        .map(|id| id.rsplit('.').next().unwrap())
        .collect();
    assert!(
        ids.contains("test_one") && ids.contains("test_two"),
        "{ids:?}"
    );
    assert_eq!(ids.contains("test_other"), !is_fine(), "{ids:?}");
}

#[test]
fn a_file_that_a_test_writes_again_as_it_was_is_known_the_second_time() {
    let project = Project::of(&[
        ("data.txt", "data\n"),
        (
            "test_data.py",
            "import pathlib\n\nDATA = pathlib.Path(__file__).with_name(\"data.txt\")\n\n\n\
             def test_write():\n    DATA.write_text(DATA.read_text())\n\n\n\
             def test_read():\n    assert DATA.read_text()\n\n\n\
             def test_alone():\n    assert True\n",
        ),
    ]);
    let both = BTreeSet::from(["test_write", "test_read"]);
    run(&project, &[]).exits(0);
    let second = run(&project, &[]);
    assert_eq!(second.report.kept["asked"]["changed-meanwhile"], 2);
    if is_fine() {
        assert_eq!(asked(&second), both);
    }
    let third = run(&project, &[]);
    assert_eq!(asked(&third), BTreeSet::new(), "{}", third.report.kept);
    project.write("data.txt", "other\n");
    let changed = run(&project, &[]);
    assert!(
        asked(&changed).is_superset(&both),
        "{}",
        changed.report.kept
    );
}

#[test]
fn folders_and_files_that_a_run_makes_for_itself_are_no_change() {
    let project = Project::of(&[(
        "test_root.py",
        "import os\nimport pathlib\n\nROOT = pathlib.Path(__file__).parent\n\
         TABLE = ROOT / \".hypothesis\" / \"table\"\n\
         TABLE.parent.mkdir(exist_ok=True)\n\
         if not TABLE.exists():\n    TABLE.write_text(\"made\")\n\
         TABLE.read_text()\n\
         os.close(os.open(ROOT, os.O_RDONLY))\n\n\n\
         def test_list():\n    assert \"test_root.py\" in os.listdir(ROOT)\n\n\n\
         def test_alone():\n    assert True\n",
    )]);
    run(&project, &[]).exits(0);
    let second = run(&project, &[]);
    assert_eq!(asked(&second), BTreeSet::new(), "{}", second.report.kept);
    project.write("more.txt", "");
    let changed = run(&project, &[]);
    assert!(asked(&changed).contains("test_list"));
}

#[test]
fn a_test_that_depends_on_those_before_it_is_run_after_these() {
    let project = Project::of(&[
        (
            "app.py",
            "READY = []\n\n\ndef start():\n    READY[:] = [1]\n\n\ndef use():\n    assert READY\n",
        ),
        (
            "test_app.py",
            "import app\n\n\ndef test_start():\n    app.start()\n\n\ndef test_use():\n    app.use()\n",
        ),
    ]);
    run(&project, &[]).exits(0);
    edit(
        &project,
        "app.py",
        "    assert READY",
        "    assert READY, 1",
    );
    let checked = run(&project, &[]);
    checked.exits(0).all("clean", 2);
    if is_fine() {
        assert_eq!(asked(&checked), BTreeSet::from(["test_use"]));
        checked.notes(&["::test_use passes only after others that were kept"]);
        // What it needs is not what it runs, so nothing is kept of it.
        let again = run(&project, &[]);
        assert_eq!(again.exits(0).report.kept["asked"]["after-others"], 1);
    }
    // What fails in any order does.
    edit(
        &project,
        "app.py",
        "    assert READY, 1",
        "    assert READY == [2]",
    );
    let checked = run(&project, &[]);
    checked.exits(4);
    assert_eq!(checked.test("::test_use").verdict, "failed");
}

#[test]
fn what_the_project_counts_itself_is_read_by_code_that_may_change() {
    let project = suite();
    project.write(
        "app/count.py",
        "from app import text\n\n\ndef open_things():\n    return len(text.WORD)\n",
    );
    project.write(
        "tests/test_count.py",
        "import app.count\n\n\ndef test_count_module():\n    assert app.count\n",
    );
    project.write(
        "leakcheck.toml",
        "counters = { things = \"app.count:open_things\" }\n",
    );
    run(&project, &[]).exits(0);
    assert_eq!(asked(&run(&project, &[])), BTreeSet::new());
    edit(
        &project,
        "app/count.py",
        "len(text.WORD)",
        "len(text.WORD) + 1",
    );
    let checked = run(&project, &[]);
    assert_eq!(asked(&checked).len(), 13, "{}", checked.report.kept);
}

/// One that leaks in every 50th call, one that fills a cache with every 20th, and one that does neither.
const SLOW: &str = "\
import functools

KEPT = []
calls = fills = 0
numbers = {}

def test_leaks_rarely():
    global calls
    calls += 1
    if calls % 50 == 0:
        KEPT.append(bytearray(100))

def test_fills():
    global fills
    fills += 1
    if fills % 20 == 0 and len(numbers) < 15:
        numbers[fills] = [object()]

def test_clean():
    assert sum(range(10)) == 45
";

#[test]
fn what_is_kept_is_looked_at_longer_in_each_run_until_a_rare_leak_shows() {
    let project = Project::of(&[("test_slow.py", SLOW)]);
    let cold = project.check(&["--cache"]);
    cold.exits(0);
    assert_eq!(cold.report.kept["depth"]["least"], 4);
    let mut runs = 1;
    let found = loop {
        let checked = project.check(&["--cache", "--deepen=1"]);
        runs += 1;
        if checked.test("::test_leaks_rarely").verdict == "leak" || runs == 6 {
            break checked;
        }
        checked.exits(0);
    };
    found.exits(1);
    assert_eq!(found.test("::test_leaks_rarely").kept, None);
    assert_eq!(found.test("::test_clean").verdict, "clean");
    assert!(found.test("::test_clean").iterations > 60);
    let failing = |checked: &Checked| {
        let failing = checked.report.findings.iter().filter(|it| it.fails);
        let known = failing.map(|it| (it.fingerprint.clone(), it.tests.clone()));
        known.collect::<Vec<_>>()
    };
    let leaks = failing(&found);
    assert_eq!(leaks.len(), 1, "{}", found.stdout);
    assert_eq!(leaks[0].1, ["test_slow.py::test_leaks_rarely"]);
    // Nobody fixed it, and no run forgets it, whatever time there is.
    let again = project.check(&["--cache", "--deepen=0"]);
    again.exits(1);
    assert_eq!(failing(&again), leaks);
    assert_eq!(again.report.kept["asked"]["grew-when-looked-at-longer"], 1);
    // What is clean runs more often from run to run.
    let ran = again.test("::test_clean").iterations;
    let deeper = project.check(&["--cache", "--deepen=1"]);
    assert!(deeper.test("::test_clean").iterations > ran);
    assert_ne!(deeper.test("::test_fills").verdict, "leak");
    // Fixed.
    edit(
        &project,
        "test_slow.py",
        "KEPT.append(bytearray(100))",
        "pass",
    );
    project.check(&["--cache"]).exits(0);
    let after = project.check(&["--cache", "--deepen=0"]);
    assert_eq!(
        asked(after.exits(0)),
        BTreeSet::new(),
        "{}",
        after.report.kept
    );
}

#[test]
fn what_a_file_has_is_looked_at_once_for_all_its_longer_looks() {
    let tests = "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n\n\ndef test_three():\n    pass\n";
    let project = Project::of(&[("test_quick.py", tests)]);
    project.check(&["--cache"]).exits(0);
    let journal = project.beside("journal");
    let mut command = project.command();
    command.args(["--cache", "--deepen=1"]);
    command.env("LEAKCHECK_LOG", &journal).assert().success();
    let said = fs::read_to_string(&journal).unwrap();
    // In the process of the screen; what rises there is judged in another one.
    let of_screen = |line: &&str| line.contains(r#"process="a"#) && line.contains(r#""test":"#);
    let opened = said.lines().filter(of_screen);
    let anew = |line: &&str| line.contains(r#""thaw":true"#) && line.contains(r#""survey":true"#);
    let (first, others): (Vec<_>, Vec<_>) = opened.partition(anew);
    assert_eq!(first.len(), 1, "{said}");
    assert!(others.len() >= 2, "{said}");
}

#[test]
fn all_are_asked_where_that_is_wanted_and_it_is_kept_how_often_they_ran() {
    let project = suite();
    run(&project, &[]).exits(0);
    let first = run(&project, &[]);
    let second = run(&project, &["--ask-all"]);
    assert_eq!(asked(second.exits(0)).len(), 12);
    assert_eq!(second.report.kept["asked"]["old"], 12);
    let third = run(&project, &[]);
    assert_eq!(asked(third.exits(0)), BTreeSet::new());
    let ran = |checked: &Checked| checked.test("::test_count").iterations;
    assert_eq!(ran(&third), ran(&first) + ran(&second));
}

#[test]
fn what_is_old_is_asked_again_and_keeps_how_often_it_ran() {
    let project = suite();
    run(&project, &[]).exits(0);
    let first = run(&project, &[]);
    let date = first.exits(0).test("::test_count").kept.as_deref().unwrap();
    let folder = project.root().join(".leakcheck/cache");
    let is_book = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "json");
    let files = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
    let [file] = &files.filter(is_book).collect::<Vec<_>>()[..] else {
        panic!("one file of evidence");
    };
    let text = fs::read_to_string(file).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let body = body.replace(date, "2020-01-01T00:00:00Z");
    let hash = leakcheck::kept::digest(body.as_bytes());
    let head = serde_json::json!({"schema": "leakcheck.cache/2", "hash": hash});
    fs::write(file, format!("{head}\n{body}")).unwrap();
    let second = run(&project, &[]);
    assert_eq!(second.exits(0).report.kept["asked"]["old"], 12);
    let sum = first.test("::test_count").iterations + second.test("::test_count").iterations;
    let third = run(&project, &[]);
    assert_eq!(third.exits(0).test("::test_count").iterations, sum);
}

/// A run with nothing said about a cache, in surroundings that `set` makes.
fn unasked(project: &Project, set: impl Fn(&mut assert_cmd::Command)) -> Checked {
    let report = project.beside("unasked.json");
    let mut command = project.bare();
    command.args(["run", "--deepen=0", "--python"]);
    command.arg(project.python());
    command.arg(format!("--report=json={}", report.display()));
    set(&mut command);
    Checked::read(command.output().unwrap(), &report)
}

#[test]
fn without_being_asked_verdicts_are_kept_where_they_last_and_nothing_is_left_to_commit() {
    let project = suite();
    let root = project.root();
    project.write(".gitignore", "__pycache__/\n.pytest_cache/\n");
    git(&root, &["init", "--quiet"]);
    git(&root, &["add", "."]);
    git(&root, &["commit", "--quiet", "-m", "one"]);
    let nothing = |_: &mut assert_cmd::Command| {};
    let in_ci = |command: &mut assert_cmd::Command| {
        command.env("CI", "true");
    };
    // On a machine that is made anew for each run there is nobody to keep them for.
    unasked(&project, in_ci).exits(0);
    assert!(!root.join(".leakcheck").exists());
    assert_eq!(asked(unasked(&project, nothing).exits(0)).len(), 12);
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
    let again = unasked(&project, nothing);
    assert_eq!(asked(again.exits(0)), BTreeSet::new());
    assert!(
        again.stdout.contains("12 of them kept from "),
        "{}",
        again.stdout
    );
    // Somebody brings the folder there and takes it away again.
    assert_eq!(asked(unasked(&project, in_ci).exits(0)).len(), 12);
    assert_eq!(asked(unasked(&project, in_ci).exits(0)), BTreeSet::new());
    project.write("leakcheck.toml", "cache = false\n");
    for set in [&nothing as &dyn Fn(&mut assert_cmd::Command), &in_ci] {
        let checked = unasked(&project, set);
        assert_eq!(asked(checked.exits(0)).len(), 12);
        assert!(checked.report.kept.is_null());
    }
}

#[test]
fn whether_a_finding_is_gone_is_asked_now() {
    let project = suite();
    let line = "    return len(values)";
    let leak = "    ITEMS.append([])\n    return len(values)";
    edit(&project, "app/store.py", line, leak);
    let nothing = |_: &mut assert_cmd::Command| {};
    let first = unasked(&project, nothing);
    let id = first.exits(1).only_leak().fingerprint.clone();
    edit(&project, "app/store.py", leak, line);
    for _ in 0..2 {
        let question = unasked(&project, |command| {
            command.args(["--expect-fixed", &id]);
        });
        assert!(!asked(question.exits(0)).is_empty());
    }
}

#[test]
fn where_nothing_can_be_written_nothing_is_kept_and_that_is_no_error() {
    let project = suite();
    project.write(".leakcheck/cache", "in the way\n");
    for _ in 0..2 {
        let checked = unasked(&project, |_| {});
        assert_eq!(asked(checked.exits(0)).len(), 12);
        let said = "cannot write .leakcheck/cache/";
        assert!(checked.stderr.contains(said), "{}", checked.stderr);
        assert!(checked.stderr.contains("the next run asks all tests"));
    }
}

#[test]
fn what_is_committed_is_not_believed() {
    let project = suite();
    let root = project.root();
    run(&project, &[]).exits(0);
    git(&root, &["init", "--quiet"]);
    git(&root, &["add", "--force", ".leakcheck/cache"]);
    let checked = run(&project, &[]);
    assert_eq!(asked(checked.exits(0)).len(), 12);
    checked.notes(&[".leakcheck/cache is under version control"]);
    git(
        &root,
        &["rm", "-r", "--quiet", "--cached", ".leakcheck/cache"],
    );
    assert_eq!(asked(run(&project, &[]).exits(0)), BTreeSet::new());
}

/// The files of evidence.
fn books(project: &Project) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(project.root().join(".leakcheck/cache")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_book = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "json");
    paths.filter(is_book).collect()
}

/// Changes what is in the only one, with a hash that says that it is whole.
fn forge(project: &Project, how: impl Fn(&mut serde_json::Value)) {
    let [file] = &books(project)[..] else {
        panic!("one file of evidence");
    };
    let text = fs::read_to_string(file).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let mut book = serde_json::from_str(body).unwrap();
    how(&mut book);
    let body = format!("{book}\n");
    let hash = leakcheck::kept::digest(body.as_bytes());
    let head = serde_json::json!({"schema": "leakcheck.cache/2", "hash": hash});
    fs::write(file, format!("{head}\n{body}")).unwrap();
}

#[test]
fn the_evidence_of_another_machine_or_python_is_none() {
    let project = suite();
    run(&project, &[]).exits(0);
    let [file] = &books(&project)[..] else {
        panic!("one file of evidence");
    };
    // As another one wrote it, and somebody gave it the name of ours.
    forge(&project, |book| book["terms"] = "0".repeat(32).into());
    assert_eq!(asked(run(&project, &[]).exits(0)).len(), 12);
    assert_eq!(asked(run(&project, &[]).exits(0)), BTreeSet::new());
    // Beside ours it stays what it is.
    let other = file.with_file_name(format!("{}.json", "0".repeat(32)));
    fs::copy(file, &other).unwrap();
    assert_eq!(asked(run(&project, &[]).exits(0)), BTreeSet::new());
    assert_eq!(books(&project).len(), 2);
    let elsewhere = project.with(Packages::Newest);
    assert_eq!(asked(run(&elsewhere, &[]).exits(0)).len(), 12);
}

#[test]
fn hostile_evidence_stops_nothing() {
    let project = suite();
    let pipe = project.root().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let nowhere = |book: &mut serde_json::Value| {
        for test in book["tests"].as_object_mut().unwrap().values_mut() {
            test["sets"] = serde_json::json!([u32::MAX]);
            test["own"] = serde_json::json!([u32::MAX, 0]);
        }
    };
    let strange_files = |book: &mut serde_json::Value| {
        for (at, each) in book["dependencies"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            let files = [
                "/dev/zero",
                "pipe",
                "../../../../etc/passwd",
                "\u{1b}[2J",
                "",
            ];
            let kinds = ["file", "outside", "folder", "absent", "callers"];
            each[0] = serde_json::json!({ kinds[at % 5]: files[at / 5 % 5] });
        }
    };
    let long_ago = |book: &mut serde_json::Value| {
        let text = book
            .to_string()
            .replace(r#""iterations":4"#, r#""iterations":4294967295"#);
        *book = serde_json::from_str(&text).unwrap();
        for test in book["tests"].as_object_mut().unwrap().values_mut() {
            test["found"]["kept"]["date"] = "\u{1b}]0;x".into();
            test["found"]["kept"]["cpu"] = 1e300.into();
        }
    };
    let no_book = |book: &mut serde_json::Value| *book = serde_json::json!({"terms": []});
    for (what, how) in [
        ("numbers", &nowhere as &dyn Fn(&mut serde_json::Value)),
        ("files", &strange_files),
        ("dates", &long_ago),
        ("shape", &no_book),
    ] {
        run(&project, &[]).exits(0);
        forge(&project, how);
        let checked = run(&project, &[]);
        checked.exits(0).all("clean", 12);
        assert_eq!(asked(&checked).len(), 12, "{what}");
        assert!(!checked.stdout.contains('\u{1b}'), "{what}");
    }
}

#[test]
fn a_verdict_of_the_future_is_found_out_anew() {
    let project = suite();
    run(&project, &[]).exits(0);
    for (days, all) in [(1, 12), (0, 0)] {
        run(&project, &["--ask-all"]).exits(0);
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let date = date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        forge(&project, |book| {
            for test in book["tests"].as_object_mut().unwrap().values_mut() {
                test["found"]["kept"]["date"] = (&*date).into();
            }
        });
        let checked = run(&project, &[]);
        assert_eq!(asked(checked.exits(0)).len(), all, "{days} days ahead");
    }
}

#[test]
fn two_runs_at_once_spoil_nothing() {
    let project = suite();
    let both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = project.plain_command();
            command.args(["--cache", "--deepen=0", "--quiet"]);
            command.stdout(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut each in both {
        assert!(each.wait().unwrap().success());
    }
    assert_eq!(books(&project).len(), 1);
    assert_eq!(asked(run(&project, &[]).exits(0)), BTreeSet::new());
}

#[test]
fn a_branch_that_is_switched_to_is_checked_as_it_is() {
    let project = suite();
    let root = project.root();
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    project.write(".gitignore", "__pycache__/\n.pytest_cache/\n");
    let commit = |message: &str| {
        git(&root, &["add", "."]);
        git(&root, &["commit", "--quiet", "-m", message]);
    };
    commit("one");
    git(&root, &["switch", "--quiet", "--create", "leaks"]);
    let line = "    return len(values)";
    let leak = "    ITEMS.append([])\n    return len(values)";
    edit(&project, "app/store.py", line, leak);
    commit("two");
    for (branch, code) in [("main", 0), ("leaks", 1), ("main", 0), ("leaks", 1)] {
        git(&root, &["switch", "--quiet", branch]);
        let checked = run(&project, &[]);
        checked.exits(code);
        let cold = project.check(&["--no-cache"]);
        assert_eq!(checked.verdicts(), cold.verdicts(), "{branch}");
    }
}

#[test]
fn parts_of_a_suite_do_not_push_each_other_out() {
    let project = suite();
    let parts = [
        &["--shard=1/2"][..],
        &["--shard=2/2"],
        &["tests/test_text.py"],
        &[],
    ];
    for part in parts {
        assert!(!asked(run(&project, part).exits(0)).is_empty(), "{part:?}");
    }
    for part in parts {
        assert_eq!(
            asked(run(&project, part).exits(0)),
            BTreeSet::new(),
            "{part:?}"
        );
    }
}
