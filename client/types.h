// client/types.h - what libcairn tells about files and the cluster, as plain values.
//
// Sizes and offsets are bytes; times are wall-clock times of the namenode with millisecond steps.
// Everything here has been checked when it came from the network: counts and lengths are not
// negative, enumerations hold a value listed here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cairn::client {

enum class FileType : uint8_t { kFile, kDirectory, kSymlink };

struct FileStatus {
  std::string path;  // absolute, as asked for or as found by listing
  FileType type = FileType::kFile;
  uint64_t length = 0;       // of an open file: what the namenode knows of it so far
  std::optional<bool> open;  // whether the file is being written; nullopt: the server did not say
  uint16_t mode = 0;         // permission bits and 01000 (sticky)
  std::string owner;
  std::string group;
  absl::Time modified;
  absl::Time accessed;       // the epoch for a directory
  uint32_t replication = 0;  // 0 for a directory
  uint64_t block_bytes = 0;  // preferred size of the file's blocks; 0 for a directory
  uint64_t inode = 0;
  int64_t children = -1;  // of a directory; -1 when the server did not say
  bool has_acl = false;
  bool encrypted = false;
  std::string ec_policy;       // by name, such as "RS-6-3-1024k"; empty: replicated
  uint32_t ec_cell_bytes = 0;  // of that policy
  // A replicated file that is small: the policy that it is of and gets when it grows, and that
  // one's cells. Empty: of none.
  std::string small_of;
  uint64_t small_of_cell_bytes = 0;
  std::string symlink;  // target; only for a symlink

  bool is_directory() const { return type == FileType::kDirectory; }
  bool is_file() const { return type == FileType::kFile; }
};

// Where a replica is kept. HDFS's values.
enum class StorageType : uint8_t {
  kDisk = 1,
  kSsd = 2,
  kArchive = 3,
  kRamDisk = 4,
  kProvided = 5,
  kNvdimm = 6,
};

struct TypeQuota {
  StorageType type = StorageType::kDisk;
  int64_t quota = -1;     // bytes with all replicas; -1 = no limit
  uint64_t consumed = 0;  // of those on this type of storage
};

struct ContentSummary {
  uint64_t length = 0;  // each file counted once
  uint64_t file_count = 0;
  uint64_t directory_count = 0;        // with the directory asked about
  int64_t quota = -1;                  // names allowed below; -1 = no limit
  uint64_t space_consumed = 0;         // with all replicas
  int64_t space_quota = -1;            // -1 = no limit
  std::vector<TypeQuota> type_quotas;  // of the types that the server tells about
  uint64_t snapshot_length = 0;
  uint64_t snapshot_file_count = 0;
  uint64_t snapshot_directory_count = 0;
  uint64_t snapshot_space_consumed = 0;
  std::string ec_policy;  // "Replicated", a policy's name, or empty when mixed or unknown
};

// One block of a file, and where it can be read. Of an erasure-coded file: a block group, how many
// bytes of the file it has, and the datanodes of its units, data and parity; of a unit there may be
// two, or none.
struct BlockLocation {
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;
  uint64_t block_id = 0;
  std::vector<std::string> names;     // ip:port of each replica's datanode, best first
  std::vector<std::string> hosts;     // parallel to names
  std::vector<std::string> topology;  // rack path and name, parallel to names
  // Of a group: which unit each has, parallel to names, unless the server's answer makes no sense.
  std::vector<uint8_t> units;
  bool corrupt = false;  // every replica is
};

// A block of a file that nobody writes. What it holds never changes under one stamp.
struct BlockVersion {
  uint64_t id = 0;
  uint64_t stamp = 0;
  uint64_t length = 0;
};

// All blocks of a closed file in their order, of which its bytes are made. Of an erasure-coded
// file: block groups.
struct FileBlocks {
  FileStatus status;
  std::vector<BlockVersion> blocks;
  uint64_t full_block_bytes = 0;  // of the file, in a block that is full
};

