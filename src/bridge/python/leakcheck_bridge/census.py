"""Counts objects by type at the beginning and at the end of a process: what a whole suite leaves, whoever made it."""

import collections
import gc

from . import trace

_get_objects, _unfreeze, _collect = gc.get_objects, gc.unfreeze, gc.collect
_id, _type = id, type

#: Types that are told, those with most objects first.
_MOST = 20


def _counts():
    # type: () -> collections.Counter
    """How many there are of each type, by its identity: to ask a type for its hash may run a project's code."""
    return collections.Counter(map(_id, map(_type, _get_objects())))


class Census:
    """The objects that the collector tracks; those without references to others, such as texts, are not among them."""

    def __init__(self):
        # type: () -> None
        self._before = _counts()

    def grown(self):
        # type: () -> list
        """Types of which there are more now: `[name, how many more]`, the most first."""
        _unfreeze()
        _collect()
        now = _counts()
        now.subtract(self._before)
        wanted = dict(now.most_common(_MOST))
        found = []
        for obj in _get_objects():
            more = wanted.pop(_id(_type(obj)), 0)
            if more > 0:
                found.append([trace.type_name(_type(obj)), more])
        found.sort(key=lambda each: -each[1])
        return found
