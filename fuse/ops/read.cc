#include <memory>

#include "fuse/handles.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"

namespace cairn::fuse {
namespace {

// Fresh memory costs more than the read: each of libfuse's threads keeps its own.
std::span<std::byte> ThreadBuffer(size_t size) {
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local size_t capacity = 0;
  if (capacity < size) {
    buffer.reset(new std::byte[size]);
    capacity = size;
  }
  return {buffer.get(), size};
}

}  // namespace

void Read(fuse_req_t req, fuse_ino_t /*ino*/, size_t size, off_t offset, fuse_file_info* info) {
  const std::span<std::byte> out = ThreadBuffer(size);
  const absl::StatusOr<size_t> bytes = FileOf(*info).Read(static_cast<uint64_t>(offset), out);
  if (!bytes.ok()) {
    FailInode(req, "read", bytes.status());
    return;
  }
  fuse_reply_buf(req, reinterpret_cast<const char*>(out.data()), *bytes);
}

}  // namespace cairn::fuse
