#include "client/located_file.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/visible_length.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

// A writer whose block has bytes but no reported location yet is about to have one.
constexpr int kLastBlockTries = 3;
constexpr absl::Duration kStampPause = absl::Milliseconds(100);

std::optional<ContentsId> ContentsOf(const hdfs::LocatedBlocksProto& found, uint64_t length) {
  if (found.has_lastblock()) {
    const hdfs::ExtendedBlockProto& last = found.lastblock().b();
    return ContentsId{last.blockid(), last.generationstamp(), length, found.contents()};
  }
  if (length == 0) return ContentsId{};
  return std::nullopt;
}

// What the bytes were known by before conversions; 0: the server tells nothing, or there are none.
uint64_t BytesOf(const hdfs::LocatedBlocksProto& found) {
  return found.convertedfrom() != 0 ? found.convertedfrom() : found.contents();
}

}  // namespace

LocatedFile::LocatedFile(std::shared_ptr<ClientContext> context, std::string path,
                         absl::Duration last_block_pause)
    : context_(std::move(context)), path_(std::move(path)), last_block_pause_(last_block_pause) {}

absl::StatusOr<hdfs::LocatedBlocksProto> LocatedFile::Fetch(uint64_t offset, uint64_t length) {
  hdfs::GetBlockLocationsRequestProto request;
  request.set_src(path_);
  request.set_offset(offset);
  request.set_length(length);
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetBlockLocationsResponseProto>(
                                            "getBlockLocations", path_, request));
  if (!response.has_locations()) {
    return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path_));
  }
  RETURN_IF_ERROR(CheckLocatedBlocks(response.locations(), path_));
  if (response.locations().has_ecpolicy()) {
    ASSIGN_OR_RETURN(const erasure::Policy policy,
                     ToPolicy(response.locations().ecpolicy(), path_));
    RETURN_IF_ERROR(CheckGroups(response.locations(), policy, path_));
  }
  if (response.locations().has_fileencryptioninfo()) {
    return absl::UnimplementedError(absl::StrCat(path_, ": is encrypted"));
  }
  return response.locations();
}

absl::Status LocatedFile::Changed() const {
  return MakeFsError(
      FsError::kChanged,
      absl::StrCat(path_, ": was replaced or changed since it was opened; open it again"));
}

absl::Status LocatedFile::CheckIsSame(const hdfs::LocatedBlocksProto& found) {
  std::optional<uint64_t> witness;
  {
    MutexLock lock(mu_);
    if (seen_.Contradicts(found)) return Changed();
    witness = seen_.Witness(found);
  }
  if (!witness.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const hdfs::LocatedBlocksProto told, Fetch(*witness, 1));
  MutexLock lock(mu_);
  const bool same = SeenBlocks::Shows(told, *witness) && !seen_.Contradicts(told);
  return same ? absl::OkStatus() : Changed();
}

absl::StatusOr<LocatedFile::Found> LocatedFile::FetchSame(uint64_t offset) {
  while (true) {
    Found found;
    {
      MutexLock lock(mu_);
      found.form = form_;
    }
    ASSIGN_OR_RETURN(found.blocks, Fetch(offset, context_->options.prefetch_bytes));
    ASSIGN_OR_RETURN(const bool converted, TakeConverted(found.blocks, found.form));
    if (converted) {
      ++found.form;
      return found;
    }
    absl::Status same = CheckIsSame(found.blocks);
    if (same.ok()) same = NoteStriping(found.blocks);
    if (same.ok()) return found;
    // Another thread has learned of a conversion since the question: it is of the form before.
    MutexLock lock(mu_);
    if (form_ == found.form) return same;
  }
}

bool LocatedFile::IsConverted(const hdfs::LocatedBlocksProto& found, int form) const {
  // Of a small file that has grown the writer goes on: blocks that are added to those of the form
  // that is known already are no other form.
  const bool may_be = !found.underconstruction() || found.has_ecpolicy() != (striping_ != nullptr);
  return form == form_ && may_be && bytes_ != 0 && found.contents() != told_ &&
         BytesOf(found) == bytes_ && found.filelength() >= length_;
}

