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


def describe(error):
    # type: (BaseException) -> str
    """`Type: message` of an exception whose own methods may misbehave."""
    try:
        text = str(error)
    except BaseException as second:
        text = "<its str() raised {}>".format(type(second).__name__)
    return "{}: {}".format(type(error).__name__, text) if text else type(error).__name__
