#include "fuse/status_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/mount_status.h"
#include "common/version.h"

namespace cairn::fuse {
namespace {

constexpr size_t kMaxNameBytes = 2000;  // of a path that is shown

nlohmann::json Operations(const Statistics& statistics) {
  auto out = nlohmann::json::object();
  for (size_t i = 0; i < kOperations; ++i) {
    const auto operation = static_cast<Operation>(i);
    const Histogram& latency = statistics.latency(operation);
    std::vector<uint64_t> buckets;
    uint64_t calls = 0;
    for (size_t bucket = 0; bucket <= latency.upper_bounds().size(); ++bucket) {
      buckets.push_back(latency.bucket(bucket));
      calls += buckets.back();
    }
    if (calls == 0) continue;
    out[NameOf(operation)] = {
        {"calls", calls}, {"total_s", latency.sum()}, {"buckets", std::move(buckets)}};
  }
  return out;
}

}  // namespace

std::string StatusText(Mount& mount) {
  const MountSettings& settings = mount.settings();
  const OpenFiles::Counts files = mount.files().counts();
  nlohmann::json out = {
      {"version", kVersion},
      {"source", absl::StrCat(settings.uri, settings.path).substr(0, kMaxNameBytes)},
      {"uptime_s", absl::ToDoubleSeconds(mount.age())},
      {"open_files", files.open},
      {"files_open_for_writing", files.written},
      {"latency_bounds_s", LatencyBuckets()},
      {"operations", Operations(mount.statistics())},
      {"errors", nlohmann::json::object()},
  };
  if (const StageArea* const stage = mount.stage(); stage != nullptr) {
    out["stage"] = {{"directory", stage->options().directory.substr(0, kMaxNameBytes)},
                    {"used", stage->used()},
                    {"max", stage->options().bytes}};
  }
  for (const auto& [name, count] : mount.statistics().errors()) out["errors"][name] = count;
  // Paths may be no UTF-8.
  std::string text = out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  CHECK(text.size() <= sizeof(MountStatusText::text));
  return text;
}

}  // namespace cairn::fuse
