// datanode/service/admin_service.h - "cairn.AdminProtocol" on the datanode's RPC port: what
// `cairn doctor` asks beyond HDFS's protocol (proto/admin.proto).
#pragma once

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "wire/rpc/service.h"

namespace cairn::datanode {

class AdminService final : public rpc::RpcService {
 public:
  // `superuser`: who is told of file descriptors, whose count takes as long as they are many.
  AdminService(Clock& clock, std::string version, std::string superuser)
      : clock_(clock),
        version_(std::move(version)),
        superuser_(std::move(superuser)),
        started_(clock.Now()) {}

  absl::string_view protocol() const override { return "cairn.AdminProtocol"; }
  void Handle(const rpc::CallInfo& call, absl::string_view method, absl::string_view request,
              rpc::RpcReply& reply) override;

 private:
  Clock& clock_;
  const std::string version_, superuser_;
  const absl::Time started_;
};

}  // namespace cairn::datanode