absl::StatusOr<bool> LocatedFile::TakeConverted(const hdfs::LocatedBlocksProto& found, int form) {
  {
    MutexLock lock(mu_);
    if (!IsConverted(found, form)) return false;
  }
  std::shared_ptr<const Striping> striping;
  if (found.has_ecpolicy()) {
    ASSIGN_OR_RETURN(const erasure::Policy policy, ToPolicy(found.ecpolicy(), path_));
    ASSIGN_OR_RETURN(striping, Striping::Create(policy));
  }
  MutexLock lock(mu_);
  if (!IsConverted(found, form)) return false;
  ++form_;
  striping_ = std::move(striping);
  blocks_.clear();
  seen_ = SeenBlocks();
  NoteSeen(found);
  return true;
}

void LocatedFile::NoteSeen(const hdfs::LocatedBlocksProto& found) {
  seen_.Note(found);
  told_ = found.contents();
  bytes_ = BytesOf(found);
}

absl::Status LocatedFile::NoteStriping(const hdfs::LocatedBlocksProto& found) {
  if (!found.has_lastblock() && found.blocks().empty()) return absl::OkStatus();
  std::optional<erasure::Policy> policy;
  if (found.has_ecpolicy()) {
    ASSIGN_OR_RETURN(policy, ToPolicy(found.ecpolicy(), path_));
  }
  MutexLock lock(mu_);
  if (striping_is_known_) {
    const bool same = policy.has_value() == (striping_ != nullptr) &&
                      (striping_ == nullptr || striping_->IsLaidOutAs(*policy));
    return same ? absl::OkStatus() : Changed();
  }
  if (policy.has_value()) {
    ASSIGN_OR_RETURN(striping_, Striping::Create(*policy));
  }
  striping_is_known_ = true;
  return absl::OkStatus();
}

absl::Status LocatedFile::Refresh(bool patient) {
  int without_locations = 0;
  std::optional<absl::Duration> stamp_patience;  // until when, once it is needed
  while (true) {
    ASSIGN_OR_RETURN(const Found answer, FetchSame(0));
    const hdfs::LocatedBlocksProto& found = answer.blocks;
    uint64_t length = found.filelength();
    hdfs::LocatedBlockProto last;
    const bool open_tail = found.has_lastblock() && !found.islastblockcomplete();
    if (open_tail) {
      last = found.lastblock();
      const bool ask = !found.has_ecpolicy();
      if (ask && last.locs().empty() && last.b().numbytes() > 0) {
        if (++without_locations == kLastBlockTries || !patient) {
          return absl::UnavailableError(
              absl::StrCat(path_, ": Could not obtain the last block locations."));
        }
        absl::SleepFor(last_block_pause_);
        continue;
      }
      if (ask && !last.locs().empty()) {
        const absl::StatusOr<uint64_t> visible = AskVisibleLength(*context_, last, patient);
        // An append or a recovery has begun: the namenode knows the block's new stamp, and in a
        // moment the datanodes will.
        if (GetFsError(visible.status()) == FsError::kReplicaNotFound && patient) {
          const absl::Duration now = context_->clock.Monotonic();
          if (!stamp_patience.has_value()) {
            stamp_patience = now + context_->options.read_retry_window;
          }
          if (now < *stamp_patience) {
            absl::SleepFor(kStampPause);
            continue;
          }
        }
        if (!visible.ok()) {
          return absl::UnavailableError(absl::StrCat("Cannot obtain block length for ", path_, ": ",
                                                     visible.status().message()));
        }
        last.mutable_b()->set_numbytes(*visible);
      }
      if (last.offset() != length) {
        return absl::InternalError(absl::StrCat(path_, ": the server sent a gap before the tail"));
      }
      length += last.b().numbytes();
    }
    MutexLock lock(mu_);
    if (answer.form != form_) continue;
    blocks_.clear();
    Keep(found);
    if (open_tail) blocks_[last.offset()] = {std::make_shared<hdfs::LocatedBlockProto>(last), true};
    seen_.Cut(length);
    NoteSeen(found);
    if (open_tail) seen_.Note(last);
    length_ = length;
    contents_ = ContentsOf(found, length);
    return absl::OkStatus();
  }
}

void LocatedFile::Keep(const hdfs::LocatedBlocksProto& found) {
  for (const hdfs::LocatedBlockProto& block : found.blocks()) {
    // The tail of an open file is kept with the length that its datanodes told.
    if (block.offset() >= found.filelength()) continue;
    blocks_[block.offset()] = {std::make_shared<hdfs::LocatedBlockProto>(block), false};
  }
}

