"""The pytest half: outcomes, fixtures of every scope, what pytest itself keeps, and plugins and options."""

import os
import tempfile
import unittest
from unittest import mock

from driver import HAS_PYTEST, BridgeCase, Worker, needs_pytest, pytest_version

CONFTEST = """
    import os
    import tempfile

    import pytest


    class Service:
        def __init__(self):
            self.clients = 0


    @pytest.fixture(scope="session")
    def service():
        return Service()


    @pytest.fixture(scope="package")
    def packaged(service):
        yield service


    @pytest.fixture(scope="module")
    def table(service):
        yield {"service": service}


    @pytest.fixture(scope="class")
    def shelf(table):
        yield [table]


    @pytest.fixture
    def client(service):
        service.clients += 1
        yield service
        service.clients -= 1


    @pytest.fixture
    def row(table, client):
        return table, client


    @pytest.fixture
    def late(request):
        request.addfinalizer(lambda: None)
        return request.getfixturevalue("service")


    @pytest.fixture(scope="session", params=["one", "two"])
    def chosen(request):
        return request.param


    @pytest.fixture
    def built(chosen, tmp_path):
        (tmp_path / chosen).write_text("x")
        return tmp_path / chosen


    @pytest.fixture(scope="session")
    def cellar(tmp_path_factory):
        folder = tmp_path_factory.mktemp("cellar")
        (folder / "wine").write_text("red")
        return folder


    @pytest.fixture
    def bottle(cellar):
        assert (cellar / "wine").read_text() == "red"
        return cellar / "wine"


    @pytest.fixture(autouse=True)
    def everywhere(service):
        yield
"""

FLAT = """
    import logging
    import os
    import tempfile
    import warnings

    import pytest


    def test_plain():
        pass


    def test_client(client):
        assert client.clients == 1


    def test_row(row, table):
        assert row[0] is table


    def test_package(packaged, client):
        assert packaged is client


    def test_late(late):
        assert late is not None


    def test_by_name(request):
        assert request.getfixturevalue("table") is request.getfixturevalue("row")[0]


    def test_finalizer(request, client):
        request.addfinalizer(list)


    def test_chosen(chosen, client):
        assert chosen in ("one", "two")


    def test_built(built):
        assert built.exists()


    def test_bottle(bottle):
        assert bottle.exists()


    def test_tmp_path(tmp_path):
        (tmp_path / "file").write_text("x" * 1000)
        (tmp_path / "folder").mkdir()
        assert len(list(tmp_path.iterdir())) == 2


    def test_tmpdir(tmpdir):
        tmpdir.join("file").write("x")


    def test_factory(tmp_path_factory):
        one = tmp_path_factory.mktemp("made")
        two = tmp_path_factory.mktemp("made")
        assert one != two
        (one / "file").write_text("x")


    def test_mkdtemp():
        folder = tempfile.mkdtemp()
        os.rmdir(folder)


    def test_prints(capsys):
        print("x" * 1000)
        assert len(capsys.readouterr().out) == 1001


    def test_prints_in_vain():
        print("x" * 1000)


    def test_logs(caplog):
        logging.getLogger("a.b").warning("x")
        assert len(caplog.records) == 1


    def test_logs_in_vain():
        logging.getLogger("a.b").warning("x")


    def test_warns():
        with pytest.warns(UserWarning):
            warnings.warn("x", UserWarning)


    def test_warns_in_vain():
        warnings.warn("careful", UserWarning)


    def test_raises():
        with pytest.raises(ZeroDivisionError):
            1 / 0


    def test_monkeypatch(monkeypatch):
        monkeypatch.setenv("SOME", "thing")
        monkeypatch.setattr(os, "getcwd", lambda: "/")


    def test_property(record_property):
        record_property("key", "value")


    def test_adds_a_marker(request):
        request.node.add_marker(pytest.mark.filterwarnings("ignore"))


    @pytest.mark.parametrize("x", [1, 2])
    @pytest.mark.parametrize("y", ["a", "b::c"])
    def test_product(x, y, client):
        assert x * y


    @pytest.mark.parametrize("client", [3], indirect=False)
    def test_overridden(client):
        assert client == 3


    @pytest.mark.filterwarnings("error")
    def test_filters():
        with pytest.raises(UserWarning):
            warnings.warn("x", UserWarning)


    @pytest.mark.usefixtures("row")
    def test_uses():
        pass


    def test_recwarn(recwarn):
        warnings.warn("x", UserWarning)
        assert len(recwarn) == 1


    class TestMethods:
        shared = []

        def setup_method(self):
            self.items = []

        def test_setup(self, client):
            assert self.items == []
            self.items.append(1)

        def test_state(self):
            assert not hasattr(self, "connection")
            self.connection = object()

        @pytest.mark.parametrize("x", [1, 2])
        def test_parametrised(self, x, shelf):
            assert not hasattr(self, "x")
            self.x = x


    @pytest.mark.parametrize("size", [1, 2])
    class TestParametrised:
        def test_size(self, size, shelf, tmp_path):
            assert size


    @pytest.fixture(scope="class")
    def made(request):
        request.cls.value = 5
        yield
        del request.cls.value


    @pytest.mark.usefixtures("made")
    class TestClassFixture:
        def test_value(self):
            assert self.value == 5


    @pytest.mark.xfail(reason="known")
    def test_expected_failure():
        assert 0


    @pytest.mark.xfail(reason="known")
    def test_passes_all_the_same():
        pass
"""


