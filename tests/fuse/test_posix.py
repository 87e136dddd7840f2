"""Test programs for file systems, from crates.io, at work in a mount."""

import grp
import os
import pwd
import re
import subprocess
import time

from fuse import test_mount
from harness import crates, env
from harness.cluster import run
from harness.mount import BLOCK, read, write

# All that it can do; no other descriptor writes the file, and its blocks are some.
FSX = f"""
flen = {BLOCK * 5 // 2}
[opsize]
max = 200000
[weights]
read = 10
write = 10
mapread = 10
mapwrite = 5
truncate = 5
sendfile = 3
punch_hole = 2
posix_fadvise = 2
copy_file_range = 2
posix_fallocate = 1
close_open = 1
invalidate = 1
fsync = 1
fdatasync = 1
"""
FSX_SECONDS = 1200  # of each seed, by --long

# HDFS has times in milliseconds. `users` are two pairs of a user and the group of his.
PJDFSTEST = """
[features]
posix_fallocate = {{}}
utime_now = {{}}
utimensat = {{}}
[settings]
naptime = 0.02
allow_remount = false
[dummy_auth]
entries = {users}
"""
EXPECTED = os.path.join(os.path.dirname(__file__), "posix_expected.txt")


class OfACrate(test_mount.OnAMount):
    """With a program that is installed before any test's time runs."""

    crate = ()  # name, version

    @classmethod
    def setUpClass(cls):
        cls.need(crates.why_not(*cls.crate))
        super().setUpClass()


class Fsx(OfACrate):
    crate = ("fsx", "0.3.2")
    limit_seconds = 3 * FSX_SECONDS + 600 if env.LONG else 400

    def exercise(self, path, seed, operations, seconds):
        """Until it is done, or with no end to `operations` as long as it may last."""
        local = env.new_directory("fsx")
        write(local + "/fsx.toml", FSX.encode())
        command = [self.fsx, "-f", local + "/fsx.toml", "-P", local, "-S", str(seed), *operations]
        with open(local + "/log", "wb") as log:
            process = subprocess.Popen([*command, path], stdout=log, stderr=subprocess.STDOUT)
            try:
                status = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                process.kill()
                process.wait()
        with open(local + "/log", errors="replace") as log:
            told = log.read()[-6000:]
        self.assertEqual(status, 0 if operations else None, f"seed {seed}\n{told}")

    def test_fsx(self):
        """Whatever is done to a file at random, it holds what memory does; an hour by --long."""
        self.fsx = crates.program(*self.crate)
        path, draw = self.directory() + "/f", self.random()
        for _ in range(3 if env.LONG else 1):
            seed = draw.randrange(1 << 32)
            self.note(f"fsx -S {seed}")
            operations = [] if env.LONG else ["-N", "3000"]
            began = time.monotonic()
            self.exercise(path, seed, operations, FSX_SECONDS if env.LONG else 300 * env.SLOW)
            self.note(f"{time.monotonic() - began:.0f} s")
            # What a killed one had not synced may be on its way.
            self.eventually(lambda: self.is_everywhere_alike(path), "the cluster has all of it")

    def is_everywhere_alike(self, path):
        try:
            return self.cat(path) == read(path)
        except subprocess.CalledProcessError:  # it is just being changed
            return False


class Pjdfstest(OfACrate):
    crate = ("pjdfstest", "0.2.2")
    limit_seconds = 1200
    mount_options = ("allow_other",)

    def users(self):
        """Two users that every machine has."""
        users = [pwd.getpwnam(name) for name in ("nobody", "daemon")]
        return [[user.pw_name, grp.getgrgid(user.pw_gid).gr_name] for user in users]

    def expected(self):
        """{test case: reason}"""
        with open(EXPECTED) as file:
            lines = [line for line in file if line.strip() and not line.startswith("#")]
        return dict(line.strip().split(None, 1) for line in lines)

    def results(self, out):
        """{test case: [ok, FAILED or skipped, what it said more]}"""
        found, said = {}, []
        for line in out.splitlines():
            result = re.fullmatch(r"(\w+::.*\S)\s+(ok|FAILED|skipped)\s*", line)
            if result:
                said = found[result[1]] = [result[2], ""]
            elif found and line.startswith("\t"):
                said[1] += line.strip() + " "
        return found

    def test_pjdfstest(self):
        """Each case passes but those that the list says why of."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        env.let_others_in()
        os.chmod(self.mount.point, 0o755)
        elsewhere = env.new_directory("elsewhere")
        write(elsewhere + "/toml", PJDFSTEST.format(users=self.users()).encode())
        command = [crates.program(*self.crate), "-c", elsewhere + "/toml"]
        command += ["-s", elsewhere, "-p", self.directory()]
        environment = {**os.environ, "NO_COLOR": "1"}
        done = run(command, check=False, timeout=1000, env=environment)
        out = done.stdout.decode(errors="replace")
        # Its count shows that it has come to its end, and that each line was understood.
        total = re.search(r"^Summary: .* (\d+) total$", out, re.MULTILINE)
        said = f"exit status {done.returncode}: {out[-3000:]}{done.stderr.decode()[-3000:]}"
        self.assertTrue(total, said)
        results = self.results(out)
        self.assertEqual(len(results), int(total[1]), said)
        failed = {name: more for name, (result, more) in results.items() if result == "FAILED"}
        skipped = sum(result == "skipped" for result, _ in results.values())
        self.note(f"{len(results)} cases, {skipped} skipped, {len(failed)} failed")
        expected = self.expected()
        unexpected = sorted(f"{name}  {failed[name]}" for name in failed if name not in expected)
        mended = sorted(name for name in expected if name not in failed)
        self.assertEqual(unexpected, [], "failed:\n" + "\n".join(unexpected))
        self.assertEqual(mended, [], "listed, but did not fail:\n" + "\n".join(mended))
