#!/usr/bin/env python3
"""Runs the tests that need real processes.

  tests/run.py [--long] [--list] [--jobs N] [--preset P | --bin DIR] [--json FILE] [NAME...]

NAME picks the tests whose name contains it, such as crash or faults.test_network. One line for each
test, and at the end `N passed, N failed`, with `, N skipped` if there are any: which and why is listed
above, or in the FILE of --json. Exit status: 0 if none failed.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs the tests that need real processes.")
    parser.add_argument("--long", action="store_true", help="the full counts (about an hour)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--jobs", type=int, default=1, help="test classes at a time")
    parser.add_argument("--preset", default="dev", help="programs of build/PRESET/bin")
    parser.add_argument("--bin", help="directory of the programs")
    parser.add_argument("--json", help="write the counts to this file")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def discover(names):
    """The tests, in the order of their files: {class name: [test]}."""
    loader = unittest.TestLoader()
    classes = {}
    for area in sorted(os.listdir(HERE)):
        if not os.path.isdir(os.path.join(HERE, area)):
            continue
        for file in sorted(os.listdir(os.path.join(HERE, area))):
            if not (file.startswith("test_") and file.endswith(".py")):
                continue
            for test in flatten(loader.loadTestsFromName(f"{area}.{file[:-3]}")):
                if names and not any(name.replace("/", ".") in test.id() for name in names):
                    continue
                classes.setdefault(test.id().rsplit(".", 1)[0], []).append(test)
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    return classes


def explain(error):
    """The traceback of our own lines, and what the test says."""
    trace = traceback.TracebackException(*error)
    own = [frame for frame in trace.stack if f"{os.sep}unittest{os.sep}" not in frame.filename]
    trace.stack = traceback.StackSummary.from_list(own)
    return "".join(trace.format(chain=False))


def tails():
    """The last lines of the daemons, while their clusters are still there."""
    from harness import cluster

    return "".join(f"{one.tails()}\n" for one in cluster.running)


class Result(unittest.TestResult):
    """Prints a line when a test ends."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self.skips = []  # "name: reason"
        self.bad = []

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        self.outcome = "ok"
        self.detail = ""

    def addError(self, test, error):
        self.fail_with(test, error)

    def addFailure(self, test, error):
        self.fail_with(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.fail_with(test, error, f"{subtest}: ")

    def fail_with(self, test, error, prefix=""):
        text = prefix + explain(error)
        if isinstance(test, unittest.TestCase):
            if self.outcome != "FAILED":
                text += tails()
            self.outcome = "FAILED"
            self.detail += text
        else:  # setUpClass
            self.failed += 1
            self.bad.append(test.id())
            print(f"FAILED          {test.id()}\n{text}", flush=True)

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase) and hasattr(self, "began"):
            self.outcome = "skipped"
            self.detail = reason
        else:  # the whole class
            self.skips.append(f"{test.id()}: {reason}")
            print(f"skipped         {test.id()}: {reason}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        seconds = time.monotonic() - self.began
        print(f"{self.outcome:8} {seconds:5.1f}s {test.id()}", end="")
        if self.outcome == "skipped":
            self.skips.append(f"{test.id()}: {self.detail}")
            print(f": {self.detail}", end="")
        elif self.outcome == "ok":
            self.passed += 1
        else:
            self.failed += 1
            self.bad.append(test.id())
        print(flush=True)
        for note in getattr(test, "notes", []):
            print(f"                  {note}", flush=True)
        if self.outcome == "FAILED":
            print(self.detail, flush=True)
        del self.began


def run_here(classes):
    suite = unittest.TestSuite()
    for tests in classes.values():
        suite.addTests(tests)
    result = Result()
    suite.run(result)
    return {
        "passed": result.passed,
        "failed": result.failed,
        "skipped": len(result.skips),
        "skips": result.skips,
        "failures": result.bad,
    }


def totals_of_nothing():
    return {"passed": 0, "failed": 0, "skipped": 0, "skips": [], "failures": []}


def run_apart(classes, jobs):
    """Each class in a process of its own, `jobs` at a time."""
    from harness import env

    totals = totals_of_nothing()

    def run_class(number, name):
        counts = os.path.join(env.scratch_root(), f"counts-{number}.json")
        child_env = {**os.environ, "CAIRN_TEST_SCRATCH": env.new_directory("job")}
        arguments = [sys.executable, os.path.abspath(__file__), "--bin", env.BIN, "--json", counts]
        arguments += ["--long"] if env.LONG else []
        child = subprocess.run(
            arguments + [name + "."], env=child_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        text = child.stdout.decode(errors="replace")
        try:
            with open(counts) as file:
                return text.rsplit("\n", 2)[0] + "\n", json.load(file)
        except OSError:
            return text, {**totals_of_nothing(), "failed": 1, "failures": [name]}

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_class, i, name) for i, name in enumerate(classes)]
        for future in concurrent.futures.as_completed(futures):
            text, counts = future.result()
            print(text, end="", flush=True)
            for key, value in counts.items():
                totals[key] += value
    return totals


def end_what_is_left(root):
    """Kills the processes whose command line names our scratch directory; unmounts what is below."""
    from harness import disks

    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read()
            if root.encode() in words and b"run.py" not in words:
                os.kill(int(entry), signal.SIGKILL)
        except OSError:
            continue
    disks.unmount_below(root)


def main():
    options = parse_arguments()
    if options.long:
        os.environ["CAIRN_TEST_LONG"] = "1"
    if options.bin:
        os.environ["CAIRN_BIN"] = os.path.abspath(options.bin)
    elif "CAIRN_BIN" not in os.environ:
        os.environ["CAIRN_BIN"] = os.path.join(os.path.dirname(HERE), "build", options.preset, "bin")
    if options.preset in ("asan", "tsan") or "/asan/" in os.environ["CAIRN_BIN"]:
        os.environ.setdefault("CAIRN_TEST_SLOWNESS", "4")
    if options.preset == "tsan":
        os.environ.setdefault("TSAN_OPTIONS", "ignore_noninstrumented_modules=1")

    from harness import env

    classes = discover(options.names)
    if not classes:
        sys.exit(f"no test has a name with {' or '.join(options.names)}")
    if options.list:
        for tests in classes.values():
            for test in tests:
                print(test.id())
        return 0
    # A Ctrl-C or a kill of the runner ends everything that it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = env.scratch_root()
    try:
        counts = run_apart(classes, options.jobs) if options.jobs > 1 else run_here(classes)
    finally:
        end_what_is_left(root)
        if os.environ.get("CAIRN_TEST_KEEP") != "1":
            shutil.rmtree(root, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(counts, file)
    # A process for one class is told of by the one that started it.
    for skip in [] if options.json else counts["skips"]:
        print(f"skipped {skip}")
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        line += f", {counts['skipped']} skipped"
    print(line, flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
