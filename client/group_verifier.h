// client/group_verifier.h - do the units of erasure-coded files' block groups agree? For operators:
// reads all of them, and changes nothing.
//
// Of each unit one replica is read, over a connection, and another one where that fails. A replica
// that does not match its checksums is told to the namenode, as by every reader. A unit that is
// wrong, though it matches its checksums, is not: a Cairn namenode believes only a datanode that
// has looked at its replica, and there it looks right.
//
// Threads: any, several at once; a Verify runs on its caller's. Memory of each: unit_comparison.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/admin_types.h"
#include "client/options.h"

namespace cairn::client {

struct ClientContext;

struct UnitAt {
  uint32_t unit = 0;     // number
  uint64_t block = 0;    // its id
  std::string datanode;  // ip:port of those that were asked for it, with ", "; empty: nobody was
  std::string why;       // any text: it may be a datanode's
};

struct GroupFinding {
  enum class State : uint8_t {
    kVerified,    // all units were read, and agree
    kLost,        // some could not be read, for want of datanodes that have them
    kUnreadable,  // some replica does not match its checksums
    kTooFew,      // so many are lost or unreadable that the group's bytes cannot be had
    kContradiction,
    kChanged,  // the group was deleted or replaced meanwhile: nothing is said of it
  };

  // Of those that hold, the last one but kChanged.
  State state = State::kVerified;
  std::vector<UnitAt> lost;
  // Replicas whose checksums do not match: another one of the unit may have been read instead.
  std::vector<UnitAt> unreadable;
  // The units contradict each other from this offset of theirs on.
  std::optional<uint64_t> differ_at;
  // Then, the only unit without which all others agree; absent: it cannot be told.
  std::optional<UnitAt> wrong;
  uint64_t unit_bytes = 0;      // of the longest unit
  uint64_t compared_bytes = 0;  // of these, where there was a unit more than it takes
};

class GroupVerifier {
 public:
  // `uri` as for FileSystem::Connect. Makes no call.
  static absl::StatusOr<std::unique_ptr<GroupVerifier>> Connect(absl::string_view uri,
                                                                ClientOptions options = {});
  // Over connections that tests give.
  explicit GroupVerifier(std::shared_ptr<ClientContext> context);
  ~GroupVerifier();
  GroupVerifier(const GroupVerifier&) = delete;
  GroupVerifier& operator=(const GroupVerifier&) = delete;

  // `group` of the file at `path`, as ClusterAdmin::DescribeFile told, which is complete: it is not
  // under construction. Errors as in client/file_system.h, of the namenode: what datanodes do is a
  // finding.
  absl::StatusOr<GroupFinding> Verify(const std::string& path, const BlockReport& group);

 private:
  const std::shared_ptr<ClientContext> context_;
};

}  // namespace cairn::client
