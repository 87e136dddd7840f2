// What reaches the port and is no operation.
#include "datanode/pipeline/transfer_server.h"

#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using testing::Pattern;
using testing::TestNode;
using testing::TransferClient;
using testing::TransferTest;
using testing::WriteOp;
using transfer::Opcode;

TEST_F(TransferTest, GarbageEndsItsOwnConnectionOnly) {
  TestNode node(dir_.Path("n1"));
  const std::string kinds[] = {"GET / HTTP/1.1\r\n\r\n", std::string("\x00\x1c\xff\x01\x00", 5),
                               std::string("\x00\x1c\x50\xff\xff\xff\xff\xff\xff", 9),
                               std::string("\x00\x1c\x51\x03\xff\xff\xff", 7),
                               std::string("\xde\xad\xbe\xef\x00", 5)};
  for (const std::string& garbage : kinds) {
    TransferClient client(node.port());
    client.Send(garbage);
    EXPECT_TRUE(client.AtEnd());
  }
  TransferClient client(node.port());
  SetUp(client, WriteOp({}));
  client.Send(Pattern(100));  // in place of a packet
  EXPECT_TRUE(client.AtEnd());
  EXPECT_OK(Write({&node}, {.id = 77}, Pattern(10)));
}

TEST_F(TransferTest, APeerThatDripsIsCutOff) {
  TransferOptions options;
  options.header_limit = absl::Milliseconds(300);
  TestNode node(dir_.Path("n1"), options);
  TransferClient silent(node.port());
  TransferClient dripping(node.port());
  const std::string op = transfer::EncodeOp(Opcode::kWriteBlock, WriteOp({}));
  for (const char byte : op.substr(0, op.size() - 1)) {
    if (!dripping.Send(std::string(1, byte))) break;
  }
  EXPECT_TRUE(dripping.AtEnd());
  EXPECT_TRUE(silent.AtEnd());
  EVENTUALLY(node.server->transfers() == 0);
}

}  // namespace
}  // namespace cairn::datanode
