"""Programs as people use them, at work in a mount."""

import json
import os
import shutil
import signal
import unittest

from clients.test_python_package import PACKAGES
from fuse import test_mount
from fuse.test_mount import shell
from harness import env, venv
from harness.cluster import Failed, run
from harness.mount import read, write


def needs(*programs):
    missing = env.have(*programs)
    return unittest.skipIf(missing, f"{missing} is not installed")


class Programs(test_mount.OnAMount):
    limit_seconds = 3600 if env.LONG else 240

    @needs("git")
    def test_git(self):
        """clone, check, commit, collect"""
        there, source = self.directory(), env.new_directory("source")
        draw = self.random()
        config = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": source,
            **{f"GIT_{who}_NAME": "a" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "a@b" for who in ("AUTHOR", "COMMITTER")},
        }
        for i in range(12):
            os.makedirs(f"{source}/d{i % 3}", exist_ok=True)
            write(f"{source}/d{i % 3}/f{i}", draw.randbytes(draw.randrange(100_000)))
        shell('cd "$1"; git init -q; git add .; git commit -qm one', source, env=config)
        shell('git clone -q --no-hardlinks "$1" "$2/clone"', source, there, env=config)
        script = """
            cd "$1/clone"
            git fsck --strict
            echo more >>d0/f0; rm d1/f1; git mv d2/f2 moved; git add -A; git commit -qm two
            git gc -q; git fsck --strict; git status --porcelain
            git branch side; git checkout -q side; git checkout -q HEAD~1; git log --oneline
        """
        out = shell(script, there, env=config).stdout.decode()
        self.assertEqual(len(out.splitlines()), 1, out)
        back = env.new_directory("back")
        shell('git clone -q "$1/clone" "$2/again"', there, back, env=config)
        self.assertEqual(read(f"{back}/again/d0/f0"), read(f"{source}/d0/f0"))

    def test_edits_in_place(self):
        there = self.directory()
        write(there + "/f", b"one\ntwo\n")
        shell('sed -i s/one/1/ "$1/f"', there)
        self.assertEqual(read(there + "/f"), b"1\ntwo\n")
        # As editors save: a new file, synced, over the old one.
        with open(there + "/f.new", "wb") as new:
            new.write(b"new\n")
            new.flush()
            os.fsync(new.fileno())
        os.replace(there + "/f.new", there + "/f")
        self.assertEqual(read(there + "/f"), b"new\n")
        shell('sort -r "$1/f" -o "$1/f"; tee -a "$1/f" </dev/null', there)
        self.assertEqual(os.listdir(there), ["f"])

    @needs("vim")
    def test_vim_saves(self):
        """with its swap file, in the middle of which it writes"""
        there = self.directory()
        write(there + "/f", b"one\ntwo\n")
        shell('vim -N -u NONE -i NONE -es -c "%s/two/2/" -c wq "$1/f"', there)
        self.assertEqual(read(there + "/f"), b"one\n2\n")
        self.assertEqual(os.listdir(there), ["f"])

    def test_sorting_and_packing(self):
        there = self.directory()
        shell(
            """cd "$1"
            seq 200000 | shuf >numbers
            sort -n -T . -S 1M numbers >sorted
            seq 200000 | cmp - sorted
            gzip -k sorted; zcat sorted.gz | cmp - sorted
            tar -czf all.tar.gz numbers sorted; tar -tzf all.tar.gz | wc -l
            split -b 100000 sorted part.; cat part.* | cmp - sorted
            rm numbers sorted sorted.gz all.tar.gz part.*""",
            there,
        )
        self.assertEqual(os.listdir(there), [])

    def test_python_copies_trees_and_saves_json(self):
        there = self.directory()
        with open(there + "/j", "w") as out:
            json.dump({"a": list(range(1000))}, out)
        with open(there + "/j") as saved:
            self.assertEqual(len(json.load(saved)["a"]), 1000)
        shutil.copytree(os.path.join(env.SOURCE, "docs"), there + "/docs")
        shell('diff -r "$1" "$2/docs"', os.path.join(env.SOURCE, "docs"), there)
        shutil.rmtree(there + "/docs")
        self.assertEqual(os.listdir(there), ["j"])

    @needs("gcc")
    def test_builds(self):
        """A linker goes back in what it has written."""
        there = self.directory()
        write(there + "/c.c", b"int main(void) { return 3; }")
        shell('cd "$1"; gcc -g -c c.c; gcc -o c c.o; ./c || test $? = 3', there)

    @needs("rsync")
    def test_rsync(self):
        """A tree is brought in, brought up to date by way of new files and in place, and back."""
        there, source = self.directory(), env.new_directory("source")
        draw = self.random()
        for i in range(20):
            os.makedirs(f"{source}/d{i % 4}", exist_ok=True)
            write(f"{source}/d{i % 4}/f{i}", draw.randbytes(draw.choice([0, 1, 5000, 700_000])))
        os.chmod(f"{source}/d0/f0", 0o640)
        os.utime(f"{source}/d1/f1", (1_500_000_000, 1_500_000_000))
        bring = 'rsync -a --delete "$3" "$1/" "$2/tree/"; diff -r "$1" "$2/tree"'
        shell(bring, source, there, "--stats")
        for how, second, gone in (("--no-inplace", 1, 2), ("--inplace", 2, 10)):
            for i in range(0, 20, 3):
                with open(f"{source}/d{i % 4}/f{i}", "r+b") as file:
                    file.seek(draw.randrange(100_000))
                    file.write(draw.randbytes(1000))
                # By whole seconds and size rsync tells whether a file has changed.
                os.utime(f"{source}/d{i % 4}/f{i}", (1_600_000_000 + second,) * 2)
            os.remove(f"{source}/d2/f{gone}")
            # By blocks that both have, as between machines, and not file by file.
            shell(f"{bring.replace('rsync', 'rsync --no-whole-file')}", source, there, how)
        changes = shell('rsync -ani --delete "$1/" "$2/tree/"', source, there).stdout
        self.assertEqual(changes, b"")
        shell('rsync -a "$2/tree/" "$1.back/"; diff -r "$1" "$1.back"', source, there)
        self.assertEqual(os.stat(f"{source}.back/d0/f0").st_mode & 0o777, 0o640)

    @needs("fio")
    def test_fio_verifies(self):
        """Each piece that fio writes carries its checksum, offset and count, and is read back."""
        there = self.directory()
        size = "256m" if env.LONG else "24m"
        for engine, how in (("psync", "write"), ("psync", "randwrite"), ("mmap", "randwrite")):
            shell(
                """fio --name=job --directory="$1" --size="$2" --ioengine="$3" --rw="$4" \
                    --bs=4k --bssplit=4k/60:64k/30:128k/10 --numjobs=2 --fsync=200 --end_fsync=1 \
                    --verify=crc32c --verify_fatal=1 --verify_state_save=0 --do_verify=1 --randseed="$5" --minimal""",
                *(there, size, engine, how, str(self.random().randrange(1 << 30))),
                timeout=self.limit_seconds,
            )
        # What a fresh process reads by the cluster's own ways is the same.
        for name in os.listdir(there):
            self.assertTrue(self.cat(f"{there}/{name}") == read(f"{there}/{name}"), name)

    def test_a_sort_that_spills(self):
        """2 GiB by --long"""
        there = self.directory()
        lines = 200_000_000 if env.LONG else 2_000_000
        shell(
            """cd "$1"
            seq "$2" | awk '{ print ($1 * 7919) % 1000003, $1 }' >numbers
            sort -n -T . -S 64M numbers >sorted
            sort -n -c sorted
            test "$(wc -c <numbers)" = "$(wc -c <sorted)"
            rm numbers""",
            *(there, str(lines)),
            timeout=self.limit_seconds,
        )
        self.assertEqual(os.listdir(there), ["sorted"])


