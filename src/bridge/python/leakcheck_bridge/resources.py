"""What a window leaves besides memory: descriptors, threads, tasks, child processes and interpreters, each in words.

Nothing of the project's is called for it, and nothing is kept but numbers and texts.
"""

import _socket
import contextlib
import os
import posix
import sys
import threading

from . import interpreters, processes, temporary, trace

_listdir = posix.listdir
_readlink = posix.readlink
_fstat = posix.fstat
_dup = posix.dup
_enumerate = threading.enumerate
_open_socket = _socket.socket

_DESCRIPTORS = "/proc/self/fd"
_CHILDREN = "/proc/self/task/{}/children"
#: So many of each kind are told.
_MOST = 20
_MOST_AWAITING = 4
_LONGEST = 300

_FAMILIES = {
    getattr(_socket, name): text
    for name, text in (("AF_INET", "IPv4"), ("AF_INET6", "IPv6"), ("AF_UNIX", "Unix"), ("AF_NETLINK", "netlink"))
    if hasattr(_socket, name)
}
_SORTS = {_socket.SOCK_STREAM: "stream", _socket.SOCK_DGRAM: "datagram"}


def _of_each_descriptor(ask):
    """What `ask` says of each open descriptor, by its number; nothing where they are not to be seen."""
    found = {}
    try:
        names = _listdir(_DESCRIPTORS)
    except OSError:
        return found
    for name in names:
        try:
            found[int(name)] = ask(name)
        except OSError:
            # The one that listed them.
            continue
    return found


def descriptors():
    # type: () -> dict
    """What each open descriptor stands for: a path, or `socket:[…]`, `pipe:[…]`."""
    return _of_each_descriptor(lambda name: _readlink(_DESCRIPTORS + "/" + name))


def _identity_of(name):
    status = _fstat(int(name))
    return status.st_dev, status.st_ino


def identities():
    # type: () -> dict
    """Device and inode of each open descriptor. What it stands for is another text once its file is removed."""
    return _of_each_descriptor(_identity_of)


def _address(address):
    # type: (object) -> str
    if isinstance(address, tuple) and len(address) >= 2:
        host = "[{}]".format(address[0]) if ":" in str(address[0]) else address[0]
        return "{}:{}".format(host, address[1])
    if isinstance(address, bytes):
        return os.fsdecode(address)
    return str(address)


def _socket_text(descriptor):
    # type: (int) -> str
    # A duplicate is closed without any effect on the one that is asked about.
    try:
        found = _open_socket(fileno=_dup(descriptor))
    except OSError:
        return "a socket"
    try:
        text = "{} {} socket".format(_FAMILIES.get(found.family, ""), _SORTS.get(found.type, "")).strip()
        for word, ask in (("at", found.getsockname), ("to", found.getpeername)):
            try:
                address = _address(ask())
            except OSError:
                continue
            if address.strip("0.:[]"):
                text += " {} {}".format(word, address)
        return text
    finally:
        found.close()


def _descriptor_text(descriptor, target, streams):
    # type: (int, str, list) -> str
    if target in streams:
        return "a duplicate of the standard output or error"
    if target.startswith("socket:"):
        return _socket_text(descriptor)
    if target.startswith("pipe:"):
        return "a pipe"
    if target.startswith("anon_inode:"):
        return target[len("anon_inode:") :].strip("[]")
    folder = temporary.folder()
    if target.startswith(folder + "/"):
        return "$TMPDIR" + target[len(folder) :]
    return target


def _callable_text(function):
    # type: (object) -> str
    """`module.qualified_name` of a function or method; the type of anything else."""
    owner = getattr(function, "__func__", function) if trace.name_of(type(function)) == "method" else function
    if trace.name_of(type(owner)) in ("function", "builtin_function_or_method"):
        return "{}.{}".format(owner.__module__, owner.__qualname__)
    return trace.type_name(type(function))


def _thread_text(thread):
    # type: (threading.Thread) -> str
    # Past whatever a subclass makes of its attributes.
    state = object.__getattribute__(thread, "__dict__")
    text = "thread {!r}".format(str(state.get("_name", "")))
    # The latter of a Timer.
    target = state.get("_target") or state.get("function")
    if target is not None:
        return text + " running " + _callable_text(target)
    return text + " of " + trace.type_name(type(thread))


