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
                meta = re.fullmatch(r"blk_(-?\d+)_(\d+)\.meta", file)
                if meta:
                    # A second one is of an earlier replica: the datanode goes by the newest.
                    stamps[meta.group(1)] = max(stamps.get(meta.group(1), 0), int(meta.group(2)))
            for file in files:
                data = re.fullmatch(r"blk_(-?\d+)", file)
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


def survey(cluster, copies):
    """(replicas looked at, [what is not as it should be]): of each finalized block at least so many
    replicas, all of one stamp, with the same bytes and the same checksums."""
    blocks = collections.defaultdict(list)
    for replica in replicas_of(cluster):
        if replica.state != "finalized":
            continue
        try:
            with open(replica.path, "rb") as data, open(meta_path(replica), "rb") as meta:
                digest = hash(data.read()), hash(meta.read())
        except FileNotFoundError:  # deleted meanwhile, or one of the two is missing
            continue
        blocks[replica.block].append((replica, digest))
    wrong = []
    for block, found in blocks.items():
        where = ", ".join(f"stamp {replica.stamp} on {replica.node}" for replica, _ in found)
        if len({(replica.stamp, digest) for replica, digest in found}) > 1:
            wrong.append(f"replicas of blk_{block} differ: {where}")
        elif len(found) < copies:
            wrong.append(f"too few replicas of blk_{block}: {where}")
    return sum(len(found) for found in blocks.values()), wrong


def meta_path(replica):
    return f"{replica.path}_{replica.stamp}.meta"