class DataPrograms(test_mount.OnAMount):
    """What Python's engines do with paths in a mount, which they take for a disk."""

    limit_seconds = 300

    @classmethod
    def setUpClass(cls):
        cls.need(venv.why_not(PACKAGES))
        super().setUpClass()

    def python(self, script, *arguments):
        return run([venv.python(PACKAGES), "-c", script, *arguments], timeout=200)

    def test_a_duckdb_database_persists(self):
        there = self.directory()
        path = there + "/db.duckdb"
        make = """if True:
            import duckdb, sys
            with duckdb.connect(sys.argv[1]) as db:
                db.execute("SET threads = 2")
                db.execute("CREATE TABLE t AS SELECT range AS n, range % 97 AS k FROM range(300000)")
                db.execute("CHECKPOINT")
                db.execute("UPDATE t SET k = -1 WHERE n % 1000 = 0")
                db.execute("BEGIN; DELETE FROM t; ROLLBACK")
        """
        ask = """if True:
            import duckdb, sys
            with duckdb.connect(sys.argv[1], read_only=True) as db:
                print(db.execute("SELECT count(*), sum(n), count(*) FILTER (k = -1) FROM t").fetchone())
        """
        self.python(make, path)
        expected = f"(300000, {sum(range(300000))}, 300)"
        self.assertEqual(self.python(ask, path).stdout.decode().strip(), expected)
        local = env.new_directory("db") + "/copy.duckdb"
        write(local, self.cat(path))
        self.assertEqual(self.python(ask, local).stdout.decode().strip(), expected)

    def test_a_duckdb_database_survives_the_kill_of_its_program(self):
        """What was committed is there, by DuckDB's own log."""
        path = self.directory() + "/db.duckdb"
        script = """if True:
            import duckdb, os, signal, sys
            db = duckdb.connect(sys.argv[1])
            db.execute("CREATE TABLE t (n INTEGER)")
            for n in range(20):
                db.execute("INSERT INTO t VALUES (?)", [n])
            db.execute("BEGIN")
            db.execute("INSERT INTO t VALUES (1000)")
            os.kill(os.getpid(), signal.SIGKILL)
        """
        with self.assertRaises(Failed) as killed:
            self.python(script, path)
        self.assertIn(f"\nexit status {-signal.SIGKILL}\n", str(killed.exception))
        ask = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute('SELECT count(*), max(n) FROM t').fetchone())"
        self.assertEqual(self.python(ask, path).stdout.decode().strip(), "(20, 19)")

    def test_partitioned_parquet(self):
        """written by DuckDB and by pandas, read by the other"""
        there = self.directory()
        script = """if True:
            import duckdb, pandas, sys
            there = sys.argv[1]
            duckdb.sql("SELECT range AS n, range % 3 AS k, 'v' || range AS v FROM range(10000)").write_parquet(
                there + "/by_duckdb", partition_by=["k"])
            frame = pandas.read_parquet(there + "/by_duckdb")
            assert len(frame) == 10000 and frame.n.sum() == sum(range(10000)), frame
            frame["k"] = frame["k"].astype(int)
            frame.to_parquet(there + "/by_pandas", partition_cols=["k"])
            found = duckdb.sql(f"SELECT k, count(*), sum(n) FROM read_parquet('{there}/by_pandas/*/*.parquet') "
                               "GROUP BY k ORDER BY k").fetchall()
            assert found == [(k, len(range(k, 10000, 3)), sum(range(k, 10000, 3))) for k in range(3)], found
            frame.to_csv(there + "/all.csv", index=False)
            assert pandas.read_csv(there + "/all.csv").equals(frame), "csv"
        """
        self.python(script, there)
        self.assertEqual(sorted(os.listdir(there)), ["all.csv", "by_duckdb", "by_pandas"])
