"""The faults that the thrasher draws from.

Each is a function of the Thrasher: it strikes, notes in `thrasher.away` what is to be brought back and
how, and returns what it did in a few words. Those in LOSING take bytes for good; they strike only
while every block has all its replicas, and hit one datanode.
"""

import os
import shutil

from harness import coded, replicas

MOST_ROTTEN = 8  # replicas damaged at a time
MOST_AWAY = coded.PARITY  # datanodes at a time; a block has a replica more, a group can do without two


def _up(thrasher):
    return [name for name in thrasher.cluster.datanodes if name not in thrasher.away]


def _pick_datanode(thrasher):
    """A datanode that may be taken away, or None: then all that is acknowledged would not be left."""
    up = _up(thrasher)
    away = len(thrasher.cluster.datanodes) - len(up)
    return thrasher.random.choice(up) if away < MOST_AWAY else None


def kill_datanode(thrasher):
    name = _pick_datanode(thrasher)
    if name is None:
        return None
    thrasher.cluster.kill_now(name)
    thrasher.away[name] = "start"
    return f"kill -9 {name}"


def stop_datanode(thrasher):
    name = _pick_datanode(thrasher)
    if name is None:
        return None
    thrasher.cluster.stop(name)
    thrasher.away[name] = "start"
    return f"SIGTERM {name}"


def pause_datanode(thrasher):
    name = _pick_datanode(thrasher)
    if name is None:
        return None
    thrasher.cluster.pause(name)
    thrasher.away[name] = "resume"
    return f"SIGSTOP {name}"


def bounce_datanode(thrasher):
    """Gone and back at once: its connections break, its replicas being written wait for recovery."""
    name = thrasher.random.choice(_up(thrasher))
    thrasher.cluster.kill_now(name)
    thrasher.start(name)
    return f"kill -9 and start {name}"


def kill_namenode(thrasher):
    if "namenode" in thrasher.away:
        return None
    thrasher.cluster.kill_now("namenode")
    thrasher.away["namenode"] = "start"
    return "kill -9 namenode"


def stop_namenode(thrasher):
    if "namenode" in thrasher.away:
        return None
    thrasher.cluster.stop("namenode")
    thrasher.away["namenode"] = "start"
    return "SIGTERM namenode"


def pause_namenode(thrasher):
    if "namenode" in thrasher.away:
        return None
    thrasher.cluster.pause("namenode")
    thrasher.away["namenode"] = "resume"
    return "SIGSTOP namenode"


def bounce_all(thrasher):
    if thrasher.away:
        return None
    for name in thrasher.cluster.names:
        thrasher.cluster.kill_now(name)
    for name in thrasher.cluster.names:
        thrasher.start(name)
    return "kill -9 and start everything"


def _flip(path, random, offset=None):
    size = os.path.getsize(path)
    if size == 0:
        return
    with open(path, "r+b") as file:
        at = random.randrange(size) if offset is None else offset
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << random.randrange(8)]))


def _zero(path):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.write(bytes(size))


def rot(thrasher):
    """Some finalized replicas of one datanode are damaged under it, each in its own way."""
    random = thrasher.random
    name = random.choice(_up(thrasher))
    found = [r for r in replicas.replicas_of(thrasher.cluster, name) if r.state == "finalized"]
    found.sort(key=lambda replica: replica.block)
    if not found:
        return None
    done = []
    for victim in random.sample(found, min(len(found), random.randint(1, MOST_ROTTEN))):
        how = random.choice(["flip", "flip", "cut", "grow", "zero", "delete", "meta", "no meta"])
        try:
            size = os.path.getsize(victim.path)
            if how == "flip":
                _flip(victim.path, random)
            elif how == "cut":
                os.truncate(victim.path, random.randrange(size) if size else 0)
            elif how == "grow":
                os.truncate(victim.path, size + random.randint(1, 5000))
            elif how == "zero":
                _zero(victim.path)
            elif how == "delete":
                os.remove(victim.path)
            elif how == "meta":
                # A checksum, not the spare bits of the header.
                if os.path.getsize(replicas.meta_path(victim)) > 7:
                    _flip(replicas.meta_path(victim), random, random.randrange(7, os.path.getsize(replicas.meta_path(victim))))
            else:
                os.remove(replicas.meta_path(victim))
        except FileNotFoundError:  # deleted by its datanode meanwhile
            continue
        done.append(f"{how} blk_{victim.block}")
    return f"rot on {name}: {', '.join(done)}"


def wipe(thrasher):
    """One datanode loses its disk and comes back with an empty one."""
    name = thrasher.random.choice(_up(thrasher))
    thrasher.cluster.kill_now(name)
    shutil.rmtree(thrasher.cluster.data(name))
    os.makedirs(thrasher.cluster.data(name))
    thrasher.start(name)
    return f"wipe {name}"


# (how often, fault)
PASSING = [
    (4, kill_datanode),
    (2, stop_datanode),
    (4, pause_datanode),
    (3, bounce_datanode),
    (3, kill_namenode),
    (1, stop_namenode),
    (2, pause_namenode),
    (1, bounce_all),
]
LOSING = [(2, rot), (1, wipe)]


def draw(random, faults):
    return random.choices([fault for _, fault in faults], [weight for weight, _ in faults])[0]
