"""The half that runs a program: where it takes over, what it tells of programs that do otherwise, and the way back."""

import unittest

from driver import BridgeCase

PARTS = """
    import unittest

    KEPT = []


    class A(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.number = 7

        def test_keeps(self):
            KEPT.append({"number": [self.number]})

        def test_passes(self):
            self.assertEqual(self.number, 7)


    class B(unittest.TestCase):
        def test_keeps(self):
            KEPT.append({"number": []})

        def test_state(self):
            self.assertFalse(hasattr(self, "seen"))
            self.seen = True

        @unittest.skip("not today")
        def test_skipped(self):
            raise AssertionError
"""

#: Says in a file what it does.
PROGRAM = """
    import atexit
    import unittest

    import parts


    def say(text):
        with open("said", "a") as file:
            file.write(text + "\\n")


    atexit.register(say, "exit")
    say("start")
    for cls in (parts.A, parts.B):
        say("up " + cls.__name__)
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(cls)
        result = unittest.TextTestRunner().run(suite)
        assert result.wasSuccessful()
        say("down {} {}".format(cls.__name__, result.testsRun))
"""

WHOLE = ["start", "up A", "down A 2", "up B", "down B 3", "exit"]


class Programs(BridgeCase):
    def program(self, text, args=("program.py",)):
        worker = self.start({"parts.py": PARTS, "program.py": text}, "command", args=list(args))
        self.project = worker.project
        return worker

    def said(self):
        return self.project.read("said").split("\n")[:-1]

    def test_tests_of_all_suites_are_known_before_the_first_one_runs(self):
        worker = self.program(PROGRAM)
        names = ["A.test_keeps", "A.test_passes", "B.test_keeps", "B.test_skipped", "B.test_state"]
        self.assertEqual(worker.ids, ["parts." + name for name in names])
        self.assertEqual({test["file"] for test in worker.tests}, {self.project.path("parts.py")})
        self.assertEqual(self.said(), [*WHOLE, "start", "up A"])

    def test_the_program_waits_at_the_suite_that_is_asked_for_and_then_ends_as_ever(self):
        worker = self.program(PROGRAM)
        self.assertPassed(worker.run("A.test_passes"))
        self.assertEqual(self.said()[-1], "up A")
        self.assertPassed(worker.run("B.test_state"))
        self.assertEqual(self.said()[-2:], ["down A 2", "up B"])
        self.assertEqual(worker.end(), [])
        self.assertEqual(self.said(), WHOLE * 2)
        self.assertEqual(worker.process.returncode, 0)

    def test_what_the_program_has_passed_is_reached_from_its_beginning(self):
        worker = self.program(PROGRAM)
        first = worker.process.pid
        self.assertPassed(worker.run("B.test_state"))
        self.assertPassed(worker.run("A.test_passes"))
        self.assertEqual(self.said(), [*WHOLE, *WHOLE, "start", "up A"])
        # Its key is a constant of the test, and each entry refers to it.
        self.assertGrows(worker, "A.test_keeps", blocks=None, heap=None, objects=None, items=1, refs=None)
        self.assertEqual((worker.connections, worker.process.pid), (2, first))
        worker.end()

    def test_growth_is_exact(self):
        worker = self.program(PROGRAM)
        self.assertGrows(worker, "A.test_passes")
        self.assertGrows(worker, "B.test_keeps", blocks=None, heap=None, objects=None)
        self.assertGrows(worker, "B.test_state")

    def test_a_skipped_test_and_one_that_is_not_handed_over_again(self):
        worker = self.program(
            """
            import os
            import unittest


            class T(unittest.TestCase):
                def test_a(self):
                    self.skipTest("why")

                if not os.path.exists("said"):
                    def test_b(self):
                        pass


            open("said", "w").close()
            unittest.main()
            """
        )
        self.assertEqual(worker.run("T.test_a")["outcome"]["status"], "skipped")
        record = worker.call(do="run", test=worker.index("T.test_b"), warmup=1, iterations=1)
        self.assertEqual((record["re"], record["foreign"]), ("error", True))
        self.assertIn("did not hand it over again", record["message"])

    def test_suites_with_a_way_of_their_own_go_it(self):
        worker = self.program(
            """
            import unittest


            class Layered(unittest.TestSuite):
                def run(self, result, debug=False):
                    T.up = []
                    for test in self:
                        test(result)
                    del T.up
                    return result


            class Result(unittest.TestResult):
                def startTest(self, test):
                    T.up.append(1)
                    super().startTest(test)

                def stopTest(self, test):
                    T.up.clear()


            class T(unittest.TestCase):
                def run(self, result=None):
                    self.begun = True
                    return super().run(result)

                def test_a(self):
                    self.assertEqual((self.up, self.begun), ([1], True))

                def test_b(self):
                    self.assertEqual(self.up, [1])


            result = Result()
            unittest.TestSuite([Layered([T("test_a"), T("test_b")])]).run(result)
            assert result.testsRun == 2 and not hasattr(T, "up")
            """
        )
        self.assertEqual(len(worker.ids), 2)
        self.assertPassed(worker.run("T.test_b"))
        self.assertPassed(worker.run("T.test_a"))
        worker.end()
        self.assertEqual(worker.process.returncode, 0, worker.log())

    def test_suites_that_tests_run_are_their_own(self):
        worker = self.program(
            """
            import unittest


            class Inner(unittest.TestCase):
                def test_x(self):
                    pass


            class T(unittest.TestCase):
                def test_a(self):
                    result = unittest.TestResult()
                    unittest.TestSuite([Inner("test_x")]).run(result)
                    self.assertEqual(result.testsRun, 1)
                    self.assertEqual(unittest.TestSuite.run.__module__, "unittest.suite")


            unittest.TextTestRunner().run(T("test_a"))
            """
        )
        self.assertEqual(worker.ids, ["__main__.T.test_a"])
        self.assertPassed(worker.run("T.test_a"))

    def test_a_program_that_never_has_a_test_run_is_told_with_its_reason(self):
        for text, status, words in (
            ("pass", 0, "ended without having unittest run"),
            ("raise SystemExit(5)", 5, "ended with status 5"),
            ("import os; os._exit(0)", 0, "ended without"),
            ("import os; os.kill(os.getpid(), 9)", -9, "by signal 9"),
            ("raise KeyError('x')", 1, "ended with status 1"),
            (
                "import os, parts, unittest\n"
                "if os.fork() == 0:\n"
                "    unittest.main(parts)\n"
                "os.wait()\n",
                0,
                "in processes or threads of its own",
            ),
            (
                "import parts, threading, unittest\n"
                "one = threading.Thread(target=lambda: unittest.main(parts, exit=False))\n"
                "one.start()\n"
                "one.join()\n",
                0,
                "in processes or threads of its own",
            ),
        ):
            worker = self.program(text)
            self.assertEqual((worker.last["re"], worker.last["status"]), ("stopped", status), worker.log())
            self.assertIn(words, worker.last["why"])

    def test_what_is_no_program_is_refused(self):
        for args, words in (
            ([], "no program is named"),
            (["python3"], "no program is named"),
            (["nowhere.py"], "there is no nowhere.py"),
            (["python", "-X", "dev", "program.py"], "-X is an option of Python's own"),
            (["-m", "pytest"], "--runner pytest"),
            (["coverage", "run", "program.py"], "leave it out"),
        ):
            worker = self.program(PROGRAM, args=args)
            self.assertEqual(worker.last["re"], "error")
            self.assertIn(words, worker.last["message"])

    def test_arguments_modules_and_folders_are_as_for_python(self):
        show = """
            import os
            import sys
            import unittest


            class T(unittest.TestCase):
                def test_a(self):
                    pass


            assert __name__ == "__main__"
            print([sys.argv, sys.path[0]])
            unittest.TextTestRunner().run(T("test_a"))
        """
        for args, argv, first in (
            (["sub/show.py", "-x", "y z"], "['sub/show.py', '-x', 'y z']", "FOLDER/sub"),
            (["python3.12", "-m", "sub.show", "-x"], "['FOLDER/sub/show.py', '-x']", "FOLDER"),
            (["sub"], "['sub']", "sub"),
        ):
            files = {"sub/show.py": show, "sub/__main__.py": show, "sub/__init__.py": ""}
            worker = self.start(files, "command", args=args)
            self.assertEqual(len(worker.ids), 1, worker.log())
            shown = worker.log().replace(worker.project.folder, "FOLDER")
            self.assertIn("[{}, '{}']".format(argv, first), shown)

    def test_what_its_result_keeps_is_no_growth(self):
        worker = self.program(
            """
            import unittest


            class Result(unittest.TestResult):
                started = ()

                def startTest(self, test):
                    self.started = [*self.started, (test, {})]


            class T(unittest.TestCase):
                def test_a(self):
                    pass


            unittest.TestSuite([T("test_a")]).run(Result())
            """
        )
        self.assertGrows(worker, "T.test_a")


if __name__ == "__main__":
    unittest.main()
