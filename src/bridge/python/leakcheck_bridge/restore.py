"""Gives an object the attributes back that it had before its test ran."""


from . import kinds

_COPIED = kinds.ids_of(list, dict, set)


def _copied(value):
    # Deep enough for what constructors make; anything else is shared, as it is between tests of one class.
    return value.copy() if id(type(value)) in _COPIED else value


class State:
    """Attributes of `subject` at one moment. Objects without a `__dict__` are left alone."""

    def __init__(self, subject):
        # type: (object) -> None
        self.subject = subject
        attributes = getattr(subject, "__dict__", None)
        self._attributes = None
        if isinstance(attributes, dict):
            self._attributes = {name: _copied(value) for name, value in attributes.items()}

    def restore(self):
        # type: () -> None
        if self._attributes is not None:
            current = self.subject.__dict__
            current.clear()
            for name, value in self._attributes.items():
                current[name] = _copied(value)