void LocatedFile::RenewLast(const hdfs::LocatedBlocksProto& found) {
  if (!found.has_lastblock()) return;
  const auto kept = blocks_.find(found.lastblock().offset());
  if (kept == blocks_.end()) return;
  BlockPtr& block = kept->second.block;
  bool& being_written = kept->second.being_written;
  // Or the writer has given it up, and written the same bytes as another block.
  if (!being_written && block->b().blockid() != found.lastblock().b().blockid()) return;
  auto renewed = std::make_shared<hdfs::LocatedBlockProto>(found.lastblock());
  being_written = !found.islastblockcomplete();
  // Of an open one the namenode may know less than its datanodes told.
  if (being_written) {
    renewed->mutable_b()->set_numbytes(std::max(block->b().numbytes(), renewed->b().numbytes()));
  }
  block = std::move(renewed);
}

std::optional<ContentsId> LocatedFile::contents() const {
  MutexLock lock(mu_);
  return contents_;
}

uint64_t LocatedFile::length() const {
  MutexLock lock(mu_);
  return length_;
}

absl::StatusOr<KnownBlock> LocatedFile::BlockAt(uint64_t offset, bool fresh) {
  for (bool asked = false;;) {
    if (asked || !fresh) {
      MutexLock lock(mu_);
      auto after = blocks_.upper_bound(offset);
      if (after != blocks_.begin()) {
        KnownBlock known = std::prev(after)->second;
        known.striping = striping_;
        if (offset - known.block->offset() < known.block->b().numbytes()) return known;
      }
    }
    if (asked) {
      return absl::UnavailableError(
          absl::StrCat(path_, ": the namenode names no block at offset ", offset));
    }
    ASSIGN_OR_RETURN(const Found found, FetchSame(offset));
    MutexLock lock(mu_);
    if (found.form != form_) continue;
    asked = true;
    Keep(found.blocks);
    RenewLast(found.blocks);
    NoteSeen(found.blocks);
  }
}

bool LocatedFile::HasFailed(const std::string& uuid, uint64_t block_id) const {
  const auto dead = dead_.find(uuid);
  if (dead != dead_.end() && context_->clock.Monotonic() < dead->second) return true;
  // The key is a copy, and this is asked for each location on each read.
  return !bad_.empty() && bad_.contains({uuid, block_id});
}

std::vector<LocatedFile::Candidate> LocatedFile::Candidates(
    const hdfs::LocatedBlockProto& block) const {
  std::vector<Candidate> candidates;
  {
    MutexLock lock(mu_);
    for (const hdfs::DatanodeInfoProto& node : block.locs()) {
      if (!HasFailed(node.id().datanodeuuid(), block.b().blockid())) {
        candidates.push_back({.node = &node});
      }
    }
  }
  for (Candidate& candidate : candidates) {
    const hdfs::DatanodeIDProto& id = candidate.node->id();
    candidate.costly_until = context_->costly_nodes.Until(id.datanodeuuid());
    candidate.is_remote = !context_->local_replicas.MayServe(id);
  }
  return candidates;
}

bool LocatedFile::Candidate::operator<(const Candidate& other) const {
  // Of those that were costly, the one of which the longest nothing bad is known.
  return std::tie(costly_until, is_remote) < std::tie(other.costly_until, other.is_remote);
}

const hdfs::DatanodeInfoProto* LocatedFile::ChooseNode(const hdfs::LocatedBlockProto& block) const {
  const std::vector<Candidate> candidates = Candidates(block);
  const auto best = std::min_element(candidates.begin(), candidates.end());
  return best == candidates.end() ? nullptr : best->node;
}

std::vector<const hdfs::DatanodeInfoProto*> LocatedFile::ChooseNodes(
    const hdfs::LocatedBlockProto& block) const {
  std::vector<Candidate> candidates = Candidates(block);
  std::stable_sort(candidates.begin(), candidates.end());
  std::vector<const hdfs::DatanodeInfoProto*> nodes;
  nodes.reserve(candidates.size());
  for (const Candidate& candidate : candidates) nodes.push_back(candidate.node);
  return nodes;
}

void LocatedFile::NoteDead(const hdfs::DatanodeIDProto& node, absl::Duration life) {
  const absl::Duration until = context_->clock.Monotonic() + life;
  MutexLock lock(mu_);
  dead_[node.datanodeuuid()] = until;
}

void LocatedFile::NoteBad(const hdfs::DatanodeIDProto& node, uint64_t block_id) {
  MutexLock lock(mu_);
  bad_.insert({node.datanodeuuid(), block_id});
}

void LocatedFile::ForgetDead() {
  MutexLock lock(mu_);
  dead_.clear();
  bad_.clear();
}

}  // namespace cairn::client
