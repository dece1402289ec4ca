"""Tests that damage what the bridge stands on: descriptors, processes, folders, modules, streams."""

import os
import time
import unittest

import driver
from driver import BridgeCase, linux_only, needs_pytest

CLOSES = """
    import os
    import unittest

    MARK = b"only what the test wrote\\n"
    TURN = [0]


    def close_all():
        for number in os.listdir("/proc/self/fd"):
            # libffi keeps its own file open, from 3.4 on where it is built so; it is none of the bridge's.
            if int(number) > 2:
                try:
                    if ".so" not in os.readlink("/proc/self/fd/" + number):
                        os.close(int(number))
                except OSError:
                    pass


    class Closes(unittest.TestCase):
        def test_closes_all(self):
            close_all()

        def test_closes_in_the_third_turn(self):
            TURN[0] += 1
            if TURN[0] == 3:
                close_all()

        def test_takes_the_numbers(self):
            numbers = sorted(int(number) for number in os.listdir("/proc/self/fd"))
            close_all()
            # The test's own files now have the numbers that the bridge had.
            for number in numbers[3:]:
                fd = os.open("taken_{}".format(number), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                if fd != number:
                    os.dup2(fd, number)
                    os.close(fd)
                os.write(number, MARK)

        def test_takes_the_numbers_with_sockets(self):
            import socket

            numbers = sorted(int(number) for number in os.listdir("/proc/self/fd"))
            close_all()
            KEPT = []
            for number in numbers[3:]:
                one, other = socket.socketpair()
                KEPT.append(other.detach())
                os.dup2(one.fileno(), number)
                one.detach()

        def test_nothing(self):
            pass
"""


@linux_only
class Descriptors(BridgeCase):
    def test_the_channel_comes_back(self):
        worker = self.start({"test_closes.py": CLOSES})
        answer = worker.run("test_closes_all", iterations=4, warmup=1)
        self.assertPassed(answer)
        self.assertEqual(answer["iterations"], 5)
        self.assertEqual(worker.connections, 2)
        self.assertFlat(worker, "test_nothing")
        self.assertPassed(worker.trace())
        # Once more, with descriptors opened in the meantime.
        self.assertPassed(worker.run("test_closes_all", iterations=1, warmup=1))
        self.assertFlat(worker, "test_nothing")
        self.assertEqual(worker.end(), [])

    def test_descriptors_of_the_bridge_are_not_counted(self):
        worker = self.start({"test_closes.py": CLOSES})
        before = worker.run("test_nothing")["series"]["fds"][-1]
        worker.run("test_closes_all", iterations=1, warmup=1)
        self.assertEqual(worker.run("test_nothing")["series"]["fds"][-1], before)

    def test_closing_in_a_window_is_no_fall(self):
        worker = self.start({"test_closes.py": CLOSES})
        answer = worker.run("test_closes_in_the_third_turn", iterations=6, warmup=1)
        self.assertPassed(answer)
        self.assertEqual(len(set(answer["series"]["fds"])), 1, answer["series"]["fds"])

    def test_files_at_the_old_numbers_are_left_alone(self):
        worker = self.start({"test_closes.py": CLOSES})
        self.assertPassed(worker.run("test_takes_the_numbers", iterations=3, warmup=1))
        self.assertPassed(worker.run("test_nothing"))
        self.assertPassed(worker.trace())
        self.assertEqual(worker.end(), [])
        taken = [name for name in os.listdir(worker.project.folder) if name.startswith("taken_")]
        self.assertGreaterEqual(len(taken), 2)
        for name in taken:
            text = worker.project.read(name)
            self.assertEqual(text.replace("only what the test wrote\n", ""), "", name)

    def test_sockets_at_the_old_numbers_are_left_alone(self):
        worker = self.start({"test_closes.py": CLOSES})
        self.assertPassed(worker.run("test_takes_the_numbers_with_sockets", iterations=1, warmup=1))
        self.assertPassed(worker.run("test_nothing"))

    def test_stacks_after_the_file_was_closed(self):
        files = {"test_closes.py": CLOSES, "test_hangs.py": HANGS}
        worker = self.start(files)
        self.assertPassed(worker.run("test_takes_the_numbers", iterations=1, warmup=1))
        worker.send({"do": "run", "test": worker.index("test_hangs"), "thaw": True, "warmup": 1, "iterations": 1})
        deadline = time.monotonic() + 30
        while worker.beat(driver.BEGUN) < 1 or worker.beat(driver.STATE) != 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(worker.process.pid, driver.STACK_SIGNAL)
        while "test_hangs" not in worker.stacks() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertIn("test_hangs", worker.stacks())

    def test_no_descriptor_is_left(self):
        worker = self.start(
            {
                "test_exhausts.py": """
                    import os
                    import resource
                    import unittest

                    KEPT = []

                    class Exhausts(unittest.TestCase):
                        def test_exhausts(self):
                            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
                            try:
                                while True:
                                    KEPT.append(os.open(os.devnull, os.O_RDONLY))
                            except OSError:
                                pass

                        def test_lets_go(self):
                            while KEPT:
                                os.close(KEPT.pop())
                """
            }
        )
        answer = worker.run("test_exhausts", iterations=3, warmup=1)
        self.assertPassed(answer)
        full = answer["series"]["fds"]
        self.assertEqual(len(set(full)), 1)
        self.assertLessEqual(full[0], 1024)
        self.assertGreaterEqual(full[0], 1024 - 4)
        self.assertFlat(worker, "test_lets_go")


