"""The folder for temporary files, where `tempfile` looks.

Where nobody has asked `tempfile` yet, asking it would try a file in each folder there is: it takes a descriptor, calls
functions that a test may have replaced, and settles for the tests what they may want to settle themselves.
"""

import os
import tempfile

#: The worker's own, as it was started with it.
_OURS = os.environ.get("TMPDIR", "/tmp")


def folder():
    # type: () -> str
    there = tempfile.tempdir
    return there if type(there) is str else _OURS
