#include "client/cluster_admin.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/block_reports.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/hadoop_rpc.h"
#include "client/path.h"
#include "client/striping.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/admin.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

constexpr char kAdminProtocol[] = "cairn.AdminProtocol";

bool LacksMethod(const absl::Status& status) {
  const FsError error = GetFsError(status);
  return error == FsError::kNoSuchProtocol || error == FsError::kNoSuchMethod;
}

absl::Time WallTime(uint64_t ms) {
  return absl::FromUnixMillis(static_cast<int64_t>(std::min<uint64_t>(ms, INT64_MAX)));
}

DatanodeAdminState ToAdminState(uint32_t value) {
  return value <= static_cast<uint32_t>(DatanodeAdminState::kInMaintenance)
             ? static_cast<DatanodeAdminState>(value)
             : DatanodeAdminState::kNormal;
}

NodeFacts ToNodeFacts(const admin::NodeFacts& p) {
  NodeFacts n;
  n.uuid = p.datanode_uuid();
  n.ip = p.ip();
  n.host = p.host_name();
  n.rack = p.rack();
  n.transfer_port = static_cast<uint16_t>(p.transfer_port());
  n.ipc_port = static_cast<uint16_t>(p.ipc_port());
  n.liveness = p.liveness() == admin::NODE_LIVE    ? NodeLiveness::kLive
               : p.liveness() == admin::NODE_STALE ? NodeLiveness::kStale
                                                   : NodeLiveness::kDead;
  n.admin_state = ToAdminState(p.admin_state());
  n.silent = Millis(p.silent_ms());
  n.transfers = p.transfers();
  for (const admin::StorageFacts& s : p.storages()) {
    n.storages.push_back({.uuid = s.storage_uuid(),
                          .type = ToStorageType(s.type()),
                          .failed = s.failed(),
                          .capacity = s.capacity_bytes(),
                          .used = s.used_bytes(),
                          .remaining = s.remaining_bytes(),
                          .blocks = s.blocks()});
  }
  if (p.has_leaving()) {
    const admin::LeaveFacts& from = p.leaving();
    LeaveFacts& to = n.leaving.emplace();
    to.since = Millis(from.since_ms());
    to.blocks_left = from.blocks_left();
    to.bytes_left = from.bytes_left();
    to.last_copies = from.last_copies();
    to.looking = from.looking();
    to.bytes_per_second = from.bytes_per_second();
    if (from.has_ends_in_ms()) to.ends_in = Millis(from.ends_in_ms());
    to.blocked_by = from.blocked_by();
  }
  return n;
}

}  // namespace

std::string NodeFacts::name() const { return absl::StrCat(ip, ":", transfer_port); }

uint64_t ClusterFacts::low_redundancy() const {
  uint64_t sum = 0;
  for (const Need need : {Need::kHighest, Need::kVeryLow, Need::kLow, Need::kMissing}) {
    sum += by_need[static_cast<size_t>(need)];
  }
  return sum;
}

absl::StatusOr<std::unique_ptr<ClusterAdmin>> ClusterAdmin::Connect(absl::string_view uri,
                                                                    ClientOptions options) {
  ASSIGN_OR_RETURN(const PathUri parsed, ParsePathUri(uri));
  if (parsed.scheme != "hdfs" || parsed.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(uri, ": not hdfs://host[:port]"));
  }
  ASSIGN_OR_RETURN(const HostPort at, ParseHostPort(parsed.authority, kDefaultNamenodePort));
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  ASSIGN_OR_RETURN(auto hdfs, NewHadoopRpc(at.host, at.port, kClientProtocol, user, options));
  ASSIGN_OR_RETURN(auto cairn, NewHadoopRpc(at.host, at.port, kAdminProtocol, user, options));
  auto made = std::make_unique<ClusterAdmin>(std::move(hdfs), std::move(cairn), std::move(options));
  made->host_ = at.host;
  made->port_ = at.port;
  made->user_ = user;
  made->authority_ = absl::StrCat(at.host, ":", at.port);
  return made;
}

ClusterAdmin::ClusterAdmin(std::unique_ptr<RpcChannel> client_protocol,
                           std::unique_ptr<RpcChannel> cairn, ClientOptions options)
    : options_(std::move(options)), hdfs_(std::move(client_protocol)), cairn_(std::move(cairn)) {}

ClusterAdmin::~ClusterAdmin() = default;

template <typename Response, typename Request>
absl::StatusOr<Response> ClusterAdmin::Ask(RpcChannel& channel, absl::string_view method,
                                           const Request& request) {
  Response response;
  RETURN_IF_ERROR(channel.Call(method, request, response));
  return response;
}

