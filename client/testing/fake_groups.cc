#include "client/testing/fake_groups.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/erasure_convert.h"
#include "client/testing/fake_namenode.h"
#include "client/testing/fake_unit_node.h"
#include "common/check.h"
#include "common/fs_error.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// A datanode takes a token for the block and stamp that it was given for, and no other.
std::string TokenText(uint64_t block, uint64_t stamp) {
  return absl::StrCat("block ", block, " under ", stamp);
}

// Without places and units.
hdfs::LocatedBlockProto LocatedGroup(const hdfs::ExtendedBlockProto& group) {
  return FakeLocated(group, /*offset=*/0, TokenText(group.blockid(), group.generationstamp()));
}

}  // namespace

FakeGroups::FakeGroups(const erasure::Policy& policy, int nodes)
    : policy_(policy), layout_(policy.schema, policy.cell_bytes) {
  for (int i = 0; i < nodes; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
}

FakeGroups::~FakeGroups() {
  {
    MutexLock lock(mu_);
    ending_ = true;
    changed_.NotifyAll();
  }
  nodes_.clear();
}

std::unique_ptr<FileSystem> FakeGroups::Connect(ClientOptions options, Clock& clock) {
  return FileSystem::Over(FakeContext(
      [this](absl::string_view method, const std::string& request,
             google::protobuf::MessageLite& response) { return Handle(method, request, response); },
      std::move(options), clock,
      [this](absl::string_view method, const std::string& request, google::protobuf::MessageLite&) {
        return HandleCairn(method, request);
      }));
}

// ---- The namenode ----

absl::Status FakeGroups::Handle(absl::string_view method, const std::string& bytes,
                                google::protobuf::MessageLite& response) {
  MutexLock lock(mu_);
  ++calls_[std::string(method)];
  if (method == "create") {
    return Create(Parse<hdfs::CreateRequestProto>(bytes),
                  *As<hdfs::CreateResponseProto>(response).mutable_fs());
  } else if (method == "getFileInfo") {
    const auto found = Lookup(Parse<hdfs::GetFileInfoRequestProto>(bytes).src());
    if (found == files_.end()) return absl::OkStatus();
    FillStatus(found->second, *As<hdfs::GetFileInfoResponseProto>(response).mutable_fs());
  } else if (method == "getBlockLocations") {
    const auto found = Lookup(Parse<hdfs::GetBlockLocationsRequestProto>(bytes).src());
    if (found == files_.end()) return MakeFsError(FsError::kFileNotFound, "no such file");
    LocateAll(found->second,
              *As<hdfs::GetBlockLocationsResponseProto>(response).mutable_locations());
  } else if (method == "delete") {
    // Of a temporary file, whose path goes by way of its own inode.
    As<hdfs::DeleteResponseProto>(response).set_result(true);
  } else if (method == "append") {
    FileState& file = files_.at(Parse<hdfs::AppendRequestProto>(bytes).src());
    file.open = true;
    FillStatus(file, *As<hdfs::AppendResponseProto>(response).mutable_stat());
  } else if (method == "addBlock") {
    return AddGroup(Parse<hdfs::AddBlockRequestProto>(bytes),
                    *As<hdfs::AddBlockResponseProto>(response).mutable_block());
  } else if (method == "abandonBlock") {
    return Abandon(Parse<hdfs::AbandonBlockRequestProto>(bytes));
  } else if (method == "updateBlockForPipeline") {
    Renew(Parse<hdfs::UpdateBlockForPipelineRequestProto>(bytes).block(),
          *As<hdfs::UpdateBlockForPipelineResponseProto>(response).mutable_block());
  } else if (method == "updatePipeline") {
    UpdatePipeline(Parse<hdfs::UpdatePipelineRequestProto>(bytes));
  } else if (method == "fsync") {
    return Fsync(Parse<hdfs::FsyncRequestProto>(bytes));
  } else if (method == "complete") {
    As<hdfs::CompleteResponseProto>(response).set_result(
        Complete(Parse<hdfs::CompleteRequestProto>(bytes)));
  } else if (method != "renewLease") {
    return MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method));
  }
  return absl::OkStatus();
}

