#include "fuse/directory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {

Directory::Directory(ClientPtr fs, uint64_t inode, const Changes& changes, std::optional<Own> own)
    : fs_(std::move(fs)),
      path_(PathOf(inode)),
      changes_(changes),
      own_(std::move(own)),
      listing_(fs_->List(path_)) {}

absl::Status Directory::Open() {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(first_, Next());
  has_first_ = true;
  return absl::OkStatus();
}

void Directory::StartAt(uint64_t place) {
  // Of a place that was never given the name before is not known: it is counted to.
  place = std::min<uint64_t>(place, names_.size() + first_place());
  const std::string after =
      place > first_place() ? names_[place - first_place() - 1] : std::string();
  listing_ = fs_->List(path_, after);
  order_ = {};
  if (!after.empty()) order_.Next(after);
  recent_.clear();
  recent_place_ = place;
  has_first_ = false;
  broken_ = absl::OkStatus();
}

absl::StatusOr<std::optional<Directory::Entry>> Directory::Next() {
  while (true) {
    RETURN_IF_ERROR(broken_);
    if (listing_.is_at_end_of_page()) asked_ = changes_.Now();
    ASSIGN_OR_RETURN(std::optional<client::FileStatus> status, listing_.Next());
    if (!status.has_value()) return std::nullopt;
    std::string name(client::BaseName(status->path));
    if (!order_.Next(name) || absl::StrContains(name, '\0') || name.size() > kMaxNameBytes) {
      broken_ = absl::InternalError(absl::StrCat(path_, ": the server's listing is in disorder"));
      return broken_;
    }
    if (own_.has_value() && own_->name == name) continue;
    return Entry{std::move(name), *std::move(status), asked_};
  }
}

absl::StatusOr<bool> Directory::Fetch() {
  const uint64_t place = recent_place_ + recent_.size();
  if (place < kDots) {
    recent_.push_back({place == 0 ? "." : "..", std::nullopt, {}});
    return true;
  }
  if (place < first_place()) {
    recent_.push_back({own_->name, std::nullopt, {}, own_->inode});
    return true;
  }
  std::optional<Entry> entry;
  if (has_first_) {
    has_first_ = false;
    entry = std::exchange(first_, std::nullopt);
  } else {
    ASSIGN_OR_RETURN(entry, Next());
  }
  if (!entry.has_value()) return false;
  const uint64_t number = place - first_place();
  if (names_.size() <= number) names_.resize(number + 1);
  names_[number] = entry->name;
  recent_.push_back(*std::move(entry));
  return true;
}

absl::Status Directory::Read(uint64_t place,
                             const std::function<bool(const Entry&, uint64_t next_place)>& put) {
  MutexLock lock(mu_);
  const uint64_t end = recent_place_ + recent_.size();
  const bool rewound = place == 0 && end > 0;
  if (rewound || place < recent_place_ || (place > end && place <= names_.size() + first_place())) {
    StartAt(place);
  }
  while (true) {
    // What lies before the reply that this call makes will not be asked for again.
    while (recent_place_ < place && !recent_.empty()) {
      recent_.pop_front();
      ++recent_place_;
    }
    if (recent_place_ == place) break;
    ASSIGN_OR_RETURN(const bool more, Fetch());
    if (!more) return absl::OkStatus();
  }
  for (size_t i = 0;; ++i) {
    if (i == recent_.size()) {
      ASSIGN_OR_RETURN(const bool more, Fetch());
      if (!more) return absl::OkStatus();
    }
    if (!put(recent_[i], place + i + 1)) return absl::OkStatus();
  }
}

}  // namespace cairn::fuse
