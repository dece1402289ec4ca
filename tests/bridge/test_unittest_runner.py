"""The unittest half: what is collected, how each iteration ends, and fixtures around the repeats."""

import os
import sys
import tempfile
import unittest

from driver import BridgeCase, needs_pytest, pytest_version

OUTCOMES = """
    import unittest

    TURN = [0]
    KEPT = []


    class Outcomes(unittest.TestCase):
        def setUp(self):
            self.fresh = []

        def test_passes(self):
            pass

        def test_fails(self):
            self.assertEqual(1, 2)

        def test_errors(self):
            raise KeyError("missing")

        def test_skips(self):
            self.skipTest("not today")

        @unittest.skip("never")
        def test_skipped(self):
            raise AssertionError

        @unittest.expectedFailure
        def test_expected_failure(self):
            self.assertEqual(1, 2)

        @unittest.expectedFailure
        def test_unexpected_success(self):
            pass

        def test_exits(self):
            raise SystemExit(3)

        def test_subtests(self):
            for number in range(3):
                with self.subTest(number=number):
                    self.assertLess(number, 3)

        def test_one_subtest_fails(self):
            for number in range(3):
                with self.subTest(number=number):
                    self.assertNotEqual(number, 1)

        def test_one_subtest_skips(self):
            for number in range(3):
                with self.subTest(number=number):
                    if number == 1:
                        self.skipTest("this one")

        def test_keeps_on_self(self):
            self.assertEqual(self.fresh, [])
            self.fresh.append(1)
            self.assertFalse(hasattr(self, "connection"))
            self.connection = object()

        def test_adds_a_type(self):
            self.assertNotIn(complex, self._type_equality_funcs)
            self.addTypeEqualityFunc(complex, "assertEqual")

        def test_cleans_up(self):
            self.addCleanup(KEPT.clear)
            self.assertEqual(KEPT, [])
            KEPT.append(1)

        def test_fails_the_third_time(self):
            TURN[0] += 1
            self.assertNotEqual(TURN[0], 3)


    class FailsInSetUp(unittest.TestCase):
        def setUp(self):
            raise OSError("no set-up")

        def test_it(self):
            pass


    class FailsInTearDown(unittest.TestCase):
        def tearDown(self):
            raise OSError("no tear-down")

        def test_it(self):
            pass


    class FailsInCleanup(unittest.TestCase):
        def test_it(self):
            self.addCleanup(self.fail, "no clean-up")


    @unittest.skip("the whole class")
    class Skipped(unittest.TestCase):
        def test_it(self):
            pass
"""


class Outcomes(BridgeCase):
    files = {"test_outcomes.py": OUTCOMES}

    def test_passes(self):
        answer = self.worker.run("test_passes", iterations=4, warmup=1)
        self.assertPassed(answer)
        self.assertEqual(answer["iterations"], 5)

    def test_a_failure_ends_the_batch(self):
        answer = self.worker.run("test_fails")
        self.assertStatus(answer, "failed", "call", "1 != 2")
        self.assertEqual(answer["iterations"], 1)
        self.assertEqual({tuple(values) for values in answer["series"].values()}, {()})

    def test_failures(self):
        for name, message in (
            ("test_errors", "KeyError: 'missing'"),
            ("test_exits", "SystemExit: 3" if self.runner == "unittest" else "3"),
            ("test_one_subtest_fails", "1 == 1"),
            ("FailsInCleanup.test_it", "no clean-up"),
        ):
            with self.subTest(name):
                self.assertStatus(self.worker.run(self.named(name)), "failed", "call", message)

    def named(self, name):
        return name if self.runner == "unittest" else name.replace(".", "::")

    def test_unexpected_success(self):
        answer = self.worker.run("test_unexpected_success")
        self.assertStatus(answer, "failed", "call")
        self.assertIn("unexpected success", answer["outcome"]["message"].lower())

    def test_failures_in_fixtures(self):
        answer = self.worker.run(self.named("FailsInSetUp.test_it"))
        self.assertStatus(answer, "failed", None, "no set-up")
        answer = self.worker.run(self.named("FailsInTearDown.test_it"))
        self.assertStatus(answer, "failed", None, "no tear-down")

    def test_skips(self):
        self.assertStatus(self.worker.run("test_skips"), "skipped", None, "not today")
        self.assertStatus(self.worker.run("test_skipped"), "skipped", None, "never")
        self.assertStatus(self.worker.run(self.named("Skipped.test_it")), "skipped", None, "the whole class")

    def test_what_counts_as_passed(self):
        names = ["test_expected_failure", "test_subtests", "test_cleans_up"]
        if self.runner == "unittest" or pytest_version() >= (9, 0):
            # Older ones of pytest take the skip for the whole test's.
            names.append("test_one_subtest_skips")
        for name in names:
            with self.subTest(name):
                answer = self.worker.run(name)
                self.assertPassed(answer)
                self.assertEqual(answer["iterations"], 8)
                self.assertFlat(self.worker, name)

    def test_each_iteration_has_a_self_of_its_own(self):
        for name in ("test_keeps_on_self", "test_adds_a_type", "test_keeps_on_self"):
            self.assertFlat(self.worker, name)

    def test_a_later_failure(self):
        answer = self.worker.run("test_fails_the_third_time", iterations=6, warmup=1)
        self.assertStatus(answer, "failed", "call")
        self.assertEqual(answer["iterations"], 3)
        # The opening of the window and the one iteration that passed in it.
        self.assertEqual({len(values) for values in answer["series"].values()}, {2})


