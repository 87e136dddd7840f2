// tools/policy/cluster_world.h - PolicyWorld over a real cluster.
#pragma once

#include <memory>
#include <string>

#include "client/conversion_admin.h"
#include "client/file_system.h"
#include "tools/policy/policy_runner.h"

namespace cairn::tools {

class ClusterWorld final : public PolicyWorld {
 public:
  // Both outlive this.
  ClusterWorld(client::FileSystem& fs, client::ConversionAdmin& rules) : fs_(fs), rules_(rules) {}

  absl::StatusOr<client::ConversionRules> ListRules() override { return rules_.List(); }
  std::unique_ptr<DirectoryReader> Open(const std::string& directory) override;
  std::unique_ptr<FileConverter> NewConverter(const ConvertOptions& options,
                                              FileConverter::OnFailure on_failure) override;
  absl::Time Now() override;
  void Sleep(absl::Duration pause) override;

 private:
  client::FileSystem& fs_;
  client::ConversionAdmin& rules_;
};

}  // namespace cairn::tools
