"""Memory that is mapped past malloc: each mapping counts, to the byte, and nothing that malloc has."""

import unittest

from driver import BridgeCase, linux_only

TESTS = """
    import ctypes
    import mmap
    import threading
    import unittest

    LIBC = ctypes.CDLL(None)
    LIBC.mmap.restype = ctypes.c_void_p
    LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    LIBC.malloc.restype = ctypes.c_void_p
    LIBC.malloc.argtypes = [ctypes.c_size_t]
    KEPT = [None] * 100


    class Maps(unittest.TestCase):
        def test_c(self):
            LIBC.mmap(None, 1 << 20, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)

        def test_object(self):
            KEPT[KEPT.index(None)] = mmap.mmap(-1, 1 << 16)

        def test_closed(self):
            with mmap.mmap(-1, 1 << 20) as area:
                area[0] = 1

        def test_malloc(self):
            LIBC.malloc(200000)

        def test_python(self):
            list(range(300000))

        def test_thread(self):
            thread = threading.Thread(target=len, args=("",))
            thread.start()
            thread.join()

        def test_nothing(self):
            pass
"""


@linux_only
class Maps(BridgeCase):
    files = {"test_maps.py": TESTS}

    def setUp(self):
        super().setUp()
        if self.worker.exactness.get("maps") == "absent":
            self.skipTest("they are not counted on this build")

    def changes(self, name):
        ran = self.worker.run("test_" + name, iterations=6, warmup=2)
        self.assertPassed(ran)
        readings = ran["series"]["maps"]
        return [after - before for before, after in zip(readings, readings[1:])]

    def test_what_is_mapped_shows_to_the_byte(self):
        for name, each in (("c", 1 << 20), ("object", 1 << 16)):
            with self.subTest(name):
                self.assertEqual(self.changes(name), [each] * 6)

    def test_what_malloc_has_or_goes_again_does_not_rise_again_and_again(self):
        for name in ("closed", "malloc", "python", "thread", "nothing"):
            with self.subTest(name):
                changes = self.changes(name)
                self.assertEqual(sum(1 for change in changes[1:] if change > 0), 0, changes)


if __name__ == "__main__":
    unittest.main()
