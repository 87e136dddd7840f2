// client/block_reports.h - what servers tell of a block, or of a block group and its units, into
// what operators are told (client/admin_types.h). Pure. What makes no sense counts as lost, so that
// nothing is taken for healthy.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/admin_types.h"
#include "erasure/layout.h"
#include "proto/admin.pb.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

// From Cairn's own protocol. kInternal: a group with units of another.
absl::StatusOr<BlockReport> ToReport(const admin::Block& proto);

// From what readers are told.
BlockReport ToReport(const hdfs::LocatedBlockProto& proto, uint32_t wanted);
// The same of a group that CheckGroups has seen (client/striping.h); `open`: it is being written.
BlockReport ToGroupReport(const hdfs::LocatedBlockProto& proto, const erasure::Layout& layout,
                          bool open);

StorageType ToStorageType(uint32_t value);

}  // namespace cairn::client
