"""Puts away the fixtures that a test registers while it runs, as steps of pytest-bdd do: pytest keeps them for good."""

#: Where pytest keeps fixtures by name: lists of them, or lists by node or by its id.
_BOOKS = ("_arg2fixturedefs", "_arg2node2fixturedefs", "_arg2nodeid2fixturedefs")


def _copied(entry):
    if isinstance(entry, dict):
        return {key: list(value) for key, value in entry.items()}
    return None if entry is None else list(entry)


class Injected:
    """Watches the manager of fixtures from now on. `take_out` makes what is known as it was before an iteration."""

    def __init__(self, manager):
        # type: (object) -> None
        found = [getattr(manager, name, None) for name in _BOOKS]
        self._books = [book for book in found if isinstance(book, dict)]
        self._before = {}  # type: dict
        self._register = getattr(manager, "_register_fixture", None)
        if self._register is not None and self._books:
            manager._register_fixture = self._noted

    def _noted(self, **keywords):
        name = keywords.get("name")
        if name not in self._before:
            self._before[name] = [_copied(book.get(name)) for book in self._books]
        return self._register(**keywords)

    def take_out(self):
        # type: () -> None
        for name, entries in self._before.items():
            for book, entry in zip(self._books, entries):
                if entry is None:
                    book.pop(name, None)
                else:
                    book[name] = entry
        self._before.clear()
