// datanode/rebuild/group_sum_order.h - a client's BLOCK_GROUP_CHECKSUM, checked.
//
// The client tells all that it knows of the group: its policy, and who has which unit. What it
// wants is the checksum of the group's first bytes, in one of two modes:
//
//   MD5CRC         MD5 over the MD5s of the data units that have any of these bytes, by number,
//                  as Md5OfMd5s pads them; a unit's is over the CRCs of the chunks of its share
//   COMPOSITE_CRC  the CRC of these bytes
//
// Source: Apache Hadoop's BlockChecksumHelper.BlockGroupNonStripedChecksumComputer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "datanode/rebuild/rebuild_order.h"
#include "erasure/layout.h"
#include "proto/hdfs/data_transfer.pb.h"

namespace cairn::datanode {

struct GroupSumOrder {
  // Who is said to have a unit, and what shows that the client may ask for it.
  struct Holder {
    TransferAddress address;
    hdfs::TokenProto token;
  };
  RebuildOrder group;                        // its numbers; no sources and no targets
  uint64_t covered_bytes = 0;                // of the group, from its beginning; at least one
  bool composite = false;                    // else MD5CRC
  std::vector<std::vector<Holder>> holders;  // by unit

  // Of what is covered, how much lies in `unit`.
  uint64_t CoveredBytes(uint32_t unit) const {
    return group.layout().UnitBytes(covered_bytes, unit);
  }
  // So long a checksum of its share a data unit has.
  uint64_t SumBytes(uint32_t unit) const;
};

// kInvalidArgument: says what makes no sense, or is more than an answer has room for.
// kUnimplemented: a policy that is not known here.
absl::StatusOr<GroupSumOrder> CheckGroupSum(const hdfs::OpBlockGroupChecksumProto& op);

}  // namespace cairn::datanode
