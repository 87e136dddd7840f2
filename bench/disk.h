// bench/disk.h - what the disk itself does, for benchmark programs: descriptors, aligned memory,
// and the rates that are other figures' limits. Every error ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

namespace cairn::bench {

inline constexpr size_t kMiB = size_t{1} << 20;

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeDeleter>;

AlignedBytes Pattern(size_t size);  // aligned to a page; does not compress

// Owns a descriptor, which must be a good one.
class Fd {
 public:
  explicit Fd(int fd);
  ~Fd();
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  operator int() const { return fd_; }  // NOLINT: as the system calls take it

 private:
  int fd_;
};

void DropCaches();  // root only
// The same for the files below `directory`, as far as nobody has them mapped; they are synced.
void DropFromPageCache(const std::string& directory);
uint64_t BytesBelow(const std::string& directory);  // in its files

// Bytes per second of 1 MiB at a time, past the page cache: into a new file at `path`, synced at
// the end; and out of it.
double DirectWrite(const std::string& path, uint64_t mib);
double DirectRead(const std::string& path, uint64_t mib);

}  // namespace cairn::bench
