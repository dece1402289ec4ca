"""Chance over again: in every iteration the generators of random numbers begin where they began in the first.

A test that makes other texts each time makes the same ones then. A cache that keeps each text once grows no more; what
was lost is lost again.
"""

import gc
import os
import random

_get_objects = gc.get_objects
_seed = random.Random.seed
_get_state, _set_state = random.Random.getstate, random.Random.setstate


class Replay:
    """From `begin` to `end`, with `start_over` before each iteration. What is frozen is not found."""

    def __init__(self):
        #: Every generator, those that other modules made for themselves as well, with its state.
        self._states = [(one, _get_state(one)) for one in _get_objects() if _is_generator(one)]
        self._source = random.Random(0)
        self._start = self._source.getstate()
        self._before = (os.urandom, random._urandom)

    def begin(self):
        # type: () -> None
        # `uuid4`, `secrets` and `SystemRandom` ask these, and so does whoever seeds a generator.
        os.urandom = random._urandom = self._bytes
        random.Random.seed = self._seeder()

    def start_over(self):
        # type: () -> None
        for generator, state in self._states:
            _set_state(generator, state)
        self._source.setstate(self._start)

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
