// datanode/pipeline/shared_slots.h - how clients that read a replica by its descriptors learn that
// it is not to be read any more.
//
// A client asks for a segment of shared memory, 128 slots of 64 bytes, and names one of them when
// it asks for a replica's descriptors. The first word of a slot, in the machine's byte order:
//
//   bit 63     valid: set by the client, cleared here when the replica is deleted, moved, changed
//   or
//              found bad
//   bit 62     anchorable: its pages are pinned, it may be mapped without checksums; never set here
//   bits 0-30  how often the client has anchored it
//
// A segment lives as long as the connection on which it was asked for. (Hadoop's ShortCircuitShm;
// the words are the client's to write, too, and nothing here believes what they say.)
//
// Thread-safe. The lock is taken inside the store's.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct SegmentId {
  int64_t hi = 0, lo = 0;
  friend bool operator==(const SegmentId&, const SegmentId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const SegmentId& id) {
    return H::combine(std::move(h), id.hi, id.lo);
  }
};

class SharedSlots {
 public:
  static constexpr size_t kSlotBytes = 64;
  static constexpr int32_t kSlots = 128;
  static constexpr uint64_t kValid = uint64_t{1} << 63;
  static constexpr uint64_t kAnchorable = uint64_t{1} << 62;

  // Each is a connection and two pages of memory. A Java process takes one for 128 replicas.
  static constexpr size_t kMaxSegments = 1024;
  static constexpr size_t kMaxSegmentsOfUser = 256;

  SharedSlots() = default;
  ~SharedSlots();
  SharedSlots(const SharedSlots&) = delete;
  SharedSlots& operator=(const SharedSlots&) = delete;

  struct Created {
    SegmentId id;
    int fd = -1;  // of its memory; the caller closes it
  };
  // For a client of this user. `end` is called once by EndAll if the segment is still there, from
  // its thread, without a lock. kResourceExhausted: there are too many, or no memory or
  // descriptors. kUnavailable: all have ended.
  absl::StatusOr<Created> Create(uid_t user, std::function<void()> end) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(const SegmentId& segment) ABSL_LOCKS_EXCLUDED(mu_);

  // Before the replica is opened for the client, so that no change of it is missed.
  // kInvalidArgument: no such segment or slot, or the slot is taken or not marked valid.
  absl::Status Register(const SegmentId& segment, int32_t slot, BlockId block)
      ABSL_LOCKS_EXCLUDED(mu_);
  // kInvalidArgument: it is not registered.
  absl::Status Release(const SegmentId& segment, int32_t slot) ABSL_LOCKS_EXCLUDED(mu_);

  // Whoever reads the block by descriptors is to ask again. Quick.
  void Revoke(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  // The connections of all segments are to end, and no new ones to come.
  void EndAll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Segment {
    std::byte* memory = nullptr;
    uid_t user = 0;
    std::function<void()> end;
    std::array<std::optional<BlockId>, kSlots> blocks{};  // nullopt: free
    uint64_t* Word(int32_t slot) const;
  };
  using Slot = std::pair<SegmentId, int32_t>;

  absl::Status CheckRoom(uid_t user) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetSlot(const Slot& slot, BlockId block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<SegmentId, Segment> segments_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uid_t, size_t> of_user_ ABSL_GUARDED_BY(mu_);  // segments
  absl::flat_hash_map<BlockId, absl::flat_hash_set<Slot>> by_block_ ABSL_GUARDED_BY(mu_);
};

// Passes a store's changes on, after revoking what clients hold of the replica.
class RevokingEvents final : public ReplicaEvents {
 public:
  // Both outlive this.
  RevokingEvents(SharedSlots& slots, ReplicaEvents& next) : slots_(slots), next_(next) {}

  void Changed(Kind kind, const Volume& volume, const ReplicaInfo& replica) override {
    slots_.Revoke(replica.block);
    next_.Changed(kind, volume, replica);
  }
  void Moved(const Volume& from, const ReplicaInfo& before, const Volume& to,
             const ReplicaInfo& after) override {
    slots_.Revoke(before.block);
    next_.Moved(from, before, to, after);
  }
  void FilesChange(BlockId block) override {
    slots_.Revoke(block);
    next_.FilesChange(block);
  }
  void VolumeFailed(const Volume& volume) override { next_.VolumeFailed(volume); }

 private:
  SharedSlots& slots_;
  ReplicaEvents& next_;
};

}  // namespace cairn::datanode
