"""Collects with unittest's own loader and repeats each test as TestSuite would run it once."""

import argparse
import os
import sys
import traceback
import unittest
import warnings

from . import outcome, restore, watch

_format = traceback.format_exception_only


def class_fixtures(cls):
    # type: (type) -> list
    """Which class fixtures a test case has: those two of `unittest.TestCase` itself do nothing."""
    found = []
    for name in ("setUpClass", "tearDownClass"):
        method = getattr(cls, name, None)
        plain = getattr(unittest.TestCase, name).__func__
        if method is not None and getattr(method, "__func__", None) is not plain:
            found.append(name)
    if getattr(cls, "_class_cleanups", None):
        found.append("addClassCleanup")
    return found


class Result(unittest.TestResult):
    """Remembers how the current test ended, and nothing about the ones before."""

    def __init__(self):
        super().__init__()
        self.ended = outcome.OK
        #: Failed teardowns of classes and modules; they belong to tests that were answered for already.
        self.troubles = outcome.Troubles()

    def startTest(self, test):
        self.ended = outcome.OK

    def stopTest(self, test):
        pass

    def addDuration(self, test, elapsed):
        # The base class keeps every duration of the run.
        pass

    def addError(self, test, err):
        text = "".join(_format(err[0], err[1])).strip()
        # Class and module fixtures have no test; unittest stands in an object with a description.
        wider = test.description if type(test).__name__ == "_ErrorHolder" else None
        if isinstance(wider, str) and wider.startswith("tearDown"):
            self.troubles.add(wider, text)
        elif self.ended.status != outcome.FAILED:
            self.ended = outcome.Outcome(outcome.FAILED, "call" if wider is None else wider, text)

    def addFailure(self, test, err):
        self.addError(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test, reason):
        # A subtest may be skipped within a test that goes on; only a whole test counts as skipped.
        if not hasattr(test, "test_case") and self.ended.status == outcome.PASSED:
            self.ended = outcome.Outcome(outcome.SKIPPED, "call", str(reason))

    def addExpectedFailure(self, test, err):
        pass

    def addUnexpectedSuccess(self, test):
        self.ended = outcome.Outcome(outcome.FAILED, "call", "unexpected success")


def _flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flatten(test)
        elif test is not None:
            yield test


