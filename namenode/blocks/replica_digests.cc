#include "namenode/blocks/replica_digests.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace cairn::namenode {

uint32_t ReplicaDigests::ShiftFor(size_t storages) {
  constexpr size_t kIdsPerStorage = 128;
  return std::clamp<uint32_t>(static_cast<uint32_t>(std::bit_width(storages * kIdsPerStorage)),
                              kMinShift, kMaxDigestShift);
}

void ReplicaDigests::Restart(uint32_t shift) { *this = ReplicaDigests(shift); }

void ReplicaDigests::GiveUp() {
  Restart(shift_);
  given_up_ = true;
}

void ReplicaDigests::Apply(uint32_t storage, uint64_t bucket, const ReplicaDigest& digest,
                           bool add) {
  if (storage >= storages_.size()) storages_.resize(storage + 1);
  auto& buckets = storages_[storage];
  const auto at = buckets.try_emplace(bucket).first;
  if (add) {
    at->second += digest;
  } else {
    at->second -= digest;
  }
  if (at->second.empty()) buckets.erase(at);
}

void ReplicaDigests::Change(uint32_t storage, const BlockVersion& version, bool add) {
  const bool known = complete_ || version.id <= walked_;
  if (!known && !reading_) return;
  const ReplicaDigest digest = ReplicaDigest::Of(version.id, version.stamp, version.length);
  if (known) {
    Apply(storage, DigestBucket(version.id, shift_), digest, add);
  } else {
    meanwhile_.push_back({storage, version.id, digest, add});
  }
}

ReplicaDigests::Page ReplicaDigests::BeginPage() {
  reading_ = true;
  meanwhile_.clear();
  return Page(shift_);
}

void ReplicaDigests::EndPage(const Page& page, BlockId reached, bool last) {
  for (const auto& [place, digest] : page.sums_) Apply(place.first, place.second, digest, true);
  for (const Delta& delta : meanwhile_) {
    if (!last && delta.block > reached) continue;  // a later page has it
    Apply(delta.storage, DigestBucket(delta.block, shift_), delta.digest, delta.add);
  }
  meanwhile_ = {};
  reading_ = false;
  walked_ = reached;
  complete_ = last;
}

std::optional<uint64_t> ReplicaDigests::Compare(uint32_t storage, std::span<const Bucket> theirs,
                                                uint64_t from, size_t most,
                                                std::vector<uint64_t>* differing) const {
  static const absl::btree_map<uint64_t, ReplicaDigest> kNone;
  const auto& buckets = storage < storages_.size() ? storages_[storage] : kNone;
  auto mine = buckets.lower_bound(from);
  auto other = std::lower_bound(theirs.begin(), theirs.end(), from,
                                [](const Bucket& b, uint64_t number) { return b.number < number; });
  constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();
  for (size_t looked = 0; mine != buckets.end() || other != theirs.end(); ++looked) {
    const uint64_t here = mine == buckets.end() ? kEnd : mine->first;
    const uint64_t there = other == theirs.end() ? kEnd : other->number;
    const uint64_t number = std::min(here, there);
    if (looked == most) return number;
    const bool equal = here == there && mine->second == other->digest;
    if (!equal) differing->push_back(number);
    if (here == number) ++mine;
    if (there == number) ++other;
  }
  return std::nullopt;
}

std::optional<uint64_t> ReplicaDigests::Count(uint32_t storage, uint64_t from, uint64_t end,
                                              size_t most, uint64_t* replicas) const {
  if (storage >= storages_.size()) return std::nullopt;
  const auto& buckets = storages_[storage];
  auto at = buckets.lower_bound(from);
  for (size_t looked = 0; at != buckets.end() && at->first < end; ++at, ++looked) {
    if (looked == most) return at->first;
    *replicas += at->second.count;
  }
  return std::nullopt;
}

ReplicaDigest ReplicaDigests::Find(uint32_t storage, uint64_t bucket) const {
  if (storage >= storages_.size()) return {};
  const auto found = storages_[storage].find(bucket);
  return found == storages_[storage].end() ? ReplicaDigest{} : found->second;
}

size_t ReplicaDigests::buckets() const {
  size_t count = 0;
  for (const auto& buckets : storages_) count += buckets.size();
  return count;
}

}  // namespace cairn::namenode
