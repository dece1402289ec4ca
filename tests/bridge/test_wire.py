"""The handshake, the records, what the worker leaves behind, and names of every sort."""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest

import driver
from driver import BEGUN, SEQUENCE, STATE, BridgeCase, Worker, WorkerError, linux_only, needs_pytest

TINY = """
    import unittest

    class Tiny(unittest.TestCase):
        def test_it(self):
            pass
"""

#: What each record holds, as the Rust half reads it.
FIELDS = {
    "hello": {"protocol", "runner", "runner_version", "counters", "sizes", "keeps_classes", "untraceable"},
    "collected": {"tests", "errors", "notes", "marks", "cpu"},
    "ran": {
        "iterations",
        "outcome",
        "seconds",
        "cpu_warm",
        "cpu_read",
        "cpu",
        "resident",
        "resident_before",
        "series",
        "opened",
        "emptied",
        "filling",
        "wider",
        "errors",
        "spent",
    },
    "grown": {"iterations", "containers", "cpu", "errors", "spent"},
    "filled": {"passed", "filled", "cpu", "errors", "spent"},
    "gained": {"containers", "cpu", "lengths", "values", "resident", "errors", "spent"},
    "held": {"window", "cpu", "lengths", "errors", "spent"},
    "dumped": {"outcome", "cpu", "cpu_dump", "resident", "graph", "resources", "errors", "spent"},
    "named": {"paths", "places", "errors", "spent"},
    "traced": {
        "outcome",
        "lost",
        "asked",
        "interpreters",
        "cpu",
        "resident",
        "boundaries",
        "malloced",
        "tracebacks",
        "types",
        "errors",
        "spent",
    },
    "described": {"answers", "errors", "spent"},
    "unclosed": {"outcome", "cpu", "warned", "errors", "spent"},
    "ended": {"errors", "names", "notes", "depends", "grown"},
    "error": {"message", "traceback", "foreign", "place"},
    "stopped": {"status"},
}


def fields(record):
    return set(record) - {"re"}


