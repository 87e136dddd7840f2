#include "client/testing/fake_cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/testing/fake_datanode.h"
#include "client/testing/fake_namenode.h"
#include "common/check.h"
#include "common/fs_error.h"

namespace cairn::client {

// ---- The namenode ----

absl::Status FakeCluster::Handle(absl::string_view method, const std::string& bytes,
                                 google::protobuf::MessageLite& response) {
  MutexLock lock(mu_);
  ++calls_[std::string(method)];
  const auto status_of = [](const FileState& file, hdfs::HdfsFileStatusProto& s, uint64_t length) {
    s = FakeStatus();
    s.set_length(length);
    s.set_blocksize(file.block_bytes);
    s.set_block_replication(file.replication);
    if (file.policy.has_value()) *s.mutable_ecpolicy() = *file.policy;
  };
  const auto length_of = [this](const FileState& file) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    uint64_t length = 0;
    for (uint64_t id : file.blocks) length += blocks_[id].id.numbytes();
    return length;
  };
  if (method == "create") {
    const auto r = Parse<hdfs::CreateRequestProto>(bytes);
    FileState& file = files_[r.src()] = {
        .block_bytes = r.blocksize(), .replication = r.replication(), .open = true};
    status_of(file, *As<hdfs::CreateResponseProto>(response).mutable_fs(), 0);
  } else if (method == "append") {
    const auto r = Parse<hdfs::AppendRequestProto>(bytes);
    FileState& file = files_[r.src()];
    if (file.open) {
      return MakeFsError(FsError::kAlreadyBeingCreated,
                         "because this file lease is currently owned by itself");
    }
    file.open = true;
    auto& answer = As<hdfs::AppendResponseProto>(response);
    status_of(file, *answer.mutable_stat(), length_of(file));
    if (!file.blocks.empty() && blocks_[file.blocks.back()].id.numbytes() < file.block_bytes) {
      *answer.mutable_block() = Locate(blocks_[file.blocks.back()], 0);
    }
  } else if (method == "addBlock") {
    const auto r = Parse<hdfs::AddBlockRequestProto>(bytes);
    FileState& file = files_[r.src()];
    if (r.has_previous()) *&blocks_[r.previous().blockid()].id = r.previous();
    std::set<int> excluded;
    for (const auto& node : r.excludenodes()) excluded.insert(IndexOf(node.id()));
    Block block;
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
      if (!excluded.contains(i) && block.nodes.size() < file.replication) block.nodes.push_back(i);
    }
    if (block.nodes.empty()) return MakeFsError(FsError::kIo, "no datanode is left");
    block.id.set_poolid("BP-1");
    block.id.set_blockid(next_block_++);
    block.id.set_generationstamp(next_stamp_++);
    block.id.set_numbytes(0);
    file.blocks.push_back(block.id.blockid());
    *As<hdfs::AddBlockResponseProto>(response).mutable_block() = Locate(block, 0);
    blocks_[block.id.blockid()] = std::move(block);
  } else if (method == "abandonBlock") {
    const auto r = Parse<hdfs::AbandonBlockRequestProto>(bytes);
    FileState& file = files_[r.src()];
    std::erase(file.blocks, r.b().blockid());
    blocks_.erase(r.b().blockid());
  } else if (method == "getAdditionalDatanode") {
    const auto r = Parse<hdfs::GetAdditionalDatanodeRequestProto>(bytes);
    Block longer = blocks_[r.blk().blockid()];
    longer.nodes.clear();
    std::set<int> unfit;
    for (const auto& node : r.excludes()) unfit.insert(IndexOf(node.id()));
    for (const auto& node : r.existings()) {
      longer.nodes.push_back(IndexOf(node.id()));
      unfit.insert(longer.nodes.back());
    }
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
      if (unfit.contains(i)) continue;
      longer.nodes.push_back(i);
      break;
    }
    *As<hdfs::GetAdditionalDatanodeResponseProto>(response).mutable_block() = Locate(longer, 0);
  } else if (method == "updateBlockForPipeline") {
    const auto r = Parse<hdfs::UpdateBlockForPipelineRequestProto>(bytes);
    Block renewed = blocks_[r.block().blockid()];
    renewed.id.set_generationstamp(next_stamp_++);
    *As<hdfs::UpdateBlockForPipelineResponseProto>(response).mutable_block() = Locate(renewed, 0);
  } else if (method == "updatePipeline") {
    const auto r = Parse<hdfs::UpdatePipelineRequestProto>(bytes);
    Block& block = blocks_[r.newblock().blockid()];
    CHECK_GT(r.newblock().generationstamp(), r.oldblock().generationstamp());
    block.id = r.newblock();
    block.nodes.clear();
    for (const auto& id : r.newnodes()) block.nodes.push_back(IndexOf(id));
  } else if (method == "complete") {
    const auto r = Parse<hdfs::CompleteRequestProto>(bytes);
    FileState& file = files_[r.src()];
    if (r.has_last()) blocks_[r.last().blockid()].id = r.last();
    file.open = false;
    As<hdfs::CompleteResponseProto>(response).set_result(true);
  } else if (method == "truncate") {
    const auto r = Parse<hdfs::TruncateRequestProto>(bytes);
    FileState& file = files_[r.src()];
    file.open = true;
    file.cut_to = r.newlength();
    As<hdfs::TruncateResponseProto>(response).set_result(false);
  } else if (method == "isFileClosed") {
    FileState& file = files_[Parse<hdfs::IsFileClosedRequestProto>(bytes).src()];
    if (file.cut_to.has_value()) {
      CutTo(file, *std::exchange(file.cut_to, std::nullopt));
      file.open = false;
    }
    As<hdfs::IsFileClosedResponseProto>(response).set_result(!file.open);
  } else if (method == "recoverLease") {
    if (refuse_recovery_) return MakeFsError(FsError::kIo, "not now");
    files_[Parse<hdfs::RecoverLeaseRequestProto>(bytes).src()].open = false;
    As<hdfs::RecoverLeaseResponseProto>(response).set_result(true);
  } else if (method == "getFileInfo") {
    const auto found = files_.find(Parse<hdfs::GetFileInfoRequestProto>(bytes).src());
    if (found == files_.end()) return absl::OkStatus();
    status_of(found->second, *As<hdfs::GetFileInfoResponseProto>(response).mutable_fs(),
              length_of(found->second));
  } else if (method == "getBlockLocations") {
    const auto r = Parse<hdfs::GetBlockLocationsRequestProto>(bytes);
    const auto found = files_.find(r.src());
    if (found == files_.end()) return MakeFsError(FsError::kFileNotFound, "no such file");
    auto& located = *As<hdfs::GetBlockLocationsResponseProto>(response).mutable_locations();
    TellLateUnits();
    LocateRange(found->second, r, located);
    const auto lost = lost_tails_.find(r.src());
    located.set_underconstruction(lost != lost_tails_.end());
    located.set_islastblockcomplete(lost == lost_tails_.end());
    if (lost != lost_tails_.end()) {
      hdfs::LocatedBlockProto& tail = *located.mutable_lastblock();
      auto& shown = *located.mutable_blocks();
      if (!shown.empty() && shown.rbegin()->offset() == tail.offset()) shown.RemoveLast();
      tail.mutable_b()->set_numbytes(lost->second);
      located.set_filelength(tail.offset());
    }
  } else if (method == "getErasureCodingPolicy") {
    const FileState& file = files_[Parse<hdfs::GetErasureCodingPolicyRequestProto>(bytes).src()];
    auto& answer = As<hdfs::GetErasureCodingPolicyResponseProto>(response);
    if (file.policy.has_value()) *answer.mutable_ecpolicy() = *file.policy;
  } else if (method == "reportBadBlocks") {
    const auto r = Parse<hdfs::ReportBadBlocksRequestProto>(bytes);
    for (const auto& block : r.blocks()) {
      reported_.push_back(IndexOf(block.locs(0).id()));
      reported_blocks_.push_back(block.b().blockid());
    }
  } else if (method != "fsync" && method != "renewLease") {
    return MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method));
  }
  return absl::OkStatus();
}