absl::Status FakeGroups::Create(const hdfs::CreateRequestProto& request,
                                hdfs::HdfsFileStatusProto& made) {
  if (request.has_ecpolicyname()) {
    if (request.ecpolicyname() != policy_.name) Complain("a file of another policy is made");
    RETURN_IF_ERROR(CheckPolicy());
  }
  FileState& file = files_[request.src()] = {
      .inode = next_inode_++, .block_bytes = request.blocksize(), .open = true};
  FillStatus(file, made);
  return absl::OkStatus();
}

void FakeGroups::AddUnit(const GroupState& group, size_t unit, size_t number,
                         hdfs::LocatedBlockProto& located) const {
  const int node = group.nodes[unit];
  AddPlace(node, nodes_[static_cast<size_t>(node)]->port(), located);
  located.mutable_blockindices()->push_back(static_cast<char>(number));
  *located.add_blocktokens() =
      FakeToken(TokenText(group.id.blockid() + unit, group.id.generationstamp()));
}

void FakeGroups::LocateAll(const FileState& file, hdfs::LocatedBlocksProto& located) const {
  uint64_t offset = 0;
  for (const GroupState& group : file.groups) {
    hdfs::LocatedBlockProto& block = *located.add_blocks();
    block = LocatedGroup(group.id);
    block.set_offset(offset);
    for (size_t unit = 0; unit < group.nodes.size(); ++unit) {
      const bool there = layout_.UnitBytes(group.id.numbytes(), static_cast<uint32_t>(unit)) > 0;
      if (there) AddUnit(group, unit, unit, block);
    }
    *located.mutable_lastblock() = block;
    offset += group.id.numbytes();
  }
  located.set_filelength(offset);
  located.set_underconstruction(file.open);
  located.set_islastblockcomplete(!file.open);
  *located.mutable_ecpolicy() = ToProto(policy_);
}

void FakeGroups::FillStatus(const FileState& file, hdfs::HdfsFileStatusProto& status) const {
  uint64_t length = 0;
  for (const GroupState& group : file.groups) length += group.id.numbytes();
  status = FakeStatus();
  status.set_fileid(file.inode);
  status.set_length(length);
  status.set_blocksize(file.block_bytes);
  status.set_block_replication(1);
  status.set_flags(hdfs::HdfsFileStatusProto::HAS_EC);
  *status.mutable_ecpolicy() = ToProto(policy_);
}

void FakeGroups::Commit(FileState& file, const hdfs::ExtendedBlockProto& named) {
  if (file.groups.empty()) return Complain("a group is named, and there is none");
  hdfs::ExtendedBlockProto& last = file.groups.back().id;
  if (named.blockid() != last.blockid() || named.generationstamp() != last.generationstamp()) {
    Complain(absl::StrCat("group ", named.blockid(), " under ", named.generationstamp(),
                          " is named in place of the last one"));
  }
  if (named.numbytes() < last.numbytes()) {
    Complain(absl::StrCat("group ", named.blockid(), " is named with ", named.numbytes(),
                          " bytes after ", last.numbytes()));
  }
  last.set_numbytes(named.numbytes());
}

