#include "bench/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "bench/measure.h"
#include "common/check.h"

namespace cairn::bench {

AlignedBytes Pattern(size_t size) {
  AlignedBytes bytes(static_cast<std::byte*>(std::aligned_alloc(4096, size)));
  uint64_t x = 44070589;
  for (size_t i = 0; i < size; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    bytes.get()[i] = static_cast<std::byte>(x >> 33);
  }
  return bytes;
}

Fd::Fd(int fd) : fd_(fd) { CHECK(fd >= 0) << std::strerror(errno); }
Fd::~Fd() { ::close(fd_); }

void DropCaches() {
  ::sync();
  std::ofstream file("/proc/sys/vm/drop_caches");
  file << "3" << std::flush;
  CHECK(file.good()) << "dropping the page cache needs root";
}

void DropFromPageCache(const std::string& directory) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

uint64_t BytesBelow(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

double DirectWrite(const std::string& path, uint64_t mib) {
  const AlignedBytes block = Pattern(kMiB);
  ::unlink(path.c_str());
  const double start = Now();
  {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0644));
    CHECK(::fallocate(fd, 0, 0, static_cast<off_t>(mib * kMiB)) == 0);
    for (uint64_t i = 0; i < mib; ++i) {
      CHECK(::pwrite(fd, block.get(), kMiB, static_cast<off_t>(i * kMiB)) == ssize_t{kMiB});
    }
    CHECK(::fdatasync(fd) == 0);
  }
  return static_cast<double>(mib * kMiB) / (Now() - start);
}

double DirectRead(const std::string& path, uint64_t mib) {
  const AlignedBytes block = Pattern(kMiB);
  const double start = Now();
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  for (uint64_t i = 0; i < mib; ++i) {
    CHECK(::pread(fd, block.get(), kMiB, static_cast<off_t>(i * kMiB)) == ssize_t{kMiB});
  }
  return static_cast<double>(mib * kMiB) / (Now() - start);
}

}  // namespace cairn::bench