def _task_text(task):
    # type: (object) -> str
    coroutine = task.get_coro()
    text = "task of " + str(getattr(coroutine, "__qualname__", trace.type_name(type(coroutine))))
    frame = getattr(coroutine, "cr_frame", None)
    if frame is not None:
        text += ", waiting at {}:{}".format(os.path.basename(frame.f_code.co_filename), frame.f_lineno)
    awaiting = _awaiting(task)
    return text + ", awaited by " + " < ".join(awaiting) if awaiting else text


def _awaiting(task):
    # type: (object) -> list
    """Tasks that wait for this one, and those that wait for them, in words; known from Python 3.14 on."""
    capture = getattr(sys.modules.get("asyncio"), "capture_call_graph", None)
    if capture is None:
        return []
    found = []
    # What waits for itself is a graph without an end.
    with contextlib.suppress(RecursionError):
        waiting = capture(task, limit=0).awaited_by
        while waiting and len(found) < _MOST_AWAITING:
            # What gathers or shields others is a future without a name, and stands between.
            get_coro = getattr(waiting[0].future, "get_coro", None)
            if get_coro is not None:
                coroutine = get_coro()
                found.append(str(getattr(coroutine, "__qualname__", trace.type_name(type(coroutine)))))
            waiting = waiting[0].awaited_by
    return found


def _child_text(number):
    # type: (str) -> str
    words = processes.words_of(number)
    if words != [b""]:
        return "process " + " ".join(os.fsdecode(word) for word in words)
    name = os.fsdecode(processes.content("/proc/{}/comm".format(number)).strip())
    return "process {}, which has ended and was not waited for".format(name)


def _children():
    # type: () -> list
    return processes.content(_CHILDREN.format(posix.getpid())).decode().split()


class Noted:
    """What there was at one time. `tasks()` gives asyncio's that are not done; files are counted in `folders`, and
    children are looked into by `within`.
    """

    def __init__(self, tasks, folders, within):
        # type: (object, object, processes.Processes) -> None
        self._pending = tasks
        self._folders = folders
        self._files = frozenset(folders.names())
        self._descriptors = descriptors()
        self._threads = frozenset(map(id, _enumerate()))
        self._tasks = frozenset(map(id, self._pending()))
        self._children = frozenset(_children())
        self._interpreters = frozenset(interpreters.numbers())
        self._within = processes.Noted(within)

    def newer(self):
        # type: () -> list
        """`[kind, text]` of what has come since, the newest last."""
        found = []
        for kind, texts in (
            ("fd", self._new_descriptors),
            ("thread", self._new_threads),
            ("task", self._new_tasks),
            ("child", self._new_children),
            ("interpreter", self._new_interpreters),
            ("file", self._new_files),
        ):
            try:
                found += [[kind, text[:_LONGEST]] for text in texts()[-_MOST:]]
            except Exception:
                # A thread or task may end, or a class of the project's refuse, while it is asked about.
                continue
        with contextlib.suppress(Exception):
            found += [[kind, text[:_LONGEST]] for kind, text in self._within.newer()[: 3 * _MOST]]
        return found

    def _new_descriptors(self):
        now = descriptors()
        streams = [now.get(1), now.get(2)]
        return [
            _descriptor_text(number, target, streams)
            for number, target in sorted(now.items())
            if self._descriptors.get(number) != target
        ]

    def _new_threads(self):
        return [_thread_text(thread) for thread in _enumerate() if id(thread) not in self._threads]

    def _new_tasks(self):
        return [_task_text(task) for task in self._pending() if id(task) not in self._tasks]

    def _new_interpreters(self):
        found = [number for number in interpreters.numbers() if number not in self._interpreters]
        return ["interpreter {}".format(number) for number in found]

    def _new_files(self):
        return [self._folders.text(path) for path in self._folders.names() if path not in self._files]

    def _new_children(self):
        return [_child_text(number) for number in _children() if number not in self._children]