@needs_pytest
class OutcomesUnderPytest(Outcomes):
    """unittest's tests in pytest's hands: the same, in other words."""

    runner = "pytest"


FIXTURES = """
    import os
    import unittest

    from log import log


    def setUpModule():
        log("setUpModule")


    def tearDownModule():
        log("tearDownModule")
        raise OSError("no module tear-down")


    class A(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            log("A.setUpClass")
            cls.made = []

        @classmethod
        def tearDownClass(cls):
            log("A.tearDownClass")

        def setUp(self):
            log("A.setUp")

        def test_one(self):
            log("A.one")

        def test_two(self):
            log("A.two")


    class B(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            log("B.setUpClass")

        @classmethod
        def tearDownClass(cls):
            log("B.tearDownClass")
            raise OSError("no class tear-down")

        def test_one(self):
            log("B.one")
"""

OTHER = """
    import unittest

    from log import log


    class Blocked(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            log("Blocked.setUpClass")
            raise OSError("no class set-up")

        @classmethod
        def tearDownClass(cls):
            log("Blocked.tearDownClass")

        def test_one(self):
            log("Blocked.one")

        def test_two(self):
            log("Blocked.two")


    class Free(unittest.TestCase):
        def test_one(self):
            log("Free.one")


    class SkippedInSetUp(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise unittest.SkipTest("not this class")

        def test_one(self):
            pass

        def test_two(self):
            pass
"""

LOG = """
    import os

    def log(what):
        with open(os.environ["EVENTS"], "a") as file:
            file.write(what + "\\n")
"""


