"""How one iteration of a test ended, as the runners report it."""

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"
#: The runner itself was damaged; the worker has to be replaced.
BROKEN = "broken"

#: Messages are for one line of a report; whole tracebacks are not needed there.
_LONGEST = 2000


class Outcome:
    """Status and, unless passed, the phase and the reason."""

    __slots__ = ("message", "phase", "status")

    def __init__(self, status, phase="", message=""):
        # type: (str, str, str) -> None
        self.status = status
        self.phase = phase
        self.message = message[:_LONGEST]

    def record(self):
        # type: () -> dict
        return {"status": self.status, "phase": self.phase, "message": self.message}


#: One object for all, so that a passing iteration leaves nothing behind.
OK = Outcome(PASSED)


class Troubles:
    """What went wrong beside the tests, until it was told.

    One of each place: what is kept of something that fails in each iteration would be growth in the test.
    """

    def __init__(self):
        self._known = {}  # type: dict
        #: While it is, nothing is taken in.
        self.closed = False

    def add(self, where, message):
        # type: (str, str) -> None
        if not self.closed and where not in self._known:
            self._known[where] = message[:_LONGEST]

    def take(self):
        # type: () -> list
        """All of them, which are forgotten."""
        taken, self._known = self._known, {}
        return [{"where": where, "message": message} for where, message in taken.items()]


def describe(error):
    # type: (BaseException) -> str
    """`Type: message` of an exception whose own methods may misbehave."""
    try:
        text = str(error)
    except BaseException as second:
        text = "<its str() raised {}>".format(type(second).__name__)
    return "{}: {}".format(type(error).__name__, text) if text else type(error).__name__