HANGS = """
    import time
    import unittest

    class Hangs(unittest.TestCase):
        def test_hangs(self):
            time.sleep(600)
"""


@linux_only
class DescriptorsUnderPytest(BridgeCase):
    """pytest loses its own as well; what matters is that it is said, and that the worker answers."""

    runner = "pytest"

    @needs_pytest
    def test_the_damage_is_told(self):
        worker = self.start({"test_closes.py": CLOSES})
        answer = worker.run("test_closes_all", iterations=3, warmup=1)
        self.assertStatus(answer, "broken", "call", "descriptors")

    @needs_pytest
    def test_without_capture_it_goes_on(self):
        worker = self.start({"test_closes.py": CLOSES}, args=["-s", "-p", "no:faulthandler"])
        self.assertPassed(worker.run("test_closes_all", iterations=3, warmup=1))
        self.assertFlat(worker, "test_nothing")
        self.assertEqual(worker.connections, 2)


class Processes(BridgeCase):
    files = {
        "test_forks.py": """
            import os
            import subprocess
            import sys
            import threading
            import unittest


            def log(what):
                with open("events", "a") as file:
                    file.write(what + "\\n")


            class Forks(unittest.TestCase):
                def test_forks(self):
                    child = os.fork()
                    if not child:
                        os._exit(7)
                    self.assertEqual(os.waitpid(child, 0)[1] >> 8, 7)

                def test_child_comes_back(self):
                    log("before")
                    child = os.fork()
                    if child:
                        os.waitpid(child, 0)

                def test_child_fails(self):
                    child = os.fork()
                    if not child:
                        self.fail("in the child")
                    os.waitpid(child, 0)

                def test_child_exits(self):
                    child = os.fork()
                    if not child:
                        sys.exit(1)
                    os.waitpid(child, 0)

                def test_nothing(self):
                    pass
        """
    }

    def setUp(self):
        super().setUp()
        if os.path.exists(self.project.path("events")):
            os.unlink(self.project.path("events"))

    def test_a_fork_is_flat(self):
        self.assertFlat(self.worker, "test_forks")
        self.assertEqual(self.worker.connections, 1)

    def test_a_child_that_comes_back_repeats_nothing(self):
        answer = self.worker.run("test_child_comes_back", iterations=4, warmup=1)
        self.assertPassed(answer)
        self.assertEqual(self.project.read("events").split(), ["before"] * 5)
        self.assertEqual(answer["iterations"], 5)
        self.assertEqual(self.worker.beat(driver.BEGUN), 5)
        self.assertFlat(self.worker, "test_nothing")

    def test_a_child_that_fails_is_not_heard(self):
        for name in ("test_child_fails", "test_child_exits"):
            with self.subTest(name):
                answer = self.worker.run(name, iterations=3, warmup=1)
                self.assertPassed(answer)
                self.assertEqual(answer["iterations"], 4)
        self.assertFlat(self.worker, "test_nothing")
        self.assertEqual(self.worker.connections, 1)


@needs_pytest
class ProcessesUnderPytest(Processes):
    runner = "pytest"


