"""Collects with pytest and repeats each item through pytest's own hooks.

Each iteration goes through `pytest_runtest_protocol`, so that plugins which wrap it (time-outs, warnings,
assertion rewriting) act on every iteration by itself; the plain implementation under the wrappers is ours.
"""

import contextlib
import functools
import os
import re
import shutil
import sys
import types

import _pytest.tmpdir
import pytest
from _pytest import runner as pytest_runner
from _pytest.unittest import TestCaseFunction

from . import capture, injected, marks, outcome, restore, run_unittest, watch

#: Under which key pytest (from 7.3 on) keeps in each item which of its phases have passed.
_PASSED_KEY = getattr(_pytest.tmpdir, "tmppath_result_key", None)

_hookimpl = pytest.hookimpl
_rmtree = shutil.rmtree
_scandir = os.scandir
_stat = os.stat

#: How pytest's fixture for `setUpClass` and `tearDownClass` begins, from 6.2 on. Each test case has one.
_OF_UNITTEST = "_unittest_setUpClass_fixture_"

#: A temporary folder's name: prefix and number.
_NUMBERED = re.compile(r"(.*?)([0-9]+)$", re.DOTALL)

#: Where an interpreter and pytest leave the last error.
_LAST_ERROR = ("last_type", "last_value", "last_traceback", "last_exc")

#: Options of plugins (and of pytest) that would disturb the measurement or write into the project, and the
#: value that turns each off. `(option, harmless value, what the report says)`.
_DISTURBING = (
    ("numprocesses", 0, "xdist: tests run in this process instead of being distributed"),
    ("dist", "no", None),
    ("distload", False, None),
    ("tx", [], None),
    ("looponfail", False, "xdist: --looponfail is off"),
    ("forked", False, "forked: tests run in this process instead of in forked ones"),
    ("boxed", False, None),
    ("count", 1, "repeat: --count is off, leakcheck repeats the tests itself"),
    ("flake_finder_enable", False, "flakefinder: is off"),
    ("reruns", 0, "rerunfailures: failed tests are not run again"),
    ("force_flaky", False, None),
    ("randomly_reorganize", False, "randomly: tests keep their order"),
    ("random_order_bucket", None, "random-order: tests keep their order"),
    ("benchmark_disable", True, "benchmark: benchmarks run once an iteration"),
    ("usepdb", False, "--pdb is off"),
    ("trace", False, "--trace is off"),
    # With any of these a test passes that was not run.
    ("collectonly", False, "--collect-only is off: the tests are run"),
    ("setuponly", False, "--setup-only is off: the tests are run"),
    ("setupplan", False, "--setup-plan is off: the tests are run"),
    # Of runs before this one nothing is known here.
    ("lf", False, "--last-failed is off: all tests are run"),
    ("stepwise", False, "--stepwise is off: all tests are run"),
    ("stepwise_skip", False, None),
    ("maxfail", 0, "--exitfirst and --maxfail are off: all tests are run"),
    ("pastebin", None, "--pastebin is off"),
    ("xmlpath", None, "--junitxml is not written"),
    ("htmlpath", None, "--html is not written"),
    ("report_log", None, "--report-log is not written"),
    ("json_report", False, "--json-report is not written"),
    ("memray", False, "memray: is off"),
)


