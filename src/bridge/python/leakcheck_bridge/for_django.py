"""Rules for Django's test runner, each with its reason. They hold for whatever runs its tests."""

import contextlib
import sys
import threading
import types
import unittest


def is_parallel(suite):
    # type: (object) -> bool
    """Whether a suite is that of `--parallel`, which runs parts that are the same in other processes."""
    return hasattr(suite, "subsuites") and hasattr(suite, "processes")


def keep_databases_apart(worker):
    # type: (str) -> None
    """Gives each worker test databases of its own, and no question about those that are there.

    Nobody would answer, and one that was lost has left its own.
    """
    loader = unittest.TestLoader
    originals = {name: getattr(loader, name) for name in ("discover", "loadTestsFromName", "loadTestsFromModule")}

    def restore():
        for name, original in originals.items():
            setattr(loader, name, original)
        kind = getattr(sys.modules.get("django.db.backends.base.creation"), "BaseDatabaseCreation", None)
        if kind is not None:
            kind.create_test_db = _creating(kind.create_test_db, worker.replace(".", "_"))

    for name in originals:
        # It loads its tests after its settings and before it makes databases.
        def load(self, *args, _name=name, **keywords):
            restore()
            return getattr(self, _name)(*args, **keywords)

        setattr(loader, name, load)


def _creating(create, worker):
    # type: (object, str) -> object
    def create_test_db(self, *args, **keywords):
        name = str(self._get_test_db_name())
        # What is kept is kept under its name, and memory is nobody else's.
        if not keywords.get("keepdb") and "memory" not in name and not name.endswith(worker):
            self.connection.settings_dict["TEST"]["NAME"] = "{}_{}".format(name, worker)
        if len(args) < 2:
            keywords["autoclobber"] = True
        return create(self, *args, **keywords)

    return create_test_db


def settle():
    # type: () -> None
    """What its test machinery leaves behind in each test is put back, once the tests are loaded."""
    _settle_receivers()
    _settle_locals()


def _settle_receivers():
    # type: () -> None
    """Has its test client and its capture of queries leave nothing where they take its own receivers off and on again.

    Up to 5.2 each connection of a receiver makes a finalizer for it, and those of a module's function never run. Held
    for good, as such a function is in any case, it has none.
    """

    def keeping(connect):
        def keep(receiver, sender=None, weak=True, dispatch_uid=None):
            own = type(receiver) is types.FunctionType and receiver.__module__ == "django.db"
            return connect(receiver, sender, weak and not own, dispatch_uid)

        return keep

    for name in ("request_started", "request_finished"):
        signal = getattr(sys.modules.get("django.core.signals"), name, None)
        if signal is not None:
            signal.connect = keeping(signal.connect)


def _settle_locals():
    # type: () -> None
    """Has settings that a test overrides leave no variables in the context of the thread.

    For other CACHES, another LANGUAGE_CODE and another ROOT_URLCONF it makes an `asgiref.local.Local` anew each time.
    That has a context variable, whose value nothing takes out of the thread's context again.
    """
    resolver = getattr(sys.modules.get("django.urls.resolvers"), "URLResolver", None)
    if resolver is not None:
        make = resolver.__init__

        def __init__(self, *args, **keywords):
            make(self, *args, **keywords)
            # It says whether this thread is just filling the resolver.
            self._local = threading.local()

        resolver.__init__ = __init__
    changed = getattr(sys.modules.get("django.test.signals"), "setting_changed", None)
    if changed is not None:
        changed.send, changed.send_robust = _emptying(changed.send), _emptying(changed.send_robust)


def _locals():
    # type: () -> list
    """Objects with a `Local` that is made anew, its attribute, and the names of what is in it."""
    found = []
    for module, name in (("django.core.cache", "caches"), ("django.tasks", "task_backends")):
        handler = getattr(sys.modules.get(module), name, None)
        if handler is not None:
            found.append((handler, "_connections", list(handler.settings)))
    translation = sys.modules.get("django.utils.translation.trans_real")
    if translation is not None:
        found.append((translation, "_active", ["value"]))
    return found


def _emptying(send):
    def send_and_empty(*args, **keywords):
        before = [(holder, name, getattr(holder, name), inside) for holder, name, inside in _locals()]
        try:
            return send(*args, **keywords)
        finally:
            for holder, name, local, inside in before:
                if getattr(holder, name) is not local:
                    for each in inside:
                        with contextlib.suppress(AttributeError):
                            delattr(local, each)
                    setattr(holder, name, local)

    return send_and_empty