absl::Status FakeGroups::AddGroup(const hdfs::AddBlockRequestProto& request,
                                  hdfs::LocatedBlockProto& added) {
  FileState& file = files_.at(request.src());
  if (request.has_previous()) Commit(file, request.previous());
  history_.push_back(request.has_previous()
                         ? absl::StrCat("addBlock after ", request.previous().numbytes())
                         : "addBlock");
  std::set<std::string> excluded;
  for (const auto& node : request.excludenodes()) excluded.insert(node.id().datanodeuuid());
  GroupState group;
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (excluded.contains(FakeUuid(i))) continue;
    if (group.nodes.size() < std::min<size_t>(layout_.units(), offered_)) group.nodes.push_back(i);
  }
  if (group.nodes.size() < layout_.data_units()) {
    return MakeFsError(FsError::kIo, "too few datanodes for the data");
  }
  group.id.set_poolid("BP-1");
  group.id.set_blockid(next_group_);
  next_group_ += erasure::kMaxUnits;
  group.id.set_generationstamp(next_stamp_++);
  group.id.set_numbytes(0);
  added = LocatedGroup(group.id);
  for (size_t unit = 0; unit < group.nodes.size(); ++unit) {
    AddUnit(group, unit, numbering_wrongly_ ? layout_.units() : unit, added);
  }
  file.groups.push_back(std::move(group));
  return absl::OkStatus();
}

absl::Status FakeGroups::Abandon(const hdfs::AbandonBlockRequestProto& request) {
  FileState& file = files_.at(request.src());
  if (file.groups.empty() || file.groups.back().id.blockid() != request.b().blockid()) {
    Complain(absl::StrCat("group ", request.b().blockid(), ", not the last, is abandoned"));
  } else {
    file.groups.pop_back();
  }
  history_.push_back("abandonBlock");
  return absl::OkStatus();
}

void FakeGroups::Renew(const hdfs::ExtendedBlockProto& block, hdfs::LocatedBlockProto& renewed) {
  const uint64_t stamp = next_stamp_++;
  hdfs::ExtendedBlockProto group = block;
  group.set_generationstamp(stamp);
  renewed = LocatedGroup(group);
  // As in HDFS: no place, and every unit.
  for (uint32_t unit = 0; unit < layout_.units(); ++unit) {
    renewed.mutable_blockindices()->push_back(static_cast<char>(unit));
    *renewed.add_blocktokens() = FakeToken(TokenText(block.blockid() + unit, stamp));
  }
}

void FakeGroups::UpdatePipeline(const hdfs::UpdatePipelineRequestProto& request) {
  GroupState& group = Find(request.oldblock().blockid());
  if (request.oldblock().generationstamp() != group.id.generationstamp() ||
      request.newblock().generationstamp() <= group.id.generationstamp() ||
      request.newblock().numbytes() < group.id.numbytes() ||
      request.newnodes_size() != static_cast<int>(layout_.units()) ||
      request.storageids_size() != request.newnodes_size()) {
    return Complain("updatePipeline makes no sense");
  }
  group.id = request.newblock();
  group.lost.clear();
  for (uint32_t unit = 0; unit < layout_.units(); ++unit) {
    const std::string& uuid = request.newnodes(static_cast<int>(unit)).datanodeuuid();
    const std::string& storage = request.storageids(static_cast<int>(unit));
    if (uuid == "null" && storage.empty()) {
      group.lost.insert(unit);
    } else if (unit >= group.nodes.size() || uuid != FakeUuid(group.nodes[unit]) ||
               storage != absl::StrCat("DS-", group.nodes[unit])) {
      Complain(absl::StrCat("unit ", unit, " is told to be on ", uuid, ", ", storage));
    }
  }
}

absl::Status FakeGroups::Fsync(const hdfs::FsyncRequestProto& request) {
  if (refusing_fsync_) return MakeFsError(FsError::kIo, "refused for a test");
  FileState& file = files_.at(request.src());
  if (file.groups.empty()) return MakeFsError(FsError::kIo, "there is no group");
  history_.push_back(absl::StrCat("fsync ", request.lastblocklength()));
  GroupState& last = file.groups.back();
  last.id.set_numbytes(static_cast<uint64_t>(request.lastblocklength()));
  if (!HasEnough(last)) Complain("a group is told of that is not finished");
  return absl::OkStatus();
}

bool FakeGroups::Complete(const hdfs::CompleteRequestProto& request) {
  FileState& file = files_.at(request.src());
  if (request.has_last()) Commit(file, request.last());
  history_.push_back(request.has_last() ? absl::StrCat("complete ", request.last().numbytes())
                                        : "complete");
  if (denials_ > 0) {
    --denials_;
    return false;
  }
  if (!file.groups.empty() && !HasEnough(file.groups.back())) return false;
  file.open = false;
  return true;
}

