"""Rules for Django's test runner, each with its reason. They hold for whatever runs its tests."""

import sys
import types
import unittest


def is_parallel(suite):
    # type: (object) -> bool
    """Whether a suite is that of `--parallel`, which runs its parts in other processes. They are the same as without it."""
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


def settle_signals():
    # type: () -> None
    """Has its test client and its capture of queries leave nothing where they take Django's own receivers off and on again.

    Up to 5.2 each connection of a receiver makes a finalizer for it, and those of a module's function never run. Held for
    good, as such a function is in any case, it has none.
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