// ---- Cairn's own ----

absl::StatusOr<FileReport> ClusterAdmin::DescribeFile(absl::string_view path) {
  FileReport file;
  file.path = std::string(path);
  admin::DescribeFileRequest request;
  request.set_path(file.path);
  for (;;) {
    const auto page = Ask<admin::DescribeFileResponse>(*cairn_, "describeFile", request);
    if (!page.ok() && LacksMethod(page.status())) return DescribeByLocations(path);
    if (!page.ok()) return page.status();
    file.inode = page->inode();
    file.length = std::min(page->length(), kMaxLength);
    file.replication = page->replication();
    file.storage_policy = page->storage_policy();
    file.open = page->open();
    file.block_pool = page->block_pool();
    file.erasure_policy = page->erasure_policy();
    for (const admin::Block& block : page->blocks()) {
      ASSIGN_OR_RETURN(BlockReport report, ToReport(block));
      file.blocks.push_back(std::move(report));
    }
    if (!page->more()) return file;
    const uint64_t next =
        file.blocks.empty() ? 0 : file.blocks.back().offset + file.blocks.back().length;
    if (next <= request.offset()) return BadAnswer("describeFile", "a page that leads nowhere");
    request.set_offset(next);
  }
}

absl::StatusOr<FileReport> ClusterAdmin::DescribeByLocations(absl::string_view path) {
  hdfs::GetFileInfoRequestProto about;
  about.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto info,
                   Ask<hdfs::GetFileInfoResponseProto>(*hdfs_, "getFileInfo", about));
  if (!info.has_fs()) {
    return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
  }
  ASSIGN_OR_RETURN(const FileStatus status, ToFileStatus(info.fs(), std::string(path)));
  hdfs::GetBlockLocationsRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_offset(0);
  request.set_length(kMaxLength);
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetBlockLocationsResponseProto>(*hdfs_, "getBlockLocations", request));
  if (!response.has_locations()) {
    return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
  }
  const hdfs::LocatedBlocksProto& located = response.locations();
  RETURN_IF_ERROR(CheckLocatedBlocks(located, path));
  FileReport file;
  file.path = std::string(path);
  file.complete_knowledge = false;
  file.inode = status.inode;
  file.length = located.filelength();
  file.replication = status.replication;
  file.storage_policy = info.fs().storagepolicy();
  file.open = located.underconstruction();
  std::optional<erasure::Layout> layout;
  if (located.has_ecpolicy()) {
    ASSIGN_OR_RETURN(const erasure::Policy policy, ToPolicy(located.ecpolicy(), path));
    RETURN_IF_ERROR(CheckGroups(located, policy, path));
    layout.emplace(policy.schema, policy.cell_bytes);
    file.erasure_policy = policy.name;
  }
  const auto report = [&](const hdfs::LocatedBlockProto& block, bool open) {
    if (layout) return ToGroupReport(block, *layout, open);
    BlockReport told = ToReport(block, status.replication);
    told.under_construction = open;
    return told;
  };
  for (const hdfs::LocatedBlockProto& block : located.blocks()) {
    file.block_pool = block.b().poolid();
    file.blocks.push_back(report(block, /*open=*/false));
  }
  if (!located.islastblockcomplete() && located.has_lastblock()) {
    file.block_pool = located.lastblock().b().poolid();
    BlockReport last = report(located.lastblock(), /*open=*/true);
    if (!file.blocks.empty() && file.blocks.back().id == last.id) file.blocks.pop_back();
    file.blocks.push_back(std::move(last));
  }
  return file;
}

absl::StatusOr<std::optional<OwnedBlock>> ClusterAdmin::DescribeBlock(uint64_t block_id) {
  admin::DescribeBlockRequest request;
  request.set_block_id(block_id);
  ASSIGN_OR_RETURN(const auto response,
                   Ask<admin::DescribeBlockResponse>(*cairn_, "describeBlock", request));
  if (!response.found()) return std::nullopt;
  ASSIGN_OR_RETURN(BlockReport block, ToReport(response.block()));
  return OwnedBlock{.path = response.path(),
                    .inode = response.inode(),
                    .block_pool = response.block_pool(),
                    .block = std::move(block)};
}

