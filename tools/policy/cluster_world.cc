#include "tools/policy/cluster_world.h"

#include <utility>

#include "absl/time/clock.h"
#include "tools/ec/converter.h"

namespace cairn::tools {
namespace {

class ListedDirectory final : public DirectoryReader {
 public:
  explicit ListedDirectory(client::DirectoryIterator entries) : entries_(std::move(entries)) {}
  absl::StatusOr<std::optional<client::FileStatus>> Next() override { return entries_.Next(); }
  bool asks_server_next() const override { return entries_.asks_server_next(); }

 private:
  client::DirectoryIterator entries_;
};

}  // namespace

std::unique_ptr<DirectoryReader> ClusterWorld::Open(const std::string& directory) {
  return std::make_unique<ListedDirectory>(fs_.List(directory));
}

std::unique_ptr<FileConverter> ClusterWorld::NewConverter(const ConvertOptions& options,
                                                          FileConverter::OnFailure on_failure) {
  return std::make_unique<Converter>(fs_, options, std::move(on_failure));
}

absl::Time ClusterWorld::Now() { return absl::Now(); }
void ClusterWorld::Sleep(absl::Duration pause) { absl::SleepFor(pause); }

}  // namespace cairn::tools
