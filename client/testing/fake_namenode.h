// client/testing/fake_namenode.h - what the fakes of namenodes share: how a client comes to one,
// and the fields that its answers cannot do without.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/context.h"
#include "client/options.h"
#include "common/check.h"
#include "common/clock.h"
#include "google/protobuf/message_lite.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {

// Answers a method, whose request is these bytes.
using FakeNamenode = std::function<absl::Status(
    absl::string_view method, const std::string& request, google::protobuf::MessageLite& response)>;

// What a client of it is made of. At their RPC ports, all datanodes say that they know of no
// replica. `cairn_calls`: those of cairn.ClientProtocol; null: there is none.
std::shared_ptr<ClientContext> FakeContext(FakeNamenode namenode, ClientOptions options,
                                           Clock& clock, FakeNamenode cairn_calls = nullptr);

template <typename Request>
Request Parse(const std::string& bytes) {
  Request request;
  CHECK(request.ParseFromString(bytes));
  return request;
}

template <typename Response>
Response& As(google::protobuf::MessageLite& response) {
  return static_cast<Response&>(response);
}

// Of an empty file.
hdfs::HdfsFileStatusProto FakeStatus();

// What places give as datanode `node`.
std::string FakeUuid(int node);
// One more place of the block: storage "DS-<node>" of datanode `node`, at this port on loopback.
void AddPlace(int node, uint16_t port, hdfs::LocatedBlockProto& located);
// Without a place.
hdfs::LocatedBlockProto FakeLocated(const hdfs::ExtendedBlockProto& block, uint64_t offset,
                                    const std::string& token);
hdfs::TokenProto FakeToken(const std::string& identifier);

}  // namespace cairn::client