struct FsStats {
  uint64_t capacity = 0;
  uint64_t used = 0;
  uint64_t remaining = 0;
  uint64_t under_replicated = 0;  // counts of blocks from here on
  uint64_t corrupt_blocks = 0;
  uint64_t missing_blocks = 0;
  uint64_t missing_single_replica_blocks = 0;
  uint64_t pending_deletion_blocks = 0;
};

struct ServerDefaults {
  uint64_t block_bytes = 0;
  uint32_t bytes_per_checksum = 0;
  uint32_t write_packet_bytes = 0;
  uint32_t replication = 0;
  absl::Duration trash_interval;  // zero: the client's own setting decides
  bool encrypt_data_transfer = false;
};

enum class DatanodeAdminState : uint8_t {
  kNormal,
  kDecommissioning,
  kDecommissioned,
  kEnteringMaintenance,
  kInMaintenance,
};

struct DatanodeReport {
  std::string ip;
  std::string host;
  std::string uuid;
  uint16_t transfer_port = 0;
  std::string rack;
  uint64_t capacity = 0;
  uint64_t dfs_used = 0;
  uint64_t non_dfs_used = 0;
  uint64_t remaining = 0;
  uint64_t cache_capacity = 0;
  uint64_t cache_used = 0;
  uint32_t transfers = 0;  // open data transfers
  absl::Time last_heartbeat;
  absl::Time last_block_report;
  uint32_t block_count = 0;
  DatanodeAdminState admin_state = DatanodeAdminState::kNormal;
};

enum class DatanodeKind : uint8_t {
  kAll,
  kLive,
  kDead,
  kDecommissioning,
  kEnteringMaintenance,
  kInMaintenance,
};

enum class SafeModeAction : uint8_t { kGet, kEnter, kLeave, kForceExit };

// Counts of blocks (or block groups) that need care.
struct BlockStats {
  uint64_t low_redundancy = 0;
  uint64_t corrupt = 0;
  uint64_t missing = 0;
  uint64_t missing_single_replica = 0;  // replicated blocks only
  uint64_t pending_deletion = 0;
  std::optional<uint64_t> highest_priority_low_redundancy;
};

// How a file's block checksums are put together.
enum class ChecksumCombine : uint8_t {
  kMd5OfMd5,   // depends on block and chunk sizes; HDFS's default
  kComposite,  // the CRC of the file's bytes, whatever its layout
};

// What the hedged reads of one FileSystem came to, as Hadoop counts it.
struct HedgedReadMetrics {
  uint64_t ops = 0;                // another replica was asked, as one took long
  uint64_t wins = 0;               // such a one was the first to have all the bytes
  uint64_t in_current_thread = 0;  // replicas read by the caller, all threads being busy
  bool operator==(const HedgedReadMetrics&) const = default;
};

// What to do about a data unit of an erasure-coded file that no datanode answers for.
enum class LostUnits : uint8_t {
  kCompute,  // have its bytes computed from the other units
  kRefuse,   // the checksum is of what is stored, or there is none
};

struct FileChecksum {
  std::string algorithm;  // such as "MD5-of-0MD5-of-512CRC32C" or "COMPOSITE-CRC32C"
  std::string bytes;      // as Hadoop serializes it: 28 bytes, or 4
};

// One access-control entry; see setfacl(1).
struct AclEntry {
  enum class Type : uint8_t { kUser, kGroup, kMask, kOther };
  bool is_default = false;  // inherited by new children
  Type type = Type::kUser;
  std::string name;         // empty: the owner, or the owning group
  uint8_t permissions = 0;  // rwx bits
};

// An extended attribute.
struct Xattr {
  enum class Space : uint8_t { kUser, kTrusted, kSecurity, kSystem, kRaw };
  Space space = Space::kUser;
  std::string name;   // without the space's prefix
  std::string value;  // bytes
};

// Whether an attribute that is set may, or must, be there already.
enum class XattrSetting : uint8_t { kAny, kNew, kExisting };

struct AclStatus {
  std::string owner;
  std::string group;
  bool sticky = false;
  std::vector<AclEntry> entries;
  std::optional<uint16_t> mode;  // absent from old servers
};

}  // namespace cairn::client
