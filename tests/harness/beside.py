"""Work that goes on beside a test, such as that of a client whom a fault must not disturb."""

import statistics
import threading
import time


class Beside(threading.Thread):
    """Calls work(n) with n = 0, 1, 2 ... until it is stopped, and remembers how long each took."""

    def __init__(self, test, work):
        super().__init__(daemon=True)
        self.work = work
        self.times = []
        self.done = 0
        self.error = None
        self.stopped = threading.Event()
        test.addCleanup(self.end)
        self.start()

    def run(self):
        try:
            while not self.stopped.is_set():
                began = time.monotonic()
                self.work(self.done)
                self.times.append(time.monotonic() - began)
                self.done += 1
        except Exception as error:  # for the test's own thread
            self.error = error

    def end(self):
        self.stopped.set()
        self.join()

    def so_far(self):
        """The times since the last question; raises what the work raised."""
        if self.error is not None:
            raise self.error
        times, self.times = self.times, []
        return times


def in_words(times):
    return f"{len(times)}, median {statistics.median(times):.2f} s, longest {max(times):.2f} s"
