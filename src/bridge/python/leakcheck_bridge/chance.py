"""Chance over again: so many iterations have the same random numbers, the next ones have others, and so on.

A test that makes other texts each time makes the same ones until the numbers change. A cache that keeps each text once
grows at each change and not in between; what was lost is lost each time, or with some numbers and not with others.
"""

import gc
import itertools
import os
import random

_get_objects = gc.get_objects
_seed = random.Random.seed
#: For the numbers of one time. Tests may share a cache, and what one put there is nothing new to the next.
_fresh = itertools.count(1)


class Replay:
    """From `begin` to `end`, with `start_over` before each iteration. What is frozen is not found."""

    def __init__(self, each):
        # type: (int) -> None
        self._source = random.Random(0)
        #: Every generator, those that other modules made for themselves as well, and ours.
        self._generators = [one for one in _get_objects() if _is_generator(one)]
        self._each = each
        self._left = 0
        self._first = 0
        self._before = (os.urandom, random._urandom)

    def begin(self):
        # type: () -> None
        # `uuid4`, `secrets` and `SystemRandom` ask these, and so does whoever seeds a generator.
        os.urandom = random._urandom = self._bytes
        random.Random.seed = self._seeder()

    def start_over(self):
        # type: () -> None
        # Seeds, since states that are kept would be growth. No two generators have the same one.
        if not self._left:
            self._left = self._each
            self._first = next(_fresh) << 32
        self._left -= 1
        for at, generator in enumerate(self._generators):
            _seed(generator, self._first + at)

    def end(self):
        # type: () -> None
        os.urandom, random._urandom = self._before
        random.Random.seed = _seed

    def _seeder(self):
        # type: () -> object
        def seed(generator, a=None, version=2):
            # Without a seed this asks the system in C.
            _seed(generator, self._bytes(16) if a is None else a, version)

        return seed

    def _bytes(self, size):
        # type: (int) -> bytes
        return bytes([self._source.getrandbits(8) for _ in range(size)])


def _is_generator(obj):
    # type: (object) -> bool
    # `isinstance` would ask for a `__class__`, which may be code of the project's.
    return issubclass(type(obj), random.Random) and not issubclass(type(obj), random.SystemRandom)
