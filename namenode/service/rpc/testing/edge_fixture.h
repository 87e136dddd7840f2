// namenode/service/rpc/testing/edge_fixture.h - the client protocol's service over a fake namenode,
// for its tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "namenode/service/rpc/client_protocol_service.h"
#include "namenode/service/rpc/testing/fake_namenode.h"
#include "namenode/service/rpc/testing/fake_reply.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::namenode {

inline constexpr char kPool[] = "BP-7-127.0.0.1-1700000000000";

class EdgeTest : public ::testing::Test {
 protected:
  struct Delayed {
    absl::Duration delay;
    std::function<void()> run;
  };

  EdgeTest() { MakeService({}); }

  void MakeService(ClientProtocolOptions options) {
    service_ = std::make_unique<ClientProtocolService>(
        namenode_,
        [this](absl::Duration delay, std::function<void()> run) {
          scheduled_.push_back({delay, std::move(run)});
        },
        std::move(options));
  }

  // Two datanodes with a disk each: storages 1 (DISK) and 2 (SSD).
  void AddDatanodes() {
    ClusterState& cluster = namenode_.cluster();
    for (uint32_t n : {1u, 2u}) {
      const std::string uuid = absl::StrCat("dn-", n);
      NodeRegistration node;
      node.uuid = uuid;
      node.address = {.ip = absl::StrCat("10.0.0.", n),
                      .host_name = absl::StrCat("host", n),
                      .transfer_port = 9866,
                      .ipc_port = 9867,
                      .http_port = 9864};
      StorageInfo storage;
      storage.uuid = absl::StrCat("DS-", n);
      storage.type = n;
      storage.capacity_bytes = 1000 * n;
      storage.used_bytes = 10 * n;
      storage.remaining_bytes = 900 * n;
      storage.blocks = n;
      node.storages = {storage};
      cluster.AddStorage(n, storage.uuid, uuid, storage.type);
      const auto session = cluster.Register(node);
      ASSERT_OK(session);
      ASSERT_OK(cluster.Heartbeat(uuid, *session, node.storages, /*transfers=*/n));
    }
  }

  FakeAnswer CallBytes(absl::string_view method, absl::string_view request) {
    FakeReply reply;
    service_->Handle({.principal = principal_,
                      .remote_ip = "10.1.2.3",
                      .has_client_id = has_client_id_,
                      .client_id = client_id_,
                      .call_id = call_id_},
                     method, request, reply);
    EXPECT_TRUE(reply.answer().given || reply.answer().deferred) << method;
    return reply.answer();
  }
  FakeAnswer Call(absl::string_view method, const google::protobuf::MessageLite& request) {
    return CallBytes(method, request.SerializePartialAsString());
  }
  // Of a call that may be answered later.
  std::unique_ptr<FakeReply> CallLater(absl::string_view method,
                                       const google::protobuf::MessageLite& request) {
    auto reply = std::make_unique<FakeReply>();
    service_->Handle({.principal = principal_, .remote_ip = "10.1.2.3", .call_id = 1}, method,
                     request.SerializeAsString(), *reply);
    return reply;
  }
  // Runs what is scheduled with `delay`, and forgets it.
  void RunScheduled(absl::Duration delay) {
    std::vector<Delayed> all;
    all.swap(scheduled_);
    for (Delayed& delayed : all) {
      if (delayed.delay == delay) {
        delayed.run();
      } else {
        scheduled_.push_back(std::move(delayed));
      }
    }
  }
  // The answer, which must be a success, parsed.
  template <typename Response>
  Response Ask(absl::string_view method, const google::protobuf::MessageLite& request) {
    return Parse<Response>(Call(method, request));
  }
  template <typename Response>
  static Response Parse(const FakeAnswer& answer) {
    EXPECT_OK(answer.status);
    Response response;
    EXPECT_TRUE(response.ParseFromString(answer.bytes));
    return response;
  }

  static void SetBlock(hdfs::ExtendedBlockProto& block, uint64_t id, uint64_t stamp,
                       uint64_t length) {
    block.set_poolid(kPool);
    block.set_blockid(id);
    block.set_generationstamp(stamp);
    block.set_numbytes(length);
  }

  static FileStatus SomeFile() {
    FileStatus status;
    status.id = InodeId{16390};
    status.mode = 0644;
    status.length = 5;
    status.mtime_ms = 1700000000001;
    status.atime_ms = 1700000000002;
    status.owner = "alice";
    status.group = "staff";
    status.replication = 3;
    status.block_bytes = 128 << 20;
    return status;
  }
  static FileStatus SomeDirectory() {
    FileStatus status = SomeFile();
    status.id = InodeId{16391};
    status.directory = true;
    status.mode = 01755;
    status.children = 7;
    return status;
  }

  const rpc::Principal principal_{.user = "alice", .real_user = ""};
  bool has_client_id_ = true;
  rpc::ClientId client_id_{'0', '1', '2', '3', '4', '5', '6', '7',
                           '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
  int32_t call_id_ = 42;
  FakeNamenode namenode_;
  std::vector<Delayed> scheduled_;
  std::unique_ptr<ClientProtocolService> service_;
};

}  // namespace cairn::namenode
