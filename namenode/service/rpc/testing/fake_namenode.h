// namenode/service/rpc/testing/fake_namenode.h - a namenode without a namespace: it writes down
// what it was asked and answers what the test put into it.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/fs_error.h"
#include "common/testing/fake_clock.h"
#include "namenode/cluster/cluster_state.h"
#include "namenode/namenode.h"

namespace cairn::namenode {

class FakeNamenode final : public Namenode {
 public:
  // What was asked, as "Method(arguments)"; the last one's caller.
  std::vector<std::string> calls;
  std::string user, remote_ip;
  std::string client_id;  // empty: the call carried none
  int32_t call_id = -1;

  // What is answered. An `error` goes before everything else.
  absl::Status error;
  uint64_t ticket = 0;
  bool result = true;
  bool superuser = true;
  std::optional<FileStatus> status;
  std::optional<Listing> listing;
  std::map<std::string, absl::StatusOr<Listing>> listings;  // by path; before `listing`
  LocatedBlocks located;
  absl::Status located_error;
  LocatedBlock block;
  std::optional<LocatedBlock> append_block;
  ContentSummary summary;
  BlockHealth health;
  std::map<BlockId, BlockHealth> healths;  // if not empty, in place of `health`: all that there are
  HealthTotals totals;
  std::vector<LeaveProgress> leaving;
  std::vector<BlockId> in_need;
  std::optional<Need> their_need;  // nullopt: they have every need
  std::vector<std::pair<uint32_t, uint64_t>> pending_deletions;
  std::vector<OpenFile> open_files;  // by id
  BalanceJob balance_job;            // as it was asked for
  BalanceProgress balance;           // answered
  SafeModeStatus safe_mode;
  uint32_t policy = 0;
  std::vector<ErasurePolicyInfo> erasure_policies;
  const erasure::Policy* erasure_policy = nullptr;  // of every path
  bool while_small = false;                         // the last Create asked for that
  // What becomes of policies to be added, in their order; those behind are refused.
  std::vector<absl::StatusOr<ErasurePolicyInfo>> added_policies;
  ConversionRulePage conversion_rules;
  ConversionRun conversion_run;  // as it was told; answered
  std::string conversion_busy_with;
  std::function<void()> on_replica;  // the last one given to Complete or AddBlock
  std::function<void()> meanwhile;   // runs in the next AddBlock with such a call-back, once

  const std::string& last_call() const {
    static const auto* const none = new std::string;
    return calls.empty() ? *none : calls.back();
  }

