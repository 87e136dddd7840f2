// namenode/service/rpc/cairn_protocol_service.h - "cairn.ClientProtocol": what clients can ask that
// HDFS's protocol has no call for (proto/client.proto), on the same port.
//
// A front end like the client protocol's: it translates, and decides nothing. Calls that change
// something take effect once, as HDFS's at-most-once calls do.
// Threads: Handle from every I/O thread at once.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "namenode/namenode.h"
#include "namenode/service/rpc/operation_counters.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

class CairnProtocolService final : public rpc::RpcService {
 public:
  // Names some hundred thousand blocks.
  static constexpr size_t kMaxRequestBytes = size_t{4} << 20;

  // Both outlive this. While `upgrade_final` says false, no file is converted: a rollback would
  // find it without its former blocks. Without one there is no upgrade.
  CairnProtocolService(Namenode& namenode, OperationCounters& counters,
                       std::function<bool()> upgrade_final = nullptr)
      : namenode_(namenode), counters_(counters), upgrade_final_(std::move(upgrade_final)) {}

  absl::string_view protocol() const override { return "cairn.ClientProtocol"; }
  // kNoSuchMethod: a method of a later version. kInvalidArgument: the request does not parse, or is
  // too large. Nothing has changed then.
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  // kIo: not until the upgrade is final.
  absl::Status CheckMayConvert(absl::string_view method) const;

  Namenode& namenode_;
  OperationCounters& counters_;
  const std::function<bool()> upgrade_final_;
};

}  // namespace cairn::namenode
