<<<<<<< HEAD
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
=======
"""The replica files of a cluster's datanodes, looked at from outside."""

import os
import re

_DATA = re.compile(r"^blk_(\d+)$")
_META = re.compile(r"^blk_(\d+)_(\d+)\.meta$")


class Replica:
    def __init__(self, datanode, block, stamp, data, meta):
        self.datanode = datanode
        self.block = block
        self.stamp = stamp
        self.data = data
        self.meta = meta

    def __repr__(self):
        return f"blk_{self.block}_{self.stamp} on {self.datanode}"


def finalized(cluster, datanode):
    """The finalized replicas of one datanode, by block id. Files that go meanwhile are left out."""
    found = {}
    for directory, _, names in os.walk(cluster.data(datanode)):
        if f"{os.sep}finalized{os.sep}" not in directory + os.sep:
            continue
        stamps = {}
        for name in names:
            if match := _META.match(name):
                stamps[match.group(1)] = (match.group(2), os.path.join(directory, name))
        for name in names:
            match = _DATA.match(name)
            if match and match.group(1) in stamps:
                stamp, meta = stamps[match.group(1)]
                block = int(match.group(1))
                data = os.path.join(directory, name)
                found[block] = Replica(datanode, block, int(stamp), data, meta)
    return found


def survey(cluster, copies):
    """(replicas looked at, [what is not as it should be]): of each block at least so many replicas,
    all of one stamp, with the same bytes and the same checksums."""
    versions = {}
    for datanode in cluster.datanodes:
        for replica in finalized(cluster, datanode).values():
            try:
                with open(replica.data, "rb") as data, open(replica.meta, "rb") as meta:
                    digest = hash(data.read()), hash(meta.read())
            except FileNotFoundError:  # deleted meanwhile
                continue
            versions.setdefault(replica.block, []).append((replica, digest))
    wrong = []
    for block, found in versions.items():
        where = ", ".join(str(replica) for replica, _ in found)
        if len({(replica.stamp, digest) for replica, digest in found}) > 1:
            wrong.append(f"replicas of blk_{block} differ: {where}")
        elif len(found) < copies:
            wrong.append(f"too few replicas of blk_{block}: {where}")
    return sum(len(found) for found in versions.values()), wrong
>>>>>>> thrash
