#include "namenode/core/testing/test_namenode.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/logging.h"
#include "common/replica_digest.h"
#include "namenode/namespace/first_records.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {

bool TestNamenode::KeepFilesInMemory() {
  if (access("/dev/shm", W_OK) != 0) return false;
  setenv("TMPDIR", "/dev/shm", /*overwrite=*/0);
  return true;
}

std::vector<std::string> TestNamenode::GroupsOf(const std::string& user) {
  if (user == "alice" || user == "bob") return {"staff"};
  if (user == "admin") return {"supergroup"};
  return {};
}

TestNamenode::TestNamenode(Options options) : options_(std::move(options)) {
  SetLogLevel(LogLevel::kError);  // every test registers datanodes
  store_options_.cache_bytes = 1 << 20;
  store_options_.tail_bytes = options_.tail_bytes;
  store_options_.tail_age = options_.tail_age;
  FormatAgain({});
  CHECK_OK(Start());
  RegisterDatanodes();
}

TestNamenode::~TestNamenode() { Crash(); }

Edits TestNamenode::AllEdits() const {
  Edits all = history_;
  if (journal_ == nullptr) return all;
  for (auto& edit : journal_->edits()) {
    if (edit.first <= journal_->durable()) all.push_back(std::move(edit));
  }
  return all;
}

void TestNamenode::Crash() {
  history_ = AllEdits();
  store_.reset();  // its flusher uses the namespace lock until then
  namenode_.reset();
  journal_.reset();
  cluster_.reset();
}

void TestNamenode::FormatAgain(Edits history) {
  history_ = std::move(history);
  store_options_.directory = temp_.Path(absl::StrCat("store", formats_++));
  CHECK_OK(Store::Format(store_options_,
                         FirstRecords({"CID-test", "BP-test", 1, "hdfs", "supergroup", 1})));
}

absl::Status TestNamenode::Start() {
  cluster_ = std::make_unique<ClusterState>(options_.cluster, clock_);
  const TxId last = history_.empty() ? kNoTx : history_.back().first;
  journal_ = std::make_unique<MemoryJournal>(options_.journal, last);
  const auto durable = [this] { return journal_->durable(); };
  const auto with_lock = [this](std::function<void()> body) { namenode_->WithLock(body); };
  ASSIGN_OR_RETURN(store_, Store::Open(store_options_, durable, with_lock));
  if (options_.wrap_store) store_ = options_.wrap_store(std::move(store_), with_lock);
  namenode_ = std::make_unique<NamenodeImpl>(options_.namenode, clock_, *store_, *cluster_);
  RETURN_IF_ERROR(namenode_->OpenStore());
  for (const auto& [txid, edit] : history_) RETURN_IF_ERROR(namenode_->Replay(txid, edit));
  namenode_->StartServing(*journal_);
  return absl::OkStatus();
}

void TestNamenode::Restart() {
  Crash();
  CHECK_OK(Start());
  RegisterDatanodes();
}

// ---- datanodes

void TestNamenode::RegisterDatanodes() {
  for (int node = 0; node < options_.datanodes; ++node) CHECK_OK(RegisterDatanode(node).status());
  if (options_.journal == MemoryJournal::Mode::kStepped) journal_->MakeAllDurable();
}

absl::StatusOr<uint64_t> TestNamenode::RegisterDatanode(int node) {
  DatanodeRegistration registration;
  registration.cluster_id = "CID-test";
  registration.block_pool_id = "BP-test";
  registration.layout_version = kDatanodeLayoutVersion;
  registration.datanode_uuid = DatanodeUuid(node);
  registration.address.ip = absl::StrCat("10.0.0.", node + 1);
  registration.address.host_name = registration.address.ip;
  registration.address.transfer_port = 9866;
  registration.storages = {StorageOf(node)};
  ASSIGN_OR_RETURN(const DatanodeWelcome welcome, namenode_->Register(registration));
  sessions_.resize(options_.datanodes);
  sequences_.resize(options_.datanodes);
  sessions_[node] = welcome.session;
  digest_shift_ = welcome.digest_shift;
  sequences_[node] = 0;
  return welcome.session;
}

StorageInfo TestNamenode::StorageOf(int node) {
  StorageInfo storage;
  storage.uuid = StorageUuid(node);
  storage.capacity_bytes = storage.remaining_bytes = uint64_t{1} << 40;
  if (options_.disk_bytes == 0) return storage;
  MutexLock lock(replicas_mu_);
  for (const auto& [id, replica] : replicas_[node]) storage.used_bytes += replica.block.length;
  storage.capacity_bytes = options_.disk_bytes;
  storage.remaining_bytes = options_.disk_bytes - storage.used_bytes;
  return storage;
}