  Outcome<std::optional<FileStatus>> GetFileInfo(const Caller& c, absl::string_view path) override {
    return Note(c, status, "GetFileInfo(%s)", path);
  }
  Outcome<std::optional<Listing>> GetListing(const Caller& c, absl::string_view path,
                                             absl::string_view after, bool locations) override {
    auto outcome = Note(c, listing, "GetListing(%s, %s, %d)", path, after, locations);
    const auto own = listings.find(std::string(path));
    if (!outcome.value.ok() || own == listings.end()) return outcome;
    if (!own->second.ok()) return {own->second.status(), ticket};
    return {PageOf(*own->second, after), ticket};
  }
  Outcome<LocatedBlocks> GetBlockLocations(const Caller& c, absl::string_view path, uint64_t offset,
                                           uint64_t length) override {
    auto outcome = Note(c, located, "GetBlockLocations(%s, %d, %d)", path, offset, length);
    if (outcome.value.ok() && !located_error.ok()) outcome.value = located_error;
    return outcome;
  }
  void Accessed(InodeId file) override {
    calls.push_back(absl::StrFormat("Accessed(%d)", ToInt(file)));
  }
  Outcome<ContentSummary> GetContentSummary(const Caller& c, absl::string_view path) override {
    return Note(c, summary, "GetContentSummary(%s)", path);
  }
  Outcome<Nothing> CheckAccess(const Caller& c, absl::string_view path, uint32_t rwx) override {
    return Note(c, Nothing(), "CheckAccess(%s, %d)", path, rwx);
  }
  Outcome<bool> IsFileClosed(const Caller& c, absl::string_view path) override {
    return Note(c, result, "IsFileClosed(%s)", path);
  }
  Outcome<bool> Mkdirs(const Caller& c, absl::string_view path, uint32_t mode,
                       bool create_parent) override {
    return Note(c, result, "Mkdirs(%s, %o, %d)", path, mode, create_parent);
  }
  Outcome<bool> Delete(const Caller& c, absl::string_view path, bool recursive) override {
    return Note(c, result, "Delete(%s, %d)", path, recursive);
  }
  Outcome<bool> Rename(const Caller& c, absl::string_view from, absl::string_view to) override {
    return Note(c, result, "Rename(%s, %s)", from, to);
  }
  Outcome<Nothing> Rename2(const Caller& c, absl::string_view from, absl::string_view to,
                           bool overwrite, bool to_trash) override {
    return Note(c, Nothing(), "Rename2(%s, %s, %d, %d)", from, to, overwrite, to_trash);
  }
  Outcome<Nothing> SetPermission(const Caller& c, absl::string_view path, uint32_t mode) override {
    return Note(c, Nothing(), "SetPermission(%s, %o)", path, mode);
  }
  Outcome<Nothing> SetOwner(const Caller& c, absl::string_view path, absl::string_view owner,
                            absl::string_view group) override {
    return Note(c, Nothing(), "SetOwner(%s, %s, %s)", path, owner, group);
  }
  Outcome<Nothing> SetTimes(const Caller& c, absl::string_view path,
                            std::optional<uint64_t> mtime_ms,
                            std::optional<uint64_t> atime_ms) override {
    return Note(c, Nothing(), "SetTimes(%s, %s, %s)", path, Text(mtime_ms), Text(atime_ms));
  }
  Outcome<bool> SetReplication(const Caller& c, absl::string_view path, uint32_t n) override {
    return Note(c, result, "SetReplication(%s, %d)", path, n);
  }
  Outcome<Nothing> SetStoragePolicy(const Caller& c, absl::string_view path,
                                    absl::string_view name) override {
    return Note(c, Nothing(), "SetStoragePolicy(%s, %s)", path, name);
  }
  Outcome<uint32_t> GetStoragePolicy(const Caller& c, absl::string_view path) override {
    return Note(c, policy, "GetStoragePolicy(%s)", path);
  }
  Outcome<std::vector<ErasurePolicyInfo>> GetErasurePolicies(const Caller& c) override {
    return Note(c, erasure_policies, "GetErasurePolicies()");
  }
  Outcome<const erasure::Policy*> GetErasurePolicy(const Caller& c,
                                                   absl::string_view path) override {
    return Note(c, erasure_policy, "GetErasurePolicy(%s)", path);
  }
  Outcome<Nothing> SetErasurePolicy(const Caller& c, absl::string_view path,
                                    absl::string_view name) override {
    return Note(c, Nothing(), "SetErasurePolicy(%s, %s)", path, name);
  }
  Outcome<Nothing> UnsetErasurePolicy(const Caller& c, absl::string_view path) override {
    return Note(c, Nothing(), "UnsetErasurePolicy(%s)", path);
  }
  Outcome<std::vector<absl::StatusOr<ErasurePolicyInfo>>> AddErasurePolicies(
      const Caller& c, const std::vector<erasure::Policy>& policies) override {
    std::vector<std::string> names;
    for (const erasure::Policy& p : policies) names.push_back(absl::StrCat(p.id, ":", p.name));
    auto added = added_policies;
    added.resize(policies.size(), MakeFsError(FsError::kIllegalArgument, "no more policies"));
    return Note(c, std::move(added), "AddErasurePolicies([%s])", absl::StrJoin(names, " "));
  }
  Outcome<bool> ChangeErasurePolicy(const Caller& c, absl::string_view name,
                                    ErasurePolicyState state) override {
    return Note(c, result, "ChangeErasurePolicy(%s, %d)", name, static_cast<int>(state));
  }
  Outcome<Nothing> CheckErasurePolicy(const Caller& c, absl::string_view name) override {
    return Note(c, Nothing(), "CheckErasurePolicy(%s)", name);
  }
  Outcome<Nothing> SetConversionRule(const Caller& c, absl::string_view path,
                                     const ConversionRuleRequest& r) override {
    return Note(c, Nothing(), "SetConversionRule(%s, %s, older=%d unread=%d larger=%d)", path,
                r.policy, r.older_than_ms, r.unread_for_ms, r.larger_than_bytes);
  }
  Outcome<bool> RemoveConversionRule(const Caller& c, absl::string_view path) override {
    return Note(c, result, "RemoveConversionRule(%s)", path);
  }
  Outcome<ConversionRulePage> ListConversionRules(const Caller& c, InodeId after,
                                                  size_t most) override {
    return Note(c, conversion_rules, "ListConversionRules(%d, %d)", ToInt(after), most);
  }
  std::string RenewConversionRun(uint64_t id, const ConversionRun& told, bool stop) override {
    calls.push_back(absl::StrFormat("RenewConversionRun(%d, %d)", id, stop ? 1 : 0));
    conversion_run = told;
    return conversion_busy_with;
  }
  ConversionRun ShowConversionRun() override { return conversion_run; }
  Outcome<Nothing> Concat(const Caller& c, absl::string_view target,
                          const std::vector<std::string>& sources) override {
    return Note(c, Nothing(), "Concat(%s, [%s])", target, absl::StrJoin(sources, " "));
  }
  Outcome<Nothing> ReplaceBlocks(const Caller& c, const ReplaceBlocksRequest& r) override {
    std::vector<std::string> expected, blocks;
    for (const BlockVersion& block : r.expected) expected.push_back(Text(block));
    for (const BlockId block : r.blocks) blocks.push_back(absl::StrCat(ToInt(block)));
    return Note(c, Nothing(), "ReplaceBlocks(%s, %s, %s, file=%d expected=[%s] blocks=[%s])",
                r.target, r.source, r.client_name, ToInt(r.target_id), absl::StrJoin(expected, " "),
                absl::StrJoin(blocks, " "));
  }
  Outcome<Nothing> ConvertFile(const Caller& c, const ConvertFileRequest& r) override {
    std::vector<std::string> expected;
    for (const BlockVersion& block : r.expected) expected.push_back(Text(block));
    return Note(c, Nothing(), "ConvertFile(%s, %s, file=%d expected=[%s])", r.target, r.source,
                ToInt(r.target_id), absl::StrJoin(expected, " "));
  }
  Outcome<Nothing> CodeSmallFile(const Caller& c, const CodeSmallFileRequest& r) override {
    return Note(c, Nothing(), "CodeSmallFile(%s, %s, file=%d, %s, last=%s)", r.path, r.client_name,
                ToInt(r.file), r.source, r.last ? Text(*r.last) : "none");
  }
  Outcome<bool> Truncate(const Caller& c, absl::string_view path, uint64_t new_length,
                         absl::string_view client_name) override {
    return Note(c, result, "Truncate(%s, %d, %s)", path, new_length, client_name);
  }
  Outcome<FileStatus> Create(const Caller& c, absl::string_view path,
                             const CreateOptions& o) override {
    while_small = o.replicate_while_small;
    return Note(c, status.value_or(FileStatus()),
                "Create(%s, %s, %o, create=%d overwrite=%d parent=%d r=%d block=%d "
                "replicate=%d policy=%s ec=%s)",
                path, o.client_name, o.mode, o.create, o.overwrite, o.create_parent, o.replication,
                o.block_bytes, o.should_replicate, o.storage_policy, o.erasure_policy);
  }
  Outcome<AppendResult> Append(const Caller& c, absl::string_view path,
                               absl::string_view client_name, bool new_block) override {
    return Note(c, AppendResult{status.value_or(FileStatus()), append_block}, "Append(%s, %s, %d)",
                path, client_name, new_block);
  }
  Outcome<LocatedBlock> AddBlock(const Caller& c, const AddBlockRequest& r,
                                 std::function<void()> call_back) override {
    if (call_back) {
      on_replica = std::move(call_back);
      if (meanwhile) std::exchange(meanwhile, nullptr)();
    }
    return Note(c, block, "AddBlock(%s, %s, file=%d previous=%s excluded=[%s] favored=[%s] %d %d)",
                r.path, r.client_name, ToInt(r.file), Text(r.previous),
                absl::StrJoin(r.excluded, " "), absl::StrJoin(r.favored, " "), r.no_local_write,
                r.ignore_locality);
  }
  Outcome<Nothing> AbandonBlock(const Caller& c, absl::string_view path, InodeId file,
                                absl::string_view client_name, const BlockVersion& b) override {
    return Note(c, Nothing(), "AbandonBlock(%s, %d, %s, %s)", path, ToInt(file), client_name,
                Text(b));
  }
  Outcome<bool> Complete(const Caller& c, absl::string_view path, InodeId file,
                         absl::string_view client_name, const std::optional<BlockVersion>& last,
                         std::function<void()> call_back) override {
    if (call_back) on_replica = std::move(call_back);
    return Note(c, result, "Complete(%s, %d, %s, %s)", path, ToInt(file), client_name, Text(last));
  }
  Outcome<Nothing> Fsync(const Caller& c, absl::string_view path, InodeId file,
                         absl::string_view client_name,
                         std::optional<uint64_t> last_block_length) override {
    return Note(c, Nothing(), "Fsync(%s, %d, %s, %s)", path, ToInt(file), client_name,
                Text(last_block_length));
  }
  Outcome<LocatedBlock> UpdateBlockForPipeline(const Caller& c, const BlockVersion& b,
                                               absl::string_view client_name) override {
    return Note(c, block, "UpdateBlockForPipeline(%s, %s)", Text(b), client_name);
  }
  Outcome<Nothing> UpdatePipeline(const Caller& c, absl::string_view client_name,
                                  const BlockVersion& old_block, const BlockVersion& new_block,
                                  const std::vector<std::string>& datanodes,
                                  const std::vector<std::string>& storages) override {
    return Note(c, Nothing(), "UpdatePipeline(%s, %s, %s, [%s], [%s])", client_name,
                Text(old_block), Text(new_block), absl::StrJoin(datanodes, " "),
                absl::StrJoin(storages, " "));
  }
  Outcome<LocatedBlock> GetAdditionalDatanode(const Caller& c, absl::string_view path, InodeId file,
                                              const BlockVersion& b,
                                              const std::vector<std::string>& existing,
                                              const std::vector<std::string>& excluded,
                                              uint32_t count,
                                              absl::string_view client_name) override {
    return Note(c, block, "GetAdditionalDatanode(%s, %d, %s, [%s], [%s], %d, %s)", path,
                ToInt(file), Text(b), absl::StrJoin(existing, " "), absl::StrJoin(excluded, " "),
                count, client_name);
  }
  Outcome<Nothing> RenewLease(const Caller& c, absl::string_view client_name) override {
    return Note(c, Nothing(), "RenewLease(%s)", client_name);
  }
  Outcome<bool> RecoverLease(const Caller& c, absl::string_view path,
                             absl::string_view client_name) override {
    return Note(c, result, "RecoverLease(%s, %s)", path, client_name);
  }
  Outcome<Nothing> ReportBadBlock(const Caller& c, const BlockVersion& b,
                                  const std::vector<std::string>& storages) override {
    return Note(c, Nothing(), "ReportBadBlock(%s, [%s])", Text(b), absl::StrJoin(storages, " "));
  }
  Outcome<BlockHealth> DescribeBlock(const Caller& c, BlockId id) override {
    const auto own = healths.find(id);
    auto outcome =
        Note(c, own == healths.end() ? health : own->second, "DescribeBlock(%d)", ToInt(id));
    if (!healths.empty() && own == healths.end()) {
      outcome.value = MakeFsError(FsError::kFileNotFound, "no file has it");
    }
    return outcome;
  }
  HealthTotals Health() override { return totals; }
  std::vector<LeaveProgress> Leaving() override { return leaving; }
  std::vector<std::pair<uint32_t, uint64_t>> PendingDeletions() override {
    return pending_deletions;
  }
  std::vector<BlockId> BlocksInNeed(Need need, BlockId after, size_t most) override {
    std::vector<BlockId> found;
    if (need != their_need.value_or(need)) return found;
    for (const BlockId id : in_need) {
      if (id > after && found.size() < most) found.push_back(id);
    }
    return found;
  }
  Outcome<OpenFilePage> ListOpenFiles(const Caller& c, InodeId after, bool blocking,
                                      size_t most) override {
    OpenFilePage page{.last = after};
    for (const OpenFile& file : open_files) {
      if (file.id <= after) continue;
      page.files.push_back(file);
      page.last = file.id;
      page.more = page.files.size() == most;
      if (page.more) break;
    }
    return Note(c, page, "ListOpenFiles(%d, %d, %d)", ToInt(after), blocking, most);
  }
  BalanceProgress Balance(const BalanceJob& job, uint64_t after, bool stop) override {
    calls.push_back(absl::StrFormat("Balance(%d, %d, %d)", job.id, after, stop ? 1 : 0));
    balance_job = job;
    return balance;
  }
  void SetBalancerBandwidth(uint64_t bytes_per_second) override {
    calls.push_back(absl::StrFormat("SetBalancerBandwidth(%d)", bytes_per_second));
  }
  Outcome<SafeModeStatus> SafeMode(const Caller& c, SafeModeAction action) override {
    return Note(c, safe_mode, "SafeMode(%d)", static_cast<int>(action));
  }
  bool IsSuperuser(const Caller&) override { return superuser; }

