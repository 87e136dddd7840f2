#include "datanode/pipeline/shared_slots.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace cairn::datanode {
namespace {

constexpr size_t kSegmentBytes = SharedSlots::kSlotBytes * SharedSlots::kSlots;

absl::Status NoSlot(const SegmentId& segment, int32_t slot, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("slot ", slot, " of segment ", absl::Hex(segment.hi, absl::kZeroPad16),
                   absl::Hex(segment.lo, absl::kZeroPad16), ": ", why));
}

}  // namespace

SharedSlots::~SharedSlots() {
  for (const auto& [id, segment] : segments_) ::munmap(segment.memory, kSegmentBytes);
}

uint64_t* SharedSlots::Segment::Word(int32_t slot) const {
  return reinterpret_cast<uint64_t*>(memory + static_cast<size_t>(slot) * kSlotBytes);
}

absl::Status SharedSlots::CheckRoom(uid_t user) const {
  if (ended_) return absl::UnavailableError("this datanode stops");
  const auto found = of_user_.find(user);
  if (segments_.size() < kMaxSegments &&
      (found == of_user_.end() || found->second < kMaxSegmentsOfUser)) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(absl::StrCat("at most ", kMaxSegments,
                                                   " segments of shared memory, ",
                                                   kMaxSegmentsOfUser, " for one user"));
}

absl::StatusOr<SharedSlots::Created> SharedSlots::Create(uid_t user, std::function<void()> end) {
  Created created;
  if (::getrandom(&created.id, sizeof(created.id), GRND_NONBLOCK) != sizeof(created.id)) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  created.fd = ::memfd_create("cairn-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (created.fd < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  absl::Cleanup close = [&] { ::close(created.fd); };
  // Sealed, since touching what the client has cut off would end this process.
  if (::ftruncate(created.fd, kSegmentBytes) != 0 ||
      ::fcntl(created.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return absl::ErrnoToStatus(errno, "a segment of shared memory");
  }
  void* const memory =
      ::mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED, created.fd, 0);
  if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  MutexLock lock(mu_);
  if (absl::Status status = CheckRoom(user); !status.ok()) {
    ::munmap(memory, kSegmentBytes);
    return status;
  }
  ++of_user_[user];
  Segment& segment = segments_[created.id];
  segment.memory = static_cast<std::byte*>(memory);
  segment.user = user;
  segment.end = std::move(end);
  std::move(close).Cancel();
  return created;
}

void SharedSlots::Remove(const SegmentId& id) {
  MutexLock lock(mu_);
  const auto found = segments_.find(id);
  if (found == segments_.end()) return;
  for (int32_t slot = 0; slot < kSlots; ++slot) {
    const std::optional<BlockId> block = found->second.blocks[static_cast<size_t>(slot)];
    if (block.has_value()) ForgetSlot({id, slot}, *block);
  }
  if (--of_user_[found->second.user] == 0) of_user_.erase(found->second.user);
  ::munmap(found->second.memory, kSegmentBytes);
  segments_.erase(found);
}

absl::Status SharedSlots::Register(const SegmentId& id, int32_t slot, BlockId block) {
  MutexLock lock(mu_);
  const auto found = segments_.find(id);
  if (found == segments_.end()) return NoSlot(id, slot, "no such segment");
  if (slot < 0 || slot >= kSlots) return NoSlot(id, slot, "there are 128");
  std::optional<BlockId>& entry = found->second.blocks[static_cast<size_t>(slot)];
  if (entry.has_value()) return NoSlot(id, slot, "taken already");
  if ((__atomic_load_n(found->second.Word(slot), __ATOMIC_ACQUIRE) & kValid) == 0) {
    return NoSlot(id, slot, "not marked valid");
  }
  entry = block;
  by_block_[block].emplace(id, slot);
  return absl::OkStatus();
}

void SharedSlots::ForgetSlot(const Slot& slot, BlockId block) {
  const auto found = by_block_.find(block);
  if (found == by_block_.end()) return;
  found->second.erase(slot);
  if (found->second.empty()) by_block_.erase(found);
}

absl::Status SharedSlots::Release(const SegmentId& id, int32_t slot) {
  MutexLock lock(mu_);
  const auto found = segments_.find(id);
  if (found == segments_.end()) return NoSlot(id, slot, "no such segment");
  if (slot < 0 || slot >= kSlots) return NoSlot(id, slot, "there are 128");
  std::optional<BlockId>& entry = found->second.blocks[static_cast<size_t>(slot)];
  if (!entry.has_value()) return NoSlot(id, slot, "not in use");
  ForgetSlot({id, slot}, *entry);
  entry.reset();
  return absl::OkStatus();
}

void SharedSlots::Revoke(BlockId block) {
  MutexLock lock(mu_);
  const auto found = by_block_.find(block);
  if (found == by_block_.end()) return;
  for (const auto& [id, slot] : found->second) {
    const auto segment = segments_.find(id);
    if (segment == segments_.end()) continue;
    __atomic_fetch_and(segment->second.Word(slot), ~(kValid | kAnchorable), __ATOMIC_RELEASE);
  }
}

void SharedSlots::EndAll() {
  std::vector<std::function<void()>> ends;
  {
    MutexLock lock(mu_);
    ended_ = true;
    for (auto& [id, segment] : segments_) ends.push_back(std::move(segment.end));
  }
  for (const auto& end : ends) {
    if (end) end();
  }
}

}  // namespace cairn::datanode