class Records(BridgeCase):
    files = {"test_tiny.py": TINY}

    def start_tiny(self, **options):
        return self.start(self.files, **options)

    def test_handshake(self):
        hello = self.worker.hello
        self.assertEqual(hello["re"], "hello")
        self.assertEqual(fields(hello), FIELDS["hello"])
        sources = pathlib.Path(driver.BRIDGE, "leakcheck_bridge", "__init__.py").read_text()
        self.assertIn("\nPROTOCOL = {}\n".format(hello["protocol"]), sources)
        self.assertEqual(hello["runner"], self.runner)

    def test_runner_version(self):
        version = self.worker.hello["runner_version"]
        if self.runner == "pytest":
            self.assertEqual(tuple(int(part) for part in version.split(".")[:2]), driver.pytest_version())
        else:
            self.assertEqual(version, "{}.{}.{}".format(*sys.version_info[:3]))

    def test_fields_of_every_answer(self):
        worker = self.start_tiny()
        self.assertEqual([record["re"] for record in worker.records], ["hello", "collected"])
        self.assertEqual(fields(worker.last), FIELDS["collected"])
        self.assertEqual(worker.last["errors"], [])
        self.assertEqual(worker.last["notes"], [])
        self.assertEqual([set(test) for test in worker.tests], [{"id", "file"}])
        self.assertEqual(worker.tests[0]["file"], worker.project.path("test_tiny.py"))
        ran = worker.run("test_it")
        self.assertEqual(fields(ran), FIELDS["ran"])
        self.assertEqual(ran["outcome"], {"status": "passed", "phase": "", "message": ""})
        self.assertEqual(fields(worker.trace()), FIELDS["traced"])
        file = os.path.join(worker.folder, "heap")
        for order in (
            {"do": "selfcheck", "plant": False, "warmup": 1, "iterations": 1},
            {"do": "grown", "iterations": 2},
            {"do": "fill", "warmup": 1, "iterations": 2, "quick": False},
            {"do": "gain", "iterations": 2, "most": 6, "crowd": 1000000, "data": 1000},
            {
                "do": "hold",
                "lowered": [],
                "through": 1,
                "seconds": 1.0,
                "thaw": False,
                "warmup": 1,
                "iterations": 2,
            },
            {"do": "replay", "each": 1, "times": 2},
            {"do": "dump", "iterations": 2, "file": file, "frames": 1},
            {"do": "name", "paths": []},
            {"do": "describe", "places": []},
        ):
            answer = worker.call(**order)
            self.assertEqual(fields(answer), FIELDS[answer["re"]], answer["re"])
        ended = worker.call(do="end")
        self.assertEqual(ended["re"], "ended")
        self.assertEqual(fields(ended), FIELDS["ended"])
        self.assertEqual(worker.process.wait(timeout=30), 0, worker.log())

    def test_an_order_that_nobody_knows(self):
        worker = self.start_tiny()
        answer = worker.call(do="dance")
        self.assertEqual(answer["re"], "error")
        self.assertEqual(fields(answer), FIELDS["error"])
        self.assertIn("dance", answer["message"])
        self.assertIn("Traceback", answer["traceback"])

    def test_the_worker_ends_when_nobody_listens_any_more(self):
        worker = self.start_tiny()
        worker.hang_up()
        self.assertNotEqual(worker.process.wait(timeout=30), 0)

    def test_heartbeat(self):
        worker = self.start_tiny()
        before = worker.beat(SEQUENCE)
        worker.run("test_it", iterations=6, warmup=2)
        self.assertEqual(worker.beat(BEGUN), 8)
        self.assertEqual(worker.beat(STATE), 0)
        # At least once at the begin and once at the end of each.
        self.assertGreaterEqual(worker.beat(SEQUENCE) - before, 16)
        worker.go_on(3)
        self.assertEqual(worker.beat(BEGUN), 11)
        worker.run("test_it", iterations=1, warmup=1)
        self.assertEqual(worker.beat(BEGUN), 2)

    def test_only_the_runner_writes_to_the_standard_streams(self):
        worker = self.start_tiny(args=["-p", "no:terminal"] if self.runner == "pytest" else [])
        worker.run("test_it")
        worker.trace()
        worker.describe([["nowhere", 1]])
        worker.end()
        self.assertEqual(worker.log(), "")

    def test_no_file_is_left(self):
        worker = self.start_tiny()
        before = worker.project.tree()
        worker.run("test_it")
        worker.trace()
        worker.end()
        self.assertEqual(worker.project.tree(), before)
        self.assertEqual(worker.temporary_files(), [])

    def test_the_stop_flag_ends_a_batch(self):
        worker = self.start(
            {
                "test_slow.py": """
                    import time
                    import unittest

                    class Slow(unittest.TestCase):
                        def test_slow(self):
                            time.sleep(0.01)
                """
            }
        )
        worker.send({"do": "run", "test": 0, "thaw": True, "warmup": 2, "iterations": 4000})
        deadline = time.monotonic() + 30
        while worker.beat(BEGUN) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
        worker.ask_to_stop()
        answer = worker.receive()
        self.assertPassed(answer)
        self.assertGreaterEqual(answer["iterations"], 5)
        self.assertLess(answer["iterations"], 1000)
        self.assertEqual({len(values) for values in answer["series"].values()}, {answer["iterations"] - 2 + 1})
        # It holds for one test.
        self.assertEqual(worker.run("test_slow", iterations=20)["iterations"], 22)

    @linux_only
    def test_stacks_of_a_test_that_hangs(self):
        worker = self.start(
            {
                "test_hangs.py": """
                    import time
                    import unittest

                    class Hangs(unittest.TestCase):
                        def test_hangs(self):
                            self.wait_for_nothing()

                        def wait_for_nothing(self):
                            time.sleep(600)
                """
            }
        )
        worker.send({"do": "run", "test": 0, "thaw": True, "warmup": 1, "iterations": 1})
        deadline = time.monotonic() + 30
        while worker.beat(BEGUN) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(worker.process.pid, driver.STACK_SIGNAL)
        while "test_hangs" not in worker.stacks() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIn("wait_for_nothing", worker.stacks())
        self.assertIsNone(worker.process.poll())


@needs_pytest
class RecordsPytest(Records):
    runner = "pytest"

    def test_what_pytest_refuses(self):
        worker = self.start({"test_tiny.py": TINY}, args=["--no-such-option"])
        self.assertEqual(worker.last, {"re": "stopped", "status": 4})
        self.assertIn("--no-such-option", worker.log())

    def test_a_conftest_that_cannot_be_imported(self):
        worker = self.start({"test_tiny.py": TINY, "conftest.py": "import no_such_module_anywhere"})
        self.assertEqual(worker.last["re"], "stopped")
        self.assertIn("no_such_module_anywhere", worker.log())


