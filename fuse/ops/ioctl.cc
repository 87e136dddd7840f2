#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "common/mount_status.h"
#include "fuse/ops/ops.h"
#include "fuse/ops/serve.h"
#include "fuse/status_text.h"

namespace cairn::fuse {

// Of a directory, what the mount says of itself. There are no others: lsattr and the like get
// ENOTTY.
void Ioctl(fuse_req_t req, fuse_ino_t /*ino*/, unsigned int command, void* /*argument*/,
           fuse_file_info* /*info*/, unsigned int flags, const void* /*in*/, size_t /*in_bytes*/,
           size_t out_bytes) {
  if (command != kMountStatusIoctl || (flags & FUSE_IOCTL_DIR) == 0 ||
      out_bytes != sizeof(MountStatusText)) {
    Refuse(req, ENOTTY);
    return;
  }
  const std::string text = StatusText(StatusOf(MountOf(req)), MountOf(req).statistics());
  auto answer = std::make_unique<MountStatusText>();  // zeroed: all of it goes to the caller
  answer->bytes = static_cast<uint32_t>(text.size());
  std::memcpy(answer->text, text.data(), text.size());
  fuse_reply_ioctl(req, 0, answer.get(), sizeof(*answer));
}

}  // namespace cairn::fuse