void FakeCluster::LocateRange(const FileState& file,
                              const hdfs::GetBlockLocationsRequestProto& range,
                              hdfs::LocatedBlocksProto& located) {
  uint64_t offset = 0;
  for (uint64_t id : file.blocks) {
    const Block& block = blocks_[id];
    const uint64_t end = offset + block.id.numbytes();
    *located.mutable_lastblock() = Locate(block, offset);
    if (end > range.offset() && offset < range.offset() + range.length()) {
      *located.add_blocks() = located.lastblock();
    }
    offset = end;
  }
  located.set_filelength(offset);
  if (!file.blocks.empty()) located.set_contents(DigestOf(file));
  if (file.converted_from != 0) located.set_convertedfrom(file.converted_from);
  if (file.policy.has_value()) *located.mutable_ecpolicy() = *file.policy;
}

uint64_t FakeCluster::DigestOf(const FileState& file) {
  uint64_t digest = 1;
  for (uint64_t id : file.blocks)
    digest = (digest * 31 + id) * 31 + blocks_[id].id.generationstamp();
  return digest;
}

hdfs::LocatedBlockProto FakeCluster::Locate(const Block& block, uint64_t offset) const {
  hdfs::LocatedBlockProto located = FakeLocated(block.id, offset, /*token=*/"");
  for (const int node : block.nodes) AddPlace(node, PortOf(node), located);
  if (!block.unit_numbers.empty()) LocateUnits(block, located);
  return located;
}