bool FakeGroups::HasEnough(const GroupState& group) const {
  uint32_t needed = 0;
  uint32_t finished = 0;
  for (uint32_t unit = 0; unit < layout_.units(); ++unit) {
    const uint64_t bytes = layout_.UnitBytes(group.id.numbytes(), unit);
    if (bytes == 0) continue;
    if (unit < layout_.data_units()) ++needed;
    if (unit >= group.nodes.size()) continue;
    const auto found = replicas_.find({group.nodes[unit], group.id.blockid() + unit});
    if (found != replicas_.end() && found->second.finished &&
        found->second.stamp == group.id.generationstamp() && found->second.bytes.size() == bytes) {
      ++finished;
    }
  }
  return finished >= needed;
}

FakeGroups::GroupState& FakeGroups::Find(uint64_t id) {
  for (auto& [path, file] : files_) {
    for (GroupState& group : file.groups) {
      if (group.id.blockid() == id) return group;
    }
  }
  CHECK(false) << "no group " << id;
  return files_.begin()->second.groups.front();
}

// ---- What a datanode takes ----

std::string FakeGroups::SetUp(int node, const hdfs::OpWriteBlockProto& op) {
  if (refusing_[node] > 0) {
    --refusing_[node];
    return "refused for a test";
  }
  const auto& base = op.header().baseheader();
  if (op.targets_size() != 0) Complain("a unit is to go to several datanodes");
  if (base.token().identifier() != TokenText(base.block().blockid(), op.latestgenerationstamp())) {
    return absl::StrCat("a token for ", base.token().identifier());
  }
  if (op.stage() != hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE) return Reopen(node, op);
  const auto [made, is_new] = replicas_.insert(
      {{node, base.block().blockid()}, Replica{.stamp = op.latestgenerationstamp()}});
  return is_new ? "" : "is there already";
}

bool FakeGroups::AwaitSetUp(int node) {
  if (refusing_[node] == 0) ++set_ups_;
  changed_.NotifyAll();
  while (!ending_ && (hanging_.contains(node) || set_ups_ < set_ups_together_)) {
    changed_.Wait(mu_);
  }
  return !ending_;
}

std::string FakeGroups::Reopen(int node, const hdfs::OpWriteBlockProto& op) {
  const bool close = op.stage() == hdfs::OpWriteBlockProto::PIPELINE_CLOSE_RECOVERY;
  if (!close && op.stage() != hdfs::OpWriteBlockProto::PIPELINE_SETUP_STREAMING_RECOVERY) {
    return "a stage that is not for units";
  }
  if (refusing_recovery_.contains(node)) return "refused for a test";
  const auto& block = op.header().baseheader().block();
  const auto found = replicas_.find({node, block.blockid()});
  if (found == replicas_.end() || (found->second.finished && !close)) {
    return "is not being written";
  }
  Replica& replica = found->second;
  if (replica.stamp < block.generationstamp() || replica.stamp > op.latestgenerationstamp()) {
    return absl::StrCat("has the stamp ", replica.stamp);
  }
  if (replica.bytes.size() < op.minbytesrcvd() || replica.bytes.size() > op.maxbytesrcvd()) {
    return absl::StrCat("has ", replica.bytes.size(), " bytes");
  }
  replica.bytes.resize(op.minbytesrcvd());
  replica.stamp = op.latestgenerationstamp();
  if (close) replica.finished = replica.synced = true;
  return "";
}

void FakeGroups::Complain(std::string about) { complaints_.push_back(std::move(about)); }

// ---- What a test asks for ----

void FakeGroups::Take(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  const auto found = files_.find(from);
  CHECK(found != files_.end());
  FileState taken = std::move(found->second);
  files_.erase(found);
  taken.open = true;
  files_[to] = std::move(taken);
}

