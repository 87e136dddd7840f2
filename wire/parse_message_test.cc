#include "wire/parse_message.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "proto/hdfs/client_datanode.pb.h"

namespace cairn {
namespace {

int lines = 0;

void CountLine(google::protobuf::LogLevel, const char*, int, const std::string&) { ++lines; }

class ParseMessageTest : public ::testing::Test {
 protected:
  ParseMessageTest() : before_(google::protobuf::SetLogHandler(&CountLine)) { lines = 0; }
  ~ParseMessageTest() override { google::protobuf::SetLogHandler(before_); }

 private:
  google::protobuf::LogHandler* const before_;
};

TEST_F(ParseMessageTest, WhatLacksAFieldIsRefusedWithoutALine) {
  hdfs::ShutdownDatanodeRequestProto message;
  EXPECT_FALSE(ParseMessage("", &message));
  EXPECT_FALSE(ParseMessage("\xff", &message));
  hdfs::InitReplicaRecoveryRequestProto nested;
  EXPECT_FALSE(ParseMessage(absl::string_view("\x0a\x02\x08\x01", 4), &nested));
  EXPECT_EQ(lines, 0);
}

TEST_F(ParseMessageTest, WhatIsWholeIsTaken) {
  hdfs::ShutdownDatanodeRequestProto message;
  EXPECT_TRUE(ParseMessage("\x08\x01", &message));
  EXPECT_TRUE(message.forupgrade());
}

}  // namespace
}  // namespace cairn