class Fixtures(BridgeCase):
    def setUp(self):
        super().setUp()
        handle, self.events_path = tempfile.mkstemp(prefix="lce-")
        os.close(handle)
        self.addCleanup(os.unlink, self.events_path)

    def begin(self, **options):
        files = {"test_fixtures.py": FIXTURES, "test_other.py": OTHER, "log.py": LOG}
        return self.start(files, env={"EVENTS": self.events_path}, **options)

    def events(self):
        """What was logged since the last call."""
        with open(self.events_path, "r+") as file:
            found = file.read().split()
            file.truncate(0)
        return found

    def test_wider_fixtures_stand_around_the_repeats(self):
        worker = self.begin()
        self.assertPassed(worker.run("A.test_one", iterations=2, warmup=1))
        self.assertEqual(self.events(), ["setUpModule", "A.setUpClass"] + 3 * ["A.setUp", "A.one"])
        self.assertPassed(worker.go_on(1))
        self.assertEqual(self.events(), ["A.setUp", "A.one"])
        self.assertPassed(worker.run("A.test_two", iterations=1, warmup=1))
        self.assertEqual(self.events(), 2 * ["A.setUp", "A.two"])
        self.assertPassed(worker.run("B.test_one", iterations=1, warmup=1))
        self.assertEqual(self.events(), ["A.tearDownClass", "B.setUpClass", "B.one", "B.one"])

    def test_failures_of_wider_teardowns_are_late_errors(self):
        worker = self.begin()
        self.assertPassed(worker.run("B.test_one", iterations=1, warmup=1))
        answer = worker.run("Free.test_one", iterations=1, warmup=1)
        self.assertStatus(answer, "passed", "", "")
        self.assertEqual(len(answer["errors"]), 2)
        expected = (("tearDownClass", "no class tear-down"), ("tearDownModule", "no module tear-down"))
        for error, (where, message) in zip(answer["errors"], expected):
            self.assertEqual(set(error), {"where", "message"})
            self.assertIn(where, error["where"])
            self.assertIn(message, error["message"])
        # Told once.
        self.assertPassed(worker.run("Free.test_one", iterations=1, warmup=1))
        self.assertEqual(worker.end(), [])

    def test_failures_of_the_last_teardowns(self):
        worker = self.begin()
        self.assertPassed(worker.run("B.test_one", iterations=1, warmup=1))
        self.events()
        errors = worker.end()
        self.assertEqual(self.events(), ["B.tearDownClass", "tearDownModule"])
        messages = [error["message"] for error in errors]
        self.assertEqual(messages, ["OSError: no class tear-down", "OSError: no module tear-down"])

    def test_a_class_that_cannot_be_set_up(self):
        worker = self.begin()
        for name in ("Blocked.test_one", "Blocked.test_two", "Blocked.test_one"):
            answer = worker.run(name)
            self.assertStatus(answer, "failed", None, "no class set-up")
            self.assertEqual(answer["errors"], [])
            self.assertNotEqual(answer["outcome"]["phase"], "call")
            self.assertEqual(answer["iterations"], 1)
        # Once, nothing of it is run, and nothing is torn down that was not set up.
        self.assertPassed(worker.run("Free.test_one", iterations=1, warmup=1))
        self.assertEqual(self.events(), ["Blocked.setUpClass", "Free.one", "Free.one"])
        self.assertStatus(worker.run("Blocked.test_two"), "failed", None, "no class set-up")

    def test_a_class_that_skips_in_its_set_up(self):
        worker = self.begin()
        for name in ("SkippedInSetUp.test_one", "SkippedInSetUp.test_two"):
            self.assertStatus(worker.run(name), "skipped", None, "not this class")

    def test_a_module_that_cannot_be_set_up(self):
        text = """
            import unittest

            def setUpModule():
                raise OSError("no module set-up")

            class One(unittest.TestCase):
                def test_one(self):
                    pass

            class Two(unittest.TestCase):
                def test_two(self):
                    pass
        """
        worker = self.start({"test_module.py": text})
        for name in ("test_one", "test_two"):
            answer = worker.run(name)
            self.assertStatus(answer, "failed", None, "no module set-up")
            self.assertNotEqual(answer["outcome"]["phase"], "call")
        self.assertEqual(worker.end(), [])

    def test_a_description_of_ones_own_is_no_fixture(self):
        # unittest's stand-in for a fixture has an attribute of this name as well.
        text = """
            import unittest

            class Described(unittest.TestCase):
                description = "tearDown of the tower"

                def test_it(self):
                    self.fail("really")
        """
        worker = self.start({"test_described.py": text})
        answer = worker.run("test_it")
        self.assertStatus(answer, "failed", "call", "really")
        self.assertEqual(answer["errors"], [])


