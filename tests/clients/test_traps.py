"""What the protocol asks byte for byte. The numbers are those of tests/traps.md."""

import struct

from harness import rpc
from harness.case import Case
from harness.cluster import MiniCluster


class Traps(Case):
    def setUp(self):
        self.cluster = MiniCluster(datanodes=0)
        self.addCleanup(self.cluster.close)

    def answer(self, connection, method, message):
        """The header's fields, and all bytes that follow it."""
        connection.send(method, message)
        body = connection.read(struct.unpack(">I", connection.read(4))[0])
        length, at = rpc.read_varint(body, 0)
        return rpc.parse(body[at : at + length]), body[at + length :]

    def test_trap_4_what_follows_the_header_of_an_answer(self):
        """An empty message is one byte, its length; after an error there is nothing."""
        with rpc.Connection(self.cluster.port) as connection:
            header, rest = self.answer(connection, "renewLease", rpc.field(1, "somebody"))
            self.assertEqual((header[2], rest), ([0], b"\0"))
            header, rest = self.answer(connection, "setPermission", rpc.field(1, "/nothing"))
            self.assertNotEqual(header[2], [0])
            self.assertEqual(rest, b"")
            header, rest = self.answer(connection, "noSuchMethod", b"")
            self.assertNotEqual(header[2], [0])
            self.assertEqual(rest, b"")
            header, rest = self.answer(connection, "getFileInfo", rpc.get_file_info("/nothing"))
            self.assertEqual((header[2], rest), ([0], b"\0"), "absent, not an error (trap 7)")
