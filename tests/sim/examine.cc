// What must hold when everything has been mended and has come to rest.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "namenode/namespace/testing/audit.h"
#include "tests/sim/history.h"

namespace cairn::sim {
namespace {

using datanode::ReplicaInfo;
using datanode::ReplicaState;
using namenode::Caller;
using namenode::FileStatus;

constexpr Caller kUser{.user = "hdfs", .remote_ip = "10.9.9.9"};

struct Found {
  bool closed = false;
  std::string path;
  FileStatus status;
  std::vector<namenode::LocatedBlock> blocks;
  std::optional<namenode::LocatedBlock> last;  // block, with the bytes that the namenode knows of
};

class Examiner {
 public:
  explicit Examiner(Cluster& cluster) : cluster_(cluster), namenode_(cluster.namenode->impl()) {}

  std::string Run() {
    Walk("/");
    for (const auto& file : cluster_.oracle.files()) {
      if (!problem_.empty()) return problem_;
      Check(*file);
    }
    for (const auto& [id, found] : found_) {
      if (known_.contains(id)) continue;
      if (cluster_.oracle.maybe_created().contains(found.path) && found.status.length == 0) {
        continue;
      }
      Problem(found.path, "is there and nobody has made it");
    }
    CheckReplicas();
    CheckRecords();
    return problem_;
  }

 private:
  void Problem(absl::string_view what, absl::string_view text) {
    if (problem_.empty()) problem_ = absl::StrCat(what, ": ", text);
  }

  void Walk(const std::string& directory) {
    const auto listing = namenode_.GetListing(kUser, directory, "", false);
    if (!listing.value.ok() || !listing.value->has_value()) {
      return Problem(directory, listing.value.status().ToString());
    }
    for (const namenode::ListingEntry& entry : (**listing.value).entries) {
      const std::string path = absl::StrCat(directory == "/" ? "" : directory, "/", entry.name);
      if (entry.status.directory) {
        Walk(path);
        continue;
      }
      Found& found = found_[entry.status.id];
      found.path = path;
      found.status = entry.status;
      const auto closed = namenode_.IsFileClosed(kUser, path);
      found.closed = closed.value.ok() && *closed.value;
      const auto located = namenode_.GetBlockLocations(kUser, path, 0, UINT64_MAX);
      if (!located.value.ok()) {
        Problem(path, located.value.status().ToString());
      } else {
        found.blocks = located.value->blocks;
        // An empty last block is within no range.
        const auto& last = located.value->last;
        if (last && last->block.length == 0) found.blocks.push_back(*last);
        if (last && !found.closed) being_written_.insert(last->block.id);
        found.last = last;
      }
      for (const auto& block : found.blocks) {
        blocks_[block.block.id] = &block;
        replication_[block.block.id] = entry.status.replication;
      }
    }
  }

  void Check(const ToldFile& file) {
    const auto it = found_.find(file.id);
    if (it == found_.end()) {
      if (file.may_be_gone) return;
      return Problem(file.name(), "is lost");
    }
    known_.insert(file.id);
    const Found& found = it->second;
    if (!file.paths.contains(found.path)) {
      return Problem(found.path, absl::StrCat("should be ", file.name(), ", or deleted"));
    }
    const uint64_t length = found.status.length;
    if (!found.closed) {
      // Its last block went with the power of all its nodes. The namenode knows that bytes of it
      // had been acknowledged, so it does not close the file as if they had never been.
      if (file.closed() || !MayStayOpen(file, found)) Problem(found.path, "is still open");
      return;
    }
    if (file.closed()) {
      if (!file.lengths.contains(length)) {
        return Problem(found.path, absl::StrCat("has ", length, " bytes, was closed at ",
                                                *file.lengths.begin()));
      }
    } else {
      const uint64_t promised =
          Oracle::Promised(file, LostBytesOf(found.last ? found.last->block.id : BlockId{}));
      if (length < promised || length > file.content.size()) {
        return Problem(found.path, absl::StrCat("has ", length, " bytes; ", promised,
                                                " were promised, ", file.content.size(), " sent"));
      }
    }
    uint64_t offset = 0;
    for (const auto& block : found.blocks) {
      CheckBlock(file, found, block, offset);
      offset += block.block.length;
    }
    if (offset != length) Problem(found.path, "its blocks do not add up to its length");
  }