class _Bridge:
    """The plugin of a worker: prepares the session, hands over at the run loop."""

    def __init__(self, service):
        self.service = service
        self.errors = []  # type: list
        self.notes = []  # type: list
        self.runner = None  # type: Runner | None
        orders = service.orders
        # Where single tests are named, pytest calls a file that yields none of them an error.
        named = any("::" in argument for argument in orders["args"] + orders["paths"])
        self.skip = frozenset() if named else frozenset(orders["skip"] + orders["deadly"])

    def _note(self, text):
        if text and text not in self.notes:
            self.notes.append(text)

    @_hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config):
        # Coverage starts here, so it has to be turned off before.
        options = early_config.known_args_namespace
        if getattr(options, "cov_source", None):
            options.cov_source = []
            options.no_cov = True
            self._note("cov: coverage is not measured")
        yield

    @_hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config):
        options = config.option
        for name, harmless, note in _DISTURBING:
            value = getattr(options, name, harmless)
            if value != harmless and value is not None:
                setattr(options, name, harmless)
                # Defaults of plugins that change nothing are not worth a line.
                if value not in (False, 0, "no", "none", "auto_default"):
                    self._note(note)
        if hasattr(options, "randomly_seed") and not isinstance(options.randomly_seed, int):
            # Left alone it is another number in every process.
            options.randomly_seed = 1
            self._note("randomly: the seed is 1 in every worker")
        self._keep_out_of_the_project(config)
        yield

    def _keep_out_of_the_project(self, config):
        """Has pytest keep its cache and its temporary folders among the run's own.

        Not by arguments: where the plugin is switched off that each is for, an argument is an error, and so is a
        setting that is overridden where warnings are.
        """
        orders = self.service.orders
        if hasattr(config.option, "basetemp"):
            config.option.basetemp = orders["base_temp"]
        settings = getattr(config, "_inicache", None)
        if isinstance(settings, dict) and config.pluginmanager.hasplugin("cacheprovider"):
            settings["cache_dir"] = orders["cache_dir"]

    @_hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path):
        # No answer leaves the decision to the project and to pytest.
        return True if str(collection_path) in self.skip else None

    @_hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector):
        path = str(getattr(collector, "path", None) or getattr(collector, "fspath", ""))
        # What a folder's collector imports is no test file.
        is_file = not isinstance(collector, pytest.Package) and os.path.isfile(path)
        self.service.importing(path if is_file else "")
        yield
        self.service.importing("")

    def pytest_collectreport(self, report):
        if report.failed:
            self.errors.append({"where": report.nodeid or "collection", "message": _crash_line(report)})

    @_hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        config = session.config
        self.runner = Runner(session, self.service.orders)
        # Registered last, so that its tryfirst comes before every other.
        config.pluginmanager.register(self.runner.protocol, "leakcheck-protocol")
        if self.service.depends is not None:
            config.pluginmanager.register(_Noting(self.service.depends), "leakcheck-noting")
        root = str(getattr(config, "rootpath", "") or config.rootdir)
        records = [{"id": item.nodeid, "file": _file_of(item, root)} for item in session.items]
        self.service.marks = marks.read(session.items)
        if self.service.marks and not marks.is_registered(config.getini("markers")):
            self._note("the marker leakcheck is used and not registered with pytest (`leakcheck init` says how)")
        self.service.serve(self.runner, records, self.errors, self.notes)
        return True


def _file_of(item, root):
    path = _file_part(item)
    found = getattr(item, "path", None) or getattr(item, "fspath", None)
    return str(found) if found is not None else os.path.join(root, path)


def _is_call(report):
    return report.when == "call"


def _file_part(item):
    # type: (object) -> str
    return item.nodeid.split("::", 1)[0]


def _plugins(config):
    """Objects that are registered as plugins."""
    return [plugin for plugin in config.pluginmanager.get_plugins() if type(plugin) is not types.ModuleType]