// ---- The cluster ----

FakeCluster::FakeCluster(int nodes) {
  for (int i = 0; i < nodes; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
}

FakeCluster::~FakeCluster() {
  {
    MutexLock lock(mu_);
    ending_ = true;
  }
  HoldPackets(false);
  nodes_.clear();
}

std::unique_ptr<FileSystem> FakeCluster::Connect(ClientOptions options, Clock& clock) {
  return FileSystem::Over(NewContext(std::move(options), clock));
}

std::shared_ptr<ClientContext> FakeCluster::NewContext(ClientOptions options, Clock& clock) {
  return FakeContext(
      [this](absl::string_view method, const std::string& request,
             google::protobuf::MessageLite& response) { return Handle(method, request, response); },
      std::move(options), clock);
}

uint16_t FakeCluster::PortOf(int node) const {
  const auto deaf = cut_off_.find(node);
  return deaf != cut_off_.end() ? deaf->second->port() : nodes_[static_cast<size_t>(node)]->port();
}

int FakeCluster::IndexOf(const hdfs::DatanodeIDProto& id) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (id.datanodeuuid() == FakeUuid(static_cast<int>(i))) return static_cast<int>(i);
  }
  CHECK(false) << "unknown datanode " << id.datanodeuuid();
  return -1;
}

void FakeCluster::LoseOpenTail(const std::string& path, uint64_t known_bytes) {
  MutexLock lock(mu_);
  lost_tails_[path] = known_bytes;
}

void FakeCluster::RefuseSetUp(int node) {
  MutexLock lock(mu_);
  refusing_.insert(node);
}
void FakeCluster::AllowSetUp(int node) {
  MutexLock lock(mu_);
  refusing_.erase(node);
}
void FakeCluster::RefuseRecovery(bool refuse) {
  MutexLock lock(mu_);
  refuse_recovery_ = refuse;
}
void FakeCluster::RefuseCopies(int node) {
  MutexLock lock(mu_);
  refusing_copies_.insert(node);
}
void FakeCluster::DieAfterBytes(int node, uint64_t bytes) {
  MutexLock lock(mu_);
  die_after_[node] = bytes;
}
void FakeCluster::CorruptReads(int node) {
  MutexLock lock(mu_);
  corrupting_.insert(node);
}
void FakeCluster::BreakReads(int node, int reads) {
  MutexLock lock(mu_);
  breaking_[node] = reads;
}
int FakeCluster::BrokenReads(int node) const {
  MutexLock lock(mu_);
  const auto found = broken_.find(node);
  return found == broken_.end() ? 0 : found->second;
}
void FakeCluster::StallReads(int node, Silence silence) {
  MutexLock lock(mu_);
  stalling_[node] = silence;
}
void FakeCluster::ResumeReads(int node) {
  MutexLock lock(mu_);
  stalling_.erase(node);
  released_.NotifyAll();
}
void FakeCluster::PassDescriptors(const std::string& directory, const std::vector<int>& nodes) {
  for (const int node : nodes) nodes_[static_cast<size_t>(node)]->PassDescriptors(directory);
}
void FakeCluster::CutOff(int node) {
  MutexLock lock(mu_);
  cut_off_[node] = std::make_unique<DeafPort>();
}
void FakeCluster::SendInsteadOfPackets(int node, std::string bytes) {
  MutexLock lock(mu_);
  instead_[node] = std::move(bytes);
}
void FakeCluster::AckOutOfTurn(int node) {
  MutexLock lock(mu_);
  acking_wrong_.insert(node);
}

void FakeCluster::LastNodeSilentAtSetUp(int node, absl::Duration delay) {
  MutexLock lock(mu_);
  last_silent_[node] = delay;
}
void FakeCluster::GiveSigns() {
  MutexLock lock(mu_);
  giving_signs_ = true;
}

void FakeCluster::Stop(int node) {
  MutexLock lock(mu_);
  stopped_.insert(node);
}

void FakeCluster::AnnounceRestart(int node) {
  MutexLock lock(mu_);
  restarting_.insert(node);
}

void FakeCluster::RestartAtClose(int node) {
  MutexLock lock(mu_);
  restarting_at_close_.insert(node);
}

void FakeCluster::Move(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  for (uint64_t id : files_[to].blocks) blocks_.erase(id);
  files_[to] = files_.at(from);
  files_.erase(from);
}

