// namenode/service/rpc/encode.h - the namenode's types as the messages of the client protocol.
//
// Two ways. What is answered hundreds of thousands of times a second (file status, listings,
// located blocks) is written straight to bytes; encode_test.cc compares each with the generated
// code, byte for byte. Reports for administrators go through generated messages.
//
// What clients insist on, and what every function here keeps:
//   - required fields are always there, and so are numBytes, the empty token, childrenNum, fileId
//   - locs, isCached, storageTypes and storageIDs of a located block have the same count: a storage
//     that the cluster does not know is left out of all four, and of a group's blockIndices and
//     blockTokens
//   - a block with blockIndices is a group to clients, even without a single location
//   - ecPolicy tells a file that is made of groups, or a directory whose new files will be; it is
//     absent elsewhere, as fileEncryptionInfo and symlink always are: their presence changes how
//     clients read
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "erasure/policy.h"
#include "namenode/cluster/cluster_view.h"
#include "namenode/cluster/datanode_info.h"
#include "namenode/cluster/storage_policy.h"
#include "namenode/namespace/types.h"
#include "namenode/service/rpc/backward_writer.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::namenode {

// What located blocks are told with.
struct BlockContext {
  absl::string_view pool_id;
  std::shared_ptr<const ClusterView> cluster;  // never null
};

// Each writes one field of number `field` that holds the message.
// HdfsFileStatusProto. `name` is the entry's name in a listing and empty elsewhere.
void PutFileStatus(BackwardWriter& w, uint32_t field, absl::string_view name,
                   const FileStatus& status);
// The same with the locations of its blocks; of a directory none are told.
void PutLocatedFileStatus(BackwardWriter& w, uint32_t field, absl::string_view name,
                          const FileStatus& status, const LocatedBlocks& located,
                          const BlockContext& context);
// A group may have more units than storages: those behind are told without a place.
void PutLocatedBlock(BackwardWriter& w, uint32_t field, const LocatedBlock& block,
                     const BlockContext& context);
void PutLocatedBlocks(BackwardWriter& w, uint32_t field, const LocatedBlocks& blocks,
                      const BlockContext& context);
// For each entry, a HdfsFileStatusProto with its name. `context` as below.
void PutEntries(BackwardWriter& w, uint32_t field, const std::vector<ListingEntry>& entries,
                const BlockContext* context);
// DirectoryListingProto. `context` is used for entries with locations only, else it may be null.
void PutListing(BackwardWriter& w, uint32_t field, const Listing& listing,
                const BlockContext* context);
// ErasureCodingPolicyProto without the state, which those who read or write files do not ask for.
// HDFS tells no more than the id of the system's policies; here all is told of all.
void PutErasurePolicy(BackwardWriter& w, uint32_t field, const erasure::Policy& policy);

// For reports: capacity, use and last heartbeat as well as the address.
void FillDatanodeInfo(const DatanodeInfo& node, hdfs::DatanodeInfoProto& out);
void FillStorageReports(const DatanodeInfo& node, hdfs::DatanodeStorageReportProto& out);

void FillServerDefaults(const ServerDefaults& defaults, hdfs::FsServerDefaultsProto& out);
// False, and nothing is filled: the policy wants a storage type that not every client can decode.
bool FillStoragePolicy(const StoragePolicy& policy, hdfs::BlockStoragePolicyProto& out);
void FillErasurePolicy(const ErasurePolicyInfo& info, hdfs::ErasureCodingPolicyProto& out);
// Without the erasure coding policy, which sums do not tell.
void FillContentSummary(const ContentSummary& summary, hdfs::ContentSummaryProto& out);
void FillQuotaUsage(const ContentSummary& summary, hdfs::QuotaUsageProto& out);

// A storage type that every client can decode. The lists beside the locations are parallel, and a
// client that drops an unknown enum value would see lists of different lengths: types newer than
// the first five are told as DISK.
hdfs::StorageTypeProto ClientStorageType(uint32_t type);

}  // namespace cairn::namenode