  const ServerDefaults& defaults() const override { return defaults_; }
  const std::string& block_pool_id() const override { return pool_id_; }
  const std::string& cluster_id() const override { return cluster_id_; }
  ClusterState& cluster() override { return cluster_; }

  size_t page_entries = 1000;  // of `listings`

  // For the cluster: what was registered falls silent.
  void PassTime(absl::Duration step) { clock_.Advance(step); }

 private:
  std::optional<Listing> PageOf(const Listing& all, absl::string_view after) const {
    Listing page;
    for (const ListingEntry& entry : all.entries) {
      if (!after.empty() && entry.name <= after) continue;
      if (page.entries.size() < page_entries) {
        page.entries.push_back(entry);
      } else {
        ++page.remaining;
      }
    }
    return page;
  }

  static std::string Text(std::optional<uint64_t> number) {
    return number.has_value() ? absl::StrCat(*number) : "-";
  }
  static std::string Text(const BlockVersion& b) {
    return absl::StrCat(ToInt(b.id), "_", ToInt(b.stamp), ":", b.length);
  }
  static std::string Text(const std::optional<BlockVersion>& b) {
    return b.has_value() ? Text(*b) : "-";
  }

  template <typename T, typename... Args>
  Outcome<T> Note(const Caller& caller, T value, const absl::FormatSpec<Args...>& format,
                  const Args&... args) {
    calls.push_back(absl::StrFormat(format, args...));
    user = std::string(caller.user);
    remote_ip = std::string(caller.remote_ip);
    client_id.clear();
    call_id = -1;
    if (caller.client_id != nullptr) {
      client_id.assign(reinterpret_cast<const char*>(caller.client_id), 16);
      call_id = caller.call_id;
    }
    if (!error.ok()) return {.value = error, .ticket = ticket};
    return {.value = std::move(value), .ticket = ticket};
  }

  const ServerDefaults defaults_{};
  const std::string pool_id_ = "BP-7-127.0.0.1-1700000000000";
  const std::string cluster_id_ = "cairn-test";
  FakeClock clock_;
  ClusterState cluster_{ClusterState::Options(), clock_};
};

}  // namespace cairn::namenode