class Async(BridgeCase):
    files = {
        "test_async.py": """
            import asyncio
            import contextvars
            import unittest

            SEEN = contextvars.ContextVar("SEEN", default=0)


            class Async(unittest.IsolatedAsyncioTestCase):
                def setUp(self):
                    self.events = ["setUp"]

                async def asyncSetUp(self):
                    self.events.append("asyncSetUp")
                    self.lock = asyncio.Lock()

                async def asyncTearDown(self):
                    self.events.append("asyncTearDown")

                async def test_passes(self):
                    async with self.lock:
                        await asyncio.sleep(0)
                    self.assertEqual(self.events, ["setUp", "asyncSetUp"])

                async def test_fails(self):
                    await asyncio.sleep(0)
                    self.fail("as it should")

                async def test_cleans_up(self):
                    self.addAsyncCleanup(asyncio.sleep, 0)

                async def test_context(self):
                    self.assertEqual(SEEN.get(), 0)
                    SEEN.set(1)
        """
    }

    # Up to 3.10 the sets of an event loop take a block more or less as addresses fall.
    blocks = 0 if sys.version_info >= (3, 11) else None

    def test_outcomes(self):
        self.assertGrows(self.worker, "test_passes", blocks=self.blocks)
        self.assertGrows(self.worker, "test_cleans_up", blocks=self.blocks)
        self.assertStatus(self.worker.run("test_fails"), "failed", "call", "as it should")

    def test_each_iteration_has_a_context_of_its_own(self):
        self.assertGrows(self.worker, "test_context", blocks=self.blocks)


@needs_pytest
class AsyncUnderPytest(Async):
    runner = "pytest"


ONE = "import unittest\n\n\nclass {}(unittest.TestCase):\n    def test_{}(self):\n        pass\n"


class Collection(BridgeCase):
    """What is found, by which arguments, and what cannot be loaded."""

    FILES = {
        "test_one.py": ONE.format("One", "one"),
        "pkg/__init__.py": "",
        "pkg/test_two.py": ONE.format("Two", "two"),
        "pkg/check_three.py": ONE.format("Three", "three"),
    }

    def ids(self, files=None, **options):
        worker = self.start(files or self.FILES, **options)
        self.assertEqual(worker.last["re"], "collected", worker.last)
        return sorted(worker.ids)

    def test_everything(self):
        worker = self.start(self.FILES)
        self.assertEqual(worker.ids, ["pkg.test_two.Two.test_two", "test_one.One.test_one"])
        files = [test["file"] for test in worker.tests]
        self.assertEqual(files, [worker.project.path("pkg/test_two.py"), worker.project.path("test_one.py")])

    def test_arguments(self):
        self.assertEqual(self.ids(args=["-k", "two"]), ["pkg.test_two.Two.test_two"])
        self.assertEqual(self.ids(args=["-k", "*On*", "-v"]), ["test_one.One.test_one"])
        self.assertEqual(self.ids(args=["-p", "check_*.py"]), ["pkg.check_three.Three.test_three"])
        self.assertEqual(self.ids(args=["-s", "pkg", "-t", "."]), ["pkg.test_two.Two.test_two"])
        self.assertEqual(self.ids(args=["pkg.check_three"]), ["pkg.check_three.Three.test_three"])
        self.assertEqual(self.ids(args=["test_one.One.test_one", "-q"]), ["test_one.One.test_one"])

    def test_discover_may_be_said(self):
        # `python -m unittest discover -s pkg -t .` is how most people write it.
        self.assertEqual(self.ids(args=["discover", "-s", "pkg", "-t", "."]), ["pkg.test_two.Two.test_two"])
        self.assertEqual(self.ids(args=["discover"]), self.ids())

    def test_paths(self):
        self.assertEqual(self.ids(paths=["pkg"]), ["pkg.test_two.Two.test_two"])
        self.assertEqual(self.ids(paths=["pkg/check_three.py"]), ["pkg.check_three.Three.test_three"])
        self.assertEqual(self.ids(paths=["test_one.py", "pkg/test_two.py"]), self.ids())
        self.assertEqual(self.ids(paths=["test_one.One"]), ["test_one.One.test_one"])

    def test_a_folder_of_tests_that_is_no_package(self):
        files = {"tests/test_one.py": self.FILES["test_one.py"]}
        self.assertEqual(self.ids(files), ["test_one.One.test_one"])

    def test_what_cannot_be_loaded(self):
        files = dict(self.FILES)
        files["test_syntax.py"] = "def f(:\n"
        files["test_import.py"] = "import no_such_module_anywhere\n"
        files["test_raises.py"] = "raise ValueError('at import')\n"
        worker = self.start(files)
        self.assertEqual(len(worker.ids), 2)
        errors = {error["where"]: error["message"] for error in worker.last["errors"]}
        self.assertEqual(set(errors), {"test_syntax", "test_import", "test_raises"})
        self.assertIn("SyntaxError", errors["test_syntax"])
        self.assertIn("no_such_module_anywhere", errors["test_import"])
        self.assertIn("ValueError: at import", errors["test_raises"])
        self.assertPassed(worker.run("test_one"))

    def test_a_name_that_leads_nowhere(self):
        worker = self.start(self.FILES, args=["test_one.Nothing"])
        self.assertEqual(worker.ids, [])
        self.assertEqual(len(worker.last["errors"]), 1)

    def test_a_module_that_skips_itself(self):
        worker = self.start({"test_skips.py": "import unittest\n\nraise unittest.SkipTest('no need')\n"})
        self.assertEqual(worker.last["errors"], [])
        self.assertEqual(len(worker.ids), 1)
        self.assertStatus(worker.run(worker.ids[0]), "skipped", None, "no need")

    def test_nothing(self):
        worker = self.start({"module.py": "x = 1\n"})
        self.assertEqual(worker.last["re"], "collected")
        self.assertEqual(worker.ids, [])
        self.assertEqual(worker.end(), [])


