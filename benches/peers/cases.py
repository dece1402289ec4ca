"""Small cases that no tool's author chose: 22 that leak, and 9 that only look so.

`CASES` has for each name what it does, whether it leaks, and what a reader would have to be told: the name of what
holds on to it (None where nothing in Python does), and the function that the line marked `LEAK` is in.
"""

import asyncio
import atexit
import collections
import ctypes
import functools
import io
import itertools
import logging
import os
import random
import re
import socket
import sqlite3
import threading
import uuid
from unittest import mock

CASES = {}


def case(leaks, holder=None, function=None):
    def decorate(body):
        CASES[body.__name__] = {
            "body": body, "leaks": leaks, "holder": holder, "function": function or body.__name__,
        }
        return body
    return decorate


_numbers = itertools.count(1000)

# Containers of a module.

LOG = []
BY_ID = {}
NUMBERS = []
NOTHINGS = []
CALLBACKS = []
ERRORS = []


@case(True, "LOG")
def list_append():
    LOG.append(bytes(1000))  # LEAK


@case(True, "BY_ID")
def dict_by_uuid():
    BY_ID[uuid.uuid4()] = {"payload": os.urandom(200)}  # LEAK


@case(True, "NUMBERS")
def one_number():
    NUMBERS.append(next(_numbers) + 100000)  # LEAK


@case(True, "NOTHINGS")
def one_pointer():
    NOTHINGS.append(None)  # LEAK


@case(True, "CALLBACKS")
def closure():
    data = bytearray(1000)  # LEAK

    def callback():
        return data

    CALLBACKS.append(callback)  # LEAK


@case(True, "ERRORS")
def exception_with_frame():
    local = bytearray(1000)  # LEAK
    try:
        raise ValueError(len(local))  # LEAK
    except ValueError as error:
        ERRORS.append(error)  # LEAK


# Caches.


@functools.lru_cache(maxsize=None)
def _unbounded(number):
    return os.urandom(500)  # LEAK


@case(True, "_unbounded", "_unbounded")
def cache_without_end():
    _unbounded(next(_numbers))  # LEAK


@functools.lru_cache(maxsize=128)
def _bounded(number):
    return os.urandom(500)


@case(False)
def cache_of_128():
    _bounded(next(_numbers))


class Service:
    def __init__(self):
        self.buffer = bytearray(1000)  # LEAK

    @functools.lru_cache(maxsize=None)  # noqa: B019
    def size(self):
        return len(self.buffer)


@case(True, "Service.size")
def cache_of_a_method():
    Service().size()  # LEAK


@case(False)
def cache_of_patterns():
    re.compile("x%d(a|b)+" % next(_numbers)).match("xa")


# Cycles.


class Node:
    def __init__(self):
        self.other = None
        self.buffer = bytearray(500)


class Finalized(Node):
    def __del__(self):
        pass


@case(False)
def cycle():
    one, two = Node(), Node()
    one.other, two.other = two, one


@case(False)
def cycle_with_finalizer():
    one, two = Finalized(), Finalized()
    one.other, two.other = two, one


# What registers itself.


class Bus:
    def __init__(self):
        self.subscribers = []


BUS = Bus()


class Listener:
    def __init__(self):
        self.buffer = bytearray(500)  # LEAK

    def heard(self, event):
        pass


@case(True, "BUS.subscribers")
def observer():
    BUS.subscribers.append(Listener().heard)  # LEAK


class Plugin:
    registry = []

    def __init__(self, name):
        self.options = {"name": name, "list": [1, 2, 3]}  # LEAK
        Plugin.registry.append(self)  # LEAK


@case(True, "Plugin.registry", "__init__")
def list_of_a_class():
    Plugin("p%d" % next(_numbers))  # LEAK


LOGGER = logging.getLogger("peers.cases")
LOGGER.propagate = False


@case(True, "handlers")
def log_handler():
    LOGGER.addHandler(logging.StreamHandler(io.StringIO()))  # LEAK


MOCK = mock.MagicMock()


@case(True, "MOCK")
def calls_of_a_mock():
    MOCK.send(bytearray(500))  # LEAK


_local = threading.local()


@case(True, "_local")
def list_of_a_thread():
    if not hasattr(_local, "seen"):
        _local.seen = []
    _local.seen.append(bytearray(500))  # LEAK


FIXTURE = {}


@case(True, None)
def dict_of_a_fixture(shared=FIXTURE):
    shared[next(_numbers)] = bytearray(500)  # LEAK


# Threads, descriptors, tasks, connections.

_stop = threading.Event()
atexit.register(_stop.set)


@case(True, None)
def thread():
    threading.Thread(target=_stop.wait, daemon=True).start()  # LEAK


FILES = []
SOCKETS = []


@case(True, "FILES")
def file_left_open():
    FILES.append(open(os.devnull, "rb"))  # noqa: SIM115  # LEAK


@case(True, "SOCKETS")
def socket_left_open():
    SOCKETS.append(socket.socket())  # LEAK


@case(False)
def database_not_closed():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t(a)")


_loop = None
TASKS = set()


async def _waits():
    await asyncio.get_running_loop().create_future()


async def _spawns():
    task = asyncio.ensure_future(_waits())  # LEAK
    task._log_destroy_pending = False
    TASKS.add(task)  # LEAK
    await asyncio.sleep(0)


@case(True, "TASKS", "_spawns")
def task_that_waits():
    global _loop  # noqa: PLW0603
    if _loop is None:
        _loop = asyncio.new_event_loop()
    _loop.run_until_complete(_spawns())


# Below Python.

_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
_library = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "libpeers.so"))
_library.peers_leak.argtypes = [ctypes.c_size_t]


@case(True, None)
def malloc_by_ctypes():
    _libc.memset(_libc.malloc(2048), 1, 2048)  # LEAK


@case(True, None)
def malloc_in_a_library():
    _library.peers_leak(2048)  # LEAK


@case(True, None)
def reference_lost():
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(bytearray(500)))  # LEAK


# What only looks so, and what comes rarely.

_ring = collections.deque(maxlen=64)
TENTH = []
_calls = itertools.count(1)


@case(False)
def ring_of_any_size():
    _ring.append(bytearray(random.randrange(10, 20000)))


@case(False)
def large_and_freed():
    block = bytearray(20_000_000)
    block[::4096] = b"x" * len(block[::4096])


@case(False)
def import_at_first():
    import decimal
    import difflib
    import mailbox
    import wave
    import xml.dom.minidom

    assert all((decimal, difflib, mailbox, wave, xml.dom.minidom))


@case(True, "TENTH")
def every_tenth_call():
    if next(_calls) % 10 == 0:
        TENTH.append(bytearray(5000))  # LEAK


@case(False)
def nothing_kept():
    sorted(str(number) for number in range(200))