def _crash_line(report):
    """The last and most telling line of a report."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return crash.message.strip()
    lines = [line for line in str(report.longrepr).splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (marked or lines or ["no message"])[-1]


class _Protocol:
    """Runs one iteration in place of pytest's own protocol and judges its reports."""

    def __init__(self, base_temp):
        self._base_temp = base_temp
        self.ended = outcome.OK
        self.running = False
        #: Temporary folders of the iteration that has just ended.
        self.folders = []  # type: list
        #: Fixtures of wider scope that are set up.
        self.wider = []  # type: list

    @_hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef):
        if _is_function_scoped(fixturedef) or not hasattr(fixturedef, "_finalizers"):
            return
        # One may be set up again before the end of the one before it was seen.
        if not any(known is fixturedef for known in self.wider):
            self.wider.append(fixturedef)

    @_hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        reports = pytest_runner.runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            self._judge(report)
        if self.ended.status == outcome.PASSED and reports[0].passed and not any(map(_is_call, reports)):
            self.ended = outcome.Outcome(outcome.SKIPPED, "call", "pytest set it up and did not call it")
        return True

    def pytest_runtest_logreport(self, report):
        # Only reports of subtests come this way; those of whole tests are not logged.
        if self.running:
            self._judge(report)

    def _judge(self, report):
        if report.failed and self.ended.status != outcome.FAILED:
            self.ended = outcome.Outcome(outcome.FAILED, report.when, _crash_line(report))
        elif report.skipped and self.ended.status == outcome.PASSED:
            # An expected failure is no skip; and a subtest's skip happens within a test that goes on.
            expected = getattr(report, "wasxfail", None)
            if isinstance(expected, str) and "[NOTRUN]" in expected:
                # `xfail(run=False)`
                self.ended = outcome.Outcome(outcome.SKIPPED, report.when, expected)
            if expected is not None or hasattr(report, "context"):
                return
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.ended = outcome.Outcome(outcome.SKIPPED, report.when, reason)

    @_hookimpl(tryfirst=True)
    def pytest_fixture_post_finalizer(self, fixturedef):
        # The last moment at which pytest still knows the folder it made for this test.
        if fixturedef.argname == "tmp_path" and fixturedef.cached_result and self.running:
            path = str(fixturedef.cached_result[0])
            if path.startswith(self._base_temp):
                self.folders.append(path)


class _Noting:
    """Tells when a fixture wider than a function is set up."""

    def __init__(self, depends):
        self._depends = depends

    @_hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef):
        if _is_function_scoped(fixturedef):
            yield
            return
        self._depends.begin_wide(id(fixturedef))
        yield
        self._depends.end_wide()


class _Only:
    """Stands for a next item that shares nothing but these."""

    def __init__(self, chain):
        # type: (list) -> None
        self._chain = chain

    def listchain(self):
        # type: () -> list
        return self._chain


def _is_function_scoped(fixturedef):
    scope = getattr(fixturedef, "scope", None)
    return str(getattr(scope, "value", scope)) == "function"


