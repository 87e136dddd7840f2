// datanode/testing/datanode_fixture.h - whole datanodes between clients on their ports and a
// namenode that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "datanode/datanode.h"
#include "datanode/testing/fake_namenode.h"
#include "datanode/testing/transfer_client.h"

namespace cairn::datanode::testing {

class DatanodeTest : public ::testing::Test {
 protected:
  DatanodeTest() { ::signal(SIGPIPE, SIG_IGN); }  // as RunDaemon does

  absl::StatusOr<std::unique_ptr<Datanode>> StartAt(const std::string& name,
                                                    FileSystem& files = PosixFileSystem()) {
    return StartOn({name}, files);
  }
  absl::StatusOr<std::unique_ptr<Datanode>> StartOn(const std::vector<std::string>& names,
                                                    FileSystem& files) {
    DatanodeOptions options;
    for (const std::string& name : names) options.volumes.push_back({.path = dir_.Path(name)});
    options.watch.hang_limit = hang_limit_;
    options.transfer.bind_address = "127.0.0.1";
    options.ipc_bind_address = "127.0.0.1";
    options.advertised_ip = "127.0.0.1";
    options.superuser = "root-of-tests";
    options.heartbeat_interval = absl::Milliseconds(20);
    options.report_interval = report_interval_;
    options.disk_threads = 4;
    options.scan = scan_;
    return Datanode::Start(files, std::move(options), namenode_, [](bool) {});
  }
  static absl::Status Write(uint16_t port, const TestBlock& block, absl::string_view data) {
    TransferClient client(port);
    client.SendOp(transfer::Opcode::kWriteBlock, WriteOp(block));
    RETURN_IF_ERROR(client.ReadReply().status());
    return client.WriteRest(0, data);
  }
  // A replica left behind by a writer that died after `data` was acknowledged.
  static void LeaveOpen(Datanode& datanode, const TestBlock& block, absl::string_view data) {
    {
      TransferClient client(datanode.transfer_port());
      client.SendOp(transfer::Opcode::kWriteBlock, WriteOp(block));
      ASSERT_OK(client.ReadReply());
      ASSERT_TRUE(client.SendPacket(0, 0, data));
      ASSERT_OK(client.ReadAck());
    }
    EVENTUALLY(!datanode.store().FindOpen(BlockId{block.id})->has_writer());
  }
  internal::Replicate::Target TargetOf(Datanode& datanode, size_t registration) {
    internal::Replicate::Target target;
    target.mutable_address()->set_ip("127.0.0.1");
    target.mutable_address()->set_transfer_port(datanode.transfer_port());
    target.mutable_address()->set_ipc_port(datanode.ipc_port());
    target.set_datanode_uuid(namenode_.registrations()[registration].datanode_uuid());
    return target;
  }

  TempDir dir_;
  FakeNamenode namenode_;
  absl::Duration report_interval_ = absl::Hours(1);
  absl::Duration hang_limit_ = absl::Minutes(1);
  ScanOptions scan_;
};

}  // namespace cairn::datanode::testing