void FakeCluster::PutBlock(const std::string& path, size_t index, const std::string& from) {
  MutexLock lock(mu_);
  files_.at(path).blocks.at(index) = files_.at(from).blocks.at(index);
  files_.at(path).converted_from = 0;
}

void FakeCluster::Convert(const std::string& path, const std::string& from) {
  MutexLock lock(mu_);
  FileState& file = files_.at(path);
  const uint64_t known_as = file.converted_from != 0 ? file.converted_from : DigestOf(file);
  for (uint64_t id : file.blocks) {
    const uint64_t ids = file.policy.has_value() ? erasure::kMaxUnits : 1;
    for (uint64_t unit = 0; unit < ids; ++unit) blocks_.erase(id + unit);
  }
  file = files_.at(from);
  file.converted_from = known_as;
  files_.erase(from);
}

void FakeCluster::Cut(const std::string& path, uint64_t length) {
  MutexLock lock(mu_);
  CutTo(files_.at(path), length);
}

void FakeCluster::CutTo(FileState& file, uint64_t length) {
  file.converted_from = 0;
  std::vector<uint64_t> left;
  for (uint64_t id : file.blocks) {
    if (length == 0) break;
    left.push_back(id);
    Block& block = blocks_.at(id);
    if (block.id.numbytes() > length) {
      block.id.set_numbytes(length);
      block.id.set_generationstamp(next_stamp_++);
    }
    length -= block.id.numbytes();
  }
  file.blocks = std::move(left);
}

void FakeCluster::TakeTime(int node, absl::Duration time) {
  MutexLock lock(mu_);
  times_[node] = time;
}

int FakeCluster::Signs() const {
  MutexLock lock(mu_);
  return signs_;
}

void FakeCluster::HoldPackets(bool hold) {
  MutexLock lock(mu_);
  holding_ = hold;
  released_.NotifyAll();
}

int FakeCluster::Calls(const std::string& method) const {
  MutexLock lock(mu_);
  const auto found = calls_.find(method);
  return found == calls_.end() ? 0 : found->second;
}

std::vector<int> FakeCluster::BadReplicaReports() const {
  MutexLock lock(mu_);
  return reported_;
}

std::vector<uint64_t> FakeCluster::BadBlockReports() const {
  MutexLock lock(mu_);
  return reported_blocks_;
}

std::string FakeCluster::Contents(const std::string& path) const {
  MutexLock lock(mu_);
  std::string all;
  for (uint64_t id : files_.at(path).blocks) {
    const Block& block = blocks_.at(id);
    all += block.bytes.at(block.nodes[0]).substr(0, block.id.numbytes());
  }
  return all;
}

bool FakeCluster::ReplicasAgree(const std::string& path) const {
  MutexLock lock(mu_);
  for (uint64_t id : files_.at(path).blocks) {
    const Block& block = blocks_.at(id);
    const uint64_t length = block.id.numbytes();
    for (int node : block.nodes) {
      if (block.bytes.at(node).substr(0, length) !=
          block.bytes.at(block.nodes[0]).substr(0, length)) {
        return false;
      }
    }
  }
  return true;
}

int FakeCluster::Replicas(const std::string& path, size_t block) const {
  return static_cast<int>(ReplicaNodes(path, block).size());
}

std::vector<int> FakeCluster::ReplicaNodes(const std::string& path, size_t block) const {
  MutexLock lock(mu_);
  return blocks_.at(files_.at(path).blocks[block]).nodes;
}

uint64_t FakeCluster::BytesReceived(const std::string& path) const {
  MutexLock lock(mu_);
  uint64_t bytes = 0;
  for (uint64_t id : files_.at(path).blocks) {
    const Block& block = blocks_.at(id);
    const auto found = block.bytes.find(block.nodes[0]);
    if (found != block.bytes.end()) bytes += found->second.size();
  }
  return bytes;
}

std::vector<bool> FakeCluster::SyncedAtEnd(const std::string& path) const {
  MutexLock lock(mu_);
  std::vector<bool> synced;
  for (const uint64_t id : files_.at(path).blocks) synced.push_back(blocks_.at(id).synced_at_end);
  return synced;
}

int FakeCluster::Heartbeats() const {
  MutexLock lock(mu_);
  return heartbeats_;
}

int FakeCluster::ClosedConnections() const {
  MutexLock lock(mu_);
  return closed_connections_;
}

int FakeCluster::DescriptorRequests() const {
  MutexLock lock(mu_);
  return descriptor_requests_;
}

size_t FakeCluster::BlockCount(const std::string& path) const {
  MutexLock lock(mu_);
  return files_.at(path).blocks.size();
}

}  // namespace cairn::client
