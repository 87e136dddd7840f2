#include "tools/dfs/progress.h"

#include <unistd.h>

#include <iostream>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tools/dfs/format.h"

namespace cairn::tools {
namespace {

constexpr absl::Duration kQuietTime = absl::Seconds(2);
constexpr absl::Duration kPeriod = absl::Milliseconds(250);
constexpr size_t kNameWidth = 40;

}  // namespace

Progress::Progress()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      start_(absl::Now()),
      next_draw_ms_(absl::ToUnixMillis(start_ + kQuietTime)) {}

Progress::~Progress() {
  MutexLock lock(mu_);
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
}

void Progress::SetFile(const std::string& name, uint64_t bytes) {
  MutexLock lock(mu_);
  name_ = name;
  expected_bytes_ += bytes;
}

void Progress::Add(uint64_t bytes) {
  done_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (!terminal_) return;
  const int64_t now = absl::ToUnixMillis(absl::Now());
  int64_t due = next_draw_ms_.load(std::memory_order_relaxed);
  if (now < due) return;
  // One of several threads draws.
  if (next_draw_ms_.compare_exchange_strong(due, now + absl::ToInt64Milliseconds(kPeriod))) {
    MutexLock lock(mu_);
    Draw();
  }
}

void Progress::Draw() {
  const uint64_t done = done_bytes_.load(std::memory_order_relaxed);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  const std::string name =
      name_.size() <= kNameWidth ? name_ : "..." + name_.substr(name_.size() - kNameWidth + 3);
  std::cerr << "\r\033[K" << Printable(name) << "  " << HumanSize(done, "B");
  if (expected_bytes_ >= done && expected_bytes_ > 0) {
    std::cerr << absl::StreamFormat(
        " of %s (%d%%)", HumanSize(expected_bytes_, "B"),
        static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(expected_bytes_)));
  }
  std::cerr << "  " << HumanSize(static_cast<uint64_t>(static_cast<double>(done) / seconds), "B")
            << "/s" << std::flush;
  drawn_ = true;
}

}  // namespace cairn::tools
