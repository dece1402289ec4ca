"""`note`: what a test depends on, as far as it shows while the test runs."""

import os
import sys
import sysconfig
import unittest

from driver import BRIDGE, BridgeCase, increments, needs_pytest

OUTSIDE = sorted({os.path.dirname(os.__file__) + "/", sysconfig.get_paths()["purelib"] + "/", BRIDGE + "/"})

APP = """
    import functools

    REGISTRY = []


    def register(function):
        REGISTRY.append(function)
        return function


    def direct():
        return [number for number in range(3)]


    @functools.lru_cache(None)
    def once():
        return made()


    def made():
        return 1


    def never():
        return 2


    class Shape:
        def area(self):
            def inner():
                return 3

            return inner()
"""

TESTS = """
    import app


    @app.register
    def helper():
        return app.Shape().area()


    def test_direct():
        app.direct()


    def test_once():
        app.once()
        app.direct()


    def test_shape():
        helper()
"""

needs_monitoring = unittest.skipUnless(hasattr(sys, "monitoring"), "no sys.monitoring before 3.12")


class DependsCase(BridgeCase):
    def _worker(self, files, runner="pytest"):
        worker = self.start(files, runner, outside=OUTSIDE)
        return worker.project, worker

    def _noted(self, worker, name, iterations=3):
        order = {"warmup": 1, "iterations": iterations, "before": True, "note": True}
        ran = worker.answer("ran", do="run", test=worker.index(name), thaw=False, survey=True, **order)
        self.assertEqual(ran["outcome"]["status"], "passed", ran)
        return ran["noted"], ran

    @staticmethod
    def _functions(noted, again=(0, 1)):
        return {name for _, name, seen in noted["units"] if seen in again}