class Runner:
    """Runs instances of the collected tests, with class and module fixtures around the repeats."""

    def __init__(self, tests, result=None):
        self._tests = tests
        self._suite = unittest.TestSuite()
        self._result = result or Result()
        self._current = None
        self._state = restore.State(None)
        self._blocked = outcome.OK
        self._doctest_globals = None
        self._ended_wider = False
        #: Classes, and names of modules, whose fixtures were ended.
        self._ended = set()  # type: set

    @property
    def troubles(self):
        return self._result.troubles

    def _wider(self, call, *args):
        """Runs class or module fixtures and says how that ended."""
        result = self._result
        result.ended = outcome.OK
        try:
            call(*args)
        except BaseException as error:
            return outcome.Outcome(outcome.FAILED, "setup", outcome.describe(error))
        return result.ended

    def _end(self, which, call, *args):
        """Ends the fixtures of a class or module, if of any.

        What was ended before and is ended again was set up once more for us: that it cannot be is nothing to tell.
        """
        closed = self.troubles.closed
        self.troubles.closed = closed or which in self._ended
        try:
            return self._wider(call, *args)
        finally:
            self.troubles.closed = closed
            if which is not None and not closed:
                self._ended.add(which)

    def turn(self):
        # type: () -> None
        """See `repeat.Repeater`."""

    def open(self, index):
        # type: (int) -> None
        test = self._tests[index]
        self._current = test
        self._ended_wider = False
        self._state = restore.State(test)
        self._doctest_globals = dict(test._dt_test.globs) if hasattr(test, "_dt_test") else None
        self._set_up_wider(test)

    def _set_up_wider(self, test):
        suite, result = self._suite, self._result
        if not hasattr(result, "_moduleSetUpFailed"):
            result._moduleSetUpFailed = False
        # The same three steps, in the same order, as TestSuite.run takes before each test.
        before = getattr(result, "_previousTestClass", None)
        ends = before is not None and before is not test.__class__
        steps = [self._end(before if ends else None, suite._tearDownPreviousClass, test, result)]
        self.turn()
        ends = ends and before.__module__ != test.__class__.__module__
        steps.append(self._end(before.__module__ if ends else None, suite._handleModuleFixture, test, result))
        self.turn()
        steps.append(self._wider(suite._handleClassSetUp, test, result))
        result._previousTestClass = test.__class__
        bad = [step for step in steps if step.status != outcome.PASSED]
        if bad:
            self._blocked = bad[0]
        elif getattr(test.__class__, "_classSetupFailed", False) or result._moduleSetUpFailed:
            # The reason was given with the first test of the class or module.
            if self._blocked.status == outcome.PASSED:
                self._blocked = outcome.Outcome(outcome.FAILED, "setup", "its class or module fixture failed")
        else:
            self._blocked = outcome.OK

    def reaches(self, index):
        # type: (int) -> bool
        """Whether a test can be opened now."""
        return True

    def iterate(self, index):
        # type: (int) -> outcome.Outcome
        if self._ended_wider:
            self._ended_wider = False
            self._set_up_wider(self._current)
        if self._blocked.status != outcome.PASSED:
            return self._blocked
        # A test may keep state on itself. It stays the same object: some tools, Hypothesis among them, take another
        # instance for another test.
        test = self._current
        try:
            test(self._result)
        except BaseException as error:
            # unittest lets only KeyboardInterrupt and the like through.
            return outcome.Outcome(outcome.FAILED, "call", outcome.describe(error))
        return self._result.ended

    def _renew(self, test):
        """Gives the instance the state of a new one, made by its own constructor where that can be called."""
        self._state.restore()
        if self._doctest_globals is not None:
            # A doctest clears its globals when it has run.
            test._dt_test.globs.update(self._doctest_globals)
        if isinstance(test, unittest.FunctionTestCase) or hasattr(test, "_dt_test"):
            # Their constructors take functions and doctests, not a name.
            return
        try:
            attributes = type(test)(test._testMethodName).__dict__
        except Exception:
            return
        # One that was given more than its constructor gives (by load_tests, say) keeps what it had.
        if attributes.keys() == test.__dict__.keys():
            test.__dict__.update(attributes)

    def tidy(self):
        # type: () -> None
        if self._current is not None:
            self._renew(self._current)
        self._result.ended = outcome.OK
        self._result.shouldStop = False

    def finish(self):
        # type: () -> None
        before = getattr(self._result, "_previousTestClass", None)
        self._end(before, self._suite._tearDownPreviousClass, None, self._result)
        self._end(getattr(before, "__module__", None), self._suite._handleModuleTearDown, self._result)

    def wider(self):
        # type: () -> list
        """`scope:where:name` of the class and module fixtures of the open test."""
        cls = type(self._current)
        found = ["class:{}.{}:{}".format(cls.__module__, cls.__qualname__, name) for name in class_fixtures(cls)]
        module = sys.modules.get(cls.__module__)
        for name in ("setUpModule", "tearDownModule"):
            if hasattr(module, name):
                found.append("module:{}:{}".format(cls.__module__, name))
        return found

    def standing(self):
        # type: () -> frozenset
        """Identities of what has fixtures for the open test: its class and its module."""
        cls = type(self._current)
        return frozenset([id(cls), id(sys.modules.get(cls.__module__))])

    def is_function(self):
        # type: () -> bool
        """Whether the open test is a function, and no text that is run."""
        return not hasattr(self._current, "_dt_test")

    def kept(self):
        # type: () -> list
        """What tests may fill hangs from their modules, and that of the open one need not be among the modules."""
        cls = type(self._current)
        function = getattr(cls, getattr(self._current, "_testMethodName", ""), None)
        return watch.of_namespace(getattr(function, "__globals__", {}), cls.__module__)

    def end_wider(self, session):
        # type: (bool) -> None
        """Tears the class and module fixtures down; the next iteration sets them up again."""
        self.finish()
        self._result._previousTestClass = None
        self._ended_wider = True


def watch_loader(loader, service):
    # type: (type, object) -> None
    """Has a class of loaders leave out what would end this process, and say what is imported."""
    deadly = frozenset(service.orders["deadly"])
    matches, module_of = loader._match_path, loader._get_module_from_name

    def match_path(self, path, full_path, pattern):
        return full_path not in deadly and matches(self, path, full_path, pattern)

    def get_module_from_name(self, name):
        path = os.path.join(self._top_level_dir or "", *name.split("."))
        files = [path + ".py", os.path.join(path, "__init__.py")]
        service.importing(next(filter(os.path.isfile, files), ""))
        try:
            return module_of(self, name)
        finally:
            service.importing("")

    loader._match_path = match_path
    loader._get_module_from_name = get_module_from_name