@needs_pytest
class Flat(BridgeCase):
    runner = "pytest"
    files = {"conftest.py": CONFTEST, "test_flat.py": FLAT, "pkg/__init__.py": "", "pkg/test_more.py": FLAT}

    def check(self, worker):
        self.assertGreater(len(worker.ids), 70)
        for name in worker.ids:
            with self.subTest(name):
                self.assertFlat(worker, name)

    def test_every_test_is_flat(self):
        self.check(self.worker)

    def test_a_folder_made_in_every_short_iteration(self):
        # Times of files are coarse; iterations may be shorter.
        worker = self.start(self.files)
        self.assertFlat(worker, "test_flat.py::test_factory", iterations=200)
        self.assertFlat(worker, "test_flat.py::test_tmp_path", iterations=200)

    @unittest.skipIf(pytest_version() < (7, 3), "what older ones keep is not made beforehand")
    def test_the_first_iteration_leaves_as_little_as_any(self):
        # The second of two alike: what both need once is there by then.
        names = ["test_flat.py::TestMethods::test_parametrised[{}]".format(x) for x in (1, 2)]
        for name in names:
            answer = self.worker.answer(
                "ran", do="run", test=self.worker.index(name), thaw=False, warmup=1, before=True, iterations=3
            )
        self.assertPassed(answer)
        for counter, most in (("blocks", 0), ("heap", 31), ("fds", 0), ("items", 0)):
            values = answer["series"].get(counter, [0] * 5)
            self.assertEqual(len(values), 5, counter)
            self.assertLessEqual(max(values) - min(values), most, (counter, values))

    def test_flat_whatever_the_size_of_the_environment(self):
        # The dict behind os.environ is made anew once in so many iterations: see `_settle_environment`.
        for size in range(4, 44, 3):
            environment = {"NAME_{}".format(number): "x" for number in range(size)}
            with self.subTest(size=size), mock.patch.dict(os.environ, environment, clear=True):
                worker = self.start({"test_one.py": "def test_one():\n    pass\n"})
                values = worker.run("test_one", iterations=60)["series"].get("heap", [0])
                worker.close()
                self.assertLessEqual(max(values) - min(values), 31, values)

    def test_every_test_can_be_opened_again(self):
        for name in self.worker.ids * 2:
            with self.subTest(name):
                self.assertPassed(self.worker.run(name, iterations=2, warmup=1))

    def test_a_class_of_unittests_has_a_fixture_only_where_it_says_what_that_does(self):
        worker = self.start(
            {
                "test_cases.py": """
                    import unittest

                    class Plain(unittest.TestCase):
                        def test_plain(self):
                            pass

                    class Ends(Plain):
                        def test_ends(self):
                            pass

                        @classmethod
                        def tearDownClass(cls):
                            pass
                """
            }
        )
        plain = next(at for at, test in enumerate(worker.ids) if test.endswith("Plain::test_plain"))
        ran = worker.answer("ran", do="run", test=plain, thaw=True, warmup=1, iterations=1)
        both = ran, worker.run("test_ends")
        of_classes = [[name for name in each["wider"] if name.startswith("class:")] for each in both]
        self.assertEqual(list(map(len, of_classes)), [0, 1], of_classes)

    def test_wider_temporary_folders_stay(self):
        worker = self.start(self.files)
        names = [name for name in worker.ids if "test_bottle" in name or "test_factory" in name]
        for name in names + names[::-1]:
            self.assertPassed(worker.run(name))


