"""`replay`: iterations with the same random numbers."""

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
        return blocks[-1] - blocks[0]

    def test_what_is_kept_by_content_grows_no_more(self):
        self.assertGreater(self.grown(self.worker.run("test_by_content")), 6 * 6)
        answer = self.worker.answer("ran", do="replay", iterations=6)
        self.assertEqual((self.grown(answer), len(answer["series"]["blocks"])), (0, 7))
        self.assertGreater(self.grown(self.worker.run("test_by_content")), 6 * 6)

    def test_what_is_kept_each_time_grows_as_before(self):
        self.worker.run("test_each_time")
        self.assertEqual(self.grown(self.worker.answer("ran", do="replay", iterations=6)), 6)

    def test_chance_is_itself_again(self):
        self.worker.run("test_by_content")
        self.worker.answer("ran", do="replay", iterations=2)
        self.assertPassed(self.worker.run("test_is_itself_again"))

    def test_a_test_that_wants_new_numbers_fails_and_chance_is_itself_again(self):
        self.worker.run("test_no_second_time")
        self.assertStatus(self.worker.answer("ran", do="replay", iterations=2), "failed")
        self.assertPassed(self.worker.run("test_is_itself_again"))
        self.assertPassed(self.worker.run("test_no_second_time"))


@needs_pytest
class ReplayPytest(Replay):
    runner = "pytest"


if __name__ == "__main__":
    unittest.main()
