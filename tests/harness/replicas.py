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
