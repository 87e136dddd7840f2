// namenode/service/rpc/user_mappings_service.h - "org.apache.hadoop.tools.GetUserMappingsProtocol":
// the groups of a user as the namenode sees them, for `hdfs groups`.
//
// Thread-safe if `groups_of` is.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

// The groups of a user, the primary one first; empty for a user that nobody knows.
using GroupsOf = std::function<std::vector<std::string>(absl::string_view user)>;

class UserMappingsService final : public rpc::RpcService {
 public:
  explicit UserMappingsService(GroupsOf groups_of) : groups_of_(std::move(groups_of)) {}

  absl::string_view protocol() const override {
    return "org.apache.hadoop.tools.GetUserMappingsProtocol";
  }
  // kNoSuchMethod: unknown. kInvalidArgument: the request does not parse.
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  const GroupsOf groups_of_;
};

}  // namespace cairn::namenode