@needs_pytest
@needs_monitoring
class FunctionsTest(DependsCase):
    def test_functions_of_the_project_that_run_are_noted_and_nothing_else(self):
        _, worker = self._worker({"app.py": APP, "test_app.py": TESTS})
        noted, _ = self._noted(worker, "test_direct")
        self.assertEqual(self._functions(noted), {"test_direct", "direct"})
        noted, _ = self._noted(worker, "test_shape")
        self.assertEqual(self._functions(noted), {"test_shape", "helper", "Shape.area", "Shape.area.<locals>.inner"})
        worker.end()

    def test_what_ran_in_the_first_iteration_only_is_told_apart(self):
        _, worker = self._worker({"app.py": APP, "test_app.py": TESTS})
        noted, _ = self._noted(worker, "test_once")
        self.assertEqual(self._functions(noted, [1]), {"test_once", "direct"})
        self.assertEqual(self._functions(noted, [0]), {"once", "made"})
        worker.end()

    def test_a_second_test_sees_all_that_it_runs_too(self):
        _, worker = self._worker({"app.py": APP, "test_app.py": TESTS})
        first, _ = self._noted(worker, "test_direct")
        again, _ = self._noted(worker, "test_direct")
        self.assertEqual(self._functions(first), self._functions(again))
        worker.end()

    def test_what_only_a_later_iteration_runs_is_noted(self):
        files = {
            "app.py": APP,
            "test_app.py": TESTS,
            "test_later.py": """
                import pathlib

                import app

                TURNS = []


                def test_later():
                    TURNS.append(None)
                    app.direct()
                    if len(TURNS) == 4:
                        app.made()
                    if len(TURNS) >= 4:
                        pathlib.Path(__file__).read_text()
                    if len(TURNS) == 7:
                        app.never()
            """,
        }
        project, worker = self._worker(files)
        noted, _ = self._noted(worker, "test_later", iterations=4)
        self.assertEqual(self._functions(noted), {"test_later", "direct", "made"})
        self.assertEqual(self._functions(noted, [1]), {"test_later", "direct", "made"})
        self.assertIn("2f" + project.path("test_later.py"), noted["opened"])
        self.assertEqual([each for each in noted["opened"] if "/proc" in each], [])
        order = {"thaw": False, "survey": False, "warmup": 0, "before": False, "between": True}
        ran = worker.answer("ran", do="run", iterations=1, **order)
        self.assertNotIn("never", self._functions(ran["noted"]))
        ran = worker.answer("ran", do="run", iterations=2, **order)
        self.assertIn("never", self._functions(ran["noted"]))
        # Of another test nothing is left.
        noted, _ = self._noted(worker, "test_direct")
        self.assertEqual(self._functions(noted), {"test_direct", "direct"})
        worker.end()

    def test_code_that_comes_later_is_noted_by_whatever_way(self):
        files = {
            "late.py": "def late():\n    return (lambda: 4)()\n",
            "app.py": """
                def generate():
                    yield 1


                STARTED = generate()
                del generate


                def one():
                    return 1


                def other():
                    return 2
            """,
            "test_late.py": """
                import types

                import app


                def test_import():
                    import late

                    late.late()


                def test_made():
                    made = types.FunctionType(app.one.__code__.replace(co_name="made", co_qualname="made"), {})
                    made()


                def test_put():
                    app.other.__code__ = app.one.__code__.replace(co_name="put", co_qualname="put")
                    app.other()


                def test_generator():
                    next(app.STARTED, None)
            """,
        }
        _, worker = self._worker(files)
        for test, expected in [
            ("test_import", {"<module>", "late", "late.<locals>.<lambda>"}),
            ("test_made", {"made"}),
            ("test_put", {"put"}),
            ("test_generator", {"generate"}),
        ]:
            noted, _ = self._noted(worker, test)
            self.assertEqual(self._functions(noted), expected | {test})
        worker.end()

    def test_what_is_frozen_is_noted(self):
        test = "import gc\n\nimport app\n\ngc.freeze()\n\n\ndef test_one():\n    app.direct()\n"
        files = {"app.py": APP, "test_frozen.py": test}
        _, worker = self._worker(files)
        noted, _ = self._noted(worker, "test_one")
        self.assertEqual(self._functions(noted), {"test_one", "direct"})
        worker.end()

    def test_code_that_is_made_anew_is_not_kept_by_noting_it(self):
        files = {
            "test_made.py": """
                import collections

                SOURCE = "def made():\\n    return [lambda: 1, lambda: 2]\\n"


                def test_made():
                    names = {}
                    exec(compile(SOURCE, __file__, "exec"), names)
                    names["made"]()[0]()
                    collections.namedtuple("Pair", "a b")(1, 2)
            """,
        }
        _, worker = self._worker(files)
        noted, ran = self._noted(worker, "test_made", iterations=9)
        self.assertIn("made", self._functions(noted))
        for counter in ("blocks", "objects", "heap"):
            readings = ran["series"][counter][2:]
            risen = sum(later > earlier for earlier, later in zip(readings, readings[1:]))
            # What is kept is kept in each iteration. Once `tuple` needs room for the subclasses that came and went
            # (the ninth `namedtuple` on 3.15), noted or not.
            self.assertLessEqual(risen, 1, (counter, readings))
        worker.end()

    def test_noting_shows_in_no_judged_reading(self):
        _, worker = self._worker({"app.py": APP, "test_app.py": TESTS})
        for name in ("test_direct", "test_shape"):
            _, ran = self._noted(worker, name, iterations=5)
            for counter in ("blocks", "objects", "items"):
                readings = ran["series"][counter]
                # The second iteration is noted too, and the first one that is judged.
                self.assertLessEqual(readings[-1], readings[1], (name, counter, readings))

    def test_how_much_is_noted_is_no_block_of_its_own(self):
        # The names that are noted in the second iteration end past byte 256.
        long = "x" * 150 + ".txt"
        test = "def test_reads():\n    with open({!r}) as file:\n        file.read()\n".format(long)
        _, worker = self._worker({long: "data", "test_reads.py": test})
        for _ in range(2):
            _, ran = self._noted(worker, "test_reads", iterations=5)
        self.assertLessEqual(max(increments(ran["series"]["blocks"])[1:]), 0)

    def test_the_readings_after_a_noted_iteration_are_those_before_it(self):
        tests = "".join("def test_{}():\n    assert sum(range(10)) == 45\n\n\n".format(at) for at in range(3))
        _, worker = self._worker({"test_sums.py": tests})
        for at in range(3):
            _, ran = self._noted(worker, "test_{}".format(at))
            on = worker.answer("ran", do="run", thaw=False, survey=False, warmup=0, iterations=4, between=True)
        self.assertEqual(increments(ran["series"]["blocks"])[1:], [0] * (len(ran["series"]["blocks"]) - 2))
        self.assertEqual(increments(on["series"]["blocks"]), [0] * 4)

    def test_what_runs_while_tests_are_collected_is_noted_with_who_had_it_run(self):
        project, worker = self._worker({"app.py": APP, "test_app.py": TESTS})
        collected = worker.last["depends"]
        app, test = project.path("app.py"), project.path("test_app.py")
        self.assertIn([app, "register"], collected["units"])
        self.assertNotIn([app, "direct"], collected["units"])
        self.assertIn([app, test], collected["called"])
        self.assertIn([app, test], collected["started"])
        self.assertIn([test, ""], collected["started"])
        self.assertIn(["app", app], collected["modules"])
        worker.end()

    def test_files_that_test_modules_read_are_all_noted_however_many(self):
        files = {
            "test_many.py": """
                import pathlib

                HERE = pathlib.Path(__file__).parent
                for at in range(3000):
                    path = HERE / "{}-{}.txt".format("data" * 20, at)
                    path.write_text("")
                    path.read_text()


                def test_one():
                    pass
            """,
        }
        project, worker = self._worker(files)
        collected = worker.last["depends"]
        self.assertFalse(collected["full"])
        read = [each for each in collected["opened"] if each.endswith(".txt")]
        self.assertEqual(len(read), 3000)
        self.assertIn("wf" + project.path("data" * 20 + "-2999.txt"), read)
        noted, _ = self._noted(worker, "test_one")
        self.assertEqual(noted["opened"], [])
        worker.end()

    def test_wider_fixtures_count_for_all_tests_that_they_stand_for(self):
        files = {
            "app.py": APP,
            "test_wide.py": """
                import app
                import pytest


                @pytest.fixture(scope="module")
                def shape():
                    app.direct()
                    yield app.Shape()
                    app.made()


                def test_first(shape):
                    app.direct()


                def test_second(shape):
                    pass
            """,
            "test_zero.py": "def test_other():\n    pass\n",
        }
        _, worker = self._worker(files)
        first, _ = self._noted(worker, "test_first")
        second, _ = self._noted(worker, "test_second")
        other, _ = self._noted(worker, "test_other")
        self.assertEqual(self._functions(first), {"test_first", "direct"})
        self.assertEqual(self._functions(first, [0]), set())
        self.assertEqual(first["wide"], second["wide"])
        (own,) = set(first["wide"]) - set(other["wide"])
        sets = worker.answer("ended", do="end")["depends"]["wide"]
        ran = {name for _, name in sets[str(own)]}
        self.assertEqual(ran, {"shape", "direct", "made"})


