"""The C library's malloc: how many bytes are in use, and gaps that make this take long to tell."""

import array
import ctypes
import functools
import os

#: What malloc had from the system when it was asked last.
_SYSTEM = array.array("q", [0])


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name, _ in _Mallinfo2._fields_]


def _allocator(libc):
    """Its `malloc` and `free`."""
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free.restype = None
    return libc.malloc, libc.free


def _of_glibc(libc):
    """`mallinfo2`, or the older one."""
    if hasattr(libc, "mallinfo2"):
        info = libc.mallinfo2
        info.restype = _Mallinfo2
        info.argtypes = []

        def read():
            found = info()
            _SYSTEM[0] = found.arena + found.hblkhd
            return found.uordblks + found.hblkhd

        read.taken = lambda: _SYSTEM[0]
        return read
    if hasattr(libc, "mallinfo"):
        info = libc.mallinfo
        info.restype = _Mallinfo
        info.argtypes = []

        # 32-bit fields: right as long as less than 4 GiB is in use, and differences always are.
        def read():
            found = info()
            _SYSTEM[0] = (found.arena + found.hblkhd) & 0xFFFFFFFF
            return (found.uordblks + found.hblkhd) & 0xFFFFFFFF

        read.taken = lambda: _SYSTEM[0]
        return read
    return None


def _of_jemalloc(libc):
    """Bytes that jemalloc has given out, with what the thread keeps for itself given back before."""
    try:
        ask = libc.mallctl
    except AttributeError:
        return None
    ask.restype = ctypes.c_int
    ask.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    # Its figures are those of the last epoch.
    epoch, found = ctypes.c_uint64(1), ctypes.c_size_t(0)
    size = ctypes.c_size_t(ctypes.sizeof(found))
    to_epoch, to_found, to_size = map(ctypes.addressof, (epoch, found, size))

    def read():
        ask(b"thread.tcache.flush", None, None, None, 0)
        ask(b"epoch", None, None, to_epoch, 8)
        if ask(b"stats.allocated", to_found, to_size, None, 0):
            return 0
        return found.value

    # They are pointed to by number only.
    read.keeps = (epoch, found, size)
    return read


def _of_tcmalloc(libc):
    """Bytes that tcmalloc has given out, without what threads keep to themselves."""
    try:
        ask = libc.MallocExtension_GetNumericProperty
    except AttributeError:
        return None
    ask.restype = ctypes.c_int
    ask.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    found = ctypes.c_size_t(0)
    to_found = ctypes.addressof(found)

    def read():
        return found.value if ask(b"generic.current_allocated_bytes", to_found) else 0

    read.keeps = found
    return read


_WARM = 9000

#: What is tried, and the largest share that a size may be rounded up by.
_READERS = ((_of_glibc, 1.07), (_of_jemalloc, 1.25), (_of_tcmalloc, 1.25))


def _exactness(libc, read, share):
    # type: (object, object, float) -> str
    """What a reader is worth: a known allocation must show, and vanish when it is freed.

    Under another allocator (one by LD_PRELOAD, a sanitizer) mallinfo is blind; and without the tunables that the worker
    is started with, freed chunks stay counted.
    """
    malloc, free = _allocator(libc)
    # No number may be kept between two readings: where Python's own memory comes from malloc too, it would be counted.
    readings = array.array("q", [0, 0, 0])
    pointer = array.array("Q", [0])
    exact = True
    # The first ones for what the readings themselves take once; so large a chunk is in nobody's cache.
    for size in (_WARM, _WARM, 24, 1000, 300000):
        readings[0] = read()
        pointer[0] = malloc(size)
        readings[1] = read()
        free(pointer[0])
        readings[2] = read()
        if size == _WARM:
            continue
        if not size <= readings[1] - readings[0] <= size * share + 64:
            return "absent"
        exact = exact and readings[2] == readings[0]
    return "exact" if exact else "estimate"


def reader():
    # type: () -> tuple
    """A function that returns bytes in use in malloc (or None), and whether it is exact."""
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return None, "absent"
    for find, share in _READERS:
        read = find(libc)
        if read is not None:
            exactness = _exactness(libc, read, share)
            if exactness != "absent":
                return read, exactness
    return None, "absent"


#: What malloc puts before a block, the step of its sizes, and the least that it gives out (glibc, 64 bits).
_HEAD, _STEP, _LEAST = 8, 16, 32


def taken_at_most():
    # type: () -> object
    """A function that says how many bytes, as the reader counts them, a block of some size takes at most."""
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        libc = None
    if ctypes.sizeof(ctypes.c_void_p) == 8 and _of_glibc(libc) and not (_of_jemalloc(libc) or _of_tcmalloc(libc)):
        return lambda size: max(_LEAST, (size + _HEAD + _STEP - 1) // _STEP * _STEP)
    return lambda size: size + size // 4 + 64


def holds_objects(read):
    # type: (object) -> bool
    """Whether Python's own large objects are among what is read: a free-threaded build has them elsewhere."""
    readings = array.array("q", [0, 0])
    kept = [None]
    for _ in range(2):
        kept[0] = None
        readings[0] = read()
        kept[0] = bytearray(300000)
        readings[1] = read()
    return readings[1] - readings[0] >= 300000


#: Sizes that are tried, in bytes: coarse steps first, then one for each size that chunks have.
_SIZES = (*range(1 << 17, 4096, -256), *range(4096, 0, -16))
#: Gaps of more than so many bytes together are left: they may be wanted.
_MOST_FILLED = 64000000


def give_back_in_forks():
    # type: () -> None
    """Has each forked child give the free memory that it inherits back to the system, as it starts.

    What it keeps from then on takes pages of its own. Those that were free here are there already, and a leak in the
    child would fill them for hundreds of iterations before it shows.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
        os.register_at_fork(after_in_child=functools.partial(trim, 0))


def fill_gaps():
    # type: () -> None
    """Takes the free chunks that imports have left between what stays, for good.

    mallinfo walks over all of them: over those of a small suite, spread over the whole heap, for 60 µs, and that at
    every boundary. What is allocated from now on comes from the end of the heap and goes back there.
    """
    try:
        libc = ctypes.CDLL(None)
        info, end = libc.mallinfo2, libc.sbrk
    except (OSError, AttributeError):
        return
    info.restype = _Mallinfo2
    info.argtypes = []
    end.restype = ctypes.c_void_p
    end.argtypes = [ctypes.c_ssize_t]
    malloc, free = _allocator(libc)
    before = info()
    left = before.fordblks - before.keepcost
    # From here on it is free anyway.
    last = (end(0) or 0) - before.keepcost
    if left > _MOST_FILLED:
        return
    for size in _SIZES:
        while left > 0:
            chunk = malloc(size)
            if not chunk or chunk >= last:
                free(chunk)
                break
            left -= size