class Doctests(BridgeCase):
    files = {
        "documented.py": '''
            def double(x):
                """Doubles.

                >>> kept = [double(2)]
                >>> kept
                [4]
                >>> SHARED
                7
                """
                return 2 * x


            def wrong(x):
                """
                >>> wrong(1)
                2
                """
                return x


            SHARED = 7
        ''',
        "test_docs.py": """
            import doctest
            import unittest

            import documented


            def load_tests(loader, tests, pattern):
                tests.addTests(doctest.DocTestSuite(documented))
                tests.addTest(unittest.FunctionTestCase(check))
                return tests


            def check():
                pass
        """,
    }

    def test_doctests(self):
        self.assertFlat(self.worker, "documented.double")
        self.assertStatus(self.worker.run("documented.wrong"), "failed", "call")
        self.assertFlat(self.worker, "documented.double")

    def test_functions(self):
        self.assertFlat(self.worker, "check")

    def test_files_are_those_of_the_tests(self):
        files = {test["id"].rpartition(".")[2]: test["file"] for test in self.worker.tests}
        self.assertEqual(files["double"], self.project.path("documented.py"))
        self.assertEqual(files["check"], self.project.path("test_docs.py"))


class Instances(BridgeCase):
    """Tests with a constructor of their own, as test generators make them."""

    files = {
        "test_instances.py": """
            import unittest


            class Parametrised(unittest.TestCase):
                def __init__(self, name="runTest", number=0):
                    super().__init__(name)
                    self.number = number
                    self.seen = []

                def test_number(self):
                    self.assertLess(self.number, 3)
                    self.seen.append(self.number)

                def test_starts_empty(self):
                    self.assertEqual(self.seen, [])
                    self.seen.append(1)

                def id(self):
                    return "{}_{}".format(super().id(), self.number)


            def load_tests(loader, tests, pattern):
                suite = unittest.TestSuite(Parametrised("test_number", number) for number in range(3))
                suite.addTest(Parametrised("test_starts_empty", 9))
                return suite
        """
    }

    def test_each_keeps_its_parameters(self):
        self.assertEqual(len(self.worker.ids), 4)
        for number in range(3):
            self.assertPassed(self.worker.run("test_number_{}".format(number)))

    def test_what_the_constructor_made_is_made_anew(self):
        for _ in range(2):
            self.assertPassed(self.worker.run("test_starts_empty_9"))


@unittest.skipIf(sys.version_info < (3, 11), "new in 3.11")
class EnterContext(BridgeCase):
    files = {
        "test_enter.py": """
            import tempfile
            import unittest


            class Enter(unittest.TestCase):
                def test_it(self):
                    self.enterContext(tempfile.TemporaryDirectory())
        """
    }

    def test_flat(self):
        self.assertFlat(self.worker, "test_it")


if __name__ == "__main__":
    unittest.main()