  // Whether a node may have none of what was flushed to the block: it lost power, or its replica
  // has rotted, and is kept aside as a whole.
  std::function<bool(Host, absl::Duration)> LostBytesOf(BlockId block) const {
    return [this, block](Host host, absl::Duration since) {
      if (cluster_.rotten.contains({host, block})) return true;
      const auto cut = cluster_.datanodes[static_cast<size_t>(host - 1)]->last_power_cut();
      return cut.has_value() && *cut >= since;
    };
  }

  // Two faults at once: a replica rotted unseen, and then an append, a truncation or a recovery
  // went on with it alone, since the nodes of the good ones were away. What those have is of an old
  // version from then on.
  bool RottedBeforeAChange(const namenode::BlockVersion& block) const {
    return std::any_of(cluster_.rotten.begin(), cluster_.rotten.end(), [&](const auto& rotten) {
      return rotten.first.second == block.id && rotten.second < block.stamp;
    });
  }

  static bool HasNoGoodOne(const namenode::LocatedBlock& block) {
    return block.storages.empty() || block.corrupt;
  }

  // Whether the file can be closed with what `node` has: good bytes of the last block's version or
  // a later one, and all that the namenode knows of.
  static bool HasGoodBytes(DatanodeNode& node, const ToldFile& file,
                           const namenode::LocatedBlock& last) {
    const auto info = node.store().Find(last.block.id);
    if (!info.has_value() || info->state == ReplicaState::kCorrupt) return false;
    const absl::StatusOr<Bytes> bytes = node.ReadReplica(last.block.id, last.block.stamp);
    if (!bytes.ok() || bytes->size() < last.block.length) return false;
    if (last.offset > file.content.size()) return false;
    const auto sent = std::span(file.content).subspan(last.offset);
    return bytes->size() <= sent.size() && std::equal(bytes->begin(), bytes->end(), sent.begin());
  }

  // Or all replicas of its version are rotten, and nobody may say how long it was.
  // Its writer may have died after the namenode heard of the bytes, and before it knew so itself.
  bool MayStayOpen(const ToldFile& file, const Found& found) const {
    if (!found.last.has_value()) return false;
    const namenode::LocatedBlock& last = *found.last;
    const bool rotten =
        std::any_of(cluster_.rotten.begin(), cluster_.rotten.end(),
                    [&](const auto& replica) { return replica.first.second == last.block.id; });
    const bool has_good =
        std::any_of(cluster_.datanodes.begin(), cluster_.datanodes.end(),
                    [&](const auto& node) { return HasGoodBytes(*node, file, last); });
    if (rotten && !has_good) return true;
    return (!file.flushes.empty() || last.block.length > 0) &&
           Oracle::MayBeLost(file.block, LostBytesOf(last.block.id));
  }

