// namenode/namespace/types.h - what the namenode's operations take and give, without a protocol.
//
// Times are milliseconds since the epoch, lengths bytes. Owner and group views point into the
// namenode's table of names, which never forgets one: they stay valid for the process' life. So do
// erasure coding policies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "erasure/policy.h"

namespace cairn::namenode {

inline constexpr uint32_t kModeMask = 01777;  // rwxrwxrwx and sticky; setuid and setgid are dropped

// An operation's outcome and the transaction that must be durable before anyone hears of it: its
// own edit, or the newest edit among the records it looked at. Errors have a ticket as well.
template <typename T>
struct Outcome {
  absl::StatusOr<T> value;
  uint64_t ticket = 0;
};

struct Nothing {};  // for operations that answer only "done"

// Who asks. `user` came from the connection's authentication.
struct Caller {
  absl::string_view user;
  absl::string_view remote_ip;
  // Set for calls that a client may send twice and that must take effect once.
  const uint8_t* client_id = nullptr;  // 16 bytes
  int32_t call_id = 0;
};

struct FileStatus {
  InodeId id = kNoInode;
  bool directory = false;
  uint32_t mode = 0;
  uint64_t length = 0;  // of an open file: completed blocks plus what the writer told of the last
  uint64_t mtime_ms = 0;
  uint64_t atime_ms = 0;
  absl::string_view owner;
  absl::string_view group;
  uint32_t replication = 0;
  uint64_t block_bytes = 0;
  uint32_t storage_policy = 0;  // 0: not set here
  uint64_t children = 0;
  bool open = false;  // a file that is being written
  // Of a file: what its blocks are groups of. Of a directory: what new files below it get, wherever
  // that is set. Null: they are replicated.
  const erasure::Policy* erasure = nullptr;
  // Of a file that is replicated as long as it is small: the policy that it is of. Null: of none.
  const erasure::Policy* small_of = nullptr;
};

// A block, or a block group with the length of the data in it.
struct BlockVersion {
  BlockId id{};
  GenerationStamp stamp{};
  uint64_t length = 0;
};

inline constexpr uint32_t kNoStorage = ~uint32_t{0};  // no datanode's volume has this number

struct LocatedBlock {
  BlockVersion block;
  uint64_t offset = 0;             // in the file
  std::vector<uint32_t> storages;  // storage numbers, best for the caller first
  bool corrupt = false;            // every replica is known to be bad; of a group: too many units
  // Of a group: which unit each of `storages` has. The policy is the file's.
  std::vector<uint8_t> units = {};
  const erasure::Policy* erasure = nullptr;
};

struct LocatedBlocks {
  uint64_t file_length = 0;  // without a last block that is still being written
  bool under_construction = false;
  std::vector<LocatedBlock> blocks;
  std::optional<LocatedBlock> last;
  bool last_complete = false;
  const erasure::Policy* erasure = nullptr;  // what the blocks are groups of; null: replicated
  uint64_t contents = 0;  // a digest of all the file's blocks and their stamps; 0: it has none
  // What `contents` was before the file was converted, if its bytes are still those; 0: it was not.
  uint64_t converted_from = 0;
  // The file, if its access time is to move when it is read now: for Namenode::Accessed.
  InodeId access_due = kNoInode;
};

struct ListingEntry {
  std::string name;  // raw bytes; empty for the entry of a listed file
  FileStatus status;
  std::optional<LocatedBlocks> located;
};

struct Listing {
  std::vector<ListingEntry> entries;
  uint64_t remaining = 0;
};

struct ContentSummary {
  uint64_t length = 0, files = 0, directories = 0, space = 0;
};

// HDFS's ErasureCodingPolicyState, with its numbers.
enum class ErasurePolicyState : uint8_t { kDisabled = 1, kEnabled = 2, kRemoved = 3 };

struct ErasurePolicyInfo {
  const erasure::Policy* policy;
  ErasurePolicyState state;
};

// Which files below a directory are to be converted: all of this is true of them.
struct ConversionRule {
  const erasure::Policy* policy = nullptr;  // to this one; null: back to replication
  uint64_t older_than_ms = 0;               // since they were changed
  uint64_t unread_for_ms = 0;  // since they were read, by their access time; 0: whenever that was
  uint64_t larger_than_bytes = 0;
};

// A rule where it is set.
struct PlacedConversionRule {
  InodeId directory = kNoInode;
  std::string path;
  ConversionRule rule;
  std::optional<ErasurePolicyState> policy_state;  // nullopt: replication
  uint64_t set_ms = 0;
};

struct ConversionRulePage {
  std::vector<PlacedConversionRule> rules;  // by directory
  InodeId last = kNoInode;                  // the next page is asked for with this
  bool more = false;                        // there may be one, though this one may be empty
};

// How far somebody is who carries the rules out, as he told last.
struct ConversionRun {
  std::string holder;  // who it is; empty: nobody, since the namenode's start
  bool ended = false;  // it has stopped, or is not heard of any more
  absl::Duration heard_ago;
  uint64_t rounds = 0;                    // through all rules, that have ended
  std::optional<absl::Duration> next_in;  // as it was then; nullopt: one runs, or none comes
  uint64_t files_converted = 0, bytes_converted = 0, files_failed = 0;
  std::string doing;  // one line
};

struct ServerDefaults {
  uint64_t block_bytes = 128 << 20;
  uint32_t bytes_per_checksum = 512;
  uint32_t write_packet_bytes = 65536;
  uint32_t replication = 3;
  uint32_t file_buffer_bytes = 4096;
  uint64_t trash_interval_minutes = 0;
};

}  // namespace cairn::namenode
