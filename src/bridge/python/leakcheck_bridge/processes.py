"""Child processes that live on: what grows in them, seen from outside. Nothing is sent to them to count it.

Of each that there was at a boundary before, what it has more since: descriptors, threads, and pages of its own. One
that has ended counts no more, so that what dies with its process is no growth.
"""

import array
import contextlib
import mmap
import os
import posix
import resource
import sys
import time

from . import temporary

_listdir, _readlink = posix.listdir, posix.readlink
_open, _read, _close = posix.open, posix.read, posix.close
_waitid = posix.waitid
_getpid = posix.getpid
_sleep, _monotonic = time.sleep, time.monotonic
_FLAGS = posix.O_RDONLY | posix.O_CLOEXEC
_PAGE = resource.getpagesize()

# Up to Python 3.11 a character or byte by itself is an object that is kept from the first time on: a child with three
# threads would make one, and one with four the next.
for _at in range(128):
    bytes(range(128))[_at : _at + 1], chr(_at)

#: Of wait(2): children of any kind.
_WALL = 0x40000000
#: Nobody is waited for.
_JUST_ASK = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT | _WALL

#: What is read of each process, in this order.
DESCRIPTORS, THREADS, MEMORY = range(3)
#: So many processes are looked into.
_MOST = 64
#: Seconds in which a child that is at work may come to rest, and what came in one may go by itself: a server sees
#: after its client that a connection is closed. The first are of processor time, which others may want as well: they
#: take as long as that, but no longer than so many times their number.
_PATIENCE = (0.05, 0.02)
_STARVED = 10
_BUSY, _ROSE = range(2)
#: And at least, where that was in vain.
_LEAST_PATIENCE = 0.003
#: Of a process with more threads only the first one is asked whether it is at work.
_CROWD = 32
#: Pages that are touched to try how they show.
_TRIED = 5
#: Rises of memory that are less than this part of the largest one are not told.
_PART = 4


def are_none():
    # type: () -> bool
    """Whether this process has no child at all: then there is nothing to list."""
    try:
        _waitid(posix.P_ALL, 0, _JUST_ASK)
    except ChildProcessError:
        return True
    except OSError:
        pass
    return False


def content(path):
    # type: (str) -> bytes
    """The first bytes of a file of /proc; none where the process is gone, or is not ours to look into.

    Of a list that is the first page of its entries.
    """
    try:
        descriptor = _open(path, _FLAGS)
    except OSError:
        return b""
    try:
        return _read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        _close(descriptor)


def _fields(path):
    # type: (str) -> list
    """What a `stat` of /proc says after the name, which may hold anything."""
    return content(path).rpartition(b")")[2].split()


def _children_of(number):
    # type: (int) -> list
    found = []
    folder = "/proc/{}/task".format(number)
    with contextlib.suppress(OSError):
        for thread in _listdir(folder):
            found += map(int, content("{}/{}/children".format(folder, thread)).split())
    return found


def descendants():
    # type: () -> list
    """Numbers of all processes below this one, as many as are looked into."""
    if are_none():
        return []
    found = _children_of(_getpid())
    for number in found:
        if len(found) >= _MOST:
            break
        found += _children_of(number)
    return found[:_MOST]


def _pages(number):
    # type: (object) -> int
    """Anonymous pages of a process, shared after a fork or not: to write to one that is shared adds none."""
    _, resident, shared = content("/proc/{}/statm".format(number)).split()[:3]
    return int(resident) - int(shared)


def _pages_exactly(number):
    # type: (object) -> int
    """The same where the system sums up only now and then (Linux 6.2 to 6.16). It takes a walk through its tables."""
    found = 0
    for line in content("/proc/{}/smaps_rollup".format(number)).splitlines():
        if line.startswith((b"Anonymous:", b"Swap:")):
            found += int(line.split()[1]) * 1024
    return found // _PAGE


