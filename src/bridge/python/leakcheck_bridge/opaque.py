"""What objects refer to whose types tell the collector nothing, read out of their memory.

An array of objects, a map that is written in Rust, a `datetime` with its zone: each may lead back to what has it, and
no list of referents shows the way. So their memory is looked through for identities that are asked for, as far as it
can be told which is theirs: the object itself, what glibc says to be a chunk, and objects of the same sort. A number
may be such an identity by chance, which needs a reference that nothing else explains to count for anything.

It is read through `/proc/self/mem`, which answers with an error where nothing is mapped.
"""

import array
import posix

from . import kinds

#: Bytes that are looked at of one object, with all that it has.
_MOST = 1 << 16
#: How often memory is read for one heap: numbers in an array of them may look like ways on, each of which costs a call.
_MOST_READINGS = 200000
#: The largest chunk that is taken for one.
_LARGEST = 1 << 20
_HEADER = object.__basicsize__
_LOWEST, _HIGHEST = 1 << 16, 1 << 47
#: In the size of a chunk: three flags, and a fourth bit that is never set.
_FLAGS, _NEVER = 7, 8
_subclasses = type.__subclasses__


class Memory:
    """Looks for identities in what objects have, between `open` and `close`."""

    def __init__(self):
        self._wanted = frozenset()  # type: frozenset
        #: Bytes of an instance, by identity of its type.
        self._sizes = {}  # type: dict
        self._left = _MOST_READINGS
        self._file = -1

    def open(self, wanted):
        # type: (frozenset) -> None
        """Has these be looked for."""
        self._wanted = wanted
        try:
            self._file = posix.open("/proc/self/mem", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            self._file = -1

    def close(self):
        # type: () -> None
        if self._file >= 0:
            posix.close(self._file)
        self.__init__()

    def targets(self, obj):
        # type: (object) -> array.array
        """Wanted identities in the memory of an object, as often as they are there."""
        found = array.array("Q")
        if self._file < 0:
            return found
        if not self._sizes:
            self._sizes = _opaque_types()
        seen = {id(obj)}
        wait = [self._body(id(obj), self._sizes.get(id(type(obj)), 0))]
        left = _MOST
        for words in wait:
            left -= 8 * len(words)
            if left < 0:
                break
            for word in words:
                if word in self._wanted:
                    found.append(word)
                elif word not in seen and _LOWEST < word < _HIGHEST and not word % 8:
                    seen.add(word)
                    wait.append(self._at(word))
        return found

    def _at(self, address):
        # type: (int) -> array.array
        """What begins there, where that can be told."""
        header = self._read(address, _HEADER)
        if header and header[-1] in self._sizes:
            return self._body(address, self._sizes[header[-1]])
        # A counter of references may come before what is pointed to, as Rust's does.
        start = address & ~15
        size = self._read(start - 8, 8)
        if not size or size[0] & _NEVER or not 32 <= size[0] & ~_FLAGS <= _LARGEST:
            return array.array("Q")
        return self._read(start, min((size[0] & ~_FLAGS) - 8, _MOST))

    def _body(self, address, size):
        # type: (int, int) -> array.array
        return self._read(address + _HEADER, size - _HEADER) if size > _HEADER else array.array("Q")

    def _read(self, address, size):
        # type: (int, int) -> array.array
        self._left -= 1
        if self._left < 0:
            return array.array("Q")
        try:
            read = posix.pread(self._file, size, address)
        except (OSError, OverflowError):
            read = b""
        return array.array("Q", read[: len(read) & ~7])


def _opaque_types():
    # type: () -> dict
    """Bytes of an instance, by identity, of the types that tell the collector nothing."""
    found = {}
    seen = {id(object)}
    wait = [object]
    for cls in wait:
        # `type.__subclasses__` is asked of the class and not of what its metaclass makes of it.
        for other in _subclasses(cls):
            if id(other) not in seen:
                seen.add(id(other))
                wait.append(other)
                if kinds.is_opaque(other):
                    found[id(other)] = kinds.size_of(other)
    return found
