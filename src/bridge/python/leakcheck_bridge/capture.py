"""Has pytest capture a test's output once an iteration instead of once a phase, to be dropped.

pytest redirects the standard streams, reads them and puts them back for setup, call and teardown each, so that a report
can show what was printed in which. Nobody sees these reports, and for short tests that takes longer than they do.
"""

import contextlib
import os

_fstat = os.fstat
#: What is needed of pytest's manager; all of it has been there since pytest 5.
_METHODS = (
    "item_capture",
    "activate_fixture",
    "deactivate_fixture",
    "resume_global_capture",
    "suspend_global_capture",
    "read_global_capture",
)


def _size_of(descriptor):
    # type: (int) -> int
    return _fstat(descriptor).st_size


def _descriptors_of(capturing):
    # type: (object) -> tuple
    """The descriptors that the standard streams are saved under meanwhile, and those of the files they go to.

    The latter only if all of them are known.
    """
    saved, files = [], []
    for name in ("in_", "out", "err"):
        stream = getattr(capturing, name, None)
        descriptor = getattr(stream, "targetfd_save", None)
        if isinstance(descriptor, int):
            saved.append(descriptor)
            if name != "in_":
                files.append(stream.tmpfile.fileno())
    return saved, files if len(files) == 2 else []


class Capture:
    """Capturing as `--capture` says. Fixtures such as `capsys` are pytest's own."""

    def __init__(self, manager):
        # type: (object) -> None
        self._manager = manager if all(hasattr(manager, name) for name in _METHODS) else None
        self._saved, self._files = _descriptors_of(getattr(manager, "_global_capturing", None))
        if self._manager is not None:
            self._manager.item_capture = self._phase

    @contextlib.contextmanager
    def _phase(self, when, item):
        self._manager.activate_fixture()
        try:
            yield
        finally:
            self._manager.deactivate_fixture()

    def resume(self):
        # type: () -> None
        """Redirects the streams. An error if the test before closed what that takes."""
        if self._manager is not None:
            self._manager.resume_global_capture()

    def suspend(self):
        # type: () -> None
        """Puts them back, and drops what came. An error if the test closed what that takes."""
        if self._manager is None:
            return
        self._manager.suspend_global_capture(in_=False)
        if self._has_output():
            self._manager.read_global_capture()

    def _has_output(self):
        # type: () -> bool
        # Written past every buffer; anything else has to be read to know.
        return not self._files or sum(map(_size_of, self._files)) > 0

    def is_whole(self):
        # type: () -> bool
        """Whether the streams can still be put back."""
        try:
            for descriptor in self._saved:
                _fstat(descriptor)
        except OSError:
            return False
        return True