void FakeGroups::RefuseSetUp(int node, int times) {
  MutexLock lock(mu_);
  refusing_[node] = times;
}
void FakeGroups::HangInSetUp(int node) {
  MutexLock lock(mu_);
  hanging_.insert(node);
}
void FakeGroups::GiveSignsInSetUp(int signs) {
  MutexLock lock(mu_);
  signs_in_set_up_ = signs;
}
void FakeGroups::AnswerSetUpsTogether(int set_ups) {
  MutexLock lock(mu_);
  set_ups_together_ = set_ups_ + set_ups;
}
void FakeGroups::RefuseRecovery(int node) {
  MutexLock lock(mu_);
  refusing_recovery_.insert(node);
}
void FakeGroups::DieAfterBytes(int node, uint64_t bytes) {
  MutexLock lock(mu_);
  die_after_[node] = bytes;
}
void FakeGroups::RestartAfterBytes(int node, uint64_t bytes) {
  MutexLock lock(mu_);
  restart_after_[node] = bytes;
}
void FakeGroups::Restart(int node) { nodes_[static_cast<size_t>(node)]->Restart(); }
void FakeGroups::ClosePort(int node) { nodes_[static_cast<size_t>(node)]->ClosePort(); }
void FakeGroups::DieAtClose(int node) {
  MutexLock lock(mu_);
  dying_at_close_.insert(node);
}
void FakeGroups::RestartAtClose(int node) {
  MutexLock lock(mu_);
  restarting_at_close_.insert(node);
}
void FakeGroups::FallSilent(int node) {
  MutexLock lock(mu_);
  silent_.insert(node);
}
void FakeGroups::OfferAtMost(size_t units) {
  MutexLock lock(mu_);
  offered_ = units;
}
void FakeGroups::NumberUnitsWrongly() {
  MutexLock lock(mu_);
  numbering_wrongly_ = true;
}
void FakeGroups::DenyCompletion(int times) {
  MutexLock lock(mu_);
  denials_ = times;
}

void FakeGroups::RefuseFsync() {
  MutexLock lock(mu_);
  refusing_fsync_ = true;
}

std::vector<FakeGroups::Group> FakeGroups::Groups(const std::string& path) const {
  MutexLock lock(mu_);
  std::vector<Group> groups;
  for (const GroupState& state : files_.at(path).groups) {
    Group& group = groups.emplace_back(Group{.id = state.id.blockid(),
                                             .stamp = state.id.generationstamp(),
                                             .bytes = state.id.numbytes(),
                                             .lost = state.lost});
    for (uint32_t number = 0; number < layout_.units(); ++number) {
      Unit& unit = group.units.emplace_back();
      if (number >= state.nodes.size()) continue;
      unit.node = state.nodes[number];
      const auto found = replicas_.find({unit.node, group.id + number});
      unit.there = found != replicas_.end();
      if (!unit.there) continue;
      const Replica& replica = found->second;
      unit.stamp = replica.stamp;
      unit.bytes = replica.bytes;
      unit.finished = replica.finished;
      unit.synced = replica.synced;
    }
  }
  return groups;
}

bool FakeGroups::IsOpen(const std::string& path) const {
  MutexLock lock(mu_);
  return files_.at(path).open;
}

int FakeGroups::Calls(const std::string& method) const {
  MutexLock lock(mu_);
  const auto found = calls_.find(method);
  return found == calls_.end() ? 0 : found->second;
}

std::vector<std::string> FakeGroups::History() const {
  MutexLock lock(mu_);
  return history_;
}

int FakeGroups::Heartbeats() const {
  MutexLock lock(mu_);
  return heartbeats_;
}

size_t FakeGroups::Connections() const {
  size_t open = 0;
  for (const auto& node : nodes_) open += node->Connections();
  return open;
}

std::vector<std::string> FakeGroups::Complaints() const {
  MutexLock lock(mu_);
  return complaints_;
}

}  // namespace cairn::client