OUTCOMES = """
    import pytest

    TURN = [0]


    def test_passes():
        pass


    def test_fails():
        assert 1 == 2


    def test_message():
        raise ValueError("first\\nsecond")


    def test_skips():
        pytest.skip("not today")


    @pytest.mark.skip(reason="never")
    def test_skipped():
        pass


    @pytest.mark.xfail(strict=True, reason="it must fail")
    def test_strict():
        pass


    @pytest.mark.xfail(run=False, reason="would crash")
    def test_not_run():
        raise SystemExit


    def test_xfails():
        pytest.xfail("in the middle")


    @pytest.fixture
    def no_setup():
        raise OSError("no set-up")


    @pytest.fixture
    def no_teardown():
        yield
        raise OSError("no tear-down")


    @pytest.fixture
    def skipping():
        pytest.skip("by fixture")


    def test_setup(no_setup):
        pass


    def test_teardown(no_teardown):
        pass


    def test_skipping(skipping):
        pass


    def test_both(no_teardown):
        assert "call" == "first"


    def test_missing(no_such_fixture):
        pass


    def test_third():
        TURN[0] += 1
        assert TURN[0] != 3


    def test_exits():
        pytest.exit("enough")
"""


@needs_pytest
class Outcomes(BridgeCase):
    runner = "pytest"
    files = {"test_outcomes.py": OUTCOMES}

    def test_outcomes(self):
        for name, status, phase, message in (
            ("test_fails", "failed", "call", "assert 1 == 2"),
            ("test_message", "failed", "call", "first"),
            ("test_skips", "skipped", "call", "not today"),
            ("test_skipped", "skipped", "setup", "never"),
            ("test_strict", "failed", "call", "it must fail"),
            ("test_setup", "failed", "setup", "no set-up"),
            ("test_teardown", "failed", "teardown", "no tear-down"),
            ("test_both", "failed", "call", "assert"),
            ("test_skipping", "skipped", "setup", "by fixture"),
            ("test_missing", "failed", "setup", "no_such_fixture"),
            # Nothing of it is run, so nothing can be said of it.
            ("test_not_run", "skipped", "setup", "would crash"),
        ):
            with self.subTest(name):
                answer = self.worker.run(name)
                self.assertStatus(answer, status, phase, message)
                self.assertEqual(answer["iterations"], 1)

    def test_what_counts_as_passed(self):
        for name in ("test_passes", "test_xfails"):
            with self.subTest(name):
                self.assertFlat(self.worker, name)

    def test_a_later_failure(self):
        answer = self.worker.run("test_third", iterations=6, warmup=1)
        self.assertStatus(answer, "failed", "call", "assert 3 != 3")
        self.assertEqual(answer["iterations"], 3)

    def test_a_failure_is_the_end_of_no_other_test(self):
        worker = self.start(self.files, args=["-x"])
        self.assertStatus(worker.run("test_fails"), "failed")
        self.assertPassed(worker.run("test_passes"))

    def test_the_end_of_the_session(self):
        worker = self.start(self.files)
        self.assertStatus(worker.run("test_exits"), "broken", "call", "enough")