class Runner:
    """Repeats pytest items; see `repeat.Repeater` for the methods."""

    def __init__(self, session, orders):
        self._session = session
        self._base_temp = orders["base_temp"]
        self.protocol = _Protocol(self._base_temp)
        #: Failed teardowns of wider fixtures; they belong to tests that were answered for already.
        self.troubles = outcome.Troubles()
        #: Modules, classes and so on whose fixtures were ended.
        self._ended = set()  # type: set
        self._item = None
        self._pristine = {}  # type: dict
        self._first = True
        self._last_nodeid = ""
        self._folder_time = 0
        self._kept_folders = frozenset()
        self._folder_factory = getattr(session.config, "_tmp_path_factory", None)
        # Calls of historic hooks are kept for plugins that register later, and each recorded warning is such a call.
        self._histories = [
            (history, len(history))
            for caller in list(vars(session.config.pluginmanager.hook).values())
            for history in [getattr(caller, "_call_history", None)]
            if isinstance(history, list)
        ]
        # pytest's import hook notes of every module name whether it rewrites assertions in it.
        self._rewritten = [
            (names, len(names))
            for hook in sys.meta_path
            for names in (getattr(hook, "_marked_for_rewrite_cache", None), getattr(hook, "_rewritten_names", None))
            if isinstance(names, dict)
        ]
        self._injected = injected.Injected(getattr(session, "_fixturemanager", None))
        self._capture = capture.Capture(session.config.pluginmanager.getplugin("capturemanager"))
        self._terminal = session.config.pluginmanager.getplugin("terminalreporter")
        self._by_file = {}  # type: dict
        for item in session.items:
            self._by_file.setdefault(_file_part(item), []).append(item)

    # -- opening and closing ---------------------------------------------------------------

    def turn(self):
        # type: () -> None
        """See `repeat.Repeater`."""

    def open(self, index):
        # type: (int) -> None
        item = self._session.items[index]
        self._teardown_to(item)
        self.turn()
        self.turn()
        wider = self.protocol.wider
        wider[:] = [fixturedef for fixturedef in wider if fixturedef.cached_result is not None]
        self._item = item
        self._first = True
        self._last_nodeid = item.nodeid
        _prepare(item)
        state = item.__dict__
        # Of a TestCase pytest itself makes a new instance in each setup.
        is_unittest = isinstance(item, TestCaseFunction)
        self._pristine = {
            "obj": None if is_unittest else state.get("_obj"),
            "instance": restore.State(None if is_unittest else state.get("_instance")),
            "function": restore.State(getattr(state.get("_obj"), "__func__", state.get("_obj"))),
            "globals": dict(item.dtest.globs) if getattr(item, "dtest", None) is not None else None,
            "lists": [
                (values, len(values))
                for values in (getattr(item, "user_properties", None), getattr(item, "own_markers", None))
                if isinstance(values, list)
            ],
        }
        # As after every run.
        self._renew()

    def _teardown_to(self, following):
        """Ends the fixtures wider than a function that `following` does not share, the innermost first.

        What was ended before and is ended again was set up once more for us: that it cannot be is nothing to tell.
        """
        state = self._session._setupstate
        needed = [] if following is None else following.listchain()
        while list(state.stack) != needed[: len(state.stack)]:
            *outer, node = state.stack
            try:
                state.teardown_exact(_Only(outer))
            except BaseException as error:
                if node not in self._ended:
                    self.troubles.add(self._last_nodeid, "in teardown of a wider fixture: " + outcome.describe(error))
            if not self.troubles.closed:
                self._ended.add(node)

    def finish(self):
        # type: () -> None
        self._teardown_to(None)

    def wider(self):
        # type: () -> list
        """`scope:where:name` of the fixtures wider than a function that are set up now."""
        found = set()
        for fixturedef in self.protocol.wider:
            if fixturedef.cached_result is not None and not self._does_nothing(fixturedef):
                scope = getattr(fixturedef, "scope", None)
                scope = str(getattr(scope, "value", scope))
                found.add("{}:{}:{}".format(scope, getattr(fixturedef, "baseid", ""), fixturedef.argname))
        return sorted(found)

    def _does_nothing(self, fixturedef):
        # type: (object) -> bool
        """Whether it is what pytest makes for each class of unittest's, and that one has no class fixture."""
        cls = getattr(self._item, "cls", None)
        return str(fixturedef.argname).startswith(_OF_UNITTEST) and not run_unittest.class_fixtures(cls)

    def standing(self):
        # type: () -> frozenset
        """Identities of the fixtures wider than a function that are set up now."""
        return frozenset(id(each) for each in self.protocol.wider if each.cached_result is not None)

    def is_function(self):
        # type: () -> bool
        """Whether the open test is a function, and no text that is run."""
        return isinstance(self._item, pytest.Function)

    def end_wider(self, session):
        # type: (bool) -> None
        """Tears the fixtures of class, module and package down; those of the session too where asked for."""
        self._teardown_to(None if session else _Only([self._session]))
        wider = self.protocol.wider
        wider[:] = [fixturedef for fixturedef in wider if fixturedef.cached_result is not None]

    def kept(self):
        # type: () -> list
        """`(object, name)` of what pytest holds and tests may fill.

        That is: wider fixtures that stand, arguments of the tests of the open one's file, plugins, and what is left
        in the configuration.
        """
        config = self._session.config
        found = [
            (fixturedef.cached_result[0], "fixture " + fixturedef.argname)
            for fixturedef in self.protocol.wider
            if fixturedef.cached_result is not None
        ]
        for item in self._by_file[_file_part(self._item)]:
            params = getattr(getattr(item, "callspec", None), "params", {})
            found += [(value, "parameter " + name) for name, value in params.items()]
        found += [(plugin, "plugin " + str(config.pluginmanager.get_name(plugin))) for plugin in _plugins(config)]
        found += [(value, "config." + name) for name, value in list(vars(config).items()) if name[:1] != "_"]
        stored = getattr(getattr(config, "stash", None), "_storage", {})
        found += [(value, "config.stash[…]") for value in list(stored.values())]
        # It need not be among the modules, or not any more.
        module = getattr(self._item, "module", None)
        if type(module) is types.ModuleType:
            found += watch.of_namespace(vars(module), module.__name__)
        return found

    # -- one iteration ---------------------------------------------------------------------

    def reaches(self, index):
        # type: (int) -> bool
        return True

    def iterate(self, index):
        # type: (int) -> outcome.Outcome
        item = self._item
        protocol = self.protocol
        protocol.ended = outcome.OK
        protocol.running = True
        try:
            self._capture.resume()
            try:
                # The parent as next item tears down what belongs to the function and keeps what is wider.
                item.ihook.pytest_runtest_protocol(item=item, nextitem=item.parent)
            finally:
                self._capture.suspend()
        except BaseException as error:
            protocol.ended = outcome.Outcome(outcome.BROKEN, "call", outcome.describe(error))
        finally:
            protocol.running = False
        ended = protocol.ended
        protocol.ended = outcome.OK
        if not self._capture.is_whole():
            # Whatever was reported of this test, every later one would fail for it.
            return outcome.Outcome(
                outcome.BROKEN, "call", "it closed descriptors that pytest captures output with"
            )
        return ended

    def _renew(self):
        """Makes the item what it was before its first run; pytest means each to run once."""
        item = self._item
        state = item.__dict__
        # Where pytest makes the instance when it collects, it stays the same one, as it was new; else the next
        # setup makes another. What tests keep on `self` goes either way. Plugins wrap the function in place, once
        # more each time, or keep things on it.
        instance = self._pristine["instance"]
        if instance.subject is None:
            state.pop("_instance", None)
        if self._pristine["obj"] is None:
            state.pop("_obj", None)
        elif instance.subject is not None or getattr(item, "cls", None) is None:
            state["_obj"] = self._pristine["obj"]
        else:
            state.pop("_obj", None)
        instance.restore()
        self._pristine["function"].restore()
        if self._pristine["globals"] is not None:
            # A doctest clears its globals when it has run.
            item.dtest.globs.clear()
            item.dtest.globs.update(self._pristine["globals"])

    # -- what pytest keeps -----------------------------------------------------------------

    def tidy(self):
        # type: () -> None
        """Forgets what pytest kept of the last iteration, as far as nothing can need it any more."""
        item = self._item
        self._renew()
        # Captured output of every phase; never cleared by pytest.
        del item._report_sections[:]
        for values, length in self._pristine["lists"]:
            del values[length:]
        if self._terminal is not None:
            # Recorded warnings and reports of subtests, kept for the summary that nobody will see.
            self._terminal.stats.clear()
        for history, length in self._histories:
            del history[length:]
        for names, length in self._rewritten:
            # The newest are last.
            while len(names) > length:
                names.popitem()
        for name in _LAST_ERROR:
            # pytest keeps a failure here for a debugger until the next call. Its frames hold the frames that called
            # them, and so those of an order that has been answered.
            vars(sys).pop(name, None)
        # `-x` and the like would have every wider fixture torn down with the test.
        for name in ("shouldfail", "shouldstop"):
            # The public name warns, and with `-W error` raises, since pytest 8.1.
            private = "_" + name
            setattr(self._session, private if hasattr(self._session, private) else name, False)
        self._injected.take_out()
        self._trim_finalizers()
        self._remove_folders()
        self._first = False

    def _trim_finalizers(self):
        """Takes out finalizers that repeats have added once more.

        A fixture of wider scope gets another one from each function-scoped fixture that uses it, and up to
        pytest 8.1 its node gets another one from each use. Those of iterations that are over, and all but the
        first of several for one fixture, do nothing when they are called; kept, they would be growth in every
        test that uses `tmp_path` or any other fixture built on a wider one.
        """
        for fixturedef in self.protocol.wider:
            _trim(fixturedef._finalizers)
        for finalizers, _ in self._session._setupstate.stack.values():
            _trim(finalizers)

    def _remove_folders(self):
        """Removes the temporary folders of an iteration, so that the next one gets the same name.

        pytest numbers them, and in Python 3.12 each new name would stay interned for ever.
        """
        folders = self.protocol.folders
        while folders:
            self._remove(folders.pop())
        try:
            changed = _stat(self._base_temp).st_mtime_ns
        except OSError:
            return
        if changed == self._folder_time:
            return
        with _scandir(self._base_temp) as entries:
            names = frozenset(entry.name for entry in entries)
        if self._first:
            # Wider fixtures made theirs now and keep them.
            self._kept_folders = names
        else:
            for name in names - self._kept_folders:
                path = os.path.join(self._base_temp, name)
                if os.path.islink(path):
                    os.unlink(path)
                else:
                    self._remove(path)
        self._folder_time = _stat(self._base_temp).st_mtime_ns

    def _remove(self, path):
        _rmtree(path, ignore_errors=True)
        # From pytest 9.1 on numbers are counted instead of being looked up in the folder.
        numbers = getattr(self._folder_factory, "_next_number", None)
        found = _NUMBERED.match(os.path.basename(path))
        if isinstance(numbers, dict) and found is not None:
            prefix, number = found.group(1).lower(), int(found.group(2))
            if numbers.get(prefix, 0) > number:
                numbers[prefix] = number