absl::Status TestNamenode::Report(int node, const BlockVersion& block, ReplicaState state) {
  ChangesReport report;
  report.datanode_uuid = DatanodeUuid(node);
  report.session = sessions_[node];
  report.sequence = ++sequences_[node];
  report.storages.push_back({StorageUuid(node), {{block, state}}});
  {
    MutexLock lock(replicas_mu_);
    if (state == ReplicaState::kDeleted) {
      replicas_[node].erase(block.id);
    } else {
      replicas_[node][block.id] = {block, state};
    }
  }
  return namenode_->ReportChanges(report);
}

void TestNamenode::ReportFinalized(const BlockVersion& block, int nodes, int first_node) {
  for (int node = first_node; node < first_node + nodes; ++node) {
    ASSERT_OK(Report(node, block, ReplicaState::kFinalized));
  }
}

void TestNamenode::SendFullReport(int node) {
  ReplicasReport report;
  report.datanode_uuid = DatanodeUuid(node);
  report.session = sessions_[node];
  report.sequence = ++sequences_[node];
  report.storage_uuid = StorageUuid(node);
  report.report_id = 1;
  report.last = true;
  for (const auto& [id, replica] : replicas_[node]) report.replicas.push_back(replica);
  CHECK_OK(namenode_->ReportReplicas(report));
}

void TestNamenode::SendFullReports() {
  for (int node = 0; node < options_.datanodes; ++node) SendFullReport(node);
}

DigestReport TestNamenode::Digests(int node) {
  DigestReport report;
  report.datanode_uuid = DatanodeUuid(node);
  report.session = sessions_[node];
  report.sequence = ++sequences_[node];
  report.storage_uuid = StorageUuid(node);
  report.shift = digest_shift_;
  std::map<uint64_t, ReplicaDigest> buckets;
  for (const auto& [id, replica] : replicas_[node]) {
    const BlockVersion& block = replica.block;
    if (replica.state == ReplicaState::kFinalized) {
      buckets[DigestBucket(id, report.shift)] += ReplicaDigest::Of(id, block.stamp, block.length);
    } else {
      report.others.push_back(replica);
    }
  }
  for (const auto& [number, digest] : buckets) report.buckets.push_back({number, digest});
  return report;
}

std::optional<size_t> TestNamenode::SendRound(int node) {
  const auto answer = namenode_->ReportDigests(Digests(node));
  CHECK_OK(answer.status());
  if (answer->result == DigestAnswer::Result::kLater) return std::nullopt;
  CHECK(answer->result == DigestAnswer::Result::kCompared);
  if (answer->differing.empty()) return 0;
  ReplicasReport report = ListWithoutReplicas(node, 0, true);
  for (const uint64_t bucket : answer->differing) {
    const uint64_t first = bucket << digest_shift_;
    report.ranges.push_back({BlockId{std::max<uint64_t>(first, 1)},
                             BlockId{first + (uint64_t{1} << digest_shift_) - 1}});
  }
  for (const auto& [id, replica] : replicas_[node]) {
    const uint64_t bucket = DigestBucket(id, digest_shift_);
    if (std::binary_search(answer->differing.begin(), answer->differing.end(), bucket)) {
      report.replicas.push_back(replica);
    }
  }
  CHECK_OK(namenode_->ReportReplicas(report));
  return report.replicas.size();
}

ReplicasReport TestNamenode::ListWithoutReplicas(int node, uint32_t part, bool last) {
  ReplicasReport report;
  report.datanode_uuid = DatanodeUuid(node);
  report.session = sessions_[node];
  report.sequence = ++sequences_[node];
  report.storage_uuid = StorageUuid(node);
  report.report_id = 2;
  report.part = part;
  report.last = last;
  return report;
}

void TestNamenode::FinishWalk() {
  while (namenode_->IsWalkingReplicas()) namenode_->RunMaintenance();
}

std::vector<DatanodeCommand> TestNamenode::Heartbeat(int node, bool failed,
                                                     std::vector<FailedCopy> failed_copies,
                                                     std::vector<WrongUnit> wrong_units,
                                                     std::vector<GroupVerdict> group_verdicts) {
  DatanodeHeartbeat beat;
  beat.group_verdicts = std::move(group_verdicts);
  beat.wrong_units = std::move(wrong_units);
  beat.failed_copies = std::move(failed_copies);
  beat.datanode_uuid = DatanodeUuid(node);
  beat.session = sessions_[node];
  StorageInfo storage = StorageOf(node);
  storage.failed = failed;
  beat.storages = {storage};
  auto commands = namenode_->Heartbeat(beat);
  CHECK_OK(commands.status());
  for (const DatanodeCommand& command : *commands) {
    const auto* const invalidate = std::get_if<InvalidateCommand>(&command);
    if (invalidate == nullptr) continue;
    MutexLock lock(replicas_mu_);
    for (const BlockVersion& block : invalidate->blocks) {
      const auto held = replicas_[node].find(block.id);
      if (held == replicas_[node].end() || held->second.block.stamp > block.stamp) continue;
      replicas_[node].erase(held);
    }
  }
  return *std::move(commands);
}

