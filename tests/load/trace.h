// tests/load/trace.h - the history of all writers in one file, for whoever looks into a failure.
//
// The file is outside the cluster, and neither this process nor its machine is ever cut, so it
// needs no sync. Thread-safe: one write per line to a descriptor opened for appending.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace cairn::load {

class Trace {
 public:
  explicit Trace(const std::string& path)
      : fd_(path.empty() ? -1
                         : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  ~Trace() {
    if (fd_ >= 0) ::close(fd_);
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  void Line(absl::string_view text) {
    if (fd_ < 0) return;
    const std::string line = absl::StrCat(absl::ToUnixMillis(absl::Now()), " ", text, "\n");
    if (::write(fd_, line.data(), line.size()) < 0) return;  // a help for people, not evidence
  }

 private:
  const int fd_;
};

}  // namespace cairn::load
