"""The C library's malloc: how many bytes are in use, and gaps that make this take long to tell."""

import ctypes


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


def reader():
    # type: () -> tuple
    """A function that returns bytes in use in malloc (or None), and whether it is exact."""
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return None, "absent"
    if hasattr(libc, "mallinfo2"):
        info = libc.mallinfo2
        info.restype = _Mallinfo2
        info.argtypes = []

        def read():
            found = info()
            return found.uordblks + found.hblkhd

    elif hasattr(libc, "mallinfo"):
        info = libc.mallinfo
        info.restype = _Mallinfo
        info.argtypes = []

        # 32-bit fields: right as long as less than 4 GiB is in use, and differences always are.
        def read():
            found = info()
            return (found.uordblks + found.hblkhd) & 0xFFFFFFFF

    else:
        return None, "absent"

    # A replaced allocator (jemalloc by LD_PRELOAD, a sanitizer) leaves mallinfo blind; and without the
    # tunables that the worker is started with, freed chunks stay counted. A known allocation tells both.
    malloc, free = _allocator(libc)
    read()
    exact = True
    for size, least, most in ((24, 24, 64), (1000, 1000, 1040), (300000, 300000, 320000)):
        before = read()
        pointer = malloc(size)
        during = read()
        free(pointer)
        after = read()
        if not least <= during - before <= most:
            return None, "absent"
        exact = exact and after == before
    return read, "exact" if exact else "estimate"


#: Sizes that are tried, in bytes: coarse steps first, then one for each size that chunks have.
_SIZES = (*range(1 << 17, 4096, -256), *range(4096, 0, -16))
#: Gaps of more than so many bytes together are left: they may be wanted.
_MOST_FILLED = 64000000


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
