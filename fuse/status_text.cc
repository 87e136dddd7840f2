#include "fuse/status_text.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/mount_status.h"
#include "common/version.h"

namespace cairn::fuse {
namespace {

constexpr size_t kMaxTextBytes = sizeof(MountStatusText::text);
constexpr size_t kMaxShownBytes = 2000;  // of a path that is shown, as JSON has it

// What of `name` fits, with what takes the place of bytes that JSON cannot have.
std::string Shown(absl::string_view name) {
  size_t shown = 0;
  size_t taken = 0;
  while (shown < name.size()) {
    const auto byte = static_cast<unsigned char>(name[shown]);
    constexpr size_t kEscaped = 6;      // \u0001
    constexpr size_t kReplacement = 3;  // of a byte that is no UTF-8
    if (byte < ' ') {
      taken += kEscaped;
    } else if (byte == '"' || byte == '\\') {
      taken += 2;
    } else {
      taken += byte < 0x80 ? 1 : kReplacement;
    }
    if (taken > kMaxShownBytes) break;
    ++shown;
  }
  return std::string(name.substr(0, shown));
}

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

// Paths may be no UTF-8.
std::string Dumped(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

MountStatus StatusOf(Mount& mount) {
  const MountSettings& settings = mount.settings();
  MountStatus status = {.source = absl::StrCat(settings.uri, settings.path),
                        .age = mount.age(),
                        .files = mount.files().counts(),
                        .rpc_retries = settings.client.rpc_retries->load()};
  if (const StageArea* const stage = mount.stage(); stage != nullptr) {
    status.stage = {.directory = stage->options().directory,
                    .used = stage->used(),
                    .max = stage->options().bytes};
  }
  return status;
}

std::string StatusText(const MountStatus& status, const Statistics& statistics) {
  nlohmann::json out = {
      {"version", kVersion},
      {"source", Shown(status.source)},
      {"uptime_s", absl::ToDoubleSeconds(status.age)},
      {"open_files", status.files.open},
      {"files_open_for_writing", status.files.written},
      {"rpc_retries", status.rpc_retries},
      {"latency_bounds_s", LatencyBuckets()},
      {"operations", Operations(statistics)},
      {"errors", nlohmann::json::object()},
  };
  if (status.stage.has_value()) {
    out["stage"] = {{"directory", Shown(status.stage->directory)},
                    {"used", status.stage->used},
                    {"max", status.stage->max}};
  }
  for (const auto& [name, count] : statistics.errors()) out["errors"][name] = count;
  std::string text = Dumped(out);
  if (text.size() <= kMaxTextBytes) return text;
  out["source"] = "";
  if (status.stage.has_value()) out["stage"]["directory"] = "";
  text = Dumped(out);
  if (text.size() <= kMaxTextBytes) return text;
  out["operations"] = nlohmann::json::object();
  text = Dumped(out);
  return text.size() <= kMaxTextBytes ? text : "{}";
}

}  // namespace cairn::fuse