class _Loader(unittest.TestLoader):
    """One that is watched."""


def _arguments(orders):
    """The options of `python -m unittest` that choose tests; those that shape output are taken and ignored."""
    parser = argparse.ArgumentParser(prog="python -m unittest", add_help=False)
    parser.add_argument("-s", "--start-directory", dest="start")
    parser.add_argument("-p", "--pattern", default="test*.py")
    parser.add_argument("-t", "--top-level-directory", dest="top")
    parser.add_argument("-k", dest="names", action="append", default=[])
    for ignored in ("verbose", "quiet", "failfast", "buffer", "catch"):
        parser.add_argument("-" + ignored[0], "--" + ignored, action="store_true")
    parser.add_argument("tests", nargs="*")

    def refuse(message):
        raise ValueError("unittest argument: " + message)

    parser.error = refuse
    return parser.parse_args(orders["args"])


def _top_of(folder):
    """The first directory above a package: what its modules are imported from."""
    folder = os.path.abspath(folder)
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def _load(service):
    orders = service.orders
    options = _arguments(orders)
    if options.tests[:1] == ["discover"]:
        # `python -m unittest discover [start [pattern [top]]]`
        rest = options.tests[1:4] + [None] * 3
        options.tests = []
        options.start = options.start or rest[0] or orders["cwd"]
        options.pattern = rest[1] or options.pattern
        options.top = options.top or rest[2]
    watch_loader(_Loader, service)
    loader = _Loader()
    if options.names:
        loader.testNamePatterns = [name if "*" in name else "*{}*".format(name) for name in options.names]
    loaded = []
    cwd = orders["cwd"]
    for path in orders["paths"]:
        if os.path.isdir(path):
            loaded.append(_discover(loader, path, options.pattern, options.top or _top_of(path)))
        elif os.path.isfile(path):
            folder, name = os.path.split(os.path.abspath(path))
            loaded.append(_discover(loader, folder, name, options.top or _top_of(folder)))
        else:
            loaded.append(loader.loadTestsFromName(path))
    loaded.extend(loader.loadTestsFromName(name) for name in options.tests)
    if not loaded:
        loaded.append(_discover(loader, options.start or cwd, options.pattern, options.top))
        if not options.start and not any(suite.countTestCases() for suite in loaded):
            # `python -m unittest` looks into packages only; a folder named `tests` without an
            # __init__.py is as plainly meant.
            for name in ("tests", "test"):
                folder = os.path.join(cwd, name)
                if os.path.isdir(folder):
                    loaded.append(_discover(loader, folder, options.pattern, options.top))
    return loaded


def _discover(loader, folder, pattern, top):
    # The loader remembers the first top-level directory it was given.
    loader._top_level_dir = None
    return loader.discover(folder, pattern=pattern, top_level_dir=top)


def is_failure(test):
    # type: (object) -> bool
    """Whether it stands for what could not be loaded."""
    kind = type(test)
    return kind.__name__ == "_FailedTest" and kind.__module__ == "unittest.loader"


def records(tests):
    # type: (list) -> tuple
    """What is sent about some tests, and about what could not be loaded."""
    found, errors = [], []
    for test in tests:
        if is_failure(test):
            error = getattr(test, "_exception", None)
            errors.append({"where": test._testMethodName, "message": str(error).strip()})
            continue
        kind = type(test)
        module = sys.modules.get(kind.__module__)
        # Doctests and plain functions are wrapped in classes of the standard library.
        documented = getattr(getattr(test, "_dt_test", None), "filename", None)
        function = getattr(getattr(test, "_testFunc", None), "__code__", None)
        written = documented or getattr(function, "co_filename", None)
        path = written or getattr(module, "__file__", None) or kind.__module__
        found.append({"id": test.id(), "file": path})
    return found, errors


def main(service):
    """Loads the tests and serves. Returns 0."""
    orders = service.orders
    sys.argv = ["python -m unittest"] + orders["args"]
    service.hello("unittest", "{}.{}.{}".format(*sys.version_info[:3]))
    tests = list(_flatten(_load(service)))
    found, errors = records(tests)
    tests = [test for test in tests if not is_failure(test)]
    with warnings.catch_warnings():
        if not sys.warnoptions:
            # As unittest's own text runner sets it.
            warnings.simplefilter("default")
        service.serve(Runner(tests), found, errors, [])
    return 0
