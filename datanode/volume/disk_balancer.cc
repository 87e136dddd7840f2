#include "datanode/volume/disk_balancer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/thread.h"

namespace cairn::datanode {
namespace {

constexpr size_t kCandidates = 256;  // replicas looked at for one that fits

}  // namespace

double DiskFill::percent() const {
  if (capacity_bytes == 0) return 100;
  const uint64_t free = std::min(free_bytes, capacity_bytes);
  return 100.0 * static_cast<double>(capacity_bytes - free) / static_cast<double>(capacity_bytes);
}

std::optional<DiskMove> PlanDiskMove(const std::vector<DiskFill>& volumes,
                                     double threshold_percent) {
  std::optional<DiskMove> plan;
  double widest = threshold_percent;
  for (const DiskFill& from : volumes) {
    for (const DiskFill& to : volumes) {
      const double apart = from.percent() - to.percent();
      if (from.type != to.type || apart <= widest) continue;
      widest = apart;
      // Moving b bytes brings the shares together by b/capacity on either side.
      const double bytes = apart / 100 /
                           (1.0 / static_cast<double>(from.capacity_bytes) +
                            1.0 / static_cast<double>(to.capacity_bytes));
      plan = DiskMove{.from = from.volume,
                      .to = to.volume,
                      .bytes = std::max<uint64_t>(static_cast<uint64_t>(bytes), 1)};
    }
  }
  return plan;
}

DiskBalancer::DiskBalancer(ReplicaStore& store, DiskBalancerOptions options)
    : store_(store), options_(options) {
  if (!options_.enabled) return;
  thread_ = std::thread([this] {
    SetThreadName("disk-balancer");
    Run();
  });
}

DiskBalancer::~DiskBalancer() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

DiskBalancer::Counters DiskBalancer::counters() const {
  MutexLock lock(mu_);
  return counters_;
}

bool DiskBalancer::Pause(absl::Duration duration) {
  const absl::Duration until = SystemClock().Monotonic() + duration;
  MutexLock lock(mu_);
  while (!stopping_) {
    const absl::Duration left = until - SystemClock().Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    wake_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
  }
  return false;
}

void DiskBalancer::Run() {
  const auto pace = [this](uint64_t bytes) {
    return Pause(
        absl::Seconds(static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second)));
  };
  // One round and no more: what was deleted may be given back by the file system only later.
  while (Pause(options_.check_interval)) Round(pace);
}

std::vector<DiskFill> DiskBalancer::Fills() const {
  std::vector<DiskFill> fills;
  int index = -1;
  for (const auto& volume : store_.volumes()) {
    ++index;
    if (volume->failed()) continue;
    fills.push_back({.volume = index,
                     .type = volume->type(),
                     .capacity_bytes = volume->Space().capacity_bytes,
                     .free_bytes = volume->Available()});
  }
  return fills;
}

bool DiskBalancer::Round(const std::function<bool(uint64_t bytes)>& pace) {
  const auto plan = PlanDiskMove(Fills(), options_.threshold_percent);
  if (!plan.has_value()) return false;
  const auto volume = [this](int index) {
    return store_.volumes()[static_cast<size_t>(index)]->path();
  };
  LOG_INFO("disk balancer: {} bytes from volume {} to volume {}", plan->bytes, volume(plan->from),
           volume(plan->to));
  Counters done;
  // Not to the last byte: what is written meanwhile decides the rest.
  const uint64_t wanted = plan->bytes - plan->bytes / 4;
  BlockId position{};
  while (done.bytes < wanted) {
    const ReplicaStore::Slice slice = store_.ListAfter(plan->from, position, kCandidates);
    if (slice.replicas.empty()) break;
    for (const ReplicaInfo& replica : slice.replicas) {
      position = replica.block;
      if (done.bytes >= wanted || done.bytes + replica.length > plan->bytes) continue;
      const absl::Status status = store_.Move(replica, plan->to, pace);
      if (absl::IsCancelled(status) || absl::IsUnavailable(status)) {
        position = BlockId{~uint64_t{0}};  // the end has come, or a volume has failed
        break;
      }
      if (!status.ok()) {
        LOG_WARN("disk balancer: {}", status);
        ++done.failures;
        continue;
      }
      ++done.replicas;
      done.bytes += replica.length;
    }
    if (position == BlockId{~uint64_t{0}}) break;
  }
  LOG_INFO("disk balancer: moved {} replicas, {} bytes; {} failures", done.replicas, done.bytes,
           done.failures);
  MutexLock lock(mu_);
  counters_.replicas += done.replicas;
  counters_.bytes += done.bytes;
  counters_.failures += done.failures;
  return done.replicas > 0;
}

}  // namespace cairn::datanode
