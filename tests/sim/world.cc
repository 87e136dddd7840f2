#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace cairn::sim {

void World::After(absl::Duration delay, std::function<void()> event) {
  queue_.push_back({now_ + std::max(delay, absl::ZeroDuration()), numbers_++, std::move(event)});
  std::push_heap(queue_.begin(), queue_.end());
}

bool World::RunUntil(absl::Duration time) {
  while (failure_.empty() && !queue_.empty() && queue_.front().time <= time) {
    std::pop_heap(queue_.begin(), queue_.end());
    const Event event = std::move(queue_.back());
    queue_.pop_back();
    clock_.Advance(event.time - now_);
    now_ = event.time;
    ++events_;
    event.run();
  }
  if (!failure_.empty()) return false;
  clock_.Advance(time - now_);
  now_ = time;
  return true;
}

absl::Duration World::Between(absl::Duration least, absl::Duration most) {
  const auto span = static_cast<uint64_t>(absl::ToInt64Microseconds(most - least));
  return least + absl::Microseconds(Random(span + 1));
}

void World::Fail(std::string what) {
  if (!failure_.empty()) return;
  failure_ = std::move(what);
  Trace("FAILED: %s", failure_);
}

void World::TraceText(const std::string& text) {
  const std::string line = absl::StrFormat("%12.6f %s\n", absl::ToDoubleSeconds(now_), text);
  for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
  if (verbose_) std::fputs(line.c_str(), stdout);
}

}  // namespace cairn::sim