def _reader_of_pages():
    """What tells pages one by one here; `None` where nothing does."""
    for read in (_pages, _pages_exactly):
        with contextlib.suppress(ValueError, OSError):
            # The first time for what reading takes.
            for _ in range(2):
                before = read("self")
                with mmap.mmap(-1, _TRIED * _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
                    for at in range(_TRIED):
                        area[at * _PAGE] = 1
                    more = read("self") - before
            if _TRIED <= more <= _TRIED + 2:
                return read
    return None


def _worked():
    # type: () -> float
    """Seconds of processor time that all of them had until now. Where the system does not tell, as many as passed."""
    found = 0
    for number in descendants():
        folder = "/proc/{}/task".format(number)
        with contextlib.suppress(OSError):
            for thread in _listdir(folder)[:_CROWD]:
                words = content("{}/{}/schedstat".format(folder, thread)).split()
                found += int(words[0]) if words else 0
    return found / 1e9 if found else _monotonic()


class Processes:
    """What processes that were there at an earlier boundary of a window have more since. Nothing is made to keep it."""

    def __init__(self):
        # type: () -> None
        self._pages = _reader_of_pages()
        # The self-check needs a process of its own to leak in.
        known = bool(sys.executable) and os.access(sys.executable, os.X_OK) and self._pages is not None
        self.exactness = "exact" if known and _children_are_told() else "absent"
        #: Number of each, 0 where there is none; when it was started; what it had when it was seen first.
        self._numbers = array.array("q", bytes(8 * _MOST))
        self._started = array.array("q", bytes(8 * _MOST))
        self._first = [array.array("q", bytes(8 * _MOST)) for _ in range(3)]
        self._seen = array.array("b", bytes(_MOST))
        self._more = array.array("q", [0, 0, 0])
        self._level = array.array("q", [0, 0, 0])
        self._patience = array.array("d", _PATIENCE)
        # Whether one of them is at work.
        self._busy = array.array("b", [0])

    def forget(self):
        # type: () -> None
        """A window opens: what counts is what comes from now on."""
        for at in range(_MOST):
            self._numbers[at] = 0
        for at in range(3):
            self._level[at] = 0

    def expect_rises(self):
        # type: () -> None
        """What comes is there to stay: nobody waits for it to go."""
        self._patience[_ROSE] = 0.0

    def be_patient(self):
        # type: () -> None
        for why in (_BUSY, _ROSE):
            self._patience[why] = _PATIENCE[why]

    def descriptors(self):
        # type: () -> int
        """Reads all three, and says this one."""
        if are_none():
            self.forget()
            for at in range(3):
                self._more[at] = 0
            return 0
        self._measure()
        self._wait()
        self._level[:] = self._more
        return self._more[DESCRIPTORS]

    def threads(self):
        # type: () -> int
        """As they were when descriptors were read last."""
        return self._more[THREADS]

    def memory(self):
        # type: () -> int
        """As it was when descriptors were read last."""
        return self._more[MEMORY]

    def look(self, number):
        # type: (int) -> tuple | None
        """When a process was started, and what it has; `None` where it has ended."""
        fields = _fields("/proc/{}/stat".format(number))
        # Of one that nobody waits for nothing is left but its number.
        if len(fields) < 20 or fields[0] in (b"Z", b"X"):
            return None
        try:
            descriptors = len(_listdir("/proc/{}/fd".format(number)))
            threads = int(fields[17])
            if self._is_at_work(number, threads, fields[0]):
                self._busy[0] = 1
            return int(fields[19]), descriptors, threads, self._pages(number) * _PAGE
        except (OSError, ValueError):
            return None

    @staticmethod
    def _is_at_work(number, threads, state):
        # type: (int, int, bytes) -> bool
        """Whether a thread of a process runs, or would if it had a processor."""
        if state == b"R" or not 1 < threads <= _CROWD:
            return state == b"R"
        folder = "/proc/{}/task".format(number)
        with contextlib.suppress(OSError):
            for thread in _listdir(folder):
                if _fields("{}/{}/stat".format(folder, thread))[:1] == [b"R"]:
                    return True
        return False

    def _unrest(self):
        # type: () -> int
        """Why it is too early to read; below zero where it is not."""
        if self._busy[0]:
            return _BUSY
        rose = self._more[DESCRIPTORS] > self._level[DESCRIPTORS] or self._more[THREADS] > self._level[THREADS]
        return _ROSE if rose else -1

    def _wait(self):
        # type: () -> None
        """Waits for a bounded time until they are at rest. Where that was in vain it is half as long the next time."""
        why = self._unrest()
        if why < 0:
            return
        begun, worked, pause = _monotonic(), _worked(), 0.0005
        # Counted as well, for clocks that a test has stopped.
        for _ in range(50 * _STARVED):
            took, patience = _monotonic() - begun, self._patience[why]
            is_starved = why == _BUSY and took < _STARVED * patience and _worked() - worked < patience
            if took > patience and not is_starved:
                self._patience[why] = max(self._patience[why] / 2, _LEAST_PATIENCE)
                return
            _sleep(pause)
            pause = min(pause * 2, 0.004)
            self._measure()
            why = self._unrest()
            if why < 0:
                self.be_patient()
                return

    def _measure(self):
        # type: () -> None
        for at in range(_MOST):
            self._seen[at] = 0
        self._busy[0] = 0
        for which in range(3):
            self._more[which] = 0
        for number in descendants():
            found = self.look(number)
            at = -1 if found is None else self._slot(number, found)
            if at >= 0:
                self._seen[at] = 1
                for which in range(3):
                    self._more[which] += found[which + 1] - self._first[which][at]
        for at in range(_MOST):
            if not self._seen[at]:
                self._numbers[at] = 0

    def _slot(self, number, found):
        # type: (int, tuple) -> int
        """Where a process is known; one that is new is noted. Below zero where there is no room for it."""
        free = -1
        for at in range(_MOST):
            if self._numbers[at] == number and self._started[at] == found[0]:
                return at
            if free < 0 and not self._numbers[at]:
                free = at
        if free >= 0:
            self._numbers[free], self._started[free] = number, found[0]
            for which in range(3):
                self._first[which][free] = found[which + 1]
        return free


def _children_are_told():
    # type: () -> bool
    return posix.access("/proc/self/task/{}/children".format(_getpid()), posix.R_OK)


class Noted:
    """What each process had at one time; nothing where `processes` cannot be read."""

    def __init__(self, processes):
        # type: (Processes) -> None
        self._look = processes.look
        there = descendants() if processes.exactness != "absent" else []
        self._had = {number: (self._look(number), _targets(number)) for number in there}

    def newer(self):
        # type: () -> list
        """`[kind, text]` of what those that are still there have more: the process, and of a descriptor after a line
        break what it stands for.
        """
        found, rises = [], []
        for number in descendants():
            before, targets = self._had.get(number, (None, {}))
            now = None if before is None else self._look(number)
            if now is None or now[0] != before[0]:
                continue
            name = name_of(number)
            newer = _targets(number)
            texts = [_target_text(newer[each]) for each in sorted(newer) if targets.get(each) != newer[each]]
            found += [["child_fd", name + "\n" + text] for text in texts if now[1] > before[1]]
            if now[2] > before[2]:
                found.append(["child_thread", name])
            # In so few iterations a forked one may fill what was free in it before; there is no other that it could be.
            if now[3] > before[3] or len(self._had) == 1:
                rises.append((now[3] - before[3], name))
        rises.sort()
        most = rises[-1][0] if rises else 0
        return found + [["child_memory", name] for rise, name in rises[::-1] if rise * _PART >= most]


def _targets(number):
    # type: (int) -> dict
    """What each descriptor of a process stands for."""
    folder = "/proc/{}/fd".format(number)
    found = {}
    with contextlib.suppress(OSError):
        for name in _listdir(folder):
            with contextlib.suppress(OSError):
                found[int(name)] = _readlink(folder + "/" + name)
    return found


def _target_text(target):
    # type: (str) -> str
    for beginning, text in (("socket:", "a socket"), ("pipe:", "a pipe")):
        if target.startswith(beginning):
            return text
    if target.startswith("anon_inode:"):
        return target[len("anon_inode:") :].strip("[]")
    folder = temporary.folder()
    return "$TMPDIR" + target[len(folder) :] if target.startswith(folder + "/") else target


#: The project, in which the runner is started.
_HERE = os.getcwd()
#: Characters of a word of a command line that are told.
_WORD = 60


def name_of(number):
    # type: (int) -> str
    """What a process is, in words that are the same in the next run: no number of it, no port, no temporary folder."""
    with contextlib.suppress(Exception):
        name = _name_in_pool(number)
        if name is not None:
            return name
    words = words_of(number)
    if words == words_of("self"):
        return "a fork of the test process"
    if words == [b""]:
        return "process " + _plain(os.fsdecode(content("/proc/{}/comm".format(number))))
    first = os.path.basename(os.fsdecode(words[0]))
    return "process " + " ".join([first] + [_plain(os.fsdecode(word)) for word in words[1:]])


def words_of(number):
    # type: (object) -> list
    """The command line of a process; one empty word where it has ended."""
    return content("/proc/{}/cmdline".format(number)).rstrip(b"\0").split(b"\0")


def _plain(word):
    # type: (str) -> str
    # `--config=/home/me/shop/shop.toml` is the same program as with another home.
    option, equals, path = word.rpartition("=")
    if path.startswith(temporary.folder() + "/"):
        path = "$TMPDIR"
    elif path.startswith(_HERE + "/"):
        path = path[len(_HERE) + 1 :]
    elif path.startswith("/"):
        path = os.path.basename(path)
    masked = ""
    for letter in " ".join((option + equals + path).split()):
        if not letter.isdigit():
            masked += letter
        elif not masked.endswith("#"):
            masked += "#"
    return masked[:_WORD]


def _name_in_pool(number):
    # type: (int) -> str | None
    """How `multiprocessing` or an executor calls it. Nothing of a class of the project's is asked."""
    for thread in list(getattr(sys.modules.get("concurrent.futures.process"), "_threads_wakeups", ())):
        # From Python 3.9 on.
        if number in (getattr(thread, "processes", None) or ()):
            return "worker of ProcessPoolExecutor"
    for process in list(getattr(sys.modules.get("multiprocessing.process"), "_children", ())):
        state = object.__getattribute__(process, "__dict__")
        if getattr(state.get("_popen"), "pid", None) == number:
            # `SpawnPoolWorker-3` is the third of a pool, and another one in the next run.
            name = str(state.get("_name", "")).rstrip("0123456789:-")
            return "process {} of multiprocessing".format(_plain(name))
    return None