EVENTS = """
    import os

    import pytest


    def log(what):
        with open(os.environ["EVENTS"], "a") as file:
            file.write(what + "\\n")


    @pytest.fixture(scope="session")
    def session():
        log("session")
        yield
        log("/session")


    @pytest.fixture(scope="module")
    def module(session):
        log("module")
        yield
        log("/module")


    @pytest.fixture(scope="class")
    def klass(module):
        log("class")
        yield
        log("/class")
        if os.environ.get("FAIL"):
            raise OSError("no class tear-down")


    @pytest.fixture
    def function(klass):
        log("function")
        yield
        log("/function")
"""

EVENT_TESTS = """
    from conftest import log


    def setup_module():
        log("setup_module")


    def teardown_module():
        log("teardown_module")


    class TestOne:
        def setup_class(self):
            log("setup_class")

        def teardown_class(self):
            log("teardown_class")

        def test_a(self, function):
            log("a")

        def test_b(self, function):
            log("b")


    def test_c(module):
        log("c")
"""


@needs_pytest
class Scopes(BridgeCase):
    runner = "pytest"

    def setUp(self):
        super().setUp()
        handle, self.events_path = tempfile.mkstemp(prefix="lce-")
        os.close(handle)
        self.addCleanup(os.unlink, self.events_path)

    def begin(self, **env):
        files = {
            "conftest.py": EVENTS,
            "test_events.py": EVENT_TESTS,
            "test_other.py": "def test_d():\n    pass\n",
        }
        return self.start(files, env=dict(env, EVENTS=self.events_path))

    def events(self):
        with open(self.events_path, "r+") as file:
            found = file.read().split()
            file.truncate(0)
        return found

    def test_wider_fixtures_stand_around_the_repeats(self):
        worker = self.begin()
        self.assertPassed(worker.run("test_a", iterations=2, warmup=1))
        found = self.events()
        # Those of the module's and the class's own functions come before or after; that is pytest's choice.
        self.assertEqual(sorted(found[:-9]), ["class", "module", "session", "setup_class", "setup_module"])
        self.assertEqual(found[-9:], 3 * ["function", "a", "/function"])
        self.assertPassed(worker.run("test_b", iterations=1, warmup=1))
        self.assertEqual(self.events(), 2 * ["function", "b", "/function"])
        self.assertPassed(worker.run("test_c", iterations=1, warmup=1))
        found = self.events()
        self.assertEqual(sorted(found[:-2]), ["/class", "teardown_class"])
        self.assertEqual(found[-2:], ["c", "c"])
        self.assertPassed(worker.run("test_d", iterations=1, warmup=1))
        self.assertEqual(sorted(self.events()), ["/module", "teardown_module"])
        self.assertEqual(worker.end(), [])
        self.assertEqual(self.events(), ["/session"])

    def test_a_test_alone_can_be_run_again(self):
        worker = self.begin()
        for _ in range(2):
            self.assertPassed(worker.run("test_a", iterations=1, warmup=1))
            self.assertPassed(worker.run("test_d", iterations=1, warmup=1))
        self.assertEqual(worker.end(), [])
        self.assertEqual(self.events().count("class"), 2)

    def test_failures_of_wider_teardowns_are_late_errors(self):
        worker = self.begin(FAIL="1")
        self.assertPassed(worker.run("test_b", iterations=1, warmup=1))
        answer = worker.run("test_c", iterations=1, warmup=1)
        self.assertStatus(answer, "passed", "", "")
        ((error),) = answer["errors"]
        self.assertIn("test_b", error["where"])
        self.assertIn("no class tear-down", error["message"])
        self.assertPassed(worker.run("test_d", iterations=1, warmup=1))
        self.assertPassed(worker.run("test_b", iterations=1, warmup=1))
        # Set up once more for us, so that its end says nothing new.
        self.assertEqual(worker.end(), [])