def _prepare(item):
    """Makes what the first run of an item adds to it and keeps, and drops what it alone frees.

    That run then leaves no more and no less than any other one, unless the test itself does.
    """
    with contextlib.suppress(Exception):
        # Every report asks for it, and it is kept.
        item.location  # noqa: B018
    if getattr(item, "_request", None):
        # As after a run: each makes them anew.
        item._request = False
        item.funcargs = None
    stash = getattr(item, "stash", None)
    if isinstance(stash, pytest.Stash):
        # A dict has no table before its first entry.
        key = pytest.StashKey()
        stash[key] = None
        del stash[key]
        if _PASSED_KEY is not None:
            stash.setdefault(_PASSED_KEY, {}).update(setup=True, call=True, teardown=True)
    _settle_environment()
    # glibc never frees what an environment variable was set to once, and pytest sets one to the test's name.
    tell = getattr(pytest_runner, "_update_current_test_var", None)
    if tell is not None:
        # A name that the system's encoding cannot say is an error of the test's, which pytest tells.
        with contextlib.suppress(UnicodeError):
            for phase in ("setup", "call", "teardown", None):
                tell(item, phase)


def _settle_environment():
    """Brings the dict behind `os.environ` to the size it keeps while entries come and go.

    Each insertion uses up a slot, whatever was deleted before, and pytest inserts a variable anew in each iteration:
    after some of them the table is made anew, for thrice its entries, which may be larger than it was.
    """
    entries = getattr(os.environ, "_data", None)
    if isinstance(entries, dict):
        # A table of less than six times the entries takes two thirds of that: it is made anew at least once.
        for number in range(4 * len(entries) + 8):
            # The names of variables are bytes: none is a number.
            entries[number] = None
            del entries[number]