class Refusals(BridgeCase):
    def test_what_unittest_refuses(self):
        worker = self.start({"test_tiny.py": TINY}, args=["--no-such-option"])
        self.assertEqual(worker.last["re"], "error")
        self.assertTrue(worker.last["message"].startswith("ValueError: unittest argument: "), worker.last)

    @unittest.skipIf(driver.HAS_PYTEST, "pytest is installed")
    def test_no_pytest(self):
        worker = self.start({"test_tiny.py": TINY}, runner="pytest")
        self.assertEqual(worker.last["re"], "error")
        self.assertTrue(worker.last["message"].startswith("ModuleNotFoundError"), worker.last)


class Surroundings(BridgeCase):
    """What a test sees of the bridge: as little as can be."""

    PROBE = """
        import json
        import os
        import sys
        import unittest

        class Probe(unittest.TestCase):
            def test_probe(self):
                seen = {
                    "path": sys.path,
                    "cwd": os.getcwd(),
                    "argv": sys.argv,
                    "modules": [name for name, module in sys.modules.items() if getattr(module, "OURS", None) is False],
                    "hooks": [len(sys.meta_path), sys.gettrace() is None, sys.getprofile() is None],
                    "main": sys.modules["__main__"].__name__,
                    "streams": [sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
                }
                with open(os.environ["SEEN"], "w") as file:
                    json.dump(seen, file)
    """

    def see(self, files=None, **options):
        folder = tempfile.mkdtemp(prefix="lcs-")
        self.addCleanup(shutil.rmtree, folder)
        seen = os.path.join(folder, "seen")
        env = dict(options.pop("env", {}), SEEN=seen)
        worker = self.start(dict(files or {}, **{"test_probe.py": self.PROBE}), env=env, **options)
        self.assertPassed(worker.run("test_probe", iterations=1, warmup=1))
        with open(seen, encoding="utf-8") as file:
            return json.load(file), worker.project

    def assertPathClean(self, seen, project):
        self.assertEqual(seen["path"][0], project.folder)
        self.assertEqual(seen["path"].count(project.folder), 1)
        self.assertEqual([entry for entry in seen["path"] if os.path.realpath(entry) == driver.BRIDGE], [])
        self.assertNotIn("", seen["path"])

    def test_what_a_test_sees(self):
        seen, project = self.see()
        self.assertPathClean(seen, project)
        self.assertEqual(seen["cwd"], project.folder)
        self.assertEqual(seen["argv"], ["python -m unittest"])
        self.assertEqual(seen["main"], "__main__")
        self.assertEqual(seen["hooks"], [len(sys.meta_path), True, True])
        self.assertEqual(seen["streams"], [True, True])

    @needs_pytest
    def test_what_a_test_sees_under_pytest(self):
        seen, project = self.see(runner="pytest")
        self.assertPathClean(seen, project)
        self.assertEqual(seen["cwd"], project.folder)

    def test_below_a_symbolic_link(self):
        # As temporary directories are on macOS.
        folder = tempfile.mkdtemp(prefix="lcl-")
        self.addCleanup(shutil.rmtree, folder)
        link = os.path.join(folder, "link")
        os.symlink(os.path.dirname(driver.BRIDGE), link)
        seen, project = self.see(bridge=os.path.join(link, os.path.basename(driver.BRIDGE)))
        self.assertPathClean(seen, project)

    @unittest.skipIf(sys.version_info < (3, 11), "new in 3.11")
    def test_safe_path(self):
        seen, project = self.see(env={"PYTHONSAFEPATH": "1"})
        self.assertPathClean(seen, project)

    def test_pythonpath_is_kept(self):
        folder = os.path.realpath(tempfile.mkdtemp(prefix="lcs-"))
        self.addCleanup(shutil.rmtree, folder)
        seen, project = self.see(env={"PYTHONPATH": folder})
        self.assertPathClean(seen, project)
        self.assertIn(folder, seen["path"])

    def test_modules_of_the_project_with_names_of_ours(self):
        names = "channel counters outcome repeat restore run_pytest run_unittest serve source trace start".split()
        files = {name + ".py": "OURS = False" for name in names}
        imports = "".join("import {}\n".format(name) for name in names)
        files["test_names.py"] = imports + "\nimport unittest\n\nclass Names(unittest.TestCase):\n"
        files["test_names.py"] += "    def test_names(self):\n        assert not serve.OURS and not trace.OURS\n"
        seen, _ = self.see(files)
        self.assertEqual(sorted(seen["modules"]), sorted(names))

    def test_a_child_made_by_spawn(self):
        worker = self.start(
            {
                "test_spawn.py": """
                    import multiprocessing
                    import unittest

                    def double(x):
                        return 2 * x

                    class Spawn(unittest.TestCase):
                        def test_pool(self):
                            with multiprocessing.get_context("spawn").Pool(1) as pool:
                                self.assertEqual(pool.map(double, [1, 2]), [2, 4])

                        def test_process(self):
                            process = multiprocessing.get_context("spawn").Process(target=double, args=(1,))
                            process.start()
                            process.join()
                            self.assertEqual(process.exitcode, 0)
                """
            }
        )
        self.assertPassed(worker.run("test_process", iterations=2, warmup=1))
        self.assertPassed(worker.run("test_pool", iterations=1, warmup=1))
        self.assertEqual(worker.connections, 1)


