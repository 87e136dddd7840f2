// What reaches the port and is no operation.
#include "datanode/pipeline/transfer_server.h"

#include <new>

#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "datanode/testing/transfer_test.h"

namespace cairn::datanode {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Pattern;
using testing::SilentNode;
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

TEST_F(TransferTest, AConnectionBeyondTheMostIsClosedUntilAnotherGoes) {
  TransferOptions options;
  options.max_transfers = 2;
  TestNode node(dir_.Path("n1"), options);
  TransferClient writer(node.port());
  {
    TransferClient idle(node.port());
    EVENTUALLY(node.server->transfers() == 2);
    EXPECT_TRUE(TransferClient(node.port()).AtEnd());
    SetUp(writer, WriteOp({}));
    ASSERT_OK(writer.WriteRest(0, Pattern(1000)));
  }
  EVENTUALLY(node.server->transfers() < 2);
  EXPECT_OK(Write({&node}, {.id = 77}, Pattern(10)));
}

// The server's end waits for all transfers.
TEST_F(TransferTest, ATransferThatThrowsIsOver) {
  TestNode node(dir_.Path("n1"));
  for (int i = 0; i < 3; ++i) {
    node.server->Run([]() -> awaitable<void> {
      throw std::bad_alloc();
      co_return;
    });
  }
  EVENTUALLY(node.server->transfers() == 0);
}

// What is not looked at may be there.
TEST_F(TransferTest, AnOperationWithManyUnknownFieldsIsUnderstood) {
  TestNode node(dir_.Path("n1"));
  auto op = WriteOp({});
  auto* const unknown = op.GetReflection()->MutableUnknownFields(&op);
  for (int i = 0; i < 10'000; ++i) unknown->AddVarint(7000, 1);
  TransferClient client(node.port());
  SetUp(client, op);
  ASSERT_OK(client.WriteRest(0, Pattern(1000)));
  EXPECT_THAT(Read(node, {}, 0, 1000), IsOkAndHolds(Pattern(1000)));
}

TEST_F(TransferTest, WhatIsNotUnderstoodIsNotPassedOn) {
  TestNode node(dir_.Path("n1"));
  SilentNode next(/*replies=*/true);
  auto op = WriteOp({}, {next.port()});
  op.mutable_header()->set_clientname("the-client");
  op.GetReflection()->MutableUnknownFields(&op)->AddLengthDelimited(7000)->assign("unknown");
  TransferClient client(node.port());
  SetUp(client, op);
  EXPECT_THAT(next.Received(), AllOf(HasSubstr("the-client"), Not(HasSubstr("unknown"))));
}

TEST_F(TransferTest, AnOperationThatIsTooLongEndsItsConnection) {
  TestNode node(dir_.Path("n1"));
  auto op = WriteOp({});
  op.mutable_header()->set_clientname(std::string(transfer::kMaxOpBytes, 'x'));
  TransferClient client(node.port());
  client.SendOp(Opcode::kWriteBlock, op);
  EXPECT_TRUE(client.AtEnd());
}

}  // namespace
}  // namespace cairn::datanode
