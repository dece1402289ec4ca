"""Types by their identity.

To ask whether a type is among others, or to keep something by type, calls what its metaclass defines for being compared
and hashed. That may be code of the project's own, and where it compares and says nothing of hashes, a type has none.
"""


def ids_of(*kinds):
    # type: (type) -> frozenset
    """The identities of types that are there for good."""
    return frozenset(map(id, kinds))


def among(objects, is_wanted):
    # type: (list, object) -> list
    """Those of some objects whose type `is_wanted`, which is asked once a type: there are far fewer of these."""
    classes = {id(cls): cls for cls in map(type, objects)}
    wanted = {number for number, cls in classes.items() if is_wanted(cls)}
    return [obj for obj in objects if id(type(obj)) in wanted]
