"""Gaps in the heap: filled, and what is in use afterwards is as it was but for them."""

import os
import subprocess
import sys
import unittest

from driver import BRIDGE, TUNABLES, linux_only

PROBE = """
import ctypes
import sys

sys.path.insert(0, sys.argv[1])
from leakcheck_bridge import malloc

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2"):
    print("absent")
    raise SystemExit
libc.mallinfo2.restype = malloc._Mallinfo2
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
# Every second one is freed: as many gaps, of all sizes.
kept = [libc.malloc(24 + 16 * (number % 500)) for number in range(4000)]
for chunk in kept[::2]:
    libc.free(chunk)
before = libc.mallinfo2()
malloc.fill_gaps()
after = libc.mallinfo2()
read, how = malloc.reader()
level = read()
for _ in range(3):
    libc.free(libc.malloc(5000))
print(before.ordblks, after.ordblks, after.fordblks - after.keepcost, how, read() - level)
"""


class Gaps(unittest.TestCase):
    @linux_only
    def test_nothing_is_left_between_what_stays(self):
        environment = dict(os.environ, GLIBC_TUNABLES=TUNABLES)
        command = [sys.executable, "-c", PROBE, BRIDGE]
        found = subprocess.check_output(command, env=environment, universal_newlines=True).split()
        if found == ["absent"]:
            self.skipTest("this libc does not tell")
        before, after, free = map(int, found[:3])
        self.assertGreater(before, 1500)
        self.assertLess(after, 20)
        self.assertLess(free, 4096)
        self.assertEqual(found[3:], ["exact", "0"])


if __name__ == "__main__":
    unittest.main()