@needs_pytest
class Collection(BridgeCase):
    runner = "pytest"
    FILES = {
        "test_one.py": "def test_one():\n    pass\n\n\ndef test_other():\n    pass\n",
        "sub/test_two.py": "class TestTwo:\n    def test_two(self):\n        pass\n",
    }

    def ids(self, **options):
        worker = self.start(self.FILES, **options)
        self.assertEqual(worker.last["re"], "collected", worker.last)
        return worker.ids

    def test_ids_and_files(self):
        worker = self.start(self.FILES)
        self.assertEqual(
            sorted(worker.ids),
            ["sub/test_two.py::TestTwo::test_two", "test_one.py::test_one", "test_one.py::test_other"],
        )
        for test in worker.tests:
            self.assertEqual(test["file"], worker.project.path(test["id"].partition("::")[0]))

    def test_arguments(self):
        self.assertEqual(self.ids(args=["-k", "two"]), ["sub/test_two.py::TestTwo::test_two"])
        self.assertEqual(self.ids(paths=["sub"]), ["sub/test_two.py::TestTwo::test_two"])
        self.assertEqual(self.ids(paths=["test_one.py::test_other"]), ["test_one.py::test_other"])

    def test_files_to_skip(self):
        worker = self.start(self.FILES)
        path = worker.project.path("test_one.py")
        worker.close()
        with Worker(worker.project, "pytest", skip=[path]) as second:
            self.assertEqual(second.ids, ["sub/test_two.py::TestTwo::test_two"])
        # Where single tests are named, a file that yields none would be an error.
        with Worker(worker.project, "pytest", skip=[path], paths=["test_one.py::test_one"]) as third:
            self.assertEqual(third.ids, ["test_one.py::test_one"])

    def test_what_cannot_be_loaded(self):
        files = dict(self.FILES)
        files["test_syntax.py"] = "def f(:\n"
        files["test_import.py"] = "import no_such_module_anywhere\n"
        files["test_raises.py"] = "raise ValueError('at import')\n"
        worker = self.start(files)
        self.assertEqual(len(worker.ids), 3)
        errors = {error["where"]: error["message"] for error in worker.last["errors"]}
        self.assertEqual(set(errors), {"test_syntax.py", "test_import.py", "test_raises.py"})
        self.assertIn("SyntaxError", errors["test_syntax.py"])
        self.assertIn("no_such_module_anywhere", errors["test_import.py"])
        self.assertIn("ValueError: at import", errors["test_raises.py"])
        self.assertPassed(worker.run("test_one"))

    def test_nothing(self):
        worker = self.start({"module.py": "x = 1\n"})
        self.assertIn(worker.last["re"], ("collected", "stopped"))
        self.assertEqual(worker.ids, [])

    def test_doctests(self):
        files = {
            "documented.py": '''
                def double(x):
                    """
                    >>> kept = [double(2)]
                    >>> kept
                    [4]
                    """
                    return 2 * x


                def wrong(x):
                    """
                    >>> wrong(1)
                    2
                    """
                    return x
            ''',
            "text.txt": "    >>> x = 1\n    >>> x + 1\n    2\n",
        }
        worker = self.start(files, args=["--doctest-modules", "--doctest-glob=*.txt"])
        self.assertFlat(worker, "documented.double")
        self.assertStatus(worker.run("documented.wrong"), "failed", "call")
        self.assertFlat(worker, "documented.double")
        self.assertFlat(worker, "text.txt")


