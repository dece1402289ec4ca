"""`replay`: iterations with the same random numbers, and then with others."""

import unittest

from driver import BridgeCase, needs_pytest

DRAWS = """
    import os
    import random
    import secrets
    import unittest
    import uuid

    OWN = random.Random()
    SEEN = {}
    KEPT = []
    TRUE = os.urandom
    FAILS = [None]


    def draws():
        values = [random.random(), OWN.random(), random.SystemRandom().random(), random.Random().random()]
        return values + [str(uuid.uuid4()), secrets.token_hex(), random.choice(range(10**6)), os.urandom(0)]


    class Draws(unittest.TestCase):
        def test_by_content(self):
            for value in draws():
                SEEN[repr(value)] = None

        def test_each_time(self):
            KEPT.append(str(uuid.uuid4()))

        def test_by_chance(self):
            token = str(uuid.uuid4())
            if int(token[0], 16) < 8:
                KEPT.append(token)

        def test_nothing(self):
            values = draws() + [random.gauss(0, 1), OWN.gauss(0, 1)]
            self.assertNotEqual(values[0], values[1])
            self.assertNotEqual(values[-1], values[-2])

        def test_is_itself_again(self):
            self.assertIs(os.urandom, TRUE)

        def test_no_second_time(self):
            token = uuid.uuid4()
            self.assertNotEqual(token, FAILS[0])
            FAILS[0] = token
"""


class Replay(BridgeCase):
    files = {"test_draws.py": DRAWS}

    def grown(self, answer):
        self.assertPassed(answer)
        blocks = answer["series"]["blocks"]
        return [after - before for before, after in zip(blocks, blocks[1:])]

    def replayed(self, each, times):
        return self.grown(self.worker.answer("ran", do="replay", each=each, times=times))

    def test_what_is_kept_by_content_grows_with_other_numbers_only(self):
        self.assertGreater(sum(self.grown(self.worker.run("test_by_content"))), 6 * 6)
        grown = self.replayed(3, 4)
        self.assertEqual([increment > 3 for increment in grown], [True, False, False] * 3)
        self.assertEqual(sum(grown[1::3] + grown[2::3]), 0)
        self.assertGreater(sum(self.grown(self.worker.run("test_by_content"))), 6 * 6)

    def test_what_is_kept_each_time_grows_as_before(self):
        self.worker.run("test_each_time")
        self.assertEqual(self.replayed(3, 3), [1] * 6)

    def test_what_is_kept_by_chance_is_kept_each_time_or_not_at_all(self):
        self.worker.run("test_by_chance")
        grown = self.replayed(2, 13)
        self.assertEqual(grown[::2], grown[1::2])
        self.assertEqual(set(grown), {0, 1})

    def test_other_numbers_alone_leave_nothing(self):
        self.worker.run("test_nothing")
        self.assertEqual(set(self.replayed(2, 9)), {0})

    def test_chance_is_itself_again(self):
        self.worker.run("test_by_content")
        self.worker.answer("ran", do="replay", each=2, times=2)
        self.assertPassed(self.worker.run("test_is_itself_again"))

    def test_a_test_that_wants_new_numbers_fails_and_chance_is_itself_again(self):
        self.worker.run("test_no_second_time")
        self.assertStatus(self.worker.answer("ran", do="replay", each=2, times=2), "failed")
        self.assertPassed(self.worker.run("test_is_itself_again"))
        self.assertPassed(self.worker.run("test_no_second_time"))


@needs_pytest
class ReplayPytest(Replay):
    runner = "pytest"


if __name__ == "__main__":
    unittest.main()
