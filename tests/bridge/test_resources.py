"""What a window leaves besides memory is told in words."""

import asyncio
import os
import unittest

from driver import BridgeCase

SUITE = """
    import asyncio, os, socket, subprocess, threading, unittest

    kept = []

    def wait(event):
        event.wait()

    class Depot(unittest.TestCase):
        def test_file(self):
            kept.append(open(__file__))

        def test_listener(self):
            listener = socket.socket()
            kept.append(listener)
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)

        def test_pipe(self):
            kept.append(os.pipe())

        def test_output(self):
            kept.append(os.dup(1))

        def test_thread(self):
            event = threading.Event()
            thread = threading.Thread(target=wait, args=(event,), name="idle", daemon=True)
            thread.start()
            kept.append(thread)

        def test_child(self):
            kept.append(subprocess.Popen(["sleep", "7"]))

        def test_task(self):
            async def idle():
                await asyncio.get_running_loop().create_future()

            async def start():
                kept.append(asyncio.ensure_future(idle()))
                await asyncio.sleep(0)

            loop = asyncio.new_event_loop()
            kept.append(loop)
            loop.run_until_complete(start())

        def test_awaited_task(self):
            async def idle():
                await asyncio.get_running_loop().create_future()

            async def collect(job):
                await asyncio.gather(job)

            async def start():
                job = asyncio.ensure_future(idle())
                kept.append((job, asyncio.ensure_future(collect(job))))
                await asyncio.sleep(0.001)

            loop = asyncio.new_event_loop()
            kept.append(loop)
            loop.run_until_complete(start())

        def test_nothing(self):
            pass

        @classmethod
        def tearDownClass(cls):
            for child in kept:
                if isinstance(child, subprocess.Popen):
                    child.kill()
                    child.wait()
"""


class Words(BridgeCase):
    files = {"test_depot.py": SUITE}

    def newer(self, name):
        file = os.path.join(self.worker.folder, "heap")
        self.assertPassed(self.worker.run(name, iterations=1, warmup=1))
        answer = self.worker.answer("dumped", do="dump", iterations=3, file=file, frames=0)
        self.assertPassed(answer)
        return answer["resources"]

    def test_descriptors(self):
        path = self.project.path("test_depot.py")
        self.assertEqual(self.newer("test_file"), [["fd", path]] * 3)
        self.assertEqual(self.newer("test_pipe"), [["fd", "a pipe"]] * 6)
        self.assertEqual(self.newer("test_output"), [["fd", "a duplicate of the standard output or error"]] * 3)
        listeners = self.newer("test_listener")
        self.assertEqual(len(listeners), 3)
        for _, text in listeners:
            self.assertRegex(text, r"^IPv4 stream socket at 127\.0\.0\.1:[1-9][0-9]*$")

    def test_threads_and_children(self):
        self.assertEqual(self.newer("test_thread"), [["thread", "thread 'idle' running test_depot.wait"]] * 3)
        children = [entry for entry in self.newer("test_child") if entry[0] == "child"]
        self.assertEqual(children, [["child", "process sleep 7"]] * 3)

    def test_tasks(self):
        # The line that it waits at is that of its innermost frame that is a coroutine's own.
        tasks = [entry for entry in self.newer("test_task") if entry[0] == "task"]
        self.assertEqual(len(tasks), 3)
        line = self.project.line_of("test_depot.py", "create_future")
        for _, text in tasks:
            self.assertEqual(
                text, "task of Depot.test_task.<locals>.idle, waiting at test_depot.py:{}".format(line)
            )

    @unittest.skipUnless(hasattr(asyncio, "capture_call_graph"), "needs Python 3.14")
    def test_a_task_says_who_waits_for_it(self):
        tasks = [text for kind, text in self.newer("test_awaited_task") if kind == "task" and ".idle, " in text]
        self.assertEqual(len(tasks), 3)
        for text in tasks:
            self.assertRegex(text, r", awaited by Depot\.test_awaited_task\.<locals>\.collect$")

    def test_a_task_that_was_there_before_is_not_new(self):
        self.assertEqual(len([kind for kind, _ in self.newer("test_task") if kind == "task"]), 3)
        # From Python 3.14 on asyncio does not list its tasks, and those of the test before are frozen.
        self.assertEqual([kind for kind, _ in self.newer("test_pipe")], ["fd"] * 6)

    def test_nothing_is_nothing(self):
        self.assertEqual(self.newer("test_nothing"), [])


if __name__ == "__main__":
    unittest.main()
