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


def differences(cluster):
    """(replicas compared, [what differs]): replicas of one version of a block have the same bytes."""
    versions = {}
    compared = 0
    differing = []
    for datanode in cluster.datanodes:
        for replica in finalized(cluster, datanode).values():
            try:
                with open(replica.data, "rb") as file:
                    data = file.read()
            except FileNotFoundError:  # deleted meanwhile
                continue
            compared += 1
            other, first = versions.setdefault((replica.block, replica.stamp), (replica, hash(data)))
            if first != hash(data):
                differing.append(f"{replica} and on {other.datanode} differ")
    return compared, differing