void TestNamenode::HeartbeatAll() {
  for (int node = 0; node < options_.datanodes; ++node) Heartbeat(node);
}

// ---- clients

void TestNamenode::Mkdir(absl::string_view path, const Caller& caller, uint32_t mode) {
  ASSERT_THAT(namenode_->Mkdirs(caller, path, mode, true).value, IsOkAndHolds(true)) << path;
}

FileStatus TestNamenode::Create(absl::string_view path, const Caller& caller,
                                absl::string_view client) {
  CreateOptions options = CreateFlags(true, false);
  options.client_name = client;
  Outcome<FileStatus> outcome = namenode_->Create(caller, path, options);
  EXPECT_OK(outcome.value) << path;
  return outcome.value.ok() ? *outcome.value : FileStatus{};
}

LocatedBlock TestNamenode::AddBlock(absl::string_view path, std::optional<BlockVersion> previous,
                                    absl::string_view client) {
  AddBlockRequest request;
  request.path = path;
  request.client_name = client;
  request.previous = previous;
  Outcome<LocatedBlock> outcome = namenode_->AddBlock(kSuper, request, nullptr);
  EXPECT_OK(outcome.value) << path;
  return outcome.value.ok() ? *outcome.value : LocatedBlock{};
}

FileStatus TestNamenode::WriteFile(absl::string_view path, const std::vector<uint64_t>& block_bytes,
                                   const Caller& caller, absl::string_view client) {
  Create(path, caller, client);
  std::optional<BlockVersion> last;
  for (const uint64_t bytes : block_bytes) {
    BlockVersion block = AddBlock(path, last, client).block;
    block.length = bytes;
    ReportFinalized(block);
    last = block;
  }
  EXPECT_THAT(namenode_->Complete(caller, path, kNoInode, client, last, nullptr).value,
              IsOkAndHolds(true))
      << path;
  return Stat(path).value_or(FileStatus{});
}

std::optional<FileStatus> TestNamenode::Stat(absl::string_view path, const Caller& caller) {
  auto outcome = namenode_->GetFileInfo(caller, path);
  EXPECT_OK(outcome.value) << path;
  return outcome.value.ok() ? *outcome.value : std::nullopt;
}

std::vector<std::string> TestNamenode::List(absl::string_view path) {
  std::vector<std::string> names;
  for (std::string after;;) {
    auto outcome = namenode_->GetListing(kSuper, path, after, false);
    EXPECT_OK(outcome.value) << path;
    if (!outcome.value.ok() || !outcome.value->has_value()) return names;
    const Listing& listing = **outcome.value;
    for (const ListingEntry& entry : listing.entries) names.push_back(entry.name);
    if (listing.remaining == 0) return names;
    if (listing.entries.empty()) {
      ADD_FAILURE() << "an empty page, and more to come";
      return names;
    }
    after = names.back();
  }
}

Dump TestNamenode::Records() {
  Dump dump;
  namenode_->WithLock([&] {
    store_->PutRest();
    dump = DumpRecords(*store_);
  });
  return dump;
}

void TestNamenode::ExpectConsistent() {
  EXPECT_EQ(Audit(Records()), "");
  ExpectDigestsAsRecords();
}

// What the namenode keeps in memory of its records 'r' is what they say.
void TestNamenode::ExpectDigestsAsRecords() {
  std::map<uint32_t, std::map<uint64_t, ReplicaDigest>> storages;
  for (int node = 0; node < options_.datanodes; ++node) {
    storages[*cluster_->NumberOf(StorageUuid(node))];
  }
  std::string after;
  for (bool more = true; more;) {
    std::unique_ptr<Store::Range> range;
    namenode_->WithLock(
        [&] { range = store_->Scan(std::string(1, keys::kReplicas), after, 1000); });
    for (; range->Valid(); range->Next()) {
      uint64_t id;
      ASSERT_TRUE(keys::ParseTrailingId(range->key(), &id));
      const auto record = ParseReplicas(range->key(), range->value());
      ASSERT_OK(record);
      for (const uint32_t storage : record->storages()) {
        storages[storage][DigestBucket(BlockId{id}, digest_shift_)] += ReplicaDigest::Of(
            BlockId{id}, GenerationStamp{record->generation_stamp()}, record->length());
      }
    }
    more = range->more();
    if (more) after = std::string(range->resume_after());
  }
  for (const auto& [storage, buckets] : storages) {
    std::vector<ReplicaDigests::Bucket> theirs;
    for (const auto& [number, digest] : buckets) theirs.push_back({number, digest});
    const DigestAnswer answer = namenode_->CompareDigests(storage, digest_shift_, theirs);
    EXPECT_NE(answer.result, DigestAnswer::Result::kList);
    EXPECT_THAT(answer.differing, ::testing::IsEmpty()) << "storage " << storage;
  }
}

}  // namespace cairn::namenode
