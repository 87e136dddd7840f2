#include "bench/commit_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "common/check.h"

namespace cairn::bench {
namespace {

constexpr off_t kFileBytes = off_t{64} << 20;
constexpr off_t kFillBytes = off_t{1} << 20;
constexpr off_t kCommitBytes = 4096;

}  // namespace

cpu_set_t CpusOf(pid_t pid) {
  cpu_set_t cpus;
  CHECK(::sched_getaffinity(pid, sizeof(cpus), &cpus) == 0) << "no process " << pid;
  return cpus;
}

void SetCpus(const cpu_set_t& cpus) {
  CHECK(::sched_setaffinity(0, sizeof(cpus), &cpus) == 0) << std::strerror(errno);
}

CommitFile::CommitFile(const std::string& directory, pid_t like)
    : like_(like),
      path_(absl::StrCat(directory, "/commits.", ::getpid())),
      fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0644)),
      block_(static_cast<char*>(std::aligned_alloc(kCommitBytes, kFillBytes))) {
  CHECK(fd_ >= 0) << path_ << ": " << std::strerror(errno);
  CHECK(::fallocate(fd_, 0, 0, kFileBytes) == 0) << path_ << ": " << std::strerror(errno);
  // The first write to blocks that are allocated but not yet written costs more.
  std::memset(block_.get(), 0, kFillBytes);
  for (off_t at = 0; at < kFileBytes; at += kFillBytes) {
    CHECK(::pwrite(fd_, block_.get(), kFillBytes, at) == kFillBytes);
  }
  std::memset(block_.get(), 1, kFillBytes);
}

CommitFile::~CommitFile() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

std::vector<float> CommitFile::Run(uint64_t count) {
  const cpu_set_t own = CpusOf(0);
  SetCpus(CpusOf(like_));
  std::vector<float> seconds;
  for (uint64_t i = 0; i < count; ++i) {
    const double start = Now();
    CHECK(::pwrite(fd_, block_.get(), kCommitBytes, at_) == kCommitBytes) << std::strerror(errno);
    seconds.push_back(static_cast<float>(Now() - start));
    at_ = (at_ + kCommitBytes) % kFileBytes;
  }
  SetCpus(own);
  return seconds;
}

double CommitFile::Rate(uint64_t count) {
  const std::vector<float> seconds = Run(count);
  return static_cast<double>(count) / std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

}  // namespace cairn::bench
