"""Types by their identity.

To ask whether a type is among others, or to keep something by type, calls what its metaclass defines for being compared
and hashed. That may be code of the project's own, and where it compares and says nothing of hashes, a type has none.
"""


def ids_of(*kinds):
    # type: (type) -> frozenset
    """The identities of types that are there for good."""
    return frozenset(map(id, kinds))