def _trim(finalizers):
    if not finalizers:
        return
    kept = []
    seen = set()
    for finalizer in finalizers:
        owner = _finished_by(finalizer)
        if owner is not None:
            if id(owner) in seen or (owner.cached_result is None and _is_function_scoped(owner)):
                continue
            seen.add(id(owner))
        kept.append(finalizer)
    if len(kept) < len(finalizers):
        finalizers[:] = kept


def _finished_by(finalizer):
    """The fixture whose `finish` this finalizer calls, if it is one of those."""
    owner = None
    if isinstance(finalizer, functools.partial):
        if getattr(finalizer.func, "__name__", "") == "finish":
            owner = getattr(finalizer.func, "__self__", None)
    elif type(finalizer) is types.FunctionType and finalizer.__module__ == "_pytest.fixtures":
        # pytest 7.0 says it in a function of its own.
        cells = dict(zip(finalizer.__code__.co_freevars, finalizer.__closure__ or ()))
        owner = getattr(cells.get("fixturedef"), "cell_contents", None)
    return owner if hasattr(owner, "cached_result") else None


def main(service):
    """Runs pytest with the bridge as a plugin. Returns pytest's exit status."""
    orders = service.orders
    service.hello("pytest", pytest.__version__)
    bridge = _Bridge(service)
    # None of our own: whatever the project's settings make of an argument would be the project's error.
    args = orders["args"] + orders["paths"]
    sys.argv = ["pytest", *args]
    return pytest.main(args, plugins=[bridge])
