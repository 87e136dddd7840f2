"""How full the datanodes of a cluster are, and `cairn balancer` beside a test."""

import json
import subprocess

from harness import env


def fill(cluster):
    """{ip:port: percent of its capacity} of the live datanodes, as the namenode knows it."""
    report = json.loads(cluster.cairn("dfsadmin", "-report", "--json").stdout)
    return {
        node["datanode"]: 100 * node["used"] / node["capacity"]
        for node in report["datanodes"]["live"]
    }


def furthest(cluster):
    """Percent between the average and the one that is furthest from it."""
    used = list(fill(cluster).values())
    average = sum(used) / len(used)
    return max(abs(percent - average) for percent in used)


def start(test, cluster, *arguments):
    """Ends with the test at the latest."""
    process = subprocess.Popen(
        [*cluster.client, env.program("cairn"), "balancer", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cluster.environment(),
    )
    test.addCleanup(lambda: (process.kill(), process.communicate()))
    return process
