"""What the datanodes of a cluster have on their disks, and what cairn-flusher has written."""

import array
import collections
import hashlib
import os
import re
import sys

Replica = collections.namedtuple("Replica", "node block stamp state bytes path")


def replicas_of(cluster, *names):
    """Every replica in the directories of the datanodes `names`, of all if there are none."""
    found = []
    for name in names or cluster.datanodes:
        for directory, _, files in os.walk(cluster.data(name)):
            state = "finalized" if "/finalized" in directory else os.path.basename(directory)
            stamps = {}
            for file in files:
                meta = re.fullmatch(r"blk_(\d+)_(\d+)\.meta", file)
                if meta:
                    stamps[meta.group(1)] = int(meta.group(2))
            for file in files:
                data = re.fullmatch(r"blk_(\d+)", file)
                if data is None:
                    continue
                path = os.path.join(directory, file)
                try:
                    size = os.path.getsize(path)
                except FileNotFoundError:
                    continue  # moved on
                found.append(
                    Replica(name, int(data.group(1)), stamps.get(data.group(1)), state, size, path)
                )
    return found


def differences(cluster):
    """What is not equal among the replicas of each block: length, stamp, state, bytes."""
    blocks = collections.defaultdict(list)
    for replica in replicas_of(cluster):
        blocks[replica.block].append(replica)
    found = []
    for block, replicas in blocks.items():
        try:
            seen = {(r.stamp, r.state, r.bytes, digest(r.path)) for r in replicas}
        except FileNotFoundError:
            seen = {"one was deleted or moved"}, {}
        if len(seen) != 1 or replicas[0].state != "finalized":
            found.append((block, [(r.node, r.stamp, r.state, r.bytes) for r in replicas]))
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def words(identity, length):
    """The first `length` bytes of a cairn-flusher's file."""
    base = identity << 32
    content = array.array("Q", range(base, base + (length + 7) // 8))
    if sys.byteorder == "big":
        content.byteswap()
    return content.tobytes()[:length]