@needs_pytest
class Options(BridgeCase):
    runner = "pytest"
    FILES = {
        "test_one.py": "def test_one(tmp_path):\n    print('x')\n",
        "pytest.ini": "[pytest]\naddopts = --durations=3\ncache_dir = .my_cache\n",
    }

    def test_nothing_is_written_into_the_project(self):
        worker = self.start(self.FILES, args=["--junitxml=report.xml", "--pdb"])
        before = worker.project.tree()
        self.assertFlat(worker, "test_one")
        self.assertEqual(worker.end(), [])
        self.assertEqual(worker.process.returncode, 0, worker.log())
        self.assertEqual(worker.project.tree(), before)
        self.assertEqual(worker.last["notes"], ["--pdb is off", "--junitxml is not written"])

    def test_options_that_leave_pytest_as_it_is(self):
        for args in (
            ["-s"],
            ["-p", "no:terminal"],
            ["-p", "no:tmpdir", "-p", "no:logging"],
            ["-q", "-x", "--tb=no"],
            ["--capture=sys"],
            ["-p", "no:cacheprovider"],
            ["-W", "error"],
            ["--setup-show"],
        ):
            with self.subTest(args):
                name = "def test_one():\n    print('x')\n" if "no:tmpdir" in args else self.FILES["test_one.py"]
                worker = self.start(dict(self.FILES, **{"test_one.py": name}), args=args)
                self.assertFlat(worker, "test_one")
                self.assertEqual(worker.end(), [])

    def test_a_conftest_that_reports(self):
        conftest = """
            import pytest


            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item, call):
                outcome = yield
                setattr(item, "report_" + call.when, outcome.get_result())


            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_protocol(item):
                yield
        """
        worker = self.start(dict(self.FILES, **{"conftest.py": conftest}))
        self.assertFlat(worker, "test_one")

    def test_tests_that_are_wrapped_in_place(self):
        conftest = """
            import functools

            import pytest


            @pytest.hookimpl(tryfirst=True)
            def pytest_runtest_call(item):
                inner = item.obj

                @functools.wraps(inner)
                def wrapper(*args, **kwargs):
                    return inner(*args, **kwargs)

                item.obj = wrapper
        """
        tests = "def test_one():\n    pass\n\n\nclass TestTwo:\n    def test_two(self):\n        pass\n"
        worker = self.start({"conftest.py": conftest, "test_wrapped.py": tests})
        self.assertFlat(worker, "test_one")
        self.assertFlat(worker, "test_two")


@unittest.skipUnless(HAS_PYTEST and pytest_version() >= (9, 0), "pytest 9 brought subtests")
class Subtests(BridgeCase):
    runner = "pytest"
    FILES = {
        "test_sub.py": """
            import pytest


            def test_passes(subtests):
                for number in range(3):
                    with subtests.test(number=number):
                        assert number < 3


            def test_fails(subtests):
                for number in range(3):
                    with subtests.test("odd", number=number):
                        assert number != 1


            def test_skips(subtests):
                for number in range(3):
                    with subtests.test(number=number):
                        if number == 1:
                            pytest.skip("this one")


            @pytest.fixture(scope="module")
            def module():
                yield


            def test_after(module):
                pass


            def test_last(module):
                pass
        """
    }

    def test_subtests(self):
        worker = self.start(self.FILES)
        self.assertFlat(worker, "test_passes")
        self.assertFlat(worker, "test_skips")
        answer = worker.run("test_fails")
        self.assertStatus(answer, "failed", "call")
        self.assertEqual(answer["iterations"], 1)

    def test_a_failed_subtest_ends_no_session(self):
        for args in (["-x"], ["--maxfail=1", "-W", "error"]):
            with self.subTest(args):
                worker = self.start(self.FILES, args=args)
                self.assertStatus(worker.run("test_fails"), "failed", "call")
                self.assertFlat(worker, "test_after")
                self.assertFlat(worker, "test_last")
                self.assertEqual(worker.end(), [])


if __name__ == "__main__":
    unittest.main()
