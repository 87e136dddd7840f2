// fuse/read_stream.h - the reads of one open file, most of which follow one another.
//
// The kernel reads ahead with several requests at a time, which reach the mount's threads in any
// order. Reads that go on where the last ones ended take their bytes from one stream, which the
// datanode fills ahead of them; what lies between is kept for the request that will ask for it. Any
// other read is one of its own, and these run beside one another.
//
// At most kKeepBytes are kept per open file, and none when all reads came in order.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/input_stream.h"
#include "common/mutex.h"

namespace cairn::fuse {

class ReadStream {
 public:
  // How far past the stream's position a read may begin and still count as one that follows.
  static constexpr uint64_t kAheadBytes = 1 << 20;
  static constexpr size_t kKeepBytes = 2 << 20;

  explicit ReadStream(std::unique_ptr<client::InputStream> in);

  // Fills `out` from `offset`; less only at the end of the file. Errors: see InputStream::Read.
  absl::StatusOr<size_t> Read(uint64_t offset, std::span<std::byte> out) ABSL_LOCKS_EXCLUDED(mu_);

  // As known; and asked for anew.
  uint64_t length() const { return in_->length(); }
  std::optional<client::ContentsId> contents() const { return in_->contents(); }
  absl::StatusOr<uint64_t> RefreshLength() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Piece {
    uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };

  // Whether a read at `offset` is one for the stream, and if so puts the stream there.
  absl::StatusOr<bool> Follows(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status KeepUpTo(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Copies what is kept from `offset` on, as far as it goes without a gap.
  size_t TakeKept(uint64_t offset, std::span<std::byte> out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::unique_ptr<client::InputStream> in_;  // its Read and Seek under mu_, the rest not
  Mutex mu_;
  std::list<Piece> kept_ ABSL_GUARDED_BY(mu_);  // in the order of their making
  size_t kept_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool streaming_ ABSL_GUARDED_BY(mu_) = false;  // the last read that kept_ did not answer followed
  uint64_t last_end_ ABSL_GUARDED_BY(mu_) = 0;   // where it ended, if it did not
};

}  // namespace cairn::fuse
