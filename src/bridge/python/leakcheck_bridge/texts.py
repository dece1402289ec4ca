"""Lengths of texts and tuples that long-lived objects refer to, where no counter knows the size of Python's memory.

A text that is lengthened takes another block, or the same one, for the one it had: no block more. Elsewhere malloc
gives out what is large, and `heap` shows it; a free-threaded build has an allocator of its own for all sizes.
"""

import array
import contextlib
import gc

from . import kinds

_referents = gc.get_referents
_TEXTS = kinds.ids_of(str, bytes, tuple)
#: References that are looked at in a reading, each some 20 ns.
_MOST = 20000


def _namespace_of(obj):
    """What holds the attributes of an object that is no container: a class's or an instance's dictionary, or itself."""
    if issubclass(type(obj), type):
        for found in _referents(obj):
            if type(found) is dict:
                return found
    elif any(type(found) is dict for found in _referents(obj)):
        # Perhaps its own. Asking for it would make one, where there is none yet; that is once, and outside of windows.
        with contextlib.suppress(AttributeError):
            attributes = object.__getattribute__(obj, "__dict__")
            if type(attributes) is dict:
                return attributes
    return obj


def _lengths(holder):
    # type: (object) -> list
    return [len(obj) for obj in _referents(holder) if id(type(obj)) in _TEXTS]


def _entries(container):
    # type: (dict) -> list
    """Key and text of each entry that is one; a key that is new is another one."""
    items = list(dict.items(container))
    return [(key, obj) for key, obj in items if id(type(obj)) in _TEXTS]


class Texts:
    """What is looked at. Held strongly, as what `watch` holds."""

    def __init__(self):
        self._holders = []  # type: list
        self._opening = []  # type: list
        self._caches = []  # type: list
        self._entries = []  # type: list

    def survey(self, holders, caches=()):
        # type: (list, Iterable) -> None
        """Takes those of some objects, and of some dictionaries, that refer to a text, or to a tuple."""
        self.clear()
        left = _MOST
        for kept, found in ((self._holders, map(_namespace_of, holders)), (self._caches, caches)):
            for holder in found:
                referred = _referents(holder)
                if any(id(type(obj)) in _TEXTS for obj in referred):
                    left -= len(referred)
                    if left < 0:
                        return
                    kept.append(holder)

    def clear(self):
        # type: () -> None
        self._holders = []
        self._caches = []

    def total(self):
        # type: () -> int
        if not self._holders:
            return 0
        return sum([len(obj) for obj in _referents(*self._holders) if id(type(obj)) in _TEXTS])

    def remember(self):
        # type: () -> None
        """Remembers the lengths, for `grown`."""
        self._opening = [array.array("q", _lengths(holder)) for holder in self._holders]
        self._entries = [
            array.array("Q", [number for key, obj in _entries(cache) for number in (id(key), len(obj))])
            for cache in self._caches
        ]

    def grown(self):
        # type: () -> dict
        """What has become longer since, by identity: `[text, by how much]`."""
        found = {}
        for holder, before in zip(self._holders, self._opening):
            texts = [obj for obj in _referents(holder) if id(type(obj)) in _TEXTS]
            for text, length in zip(texts, before):
                if len(texts) == len(before) and len(text) > length:
                    found[id(text)] = [text, len(text) - length]
        for cache, before in zip(self._caches, self._entries):
            lengths = dict(zip(before[::2], before[1::2]))
            changed = [(obj, len(obj) - lengths.get(id(key), len(obj))) for key, obj in _entries(cache)]
            changed = [(obj, by) for obj, by in changed if by]
            # Where several change, each of them is as long as what it was made of this time.
            if len(changed) == 1 and changed[0][1] > 0:
                found[id(changed[0][0])] = list(changed[0])
        return found
