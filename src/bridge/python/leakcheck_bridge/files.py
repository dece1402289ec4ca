"""Files that tests leave behind: entries of the folder for temporary files, shared memory that this process has made,
and, where it is the only one that runs the tests, entries of the project's folder.

The kernel tells which folders have changed (inotify), so that a reading costs next to nothing where none has; what is
in those is counted anew, and nothing is kept for a file that came.
"""

import array
import ctypes
import fcntl
import os
import posix
import stat
import struct
import sys
import termios

from . import channel, temporary

_read = posix.read
_close = posix.close
_readlink = posix.readlink
_scandir = posix.scandir
_lstat = posix.lstat
_ioctl = fcntl.ioctl
_fsencode = os.fsencode

_OVERFLOW = 0x4000
_ONLY_FOLDERS = 0x01000000
#: Entries that come, go, and are moved away and here.
_CHANGES = 0x100 | 0x200 | 0x40 | 0x80 | _ONLY_FOLDERS
_NONBLOCK = posix.O_NONBLOCK | posix.O_CLOEXEC
_EVENT = struct.Struct("iIII")
#: Folders of the project that are watched, and how deep below it.
_MOST = 300
_DEEPEST = 8
#: Entries that a folder is counted to.
_LARGEST = 100000
#: Besides what is hidden: what Python and its tools keep in a project's folder.
_NOT_THEIRS = frozenset(("__pycache__", "node_modules", "site-packages", "build", "dist", "htmlcov"))
_SHARED = "/dev/shm"
#: Hashes of the newest names of shared memory that this process made or opened: the folder is everybody's.
_NAMES = array.array("q", bytes(8 * 2048))
_NEXT = array.array("q", [0])
_SORTS = ((stat.S_ISSOCK, "socket "), (stat.S_ISDIR, "folder "), (stat.S_ISFIFO, "pipe "))


def _functions():
    """inotify, where there is any."""
    try:
        libc = ctypes.CDLL(None)
        begin, watch = libc.inotify_init1, libc.inotify_add_watch
    except (OSError, AttributeError):
        return None, None
    begin.argtypes, begin.restype = [ctypes.c_int], ctypes.c_int
    watch.argtypes, watch.restype = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32], ctypes.c_int
    return begin, watch


# Once: each look into the library makes a class, which is a cycle that would be frozen as garbage.
_begin, _watch = _functions()


def _entries(folder):
    # type: (str) -> list
    try:
        with _scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_folder(entry):
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _follow_shared():
    # type: () -> None
    """Learns the names of shared memory from now on, where its module is loaded: nothing else tells whose it is."""
    module = sys.modules.get("_posixshmem")
    original = getattr(module, "shm_open", None)
    if original is None or getattr(original, "is_followed", False):
        return

    def shm_open(path, *args, **options):
        if type(path) is str:
            _NAMES[_NEXT[0] % len(_NAMES)] = hash(path.lstrip("/"))
            _NEXT[0] += 1
        return original(path, *args, **options)

    shm_open.is_followed = True
    module.shm_open = shm_open



