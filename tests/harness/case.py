"""The base class of all tests: notes that the runner prints, time limits, and waiting."""

import random
import signal
import sys
import time
import unittest

from harness import env


class Timeout(Exception):
    pass


class Case(unittest.TestCase):
    """A test whose class says how long it may take. `note` lines are printed under its result."""

    limit_seconds = 240
    maxDiff = 4000

    def run(self, result=None):
        self.notes = []

        def expired(_signal, _frame):
            raise Timeout(f"took longer than {self.limit_seconds * env.SLOW:g} s")

        before = signal.signal(signal.SIGALRM, expired)
        signal.alarm(int(self.limit_seconds * env.SLOW))
        try:
            return super().run(result)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    @staticmethod
    def need(why_not):
        """Skips the test, or from setUpClass all of the class, if there is a reason not to run."""
        if why_not:
            raise unittest.SkipTest(why_not)

    def note(self, text):
        self.notes.append(text)

    def random(self):
        """Random draws whose seed a failure can repeat: CAIRN_TEST_SEED."""
        import os

        seed = int(os.environ.get("CAIRN_TEST_SEED", random.randrange(1 << 32)))
        self.note(f"seed {seed}")
        return random.Random(seed)

    def eventually(self, condition, what, seconds=30):
        """Waits until `condition()` is true and returns its value; fails with `what`."""
        until = time.monotonic() + seconds * env.SLOW
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > until:
                self.fail(f"not within {seconds} s: {what}")
            time.sleep(0.02)


def warn(text):
    print(text, file=sys.stderr, flush=True)
