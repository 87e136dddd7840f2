// client/striped_block_reader.h - a range of one block group, from as few of its units as it takes.
//
// While all is well: a stream for each data unit that the range touches, all opened at the start,
// so that datanodes send ahead into sockets while the caller's bytes come from one cell after the
// other. Nothing is kept here but what the streams keep.
//
// Where a unit that is wanted cannot be read, a stripe at a time: the same columns of as many other
// units as make k, data units first, go into memory, and the lost ones are computed from them. What
// a unit lacks of the last stripe counts as zeros, and is not asked for. At most the cells of k
// units and of the lost ones are held, 16 cells of 4 MiB at worst.
//
// Of a unit that is read from its files the bytes go straight into the caller's memory, or a cell,
// in pieces of 64 KiB and more; smaller ones by way of its stream's buffer of so many.
//
//   column:    0      lo       hi    cell     one stripe, of which unit 1 is lost
//   unit 0     |      |########|      |       read
//   unit 1     |      |--------|      |       computed
//   unit 2     |      |########|      |       read
//   parity     |      |########|      |       read, and [lo, hi) is the window
//
// Only bytes that a unit's stream has delivered are handed out, or computed from such: they have
// been verified if that stream verifies. Of a group that is still being written the last stripe is
// never computed: its parity may be of more bytes than are known here, or not be there yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/block_reader.h"
#include "client/striping.h"
#include "common/clock.h"

namespace cairn::client {

// How the units of one group are reached. Used by one thread at a time.
class UnitSource {
 public:
  virtual ~UnitSource() = default;

  // A stream of `bytes` > 0 bytes of `unit` from `offset`. kUnauthenticated: tokens are not taken
  // any more, and nothing is wrong with the unit. Any other error: Failed is told.
  virtual absl::StatusOr<std::unique_ptr<BlockReader>> Open(uint32_t unit, uint64_t offset,
                                                            uint64_t bytes) = 0;
  // An attempt to read `unit` ended with `why`, after `took`. True: another Open may do better, of
  // another replica, or once more of the same one. False: the unit is lost.
  virtual bool Failed(uint32_t unit, const absl::Status& why, absl::Duration took) = 0;
  // True: `unit`, which is lost, had only been left alone for the sake of others, and may be opened
  // from now on.
  virtual bool Recall(uint32_t unit) = 0;
  // All of `stream` has been read.
  virtual void Finished(BlockReader& stream) = 0;
};

class StripedBlockReader final : public BlockReader {
 public:
  struct Group {
    uint64_t id = 0;
    uint64_t bytes = 0;          // of data
    bool being_written = false;  // it may have more by now
  };

  // Bytes [offset, offset + length) of the group, within `group.bytes`, which has one at least.
  // `clock` outlives the reader. kUnauthenticated: Open's; units that cannot be read are no error.
  static absl::StatusOr<std::unique_ptr<StripedBlockReader>> Open(
      std::shared_ptr<const Striping> striping, const Group& group, uint64_t offset,
      uint64_t length, std::unique_ptr<UnitSource> source, Clock& clock);

  // kDataLoss, kUnavailable: too many units are lost, because their checksums do not match, or for
  // other reasons too; the message names the group, those units, and in short what befell each. A
  // unit that was lost once stays so, but where it is recalled. kUnauthenticated: Open's.
  absl::StatusOr<size_t> Read(std::span<std::byte> out) override;
  uint64_t remaining() const override { return end_ - position_; }
  // Computed bytes are not, whatever they are computed from.
  bool is_local() const override { return is_local_; }

 private:
  struct Unit {
    std::unique_ptr<BlockReader> stream;  // null: none is open
    uint64_t position = 0;                // in the unit, of the stream's next byte
    absl::Status lost;                    // not OK: why it is not asked any more
    std::vector<std::byte> cell;          // what of it lies in the window
    bool is_filled = false;               // cell has been read, or is known to be zeros
    bool is_local = false;                // it was read from the unit's files
  };
  // Columns of one stripe.
  struct Window {
    uint64_t begin = 0;    // as an offset in the units
    uint64_t columns = 0;  // bytes of each unit
    uint64_t end = 0;      // the group's bytes before it are in the cells
  };

  StripedBlockReader(std::shared_ptr<const Striping> striping, const Group& group, uint64_t offset,
                     uint64_t length, std::unique_ptr<UnitSource> source, Clock& clock);

  const erasure::Layout& layout() const { return striping_->layout(); }
  uint64_t UnitBytes(uint32_t unit) const { return layout().UnitBytes(group_.bytes, unit); }
  // What is read in one go, from the position on: a stripe's part of the range, or a cell's.
  uint64_t StepEnd() const;
  bool CanCompute() const;  // what is lost of the stripe at the position
  // Lost units, by number, that have bytes from the position to `end`, in one stripe.
  std::vector<uint32_t> LostBefore(uint64_t end) const;

  // The error of Open if tokens are not taken; else OK, and the unit has a stream or is lost.
  absl::Status OpenStream(uint32_t number, uint64_t begin, uint64_t end);
  // The same, unless the stream that is open goes on at `begin` and has the bytes before `needed`.
  absl::Status KeepStream(uint32_t number, uint64_t begin, uint64_t needed, uint64_t end);
  // 1 to out.size() bytes of the unit's stream; 0: that failed, and the stream is gone.
  size_t ReadStream(uint32_t number, std::span<std::byte> out);
  void Lose(uint32_t number, const absl::Status& why, absl::Duration began);
  bool Recall(uint32_t number);  // false: it is not lost, or for good

  // 0: the unit is to be looked at again.
  absl::StatusOr<size_t> ReadDirectly(std::span<std::byte> out);
  size_t TakeFromWindow(std::span<std::byte> out);
  // OK, too, once a unit has been recalled that is needed itself: the window is empty then.
  absl::Status FillWindow(uint64_t step_end);
  absl::Status RecallNeeded(uint64_t step_end);  // where nothing can be computed
  // k units by number, those that are zeros in the window among them. What has to be is recalled.
  absl::StatusOr<std::vector<uint32_t>> ChooseSources();
  // Those that are not filled after it have failed.
  absl::Status FillCells(std::span<const uint32_t> sources, bool to_range_end);
  void FillCell(uint32_t number);
  uint64_t BytesInWindow(uint32_t number) const;
  absl::Status ComputeLost(std::span<const uint32_t> sources, uint64_t step_end);
  absl::Status TooManyLost(absl::string_view trouble) const;

  const std::shared_ptr<const Striping> striping_;
  const Group group_;
  const std::unique_ptr<UnitSource> source_;
  Clock& clock_;
  const uint64_t end_;  // in the group
  uint64_t position_;   // next byte for the caller
  std::vector<Unit> units_;
  uint32_t lost_ = 0;      // how many of them are
  Window window_;          // end <= position_: nothing is in it
  bool is_local_ = false;  // what the last Read gave
};

}  // namespace cairn::client
