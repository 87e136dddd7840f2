// client/group_units.h - the units of one block group, each read from the datanodes that have it.
//
// From the files of a datanode of this machine, if it passes them on; else over a connection. What
// is wrong with a unit's files is held against nobody: its datanode is asked for the same bytes.
// What fails there is noted with the file, so that its other readers begin elsewhere: a datanode,
// for half a minute, or the one replica whose bytes were bad, which the namenode is told of under
// the unit's id. A stream that broke is no such failure the first time: datanodes end those of a
// consumer that pauses for minutes. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/context.h"
#include "client/located_file.h"
#include "client/striped_block_reader.h"
#include "client/striping.h"

namespace cairn::client {

class GroupUnits final : public UnitSource {
 public:
  struct Attempt {
    // The first one: a datanode that is silent is not waited for long, nor one asked that was
    // costly a moment ago, as long as there are more units than are needed. It is before the
    // attempt fails.
    bool is_first = true;
    // Tokens are fresh: one that is not taken is a failure of its unit.
    bool token_renewed = false;
    // By the units' files, where they can be had. Not while the group is being written.
    bool locally = false;
  };

  // `context`, `file`, `path`, the file's, and `group`, which has been checked (CheckGroups),
  // outlive this.
  GroupUnits(ClientContext& context, LocatedFile& file, const std::string& path,
             const hdfs::LocatedBlockProto& group, const erasure::Layout& layout,
             const Attempt& attempt);

  // kUnavailable: no datanode is left that could have it, or the one that has cannot be reached or
  // refuses. kUnauthenticated: unless the token was renewed.
  absl::StatusOr<std::unique_ptr<BlockReader>> Open(uint32_t number, uint64_t offset,
                                                    uint64_t bytes) override;
  bool Failed(uint32_t number, const absl::Status& why, absl::Duration took) override;
  bool Recall(uint32_t number) override;
  void Finished(BlockReader& stream) override;

  // Who the last Open asked; null: nobody could be asked, or that has failed since.
  const hdfs::DatanodeInfoProto* Asked(uint32_t number) const {
    const std::optional<hdfs::DatanodeInfoProto>& node = units_[number].node;
    return node.has_value() ? &*node : nullptr;
  }

 private:
  // Held back is a unit while others are asked in its place, and recalled once these do not do.
  enum class Turn : uint8_t { kFirst, kHeldBack, kRecalled, kOver };
  struct Unit {
    uint32_t number = 0;
    // Without the locations that have failed here; nullopt: nobody has looked for it yet.
    std::optional<hdfs::LocatedBlockProto> located;
    std::optional<hdfs::DatanodeInfoProto> node;  // that was asked last
    bool has_stream = false;                      // the last Open was granted
    bool is_local = false;                        // by its files
    bool not_locally = false;                     // they did not do
    bool was_reopened = false;
    Turn turn = Turn::kFirst;
    absl::string_view absence;  // why nobody can be asked, once it is located
  };

  // Its stream broke, and nobody was waited for.
  static bool MayReopen(const Unit& unit, const absl::Status& why, absl::Duration took);
  // Located once it is needed: each positioned read has a GroupUnits of its own, and a small one
  // reads one unit.
  hdfs::LocatedBlockProto& Located(Unit& unit) const;
  // Leaves costly datanodes alone while there are other units in their place.
  void HoldCostlyBack();
  bool IsCostly(const hdfs::DatanodeInfoProto& node) const;
  // The one whose files of it are open here: nobody is asked for them, and so nobody waited for.
  const hdfs::DatanodeInfoProto* InHand(Unit& unit) const;
  // Who is asked for it next; null: it has no bytes, it is not its turn, or its datanodes have
  // failed, here or another reader of the file.
  const hdfs::DatanodeInfoProto* NodeOf(Unit& unit) const;
  // There are units in place of this one. In place of a recalled one another that is held back may
  // be, but never in place of the others.
  bool HasSpareFor(const Unit& unit);

  ClientContext& context_;
  LocatedFile& file_;
  const std::string& path_;
  const hdfs::LocatedBlockProto& group_;
  const erasure::Layout layout_;
  const Attempt attempt_;
  std::vector<Unit> units_;
  const uint32_t needed_;  // data units that have bytes
};

}  // namespace cairn::client