#: Bytes of a name that are no text are characters of their own on the wire.
NAMES = (
    ("test_plain", "test_plain"),
    ("test_new\nline\r\n", "test_new\nline\r\n"),
    ("test_\"quotes\" and 'others' \\ \\n", "test_\"quotes\" and 'others' \\ \\n"),
    ("test_" + "x" * 10000, "test_" + "x" * 10000),
    ("test_\udc80\udcff", "test_\U0010fe80\U0010feff"),
    ("test_\x7f\x1b\u2028\ufeff\U0001f40d", "test_\x7f\x1b\u2028\ufeff\U0001f40d"),
    ("test_\t{}%s[a::b]", "test_\t{}%s[a::b]"),
)


class Names(BridgeCase):
    files = {
        "test_names.py": """
            # -*- coding: utf-8 -*-
            import unittest

            NAMES = {!r}

            class Names(unittest.TestCase):
                pass

            def add(name):
                def test(self):
                    if self.fails:
                        raise ValueError(name)
                Names.fails = False
                setattr(Names, name, test)

            for name in NAMES:
                add(name)

            class Fails(unittest.TestCase):
                def test_fails(self):
                    raise ValueError("".join(NAMES))

                def test_subtest(self):
                    for name in NAMES:
                        with self.subTest(name=name):
                            pass

                def test_skips(self):
                    self.skipTest(NAMES[4])

                def test_unprintable(self):
                    class Odd(Exception):
                        def __str__(self):
                            raise KeyError("no")
                    raise Odd
        """.format([name for name, _ in NAMES])
    }

    def index_of(self, name):
        found = [at for at, test in enumerate(self.worker.ids) if test.endswith(("." + name, ":" + name))]
        self.assertEqual(len(found), 1, (name[:100], [test[:100] for test in self.worker.ids]))
        return found[0]

    def test_every_name_survives(self):
        for _, name in NAMES:
            with self.subTest(name[:30]):
                order = {
                    "do": "run",
                    "test": self.index_of(name),
                    "thaw": False,
                    "warmup": 1,
                    "iterations": 2,
                }
                self.assertPassed(self.worker.call(**order))

    def test_every_message_survives(self):
        answer = self.worker.run("test_fails")
        self.assertStatus(answer, "failed", "call", "test_new")
        self.assertPassed(self.worker.run("test_subtest"))
        self.assertStatus(self.worker.run("test_skips"), "skipped", None, "test_\U0010fe80\U0010feff")
        self.assertStatus(self.worker.run("test_unprintable"), "failed", "call", "Odd")


@needs_pytest
class NamesPytest(Names):
    runner = "pytest"


class Files(BridgeCase):
    def test_a_folder_with_an_odd_name(self):
        for name in ("with space", "quote'\"", "ümlaut", "new\nline", "per%cent{}"):
            with self.subTest(name):
                project = driver.Project({os.path.join(name, "test_tiny.py"): TINY})
                self.addCleanup(shutil.rmtree, project.folder)
                project.folder = project.path(name)
                with Worker(project) as worker:
                    self.assertEqual(worker.tests[0]["file"], project.path("test_tiny.py"))
                    self.assertPassed(worker.run("test_it"))


class Driver(unittest.TestCase):
    """The tests' own driver."""

    def test_a_worker_that_dies_is_told_from_one_that_answers(self):
        project = driver.Project({"test_dies.py": "import os\nos.kill(os.getpid(), {})\n".format(int(signal.SIGKILL))})
        self.addCleanup(project.remove)
        with self.assertRaises(WorkerError):
            Worker(project)


if __name__ == "__main__":
    unittest.main()
