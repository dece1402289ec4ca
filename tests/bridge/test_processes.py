"""Child processes that live on: what comes in them shows, whoever started them, and what stays as it is does not."""

import os
import unittest

from driver import BridgeCase, increments, linux_only

PEER = """
import os, sys, threading, time
kept = []
for line in sys.stdin:
    what = line.strip()
    if what == "open":
        kept.append(os.open("/dev/null", os.O_RDONLY))
    elif what == "thread":
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    elif what == "keep":
        kept.append(b"x" * 200000)
    elif what == "late":
        end = os.open("/dev/null", os.O_RDONLY)
    elif what == "work":
        len(b"x" * 200000)
    elif what == "unasked":
        begun = time.process_time()
        while time.process_time() - begun < 0.01:
            pass
        kept.append(os.open("/dev/null", os.O_RDONLY))
        continue
    print("done", flush=True)
    if what == "late":
        time.sleep(0.004)
        os.close(end)
"""

TESTS = """
    import concurrent.futures
    import multiprocessing
    import os
    import subprocess
    import sys
    import threading
    import unittest

    HERE = os.path.dirname(os.path.abspath(__file__))
    KEPT = []


    def keep():
        KEPT.append(os.open("/dev/null", os.O_RDONLY))
        return os.getpid()


    class Peer(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.peer = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "peer.py"), "--port", "81234"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
            )

        @classmethod
        def tearDownClass(cls):
            cls.peer.communicate()

        def ask(self, what):
            self.peer.stdin.write(what + "\\n")
            self.peer.stdin.flush()
            self.assertEqual(self.peer.stdout.readline(), "done\\n")

        def test_open(self):
            self.ask("open")

        def test_two(self):
            self.ask("open")
            self.ask("open")

        def test_thread(self):
            self.ask("thread")

        def test_keep(self):
            self.ask("keep")

        def test_work(self):
            self.ask("work")

        def test_unasked(self):
            self.peer.stdin.write("unasked\\n")
            self.peer.stdin.flush()

        def test_late(self):
            self.ask("late")


    class Pool(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.pool = multiprocessing.get_context("fork").Pool(1)

        @classmethod
        def tearDownClass(cls):
            cls.pool.terminate()
            cls.pool.join()

        def test_keep(self):
            self.pool.apply(keep)

        def test_work(self):
            self.pool.apply(len, ("",))


    def keep_text():
        KEPT.append("x" * 30000)


    class Roomy(unittest.TestCase):
        "Forked from a process that has four megabytes to spare."

        @classmethod
        def setUpClass(cls):
            room = ["x" * 20000 for _ in range(200)]
            # Malloc gives back by itself what is free at its end.
            cls.last = "x" * 20000
            del room
            cls.pool = multiprocessing.get_context("fork").Pool(1)

        @classmethod
        def tearDownClass(cls):
            cls.pool.terminate()
            cls.pool.join()

        def test_keep(self):
            self.pool.apply(keep_text)


    class Executor(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            context = multiprocessing.get_context("spawn")
            cls.executor = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)

        @classmethod
        def tearDownClass(cls):
            cls.executor.shutdown()

        def test_keep(self):
            self.executor.submit(keep).result()


    class Short(unittest.TestCase):
        def test_run(self):
            subprocess.check_call([sys.executable, "-S", "-c", "open('/dev/null')"])

        def test_thread_starts_it(self):
            thread = threading.Thread(target=subprocess.check_call, args=([sys.executable, "-S", "-c", ""],))
            thread.start()
            thread.join()
"""

COUNTED = ("child_fds", "child_threads", "child_memory")


@linux_only
class Processes(BridgeCase):
    files = {"test_processes.py": TESTS, "peer.py": PEER}

    def setUp(self):
        super().setUp()
        if self.worker.exactness.get("child_fds") == "absent":
            self.skipTest("they are not counted here")

    def changes(self, name, warmup=3):
        ran = self.worker.run(name, iterations=5, warmup=warmup)
        self.assertPassed(ran)
        return {counter: increments(ran["series"][counter])[1:] for counter in COUNTED}

    def test_what_a_child_opens_and_starts_shows_one_by_one(self):
        for name, counter, each in (
            ("Peer.test_open", "child_fds", 1),
            ("Peer.test_two", "child_fds", 2),
            ("Peer.test_thread", "child_threads", 1),
            ("Pool.test_keep", "child_fds", 1),
            ("Executor.test_keep", "child_fds", 1),
        ):
            with self.subTest(name):
                changes = self.changes(name)
                self.assertEqual(changes[counter], [each] * 4)
                others = [other for other in COUNTED[:2] if other != counter]
                self.assertEqual([changes[other] for other in others], [[0] * 4])

    def test_a_child_that_is_still_at_work_is_waited_for(self):
        # The wait has an end, which a child that gets no processor meanwhile reaches. Without it none of them shows.
        seen = []
        for _ in range(8):
            seen.append(self.changes("Peer.test_unasked")["child_fds"])
            if seen[-1] == [1] * 4:
                return
        self.fail(seen)

    def test_memory_shows_in_pages(self):
        memory = self.changes("Peer.test_keep")["child_memory"]
        self.assertTrue(all(180000 < each < 280000 for each in memory), memory)

    def test_what_a_fork_keeps_does_not_fill_what_was_free_before_it(self):
        memory = self.changes("Roomy.test_keep")["child_memory"]
        self.assertTrue(all(24000 < each < 60000 for each in memory), memory)

    def test_what_goes_again_or_ends_does_not_show(self):
        for name in "Peer.test_work Peer.test_late Pool.test_work Short.test_run Short.test_thread_starts_it".split():
            with self.subTest(name):
                seen = []
                for _ in range(3):
                    seen.append(self.changes(name, warmup=9))
                    memory = seen[-1].pop("child_memory")
                    # What closes late may be read once before it has, and more often where it gets no processor.
                    if sum(map(bool, memory)) <= 1 and max(map(sum, seen[-1].values())) <= 0:
                        break
                else:
                    self.fail(seen)

    def test_nothing_comes_here_for_looking(self):
        ran = self.worker.run("Peer.test_open", iterations=6, warmup=2)
        for counter in ("blocks", "objects", "fds", "heap"):
            self.assertEqual(increments(ran["series"][counter])[2:], [0] * 4, counter)

    def told(self, name):
        file = os.path.join(self.worker.folder, "heap")
        self.assertPassed(self.worker.run(name, iterations=1, warmup=1))
        dumped = self.worker.answer("dumped", do="dump", iterations=3, file=file, frames=0)
        self.assertPassed(dumped)
        # Now and then a page comes as well.
        return [text for text in dumped["resources"] if text[0].startswith("child_") and text[0] != "child_memory"]

    def test_it_is_told_which_process_in_words_that_stay(self):
        found = self.told("Peer.test_open")
        self.assertEqual(len(found), 3)
        for kind, text in found:
            self.assertEqual(kind, "child_fd")
            self.assertRegex(text, r"^process python[^ ]* [^ ]+ --port #\n/dev/null$")
        found = self.told("Pool.test_keep")
        self.assertEqual(found, [["child_fd", "process ForkPoolWorker of multiprocessing\n/dev/null"]] * 3)


if __name__ == "__main__":
    unittest.main()
