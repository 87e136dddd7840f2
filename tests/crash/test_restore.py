"""Back to an earlier transaction, out of a damaged store or journal, and a look inside."""

import csv
import datetime
import glob
import io
import json
import os
import re
import time

from crash.test_checkpoints import admin, checkpoints, make_directories
from faults.test_storage import JOURNAL_ONLY, daemon, flip, frames, journal_file, tree_hash
from harness import env
from harness.case import Case
from harness.cluster import MiniCluster, run


def cairn(cluster, *arguments, **options):
    return run([env.program("cairn"), *arguments], env=cluster.environment(), **options)


def restore(cluster, *arguments, what="-restore", check=True, answer=b""):
    """Exit status 0 and all that it printed; checked unless said otherwise."""
    result = cairn(
        cluster, "namenode", what, "--conf", cluster.conf_dir, *arguments, check=check, input=answer
    )
    return (result.stdout + result.stderr).decode(errors="replace")


def state(cluster):
    """Of all that a restore must not touch before it is told to."""
    parts = ("store", "journal", "checkpoints")
    return [tree_hash(os.path.join(cluster.data("namenode"), part)) for part in parts]


def names(cluster):
    return cluster.dfs("-ls", "-R", "-C", "/").stdout.decode().split()


def roll(cluster):
    """The txid of the next edit."""
    text = admin(cluster, "-rollEdits").stdout.decode()
    return int(re.search(r"txid (\d+)", text).group(1))


def blocks(cluster, name="datanode-1"):
    pattern = os.path.join(cluster.data(name), "**", "blk_*")
    return {path for path in glob.glob(pattern, recursive=True) if not path.endswith(".meta")}


class Restore(Case):
    def test_back_to_a_transaction(self):
        """checkpoint under changes, kill -9, restore: the namespace is as it was listed then"""
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(200))
            admin(cluster, "-saveNamespace")
            make_directories(cluster, range(200, 300))
            cluster.dfs("-mv", "/d/000001", "/moved")
            before = names(cluster)
            next_txid = roll(cluster)
            cluster.dfs("-rm", "-r", "-skipTrash", "/d")
            cluster.dfs("-mkdir", "/later")
            cluster.kill("namenode")
            untouched = state(cluster)

            target = str(next_txid - 1)
            text = restore(cluster, "--to", target, "--dry-run")
            self.assertIn(f"to {target} of the journal", text)
            self.assertIn("1 delete", text)
            self.assertIn("1 make_directories", text)
            self.assertEqual(state(cluster), untouched)
            refused = restore(cluster, "--to", target, check=False, answer=b"no\n")
            self.assertIn("nothing was changed", refused)
            self.assertEqual(state(cluster), untouched)

            text = restore(cluster, "--to", target, "--yes")
            aside = re.search(r"lies in (\S+?);", text).group(1)
            self.assertTrue(os.path.exists(os.path.join(aside, "store", "CURRENT")))
            cluster.start("namenode")
            self.assertEqual(names(cluster), before)
            # Numbers go on behind what was given up.
            cluster.dfs("-mkdir", "/after")
            self.assertGreater(roll(cluster), next_txid + 2)
            cluster.kill("namenode")
            cluster.start("namenode")
            self.assertEqual(sorted(names(cluster)), sorted(before + ["/after"]))
            self.note(text.replace("\n", " | ")[:300])

    def test_back_to_a_time(self):
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(5))
            time.sleep(0.01)
            moment = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
            time.sleep(0.01)
            make_directories(cluster, range(5, 9))
            cluster.kill("namenode")
            restore(cluster, "--to", moment, "--yes")
            cluster.start("namenode")
            self.assertEqual(len(names(cluster)), 1 + 5)

    def test_a_running_namenode_is_not_touched(self):
        with MiniCluster(datanodes=0) as cluster:
            text = restore(cluster, "--yes", check=False)
            self.assertIn("lock", text)
            cluster.dfs("-mkdir", "/still-there")

    def test_a_damaged_store_names_the_way_out(self):
        """fault 6: the start says how, and nothing acknowledged is lost by it"""
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(50))
            admin(cluster, "-saveNamespace")
            make_directories(cluster, range(50, 60))
            cluster.stop("namenode")
            os.remove(os.path.join(cluster.data("namenode"), "store", "CURRENT"))
            code, text = daemon("--conf", cluster.conf_dir)
            self.assertEqual(code, 1)
            self.assertIn("cairn namenode -restore", text)
            text = restore(cluster, "--yes")
            self.assertIn("loses:       nothing", text)
            cluster.start("namenode")
            self.assertEqual(len(names(cluster)), 1 + 60)

    def test_a_rotten_checkpoint_gives_way_to_an_older_one(self):
        """fault 9: its checksum fails, that is said, and the older one with more journal is used"""
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(30))
            admin(cluster, "-saveNamespace")
            make_directories(cluster, range(30, 40))
            cluster.kill("namenode")
            newest = checkpoints(cluster)[-1]
            directory = os.path.join(
                cluster.data("namenode"), "checkpoints", f"checkpoint-{newest:020}"
            )
            log = glob.glob(os.path.join(directory, "store", "*.log"))[0]
            flip(log, 20)
            text = restore(cluster, "--yes")
            self.assertIn(f"of no use: {log}: checksum", text)
            self.assertIn("edits up to 0", text)
            cluster.start("namenode")
            self.assertEqual(len(names(cluster)), 1 + 40)

    def test_a_damaged_journal_is_cut_only_when_told_to(self):
        """fault 5: what is lost is shown with file, offset and txids; nothing happens in silence"""
        with MiniCluster(datanodes=0, conf=JOURNAL_ONLY) as cluster:
            make_directories(cluster, range(20))
            cluster.kill("namenode")
            path = journal_file(cluster)
            offset, txid = frames(path)[-5]
            flip(path, offset + 30)
            code, text = daemon("--conf", cluster.conf_dir)
            self.assertEqual(code, 1)
            self.assertIn("cairn namenode -recover", text)
            before = state(cluster)
            text = restore(cluster, what="-recover", check=False, answer=b"\n")
            self.assertIn(f"{path}: damaged at offset {offset}: edits {txid} to {txid}", text)
            self.assertIn("4 edits that can be read", text)
            self.assertEqual(state(cluster), before)
            dump = cairn(cluster, "edits", "dump", "--from", str(txid), path, check=False)
            self.assertEqual(dump.returncode, 1)
            self.assertEqual(len(dump.stdout.splitlines()), 1 + 4)

            text = restore(cluster, "--yes", what="-recover")
            aside = re.search(r"lies in (\S+?);", text).group(1)
            self.assertTrue(os.path.exists(os.path.join(aside, "journal", os.path.basename(path))))
            cluster.start("namenode")
            self.assertEqual(len(names(cluster)), 1 + 20 - 5)
            make_directories(cluster, range(100, 102))
            cluster.kill("namenode")
            self.assertIn("nothing is damaged", restore(cluster, what="-recover"))
            cluster.start("namenode")
            self.assertEqual(len(names(cluster)), 1 + 20 - 5 + 2)

    def test_replicas_of_dropped_files_wait_until_the_restore_is_final(self):
        """a restore to the wrong moment costs nothing: going back finds the file whole"""
        conf = {"dfs.heartbeat.interval": "1s"}
        with MiniCluster(datanodes=1, conf=conf) as cluster:
            cluster.put(b"kept", "/kept")
            target = str(roll(cluster) - 1)
            data = os.urandom(100000)
            cluster.put(data, "/dropped")
            both = blocks(cluster)
            self.assertEqual(len(both), 2)
            cluster.kill("namenode")
            aside = re.search(r"lies in (\S+?);", restore(cluster, "--to", target, "--yes")).group(1)
            cluster.start("namenode")
            self.assertEqual(names(cluster), ["/kept"])
            self.eventually(
                lambda: "left alone" in cluster.log("namenode"), "the replica is reported", 30
            )
            self.assertEqual(cluster.cat("/kept"), b"kept")
            self.assertEqual(blocks(cluster), both)

            cluster.kill("namenode")
            restore(cluster, "--from", aside, "--yes")
            cluster.start("namenode")
            self.eventually(lambda: cluster.cat("/dropped", check=False) == data, "it is back", 30)

            target = str(roll(cluster) - 1)
            cluster.put(b"x", "/more")
            cluster.kill("namenode")
            restore(cluster, "--to", target, "--yes")
            cluster.start("namenode")
            out = cairn(cluster, "namenode", "-finalize").stdout.decode()
            self.assertEqual(out, "Finalize upgrade successful\n")
            cluster.stop("datanode-1")
            cluster.start("datanode-1")
            self.eventually(lambda: blocks(cluster) == both, "the dropped replica goes", 30)


