"""Referents, past what an interpreter gets wrong; namespaces, past what a metaclass makes of being asked."""

import gc
import sys
import types

get_referents = gc.get_referents
_class_dict = type.__dict__["__dict__"].__get__
_EMPTY = types.MappingProxyType({})
#: The namespace of a module.
module_dict = types.ModuleType.__dict__["__dict__"].__get__


def class_dict(cls):
    # type: (type) -> object
    """The namespace of a class. A type of an extension that was never made ready has none."""
    found = _class_dict(cls)
    return _EMPTY if found is None else found


if sys.version_info[:2] == (3, 12):
    _gc_get_referents = gc.get_referents

    def _is_asyncio(module):
        # One that was never initialised has no namespace, and what stands for the name may be anything.
        name = (module_dict(module) or {}).get("__name__")
        return type(name) is str and name == "_asyncio"

    def get_referents(*objects):
        """Whatever the objects refer to, without what the module `_asyncio` does.

        In 3.12 it shows the collector the dead iterators of its free list. In a list they come to life, and when that
        is dropped they are freed a second time: the free list bites its own tail, and the next collection never ends.
        """
        return _gc_get_referents(
            *[
                obj
                for obj in objects
                if type(obj) is not types.ModuleType or not _is_asyncio(obj)
            ]
        )