@needs_pytest
class FilesTest(DependsCase):
    def test_files_programs_and_the_network_are_noted(self):
        files = {
            "data.txt": "data",
            "parts/one.txt": "one",
            "test_files.py": """
                import multiprocessing
                import os
                import socket
                import subprocess
                import sys


                def test_reads(tmp_path):
                    with open("data.txt") as file:
                        file.read()
                    os.listdir("parts")
                    (tmp_path / "own").write_text("x")
                    (tmp_path / "own").read_text()


                def test_writes():
                    with open("written.txt", "w") as file:
                        file.write("x")


                def test_starts():
                    subprocess.run([sys.executable, "-c", ""], check=True)


                def test_spawns():
                    process = multiprocessing.get_context("spawn").Process(target=print)
                    process.start()
                    process.join()


                def test_connects():
                    with socket.socket() as one:
                        one.connect_ex(("127.0.0.1", 9))
            """,
        }
        project, worker = self._worker(files)
        noted, _ = self._noted(worker, "test_reads")
        own = {each for each in noted["opened"] if each.startswith(("1f" + project.folder, "1d" + project.folder))}
        self.assertEqual(own, {"1f" + project.path("data.txt"), "1d" + project.path("parts")})
        noted, _ = self._noted(worker, "test_writes")
        self.assertFalse([each for each in noted["opened"] if "written" in each])
        noted, _ = self._noted(worker, "test_starts")
        self.assertIn("1p", noted["opened"])
        noted, _ = self._noted(worker, "test_spawns")
        self.assertIn("2p", noted["opened"])
        noted, _ = self._noted(worker, "test_connects")
        self.assertIn("1n", noted["opened"])
        worker.end()


class UnittestTest(DependsCase):
    def test_a_class_is_set_up_for_all_its_tests(self):
        files = {
            "app.py": APP,
            "test_app.py": """
                import app
                import unittest


                class TestApp(unittest.TestCase):
                    @classmethod
                    def setUpClass(cls):
                        app.made()

                    def test_one(self):
                        app.direct()

                    def test_two(self):
                        pass
            """,
        }
        _, worker = self._worker(files, "unittest")
        one, _ = self._noted(worker, "test_one")
        two, _ = self._noted(worker, "test_two")
        self.assertEqual(one["wide"], two["wide"])
        sets = worker.answer("ended", do="end")["depends"]["wide"]
        if not hasattr(sys, "monitoring"):
            self.assertEqual((one["units"], worker.last["depends"]["functions"]), ([], False))
            return
        self.assertEqual(self._functions(one), {"TestApp.test_one", "direct"})
        ran = {name for key in one["wide"] for _, name in sets[str(key)]}
        self.assertLessEqual({"TestApp.setUpClass", "made"}, ran)


if __name__ == "__main__":
    unittest.main()
