"""A process that runs commands for a test which has files of a mount open.

A child of the test itself would not do: it inherits the descriptors, and its exec closes these
copies, which to a file that is being written is a close(2): the file is completed.
"""

import base64
import json
import subprocess
import sys


class Helper:
    """Make it before the first open. `prefix` goes before every command. close() is idempotent."""

    def __init__(self, prefix=()):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, arguments, env=None):
        """A subprocess.CompletedProcess; never raises for an exit status."""
        request = json.dumps({"arguments": [str(a) for a in arguments], "env": env})
        self.process.stdin.write(request.encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        out, err = (base64.b64decode(answer[key]) for key in ("out", "err"))
        return subprocess.CompletedProcess(arguments, answer["status"], out, err)

    def check(self, arguments, env=None):
        """What the command printed."""
        result = self.run(arguments, env)
        result.check_returncode()
        return result.stdout

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


_SERVE = """
import base64, json, subprocess, sys
for line in sys.stdin:
    request = json.loads(line)
    done = subprocess.run(request["arguments"], env=request["env"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = (base64.b64encode(b).decode() for b in (done.stdout, done.stderr))
    print(json.dumps({"status": done.returncode, "out": out, "err": err}), flush=True)
"""