class LookInside(Case):
    def test_edits_of_a_running_namenode(self):
        with MiniCluster(datanodes=0) as cluster:
            make_directories(cluster, range(10))
            dump = cairn(cluster, "edits", "dump", cluster.data("namenode"))
            edits = [json.loads(line) for line in dump.stdout.splitlines()]
            self.assertEqual([edit["txid"] for edit in edits], list(range(1, len(edits) + 1)))
            made = [edit for edit in edits if edit["kind"] == "make_directories"]
            self.assertEqual(len(made), 10)
            self.assertEqual(made[-1]["fields"]["directories"][0]["name"], "000009")
            some = cairn(cluster, "edits", "dump", "--from", "3", "--to", "5", cluster.data("namenode"))
            self.assertEqual(len(some.stdout.splitlines()), 3)

    def test_an_image_is_what_a_client_lists(self):
        with MiniCluster(datanodes=1) as cluster:
            make_directories(cluster, range(10))
            cluster.put(b"hello", "/d/file")
            admin(cluster, "-saveNamespace")
            newest = checkpoints(cluster)[-1]
            before = tree_hash(os.path.join(cluster.data("namenode"), "checkpoints"))
            export = cairn(cluster, "image", "export", cluster.data("namenode"))
            self.assertIn(f"as of edit {newest}".encode(), export.stderr)
            inodes = [json.loads(line) for line in export.stdout.splitlines()]
            self.assertEqual([inode["path"] for inode in inodes], ["/"] + names(cluster))
            file = inodes[-1]
            self.assertEqual((file["type"], file["length"], file["mode"]), ("file", 5, "0644"))
            self.assertEqual(file["blocks"][0]["length"], 5)
            text = cairn(cluster, "image", "export", "--format", "csv", cluster.data("namenode"))
            rows = list(csv.DictReader(io.StringIO(text.stdout.decode())))
            self.assertEqual([row["path"] for row in rows], [inode["path"] for inode in inodes])
            self.assertEqual(tree_hash(os.path.join(cluster.data("namenode"), "checkpoints")), before)

    def test_bad_usage_exits_with_2(self):
        with MiniCluster(datanodes=0, start=False) as cluster:
            for words in (["edits"], ["edits", "dump"], ["image", "export"], ["image", "import", "/"]):
                result = run([env.program("cairn"), *words], check=False)
                self.assertEqual(result.returncode, 2, words)
            cluster.close()
