"""cairn-load as an object: writers and readers whose acknowledged operations can be checked (tests/load)."""

import json
import os
import queue
import subprocess
import threading
import time

from harness import env
from harness.cluster import Failed


class Load:
    def __init__(
        self, cluster, writers=4, data_writers=4, readers=0, replication=3, seed=1, patience_ms=300
    ):
        self.cluster = cluster
        self.replication = replication
        self.trace = os.path.join(cluster.directory, "load-trace")
        self.process = subprocess.Popen(
            [
                env.program("cairn-load"),
                *("--uri", cluster.uri, "--trace", self.trace, "--seed", str(seed)),
                *("--writers", str(writers), "--data-writers", str(data_writers)),
                *("--readers", str(readers)),
                *("--replication", str(replication), "--patience-ms", str(patience_ms)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=cluster.environment(),
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.checked_paths = self.checked_bytes = self.checks = 0
        self.doubts = (0, 0)
        self.still_open = []
        self._expect("ready")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _answer(self, seconds=240):
        try:
            line = self.lines.get(timeout=seconds * env.SLOW)
        except queue.Empty:
            raise Failed(f"cairn-load does not answer; the end of its trace:\n{self.tail()}") from None
        if line is None:
            raise Failed(f"cairn-load ended; the end of its trace:\n{self.tail()}")
        return line

    def _ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _expect(self, wanted, command=None):
        answer = self._ask(command) if command else self._answer()
        if answer != wanted:
            raise Failed(f"cairn-load answered {answer!r}, not {wanted!r}")

    def tail(self, lines=30):
        try:
            with open(self.trace) as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""

    def history(self, path, lines=40):
        """What the trace says of `path`."""
        with open(self.trace) as file:
            return "".join([line for line in file if path in line.split()][-lines:])

    def run(self):
        self._expect("running", "run")

    def pause(self):
        self._expect("paused", "pause")

    def mark(self, what):
        """(metadata calls, streams) under way now; `what` goes to the trace."""
        words = self._ask("mark " + what).split()
        return int(words[1].split("=")[1]), int(words[2].split("=")[1])

    def check(self, everything=False):
        """Compares the cluster with what was acknowledged. The load must be paused."""
        found = json.loads(self._ask("check all" if everything else "check"))
        self.checks += 1
        self.checked_paths += found["paths"]
        self.checked_bytes += found["bytes"]
        self.doubts = (found["doubts_happened"], found["doubts_did_not"])
        self.still_open = found["still_open"]
        violations = found["violations"] + self.stats()["wrong"]
        if violations:
            raise Failed(self._explain(violations))

    def check_all(self, seconds=60):
        """The same of everything, and that no file stays open whose writer broke: for when all nodes are
        back and no power was lost. A recovery that meets a node on its way back is ordered again."""
        until = time.monotonic() + seconds * env.SLOW
        while True:
            self.check(everything=True)
            if not self.still_open:
                return
            if time.monotonic() > until:
                told = self._explain([f"{path} is still open" for path in self.still_open])
                whys = [self.cluster.cairn("why", path).stdout for path in self.still_open[:8]]
                raise Failed(told + b"".join(whys).decode(errors="replace"))

    def _explain(self, violations):
        text = f"{len(violations)} acknowledged operations are not as acknowledged:\n"
        for violation in violations[:8]:
            text += f"  {violation}\n"
            for word in violation.replace(":", " ").split():
                if word.startswith("/load/"):
                    text += "".join(f"      {line}\n" for line in self.history(word, 8).splitlines())
                    break
        return text

    def stats(self):
        return json.loads(self._ask("stats"))

    def check_mix(self):
        """That each operation which rewrites files, or replaces some by others, was among them."""
        acknowledged = self.stats()["acknowledged"]
        wanted = ("rename", "rename-over", "concat", "truncate", "truncate-inside", "append")
        for operation in wanted:
            if not acknowledged.get(operation):
                raise Failed(f"no {operation} was acknowledged: {acknowledged}")

    def summary(self):
        stats = self.stats()
        acknowledged = " ".join(f"{k}={v}" for k, v in sorted(stats["acknowledged"].items()))
        unclear = " ".join(f"{k}={v}" for k, v in sorted(stats["unclear"].items())) or "none"
        reads = stats["reads"]
        read = ""
        if reads["files"]:
            read = f"{reads['files']} reads beside it, {reads['bytes'] >> 20} MiB, {reads['failed']} failed; "
        return (
            f"{read}acknowledged: {acknowledged}; unclear: {unclear} (happened {self.doubts[0]}, did not "
            f"{self.doubts[1]}); {self.checks} checks looked at {self.checked_paths} paths, "
            f"{self.checked_bytes >> 20} MiB; {len(self.still_open)} broken files were still open"
        )

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
