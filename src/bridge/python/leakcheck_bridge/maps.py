"""Memory that is mapped past malloc: the size of the process, less what malloc has from the system."""

import array
import mmap
import posix
import resource

_open, _read, _close = posix.open, posix.read, posix.close
_FLAGS = posix.O_RDONLY | posix.O_CLOEXEC
_PAGE = resource.getpagesize()


def _pages():
    # type: () -> int
    """All pages of this process; none where the system does not tell, or no file can be opened."""
    try:
        number = _open("/proc/self/statm", _FLAGS)
    except OSError:
        return 0
    try:
        return int(_read(number, 64).split(b" ", 1)[0])
    except (OSError, ValueError, IndexError):
        return 0
    finally:
        _close(number)


class Mapped:
    """`taken` says what malloc has from the system, as it was when the heap was read last."""

    def __init__(self, taken):
        # type: (object) -> None
        self._taken = taken
        self._last = array.array("q", [0])
        self.exactness = "absent" if taken is None else self._tried()

    def read(self):
        # type: () -> int
        pages = _pages()
        if pages:
            self._last[0] = pages * _PAGE - self._taken()
        return self._last[0]

    def _tried(self):
        # type: () -> str
        """Whether pages that are mapped show, all of them, and go when they are unmapped."""
        readings = array.array("q", [0, 0, 0])
        # The first time for what the readings themselves take.
        for _ in range(2):
            readings[0] = _pages()
            area = mmap.mmap(-1, 5 * _PAGE)
            readings[1] = _pages()
            area.close()
            readings[2] = _pages()
        return "exact" if readings[1] - readings[0] == 5 and readings[2] == readings[0] > 0 else "absent"
