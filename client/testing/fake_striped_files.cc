// Erasure-coded files of a FakeCluster: a group is a block whose nodes have its units, and these
// are blocks of their own for the datanodes.
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/erasure_convert.h"
#include "client/testing/fake_datanode.h"
#include "client/testing/striped_data.h"
#include "common/check.h"

namespace cairn::client {

void FakeCluster::PutStriped(const std::string& path, const erasure::Policy& policy,
                             const std::string& data, uint64_t unit_bytes) {
  CHECK_LE(policy.schema.units(), nodes_.size());
  MutexLock lock(mu_);
  FileState& file = files_[path] = {
      .block_bytes = unit_bytes, .replication = 1, .open = false, .policy = ToProto(policy)};
  const uint64_t group_bytes = unit_bytes * policy.schema.data_units;
  for (uint64_t at = 0; at < data.size(); at += group_bytes) {
    const std::string group = data.substr(at, group_bytes);
    PutGroup(file, MakeUnits(policy, group), group.size());
  }
}

void FakeCluster::PutGroup(FileState& file, std::vector<std::string> units, uint64_t bytes) {
  last_group_ -= erasure::kMaxUnits;
  Block group;
  group.id.set_poolid("BP-1");
  group.id.set_blockid(last_group_);
  group.id.set_generationstamp(next_stamp_++);
  group.id.set_numbytes(bytes);
  for (size_t number = 0; number < units.size(); ++number) {
    if (units[number].empty()) continue;
    const int node = static_cast<int>(number);
    group.nodes.push_back(node);
    group.unit_numbers += static_cast<char>(number);
    Block& unit = blocks_[last_group_ + number];
    unit.is_unit = true;
    unit.bytes[node] = std::move(units[number]);
  }
  file.blocks.push_back(last_group_);
  // Unit 0 has the group's id, too.
  group.bytes = std::move(blocks_[last_group_].bytes);
  group.is_unit = true;
  blocks_[last_group_] = std::move(group);
}

void FakeCluster::LocateUnits(const Block& group, hdfs::LocatedBlockProto& located) const {
  located.set_blockindices(group.unit_numbers);
  for (const char number : group.unit_numbers) {
    hdfs::TokenProto& token = *located.add_blocktokens();
    token = located.blocktoken();
    token.set_identifier(UnitToken(group.id.blockid() + static_cast<uint8_t>(number)));
  }
}

std::string FakeCluster::UnitToken(uint64_t unit_id) const {
  return absl::StrCat("unit ", unit_id, ", age ", token_age_);
}

FakeCluster::Block& FakeCluster::UnitOf(const std::string& path, size_t group, uint32_t unit) {
  return blocks_.at(files_.at(path).blocks.at(group) + unit);
}

void FakeCluster::HideUnit(const std::string& path, size_t group, uint32_t unit) {
  MutexLock lock(mu_);
  Block& block = UnitOf(path, group, 0);
  const size_t at = block.unit_numbers.find(static_cast<char>(unit));
  CHECK(at != std::string::npos);
  block.unit_numbers.erase(at, 1);
  block.nodes.erase(block.nodes.begin() + static_cast<ptrdiff_t>(at));
}

void FakeCluster::TellUnitLater(const std::string& path, size_t group, uint32_t unit, int calls) {
  HideUnit(path, group, unit);
  MutexLock lock(mu_);
  late_units_.push_back({.group = files_.at(path).blocks.at(group), .unit = unit, .calls = calls});
}

void FakeCluster::TellLateUnits() {
  for (LateUnit& late : late_units_) {
    if (late.calls-- != 0) continue;
    Block& group = blocks_.at(late.group);
    group.nodes.push_back(static_cast<int>(late.unit));
    group.unit_numbers += static_cast<char>(late.unit);
  }
}

void FakeCluster::SumUpGroups(hdfs::Status status) {
  MutexLock lock(mu_);
  group_sum_status_ = status;
}

int FakeCluster::GroupSums() const {
  MutexLock lock(mu_);
  return group_sums_;
}

void FakeCluster::DropUnit(const std::string& path, size_t group, uint32_t unit) {
  MutexLock lock(mu_);
  UnitOf(path, group, unit).bytes.clear();
}

void FakeCluster::CutUnit(const std::string& path, size_t group, uint32_t unit, uint64_t bytes) {
  MutexLock lock(mu_);
  for (auto& [node, held] : UnitOf(path, group, unit).bytes) held.resize(bytes);
}

void FakeCluster::PutUnit(const std::string& path, size_t group, uint32_t unit, std::string bytes) {
  MutexLock lock(mu_);
  UnitOf(path, group, unit).bytes[static_cast<int>(unit)] = std::move(bytes);
}

void FakeCluster::TellPolicy(const std::string& path,
                             std::optional<hdfs::ErasureCodingPolicyProto> policy) {
  MutexLock lock(mu_);
  files_.at(path).policy = std::move(policy);
}

void FakeCluster::FlipBit(const std::string& path, size_t group, uint32_t unit, uint64_t offset) {
  MutexLock lock(mu_);
  UnitOf(path, group, unit).flipped_at = offset;
}

void FakeCluster::FlipBitInFiles(const std::string& path, size_t group, uint32_t unit,
                                 uint64_t offset) {
  MutexLock lock(mu_);
  UnitOf(path, group, unit).flipped_in_files_at = offset;
}

void FakeCluster::OpenLastGroup(const std::string& path, uint64_t known_bytes) {
  MutexLock lock(mu_);
  lost_tails_[path] = known_bytes;
}

void FakeCluster::CloseLastGroup(const std::string& path) {
  MutexLock lock(mu_);
  lost_tails_.erase(path);
}

void FakeCluster::AppendGroup(const std::string& path, const std::string& data) {
  MutexLock lock(mu_);
  FileState& file = files_.at(path);
  const auto policy = ToPolicy(*file.policy, path);
  CHECK(policy.ok()) << policy.status();
  PutGroup(file, MakeUnits(*policy, data), data.size());
}

void FakeCluster::RenewTokens() {
  MutexLock lock(mu_);
  ++token_age_;
}

uint64_t FakeCluster::UnitId(const std::string& path, size_t group, uint32_t unit) const {
  MutexLock lock(mu_);
  return files_.at(path).blocks.at(group) + unit;
}

}  // namespace cairn::client