class Folders(BridgeCase):
    FILES = {
        "test_folders.py": """
            import os
            import shutil
            import tempfile
            import unittest


            class Folders(unittest.TestCase):
                def test_leaves_a_deleted_folder(self):
                    folder = tempfile.mkdtemp()
                    os.chdir(folder)
                    shutil.rmtree(folder)

                def test_goes_to_the_root(self):
                    os.chdir("/")

                def test_is_nowhere(self):
                    with self.assertRaises(OSError):
                        os.getcwd()

                def test_nothing(self):
                    pass
        """,
        "more.py": "def f():\n    return 1\n",
    }

    def test_a_deleted_folder(self):
        worker = self.start(self.FILES)
        self.assertPassed(worker.run("test_leaves_a_deleted_folder", iterations=3, warmup=1))
        # Nothing is fixed behind the tests' back.
        self.assertPassed(worker.run("test_is_nowhere", iterations=3, warmup=1))
        self.assertFlat(worker, "test_nothing")
        self.assertPassed(worker.trace())
        self.assertEqual(worker.describe([[worker.project.path("more.py"), 2]]), [["f", "return 1"]])
        self.assertEqual(worker.end(), [])

    def test_another_folder(self):
        worker = self.start(self.FILES)
        self.assertPassed(worker.run("test_goes_to_the_root"))
        self.assertFlat(worker, "test_nothing")
        self.assertEqual(worker.end(), [])


@needs_pytest
class FoldersUnderPytest(Folders):
    runner = "pytest"


PATCHES = """
    import gc
    import io
    import json
    import os
    import socket
    import sys
    import tempfile
    import threading
    import time
    import traceback
    import unittest


    def broken(*args, **kwargs):
        raise AssertionError("the bridge called what a test had put in place")


    class Patches(unittest.TestCase):
        def test_os(self):
            for name in OS:
                setattr(os, name, broken)

        def test_gc(self):
            for name in "collect freeze unfreeze get_objects get_referents is_tracked".split():
                setattr(gc, name, broken)

        def test_time(self):
            # Without these two unittest itself could not go on.
            for name in set(dir(time)) - {"time", "perf_counter"}:
                if callable(getattr(time, name)) and not isinstance(getattr(time, name), type):
                    setattr(time, name, broken)

        def test_frozen_time(self):
            # As freezegun does it: wherever a module holds one of these functions.
            real = {time.time: 1e9, time.monotonic: 5.0, time.perf_counter: 7.0}
            for module in list(sys.modules.values()):
                for name, value in list(vars(module).items()) if hasattr(module, "__dict__") else ():
                    try:
                        if value in real:
                            setattr(module, name, lambda value=real[value]: value)
                    except Exception:
                        pass

        def test_leaks_a_thread(self):
            lock = threading.Lock()
            lock.acquire()
            thread = threading.Thread(target=lock.acquire, daemon=True)
            thread.start()

        def test_socket(self):
            socket.socket = broken
            socket.create_connection = broken

        def test_json(self):
            for name in "dumps loads dump load JSONEncoder JSONDecoder".split():
                setattr(json, name, broken)

        def test_threading(self):
            threading.active_count = threading.enumerate = broken

        def test_builtins(self):
            import builtins

            builtins.open = builtins.print = builtins.input = broken

        def test_sys(self):
            sys.path = []
            sys.argv = None
            sys.excepthook = broken
            sys.getallocatedblocks = broken

        def test_streams(self):
            sys.stdout = sys.stderr = None

        def test_closed_streams(self):
            sys.stdout = sys.stderr = io.StringIO()
            sys.stdout.close()

        def test_tempfile(self):
            tempfile._get_candidate_names = broken
            tempfile._name_sequence = None

        def test_modules(self):
            for name in "json tempfile ast tokenize traceback random".split():
                sys.modules.pop(name, None)

        def test_collector(self):
            gc.disable()
            gc.set_threshold(0)

        def test_gone(self):
            for name in list(sys.modules):
                if name.startswith("leakcheck_bridge"):
                    del sys.modules[name]

        def test_nothing(self):
            pass
"""

#: unittest uses none of these between tests; pytest some, as any test that leaves them so would find.
OS_NAMES = "read write open close fstat stat lstat listdir scandir getpid dup dup2 pipe remove unlink rmdir _exit"
OS_NAMES_PYTEST = "read write open close listdir scandir getpid dup pipe _exit"