absl::StatusOr<std::vector<LostBlock>> ClusterAdmin::ListLostBlocks(absl::string_view path) {
  std::vector<LostBlock> blocks;
  admin::ListLostBlocksRequest request;
  request.set_below(path.data(), path.size());
  for (;;) {
    ASSIGN_OR_RETURN(const auto page,
                     Ask<admin::ListLostBlocksResponse>(*cairn_, "listLostBlocks", request));
    for (const admin::LostBlock& block : page.blocks())
      blocks.push_back({block.id(), block.path()});
    if (!page.more()) return blocks;
    if (page.next_after() <= request.after()) {
      return BadAnswer("listLostBlocks", "a page that leads nowhere");
    }
    request.set_after(page.next_after());
  }
}

absl::StatusOr<ClusterFacts> ClusterAdmin::DescribeCluster() {
  ASSIGN_OR_RETURN(const auto p, Ask<admin::DescribeClusterResponse>(
                                     *cairn_, "describeCluster", admin::DescribeClusterRequest()));
  ClusterFacts f;
  f.version = p.version();
  f.block_pool = p.block_pool();
  f.cluster_id = p.cluster_id();
  f.now = WallTime(p.now_ms());
  f.started = WallTime(p.started_ms());
  f.safe_mode = p.safe_mode();
  f.safe_mode_reason = p.safe_mode_reason();
  f.default_replication = p.default_replication();
  f.min_replication = p.min_replication();
  f.stale_interval = Millis(p.stale_interval_ms());
  f.dead_interval = Millis(p.dead_interval_ms());
  f.unregistered_nodes = p.unregistered_nodes();
  for (const admin::NodeFacts& node : p.nodes()) f.nodes.push_back(ToNodeFacts(node));
  for (int i = 0; i < p.blocks_by_need_size() && i < static_cast<int>(kNeeds); ++i) {
    f.by_need[i] = p.blocks_by_need(i);
  }
  f.corrupt_blocks = p.corrupt_blocks();
  f.contradicting_groups = p.contradicting_groups();
  f.missing_single = p.missing_single();
  f.copies = p.copies_under_way();
  f.pending_deletions = p.pending_deletions();
  f.overflowed = p.counts_overflowed();
  f.looking = p.looking();
  f.descriptor_limit = p.open_file_limit();
  f.descriptors_used = p.open_files_used();
  for (const admin::JournalDirectory& journal : p.journals()) {
    f.journals.push_back({journal.path(), journal.last_txid(), journal.dropped()});
  }
  return f;
}

absl::StatusOr<Operations> ClusterAdmin::GetOperations() {
  ASSIGN_OR_RETURN(const auto p, Ask<admin::GetOperationsResponse>(*cairn_, "getOperations",
                                                                   admin::GetOperationsRequest()));
  Operations out;
  out.at = Millis(p.now_ms());
  for (const admin::OperationCount& count : p.methods()) {
    out.methods.push_back({count.name(), count.calls()});
  }
  for (const admin::OperationCount& count : p.users()) {
    out.users.push_back({count.name(), count.calls()});
  }
  return out;
}

// ---- ClientProtocol's ----

absl::StatusOr<std::vector<OpenFile>> ClusterAdmin::ListOpenFiles(bool blocking_decommission,
                                                                  absl::string_view path) {
  std::vector<OpenFile> files;
  hdfs::ListOpenFilesRequestProto request;
  request.set_id(0);
  request.add_types(blocking_decommission ? hdfs::BLOCKING_DECOMMISSION : hdfs::ALL_OPEN_FILES);
  if (!path.empty()) request.set_path(path.data(), path.size());
  for (;;) {
    ASSIGN_OR_RETURN(const auto page,
                     Ask<hdfs::ListOpenFilesResponseProto>(*hdfs_, "listOpenFiles", request));
    int64_t last = request.id();
    for (const hdfs::OpenFilesBatchResponseProto& entry : page.entries()) {
      if (entry.id() <= last) return BadAnswer("listOpenFiles", "a page out of order");
      last = entry.id();
      files.push_back({.inode = static_cast<uint64_t>(entry.id()),
                       .path = entry.path(),
                       .client = entry.clientname(),
                       .machine = entry.clientmachine()});
    }
    if (!page.hasmore()) return files;
    if (page.entries().empty()) return BadAnswer("listOpenFiles", "an empty page");
    request.set_id(last);
  }
}

absl::StatusOr<std::vector<std::string>> ClusterAdmin::ListCorruptFileBlocks(absl::string_view path,
                                                                             std::string* cookie) {
  hdfs::ListCorruptFileBlocksRequestProto request;
  request.set_path(path.data(), path.size());
  if (!cookie->empty()) request.set_cookie(*cookie);
  ASSIGN_OR_RETURN(const auto response, Ask<hdfs::ListCorruptFileBlocksResponseProto>(
                                            *hdfs_, "listCorruptFileBlocks", request));
  const auto& files = response.corrupt().files();
  // An empty page ends the list; so does a cookie that leads nowhere.
  const bool more = !files.empty() && response.corrupt().cookie() != *cookie;
  *cookie = more ? response.corrupt().cookie() : "";
  return std::vector<std::string>(files.begin(), files.end());
}

