// Feeds arbitrary bytes to every decoder of the store's values. The first byte picks the key.
#include <cstddef>
#include <cstdint>
#include <string>

#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace {
using namespace cairn;            // NOLINT: a fuzz target is one function
using namespace cairn::namenode;  // NOLINT

// What was accepted must be accepted again after a round trip.
template <typename Parse>
void RoundTrip(const Parse& parse, const std::string& key, absl::string_view value) {
  const auto first = parse(key, value);
  if (!first.ok()) return;
  if (!parse(key, first->SerializeAsString()).ok()) __builtin_trap();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 10) {
    case 0:
      RoundTrip(ParseInode, keys::Entry(kRootInode, "name"), value);
      break;
    case 1:
      RoundTrip(ParseInode, keys::Detached(InodeId{16386}), value);
      break;
    case 2:
      RoundTrip(ParseLocation, keys::Location(InodeId{16386}), value);
      break;
    case 3:
      RoundTrip(ParseSums, keys::Sums(kRootInode), value);
      break;
    case 4:
      RoundTrip(ParseBlockOwner, keys::BlockOwner(BlockId{1}), value);
      break;
    case 5:
      RoundTrip(ParseReplicas, keys::Replicas(BlockId{1}), value);
      break;
    case 6:
      RoundTrip(ParseStorage, keys::Storage(1), value);
      RoundTrip(ParseErasurePolicy, keys::ErasurePolicy(64), value);
      RoundTrip(ParseConversionRule, keys::ConversionRule(InodeId{16390}), value);
      break;
    case 7:
      RoundTrip(ParseNamespace, keys::Namespace(), value);
      break;
    case 8:
      RoundTrip(ParseRemovedBlock, keys::RemovedBlock(BlockId{1}), value);
      break;
    default: {
      InodeId parent;
      absl::string_view name;
      uint64_t id;
      uint32_t storage;
      keys::ParseEntry(value, &parent, &name);
      keys::ParseTrailingId(value, &id);
      keys::ParseStorageNumber(value, &storage);
      keys::ParseErasurePolicyId(value, &storage);
      keys::Readable(value);
    }
  }
  return 0;
}