class Patched(BridgeCase):
    """What a test replaces and leaves replaced is its own affair, until the bridge stumbles over it."""

    def patched(self, name, *more):
        names = OS_NAMES if self.runner == "unittest" else OS_NAMES_PYTEST
        text = "    OS = {!r}.split()\n".format(names) + PATCHES
        worker = self.start({"test_patches.py": text, "more.py": "def f():\n    return 1\n"})
        self.assertPassed(worker.run(name, iterations=3, warmup=1))
        self.assertFlat(worker, "test_nothing")
        for other in more:
            self.assertPassed(worker.run(other, iterations=3, warmup=1))
        self.assertPassed(worker.trace())
        self.assertFlat(worker, "test_nothing")
        self.assertEqual(worker.describe([[worker.project.path("more.py"), 2]]), [["f", "return 1"]])
        self.assertEqual(worker.end(), [])

    def test_os(self):
        self.patched("test_os")

    def test_gc(self):
        self.patched("test_gc")

    def test_time(self):
        self.patched("test_time")

    def test_a_clock_that_stands_does_not_stop_the_bridge(self):
        self.patched("test_frozen_time", "test_leaks_a_thread")

    def test_socket(self):
        self.patched("test_socket")

    def test_json(self):
        self.patched("test_json")

    def test_threading(self):
        self.patched("test_threading")

    def test_builtins(self):
        self.patched("test_builtins")

    def test_sys(self):
        self.patched("test_sys")

    def test_streams(self):
        self.patched("test_streams")

    def test_closed_streams(self):
        self.patched("test_closed_streams")

    def test_tempfile(self):
        self.patched("test_tempfile")

    def test_modules(self):
        self.patched("test_modules")

    def test_the_collector_turned_off(self):
        self.patched("test_collector")

    def test_our_modules_gone(self):
        self.patched("test_gone")


@needs_pytest
class PatchedUnderPytest(Patched):
    runner = "pytest"


class Interrupts(BridgeCase):
    FILES = {
        "test_interrupts.py": """
            import os
            import signal
            import unittest


            class Interrupts(unittest.TestCase):
                def test_interrupts(self):
                    raise KeyboardInterrupt

                def test_generator_exit(self):
                    raise GeneratorExit

                def test_exits(self):
                    os._exit(5)

                def test_nothing(self):
                    pass
        """
    }

    def test_it_is_told_and_the_worker_lives(self):
        worker = self.start(self.FILES)
        self.assertStatus(worker.run("test_interrupts"), "failed", "call", "KeyboardInterrupt")
        self.assertStatus(worker.run("test_generator_exit"), "failed", "call", "GeneratorExit")
        self.assertPassed(worker.run("test_nothing"))

    @needs_pytest
    def test_pytest_is_damaged(self):
        worker = self.start(self.FILES, runner="pytest")
        self.assertStatus(worker.run("test_interrupts"), "broken", "call", "KeyboardInterrupt")

    def test_a_test_that_ends_the_process(self):
        worker = self.start(self.FILES)
        worker.send({"do": "run", "test": worker.index("test_exits"), "thaw": True, "warmup": 1, "iterations": 1})
        with self.assertRaises(driver.WorkerError):
            worker.receive()
        self.assertEqual(worker.process.returncode, 5)
        self.assertEqual(worker.beat(driver.BEGUN), 1)


class Names(BridgeCase):
    """Temporary names start over with each iteration, and stay unique."""

    files = {
        "test_temporary.py": """
            import os
            import tempfile
            import unittest

            LEFT = []


            class Temporary(unittest.TestCase):
                def test_leaves_its_folder(self):
                    folder = tempfile.mkdtemp()
                    self.assertNotIn(folder, LEFT)
                    LEFT.append(folder)

                def test_many(self):
                    names = {tempfile.mktemp() for _ in range(50)}
                    self.assertEqual(len(names), 50)

                def test_a_child_has_names_of_its_own(self):
                    # As in the standard library: a name that nobody has taken yet must not be given twice.
                    read, write = os.pipe()
                    child = os.fork()
                    if not child:
                        os.write(write, tempfile.mktemp().encode())
                        os._exit(0)
                    os.waitpid(child, 0)
                    os.close(write)
                    with open(read, "rb") as file:
                        theirs = file.read().decode()
                    self.assertNotEqual(theirs, tempfile.mktemp())
        """
    }

    def test_names_are_unique(self):
        self.assertPassed(self.worker.run("test_leaves_its_folder", iterations=20))
        self.assertFlat(self.worker, "test_many")

    def test_names_in_a_child(self):
        self.assertPassed(self.worker.run("test_a_child_has_names_of_its_own"))


if __name__ == "__main__":
    unittest.main()