  void CheckBlock(const ToldFile& file, const Found& found, const namenode::LocatedBlock& block,
                  uint64_t offset) {
    const std::string name =
        absl::StrCat(found.path, " block ", ToInt(block.block.id), " stamp ",
                     ToInt(block.block.stamp), " of ", block.block.length, " bytes");
    const auto expected = std::span(file.content).subspan(offset, block.block.length);
    size_t good = 0;
    for (const auto& node : cluster_.datanodes) {
      const auto info = node->store().Find(block.block.id);
      // A bad one is kept aside until there are enough good ones.
      if (!info.has_value() || info->state == ReplicaState::kCorrupt ||
          info->state == ReplicaState::kWaitingRecovery) {
        continue;
      }
      // Nor is an old version deleted while there is none of this one.
      if (info->stamp < block.block.stamp && HasNoGoodOne(block) &&
          RottedBeforeAChange(block.block)) {
        continue;
      }
      const bool is_rotten = cluster_.rotten.contains({node->host(), block.block.id});
      const absl::StatusOr<Bytes> bytes = node->ReadReplica(block.block.id, block.block.stamp);
      if (!bytes.ok()) {
        if (!is_rotten) {
          Problem(name, absl::StrCat(node->uuid(), ": ", bytes.status().ToString()));
        }
        continue;
      }
      if (info->state != ReplicaState::kFinalized || bytes->size() != expected.size() ||
          !std::equal(expected.begin(), expected.end(), bytes->begin())) {
        Problem(name, absl::StrCat(node->uuid(), " has ", bytes->size(), " bytes, ",
                                   datanode::StateName(info->state),
                                   bytes->size() == expected.size() ? ", others" : ""));
        continue;
      }
      const bool located =
          std::any_of(block.storages.begin(), block.storages.end(), [&](uint32_t storage) {
            const auto at = namenode_.cluster().Locate(storage);
            return at.has_value() && at->storage_uuid == node->storage();
          });
      if (located) ++good;
    }
    if (good == 0 && RottedBeforeAChange(block.block)) return;
    if (good == 0 && !expected.empty()) {
      Problem(name, absl::StrCat("cannot be read: ", block.storages.size(),
                                 " places are known, none of them has it"));
    }
    const size_t wanted = std::min<size_t>(found.status.replication, cluster_.datanodes.size());
    if (good != wanted) {
      Problem(name, absl::StrCat("has ", good, " replicas, wanted are ", wanted));
    }
  }

  void CheckReplicas() {
    for (const auto& node : cluster_.datanodes) {
      for (const ReplicaInfo& replica : node->store().List(0)) {
        if (cluster_.rotten.contains({node->host(), replica.block})) continue;
        if (being_written_.contains(replica.block)) continue;  // Check says whether that may be
        const auto block = blocks_.find(replica.block);
        const std::string name = absl::StrCat(
            node->uuid(), " block ", ToInt(replica.block), " stamp ", ToInt(replica.stamp), " ",
            datanode::StateName(replica.state), " ", replica.length);
        if (block == blocks_.end()) {
          Problem(name, "no file has it");
        } else if (replica.state == ReplicaState::kCorrupt ||
                   (replica.state == ReplicaState::kWaitingRecovery &&
                    replica.stamp == block->second->block.stamp)) {
          if (!HasNoGoodOne(*block->second) &&
              block->second->storages.size() >= replication_[replica.block]) {
            Problem(name, "is kept, though there are enough good ones");
          }
        } else if ((block->second->block.stamp != replica.stamp ||
                    replica.state != ReplicaState::kFinalized) &&
                   !(HasNoGoodOne(*block->second) && RottedBeforeAChange(block->second->block))) {
          Problem(name, absl::StrCat("is of an old version; the file has stamp ",
                                     ToInt(block->second->block.stamp)));
        }
      }
    }
  }

  void CheckRecords() {
    if (!problem_.empty()) return;
    namenode::Dump dump;
    namenode_.WithLock([&] {
      cluster_.namenode->store().PutRest();
      dump = namenode::DumpRecords(cluster_.namenode->store());
    });
    const std::string audit = namenode::Audit(dump);
    if (!audit.empty()) Problem("audit", audit);
  }

  Cluster& cluster_;
  namenode::NamenodeImpl& namenode_;
  std::map<InodeId, Found> found_;
  std::map<BlockId, const namenode::LocatedBlock*> blocks_;
  std::map<BlockId, size_t> replication_;
  std::set<BlockId> being_written_;
  std::set<InodeId> known_;
  std::string problem_;
};

}  // namespace

std::string Examine(Cluster& cluster) { return Examiner(cluster).Run(); }

}  // namespace cairn::sim
