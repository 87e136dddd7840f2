"""How the daemons start and stop: configuration, pid and port files, signals, time."""

import os
import signal
import socket
import subprocess
import threading
import time

from harness import env, rpc
from harness.case import Case
from harness.cluster import MiniCluster, run
from harness.load import Load


class Configuration(Case):
    def refused(self, program, *arguments, conf=None):
        options = ["--conf", conf] if conf else []
        result = run([env.program(program), *options, *arguments], check=False, timeout=30)
        self.assertNotEqual(result.returncode, 0, "should not have started")
        return (result.stdout + result.stderr).decode(errors="replace")

    def write(self, text):
        conf = env.new_directory("conf")
        with open(os.path.join(conf, "hdfs-site.xml"), "w") as file:
            file.write(text)
        return conf, os.path.join(conf, "hdfs-site.xml")

    def property(self, name, value):
        return self.write(
            f"<configuration><property><name>{name}</name><value>{value}</value></property>"
            "</configuration>"
        )

    def test_an_unknown_key_of_ours_names_file_and_key(self):
        for program, key in (
            ("cairn-namenode", "cairn.namenode.jornal.keep"),
            ("cairn-datanode", "cairn.datanode.sync.on.finalise"),
        ):
            conf, path = self.property(key, "1")
            text = self.refused(program, conf=conf)
            self.assertIn(path, text)
            self.assertIn(key, text)

    def test_a_bad_value_names_file_and_key(self):
        for program, key, value in (
            ("cairn-namenode", "dfs.blocksize", "many"),
            ("cairn-namenode", "dfs.replication", "0"),
            ("cairn-namenode", "dfs.heartbeat.interval", "3 parsecs"),
            ("cairn-datanode", "dfs.datanode.du.reserved", "-1q"),
            ("cairn-namenode", "cairn.log.level", "loud"),
            ("cairn-namenode", "cairn.log.file", "/dev/null/log"),
            ("cairn-namenode", "fs.defaultFS", "file:///"),
            ("cairn-namenode", "dfs.namenode.rpc-address", "nn:port"),
            ("cairn-namenode", "fs.defaultFS", "hdfs://no-such-host.invalid:8020"),
            ("cairn-namenode", "fs.defaultFS", "no-such-host.invalid:8020"),
            ("cairn-namenode", "dfs.namenode.rpc-address", "no-such-host.invalid"),
            ("cairn-namenode", "dfs.namenode.rpc-bind-host", "no-such-host.invalid"),
            ("cairn-namenode", "cairn.namenode.internal.address", "no-such-host.invalid:1"),
            ("cairn-namenode", "dfs.namenode.name.dir", "relative/path"),
            ("cairn-namenode", "dfs.namenode.name.dir", "/one,/two"),
            ("cairn-namenode", "cairn.namenode.journal.segment.size", "20000001"),
            ("cairn-namenode", "net.topology.table.file.name", "/no/such/table"),
            ("cairn-namenode", "net.topology.script.file.name", "/no/such/script"),
            ("cairn-namenode", "net.topology.node.switch.mapping.impl", "org.example.Mapping"),
            ("cairn-namenode", "dfs.hosts", "/no/such/hosts"),
            ("cairn-namenode", "dfs.hosts.exclude", "/no/such/hosts"),
            ("cairn-namenode", "dfs.namenode.hosts.provider.classname", "org.example.Hosts"),
            ("cairn-namenode", "hadoop.user.group.static.mapping.overrides", "a=b=c"),
            ("cairn-datanode", "cairn.log.level", "loud"),
            ("cairn-datanode", "dfs.datanode.data.dir", "[TAPE]/data"),
            ("cairn-datanode", "dfs.datanode.data.dir", "relative/path"),
            ("cairn-datanode", "dfs.datanode.address", "9866"),
            ("cairn-datanode", "dfs.datanode.ipc.address", "no-such-host.invalid:0"),
            ("cairn-datanode", "cairn.namenode.internal.address", "namenode"),
            ("cairn-datanode", "cairn.datanode.advertised.ip", "a.name"),
        ):
            conf, path = self.property(key, value)
            text = self.refused(program, conf=conf)
            self.assertIn(path, text)
            self.assertIn(key, text)
            self.assertIn(value, text)

    def test_a_default_policy_that_the_cluster_does_not_have_stops_the_namenode(self):
        conf, path = self.property("dfs.namenode.ec.system.default.policy", "RS-6-3")
        options = [
            "-D", f"dfs.namenode.name.dir={env.new_directory('name')}/dir",
            "-D", "dfs.namenode.rpc-address=localhost:0",
            "-D", "cairn.namenode.internal.address=localhost:0",
        ]  # fmt: skip
        run([env.program("cairn-namenode"), "-format", *options], timeout=60)
        offered = ("-D", "cairn.namenode.erasure.coding=true")
        text = self.refused("cairn-namenode", *options, *offered, conf=conf)
        self.assertIn(path, text)
        self.assertIn("dfs.namenode.ec.system.default.policy", text)
        self.assertIn("RS-6-3", text)

    def test_without_a_default_policy_one_has_to_be_named(self):
        conf = {
            "cairn.namenode.erasure.coding": "true",
            "dfs.namenode.ec.system.default.policy": "",
        }
        with MiniCluster(datanodes=1, conf=conf) as cluster:
            result = cluster.cairn("ec", "-setPolicy", "-path", "/")
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(b"no erasure coding policy is named", result.stderr)

    def test_a_key_that_no_program_knows_stops_the_tools_too(self):
        for key in ("cairn.journal.keep", "cairn.store.cache", "cairn.mini.datanodes", "cairn.cluster.id"):
            conf, path = self.property(key, "1")
            result = run(
                [env.program("cairn"), "dfs", "-conf", conf, "-ls", "/"], check=False, timeout=30
            )
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(path.encode(), result.stderr)
            self.assertIn(key.encode(), result.stderr)

    def test_the_namenode_is_found_under_its_host_name(self):
        """As fs.defaultFS has it in every cluster that is not on one machine."""
        name = socket.gethostname()
        try:
            socket.gethostbyname(name)
        except OSError:
            self.skipTest(f"{name} cannot be resolved")
        directory = env.new_directory("name")
        ports = os.path.join(directory, "ports")
        options = [
            "-D", f"dfs.namenode.name.dir={directory}/dir",
            "-D", f"fs.defaultFS=hdfs://{name}:0",
            "-D", "cairn.namenode.internal.address=localhost:0",
        ]  # fmt: skip
        run([env.program("cairn-namenode"), "-format", *options], timeout=60)
        command = [env.program("cairn-namenode"), *options, "--port-file", ports]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            try:
                self.eventually(lambda: os.path.exists(ports), "the namenode serves")
                with open(ports) as file:
                    facts = dict(line.strip().split("=", 1) for line in file)
                self.assertEqual(facts["uri"], f"hdfs://{name}:{facts['rpc']}")
                result = run(
                    [env.program("cairn"), "dfs", "-fs", facts["uri"], "-mkdir", "/d"],
                    check=False,
                    timeout=60,
                )
                self.assertEqual(result.returncode, 0, result.stderr)
            finally:
                child.terminate()
            self.assertEqual(child.wait(30), 0)

    def test_bad_xml_names_the_file(self):
        conf, path = self.write("<configuration><property><name>x</name>")
        for program in ("cairn-namenode", "cairn-datanode"):
            self.assertIn(path, self.refused(program, conf=conf))
        result = run(
            [env.program("cairn"), "dfs", "-conf", conf, "-ls", "/"], check=False, timeout=30
        )
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(path.encode(), result.stderr)

    def test_a_missing_configuration_directory_is_named(self):
        text = self.refused("cairn-namenode", conf="/no/such/directory")
        self.assertIn("/no/such/directory", text)

    def test_a_port_in_use_is_named(self):
        with MiniCluster(datanodes=0) as cluster:
            other = MiniCluster(datanodes=0, start=False)
            self.addCleanup(other.close)
            other.port = cluster.port
            result = other.mini("--datanodes", "0", "--port", str(cluster.port), "--detach", check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(str(cluster.port), result.stderr.decode())

    def test_a_datanodes_port_in_use_is_named(self):
        with socket.socket() as taken, MiniCluster(datanodes=1) as cluster:
            command = cluster.command("datanode-1")
            cluster.kill("datanode-1")
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for key in ("dfs.datanode.address", "dfs.datanode.ipc.address"):
                result = run(
                    [*command, "-D", f"{key}=127.0.0.1:{port}"], check=False, timeout=30
                )
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(f"{port}", (result.stdout + result.stderr).decode())


class Life(Case):
    def test_pid_and_port_files_tell_the_truth(self):
        with MiniCluster(datanodes=1) as cluster:
            for name in cluster.names:
                child = cluster.spawn(name)
                self.assertEqual(cluster.pid(name), child.pid)
            ports = cluster.ports("namenode")
            self.assertEqual(ports["rpc"], str(cluster.port))
            for name in cluster.names:
                child = cluster.children[name]
                self.assertTrue(cluster.ports(name))
                child.send_signal(signal.SIGTERM)
                self.assertEqual(child.wait(30), 0, cluster.tail(name))
                self.assertFalse(os.path.exists(cluster.ports_file(name)))

    def test_sigterm_under_load_ends_with_0_and_loses_nothing(self):
        """fault 44: each daemon in turn; no operation fails"""
        with MiniCluster(datanodes=4) as cluster:
            for name in cluster.names:
                cluster.spawn(name)
            load = Load(cluster, writers=3, data_writers=3, seed=44, patience_ms=60000)
            self.addCleanup(load.close)
            load.run()
            for name in cluster.names:
                time.sleep(0.5)
                child = cluster.children[name]
                command = cluster.command(name)
                began = time.monotonic()
                child.send_signal(signal.SIGTERM)
                self.assertEqual(child.wait(40), 0, cluster.tail(name))
                took = time.monotonic() - began
                cluster.spawn(name, command)
                self.note(f"{name} stopped in {took:.2f} s")
                self.eventually(lambda: cluster.live_datanodes() == 4, "all datanodes back")
            time.sleep(0.5)
            load.pause()
            load.check_all()
            self.note(load.summary())
            self.assertEqual(load.stats()["unclear"], {})

    def test_an_idle_daemon_stops_at_once(self):
        with MiniCluster(datanodes=1) as cluster:
            cluster.put(b"x", "/x")
            for name in reversed(cluster.names):
                child = cluster.spawn(name)
                began = time.monotonic()
                child.send_signal(signal.SIGTERM)
                self.assertEqual(child.wait(30), 0, cluster.tail(name))
                took = time.monotonic() - began
                self.note(f"{name} stopped in {took:.2f} s")
                self.assertLess(took, 5 * env.SLOW)

    def test_a_restart_takes_about_a_second(self):
        """Not a benchmark: only that a restart does not grow with the namespace."""
        with MiniCluster(datanodes=0) as cluster:
            count = 1_000_000 if env.LONG else 50_000

            def fill(part):
                with rpc.Connection(cluster.port) as connection:
                    for start in range(0, count // 4, 200):
                        for number in range(start, start + 200):
                            connection.send("mkdirs", rpc.mkdirs(f"/d{part}/{start // 10000}/{number}"))
                        for _ in range(200):
                            connection.receive()

            threads = [threading.Thread(target=fill, args=(part,)) for part in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            cluster.kill("namenode")
            began = time.monotonic()
            cluster.start("namenode")
            with rpc.Connection(cluster.port) as connection:
                connection.call("getFileInfo", rpc.get_file_info("/d3/0/7"))
            killed = time.monotonic() - began
            cluster.stop("namenode")
            began = time.monotonic()
            cluster.start("namenode")
            with rpc.Connection(cluster.port) as connection:
                connection.call("getFileInfo", rpc.get_file_info("/d3/0/7"))
            stopped = time.monotonic() - began
            self.note(
                f"{count} directories: first read {killed:.2f} s after a start that follows kill -9, "
                f"{stopped:.2f} s after one that follows SIGTERM"
            )
            self.assertLess(killed, 10 * env.SLOW)
            self.assertLess(stopped, 5 * env.SLOW)