class Folders:
    """The folders that are watched, and how many entries each of them has."""

    def __init__(self, project):
        # type: (str | None) -> None
        """`project` is its folder; none where other processes run tests there as well."""
        self._project = project
        self._fd = -1
        #: Of each: its path, whether hidden entries do not count, and the number by which the kernel knows it.
        self._folders = []  # type: list
        self._slots = {}  # type: dict
        self._counts = array.array("q")
        self._size = array.array("i", [0])
        self._sum = array.array("q", [0])
        self._stale = True
        self.exactness = "absent" if _begin is None or not self._open() else "exact"

    def _open(self):
        # type: () -> bool
        number = _begin(_NONBLOCK)
        if number < 0:
            return False
        self._fd = channel.move_high(number)
        return True

    def is_open(self):
        # type: () -> bool
        """Whether the descriptor is still ours: a test may have closed it, and have its number for something else."""
        try:
            return _readlink("/proc/self/fd/{}".format(self._fd)) == "anon_inode:inotify"
        except OSError:
            return False

    def descriptors(self):
        # type: () -> int
        return 1 if self._fd >= 0 and self.is_open() else 0

    def _roots(self):
        # type: () -> list
        """`(folder, whether it is the project's)`."""
        roots = [(temporary.folder(), False), (_SHARED, False)]
        return roots if self._project is None else [*roots, (self._project, True)]

    def survey(self):
        # type: () -> None
        """Looks anew for the folders to watch, where anything changed. No window may be open."""
        if self.exactness == "absent":
            return
        _follow_shared()
        self.total()
        if not self._stale:
            return
        if self._fd >= 0 and self.is_open():
            # With it go all that it watches.
            _close(self._fd)
        if not self._open():
            return
        folders = []
        for root, is_project in self._roots():
            folders += self._below(root, is_project) if root != _SHARED else [(root, False)]
        self._slots = {}
        self._folders = []
        for path, is_project in folders:
            number = _watch(self._fd, _fsencode(path), _CHANGES)
            if number >= 0 and number not in self._slots:
                self._slots[number] = len(self._folders)
                self._folders.append((path, is_project))
        self._counts = array.array("q", bytes(8 * len(self._folders)))
        for slot in range(len(self._folders)):
            self._count(slot)
        self._sum[0] = sum(self._counts)
        self._stale = False

    @staticmethod
    def _below(root, is_project):
        # type: (str, bool) -> list
        """A folder with those in it, nearest first."""
        found, level = [(root, is_project)], [root]
        for _ in range(_DEEPEST):
            level = [
                entry.path
                for folder in level
                for entry in _entries(folder)
                if _counts_here(entry.name, is_project) and _is_folder(entry)
            ]
            found += [(path, is_project) for path in level]
            if not level or len(found) >= _MOST:
                break
        return found[:_MOST]

    def _count(self, slot):
        # type: (int) -> None
        """Counts what is in a folder; what is in one that is watched itself counts there."""
        path, is_project = self._folders[slot]
        if path == _SHARED:
            self._counts[slot] = len(_shared())
            return
        watched = frozenset(path for path, _ in self._folders)
        count, left = 0, [path]
        while left and count < _LARGEST:
            for entry in _entries(left.pop()):
                if not _counts_here(entry.name, is_project):
                    continue
                count += 1
                if entry.path not in watched and _is_folder(entry):
                    left.append(entry.path)
        self._counts[slot] = count

    def total(self):
        # type: () -> int
        """Entries of all of them."""
        if not self._folders:
            return 0
        try:
            _ioctl(self._fd, termios.FIONREAD, self._size)
        except OSError:
            self._size[0] = -1
        if self._size[0] and not self.is_open():
            # Nobody tells what changes, until folders are looked for anew.
            self._size[0] = 0
            self._stale = True
            for slot in range(len(self._folders)):
                self._count(slot)
            self._sum[0] = sum(self._counts)
        if self._size[0] > 0:
            self._take(_read(self._fd, self._size[0]))
            self._sum[0] = sum(self._counts)
        return self._sum[0]

    def _take(self, events):
        # type: (bytes) -> None
        at, changed = 0, set()
        while at + _EVENT.size <= len(events):
            number, mask, _, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            if mask & _OVERFLOW:
                changed = set(range(len(self._folders)))
                break
            slot = self._slots.get(number)
            if slot is not None:
                changed.add(slot)
        for slot in changed:
            before = self._counts[slot]
            self._count(slot)
            self._stale = self._stale or self._counts[slot] != before

    def names(self):
        # type: () -> list
        """Every entry, in words."""
        found = []
        for root, is_project in self._roots():
            if root == _SHARED:
                found += _shared()
                continue
            left = [root]
            while left and len(found) < _LARGEST:
                for entry in _entries(left.pop()):
                    if not _counts_here(entry.name, is_project):
                        continue
                    if _is_folder(entry):
                        left.append(entry.path)
                    found.append(entry.path)
        return found

    def text(self, path):
        # type: (str) -> str
        """`socket $TMPDIR/bus`, `/dev/shm/sem.x`, `out/report.txt`."""
        sort = ""
        try:
            mode = _lstat(path).st_mode
            sort = "".join(word for is_one, word in _SORTS if is_one(mode))
        except OSError:
            pass
        for root, short in ((temporary.folder(), "$TMPDIR"), (self._project or "/", "")):
            if path.startswith(root + "/"):
                shown = path[len(root) :]
                return sort + (short + shown if short else shown.lstrip("/"))
        return sort + path


def _shared():
    # type: () -> list
    """Shared memory that this process knows."""
    if not _NEXT[0]:
        return []
    names = frozenset(_NAMES)
    return [entry.path for entry in _entries(_SHARED) if hash(entry.name) in names]


def _counts_here(name, is_project):
    # type: (str, bool) -> bool
    return not is_project or not (name[0] == "." or name in _NOT_THEIRS)
