"""Programs as people use them, at work in a mount."""

import json
import os
import shutil
import unittest

from fuse import test_mount
from fuse.test_mount import read, shell, write
from harness import env


def needs(*programs):
    missing = env.have(*programs)
    return unittest.skipIf(missing, f"{missing} is not installed")


class Programs(test_mount.OnAMount):
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