absl::StatusOr<std::vector<DatanodeReport>> ClusterAdmin::GetSlowDatanodes() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetSlowDatanodeReportResponseProto>(
                       *hdfs_, "getSlowDatanodeReport", hdfs::GetSlowDatanodeReportRequestProto()));
  std::vector<DatanodeReport> nodes;
  for (const hdfs::DatanodeInfoProto& node : response.datanodeinfoproto()) {
    nodes.push_back(ToDatanodeReport(node));
  }
  return nodes;
}

absl::StatusOr<BalanceProgress> ClusterAdmin::Balance(const BalanceJob& job, uint64_t after,
                                                      bool stop) {
  admin::BalanceRequest request;
  request.set_job(job.id);
  request.set_holder(job.holder);
  request.set_stop(stop);
  request.set_after_iteration(after);
  request.set_threshold_percent(job.threshold_percent);
  for (const std::string& host : job.include) request.add_include(host);
  for (const std::string& host : job.exclude) request.add_exclude(host);
  for (const std::string& host : job.sources) request.add_sources(host);
  request.set_most_bytes(job.most_bytes);
  request.set_min_block_bytes(job.min_block_bytes);
  request.set_moves(job.moves);
  request.set_moves_per_node(job.moves_per_node);
  request.set_longest_iteration_ms(
      static_cast<uint64_t>(absl::ToInt64Milliseconds(job.longest_iteration)));
  ASSIGN_OR_RETURN(const auto p, Ask<admin::BalanceResponse>(*cairn_, "balance", request));
  BalanceProgress progress;
  progress.busy_with = p.busy_with();
  progress.begun = p.begun();
  for (const admin::BalanceIteration& iteration : p.iterations()) {
    progress.iterations.push_back({.number = iteration.number(),
                                   .ended = WallTime(iteration.ended_ms()),
                                   .bytes_left = iteration.bytes_left(),
                                   .bytes_planned = iteration.bytes_planned(),
                                   .bytes_moved = iteration.bytes_moved(),
                                   .bytes_moved_before = iteration.bytes_moved_before()});
  }
  progress.iteration = p.iteration();
  progress.bytes_moved = p.bytes_moved();
  progress.blocks_moved = p.blocks_moved();
  progress.blocks_failed = p.blocks_failed();
  progress.bytes_left = p.bytes_left();
  progress.bytes_planned = p.bytes_planned();
  progress.moves = p.moves();
  progress.waiting_for = p.waiting_for();
  return progress;
}

absl::Status ClusterAdmin::MetaSave(absl::string_view file_name) {
  hdfs::MetaSaveRequestProto request;
  request.set_filename(file_name.data(), file_name.size());
  return Ask<hdfs::MetaSaveResponseProto>(*hdfs_, "metaSave", request).status();
}

absl::StatusOr<bool> ClusterAdmin::IsUpgradeFinal() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::UpgradeStatusResponseProto>(*hdfs_, "upgradeStatus",
                                                         hdfs::UpgradeStatusRequestProto()));
  return response.upgradefinalized();
}

absl::Status ClusterAdmin::FinalizeUpgrade() {
  return Ask<hdfs::FinalizeUpgradeResponseProto>(*hdfs_, "finalizeUpgrade",
                                                 hdfs::FinalizeUpgradeRequestProto())
      .status();
}

absl::Status ClusterAdmin::SetBalancerBandwidth(uint64_t bytes_per_second) {
  hdfs::SetBalancerBandwidthRequestProto request;
  request.set_bandwidth(static_cast<int64_t>(std::min(bytes_per_second, kMaxLength)));
  return Ask<hdfs::SetBalancerBandwidthResponseProto>(*hdfs_, "setBalancerBandwidth", request)
      .status();
}

absl::Status ClusterAdmin::Refresh(absl::string_view protocol, absl::string_view method) {
  ASSIGN_OR_RETURN(const auto channel,
                   NewHadoopRpc(host_, port_, std::string(protocol), user_, options_));
  // Requests and answers of these protocols have no fields.
  return Ask<hdfs::MetaSaveResponseProto>(*channel, method, hdfs::MetaSaveResponseProto()).status();
}

}  // namespace cairn::client
