#include "fuse/directory.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {

Directory::Directory(ClientPtr fs, uint64_t inode)
    : fs_(std::move(fs)), path_(PathOf(inode)), listing_(fs_->List(path_)) {}

absl::Status Directory::Open() {
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(first_, Next());
  has_first_ = true;
  return absl::OkStatus();
}

void Directory::Rewind() {
  listing_ = fs_->List(path_);
  place_ = 0;
  current_.reset();
  has_first_ = false;
  order_ = {};
  broken_ = absl::OkStatus();
}

absl::StatusOr<std::optional<Directory::Entry>> Directory::Next() {
  RETURN_IF_ERROR(broken_);
  ASSIGN_OR_RETURN(std::optional<client::FileStatus> status, listing_.Next());
  if (!status.has_value()) return std::nullopt;
  std::string name(client::BaseName(status->path));
  if (!order_.Next(name) || absl::StrContains(name, '\0') || name.size() > kMaxNameBytes) {
    broken_ = absl::InternalError(absl::StrCat(path_, ": the server's listing is in disorder"));
    return broken_;
  }
  return Entry{std::move(name), *std::move(status)};
}

absl::Status Directory::Fetch() {
  if (place_ < kDots) {
    current_ = Entry{place_ == 0 ? "." : "..", std::nullopt};
  } else if (has_first_) {
    has_first_ = false;
    current_ = std::exchange(first_, std::nullopt);
  } else {
    ASSIGN_OR_RETURN(current_, Next());
  }
  return absl::OkStatus();
}

absl::Status Directory::Read(uint64_t place,
                             const std::function<bool(const Entry&, uint64_t next_place)>& put) {
  MutexLock lock(mu_);
  if (place < place_) Rewind();
  while (true) {
    if (!current_.has_value()) RETURN_IF_ERROR(Fetch());
    if (!current_.has_value()) return absl::OkStatus();
    if (place_ >= place && !put(*current_, place_ + 1)) return absl::OkStatus();
    current_.reset();
    ++place_;
  }
}

}  // namespace cairn::fuse
