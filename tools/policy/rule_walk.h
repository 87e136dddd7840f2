// tools/policy/rule_walk.h - the files that a rule holds for: all below its directory but what is
// below another one with a rule of its own, which is nearer to them.
//
// Depth first, a page of one listing at a time, so that memory holds a page for each level and the
// namenode never does more than a page for a call. What is renamed or deleted meanwhile is passed
// over, or met twice.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/types.h"

namespace cairn::tools {

// The entries of one directory, in order: client::DirectoryIterator, or a test's.
class DirectoryReader {
 public:
  virtual ~DirectoryReader() = default;
  virtual absl::StatusOr<std::optional<client::FileStatus>> Next() = 0;
  virtual bool asks_server_next() const = 0;
};
using OpenDirectory = std::function<std::unique_ptr<DirectoryReader>(const std::string& path)>;

struct RuleVisitor {
  // What is not a directory; false: the walk ends.
  std::function<bool(const client::FileStatus&)> on_file;
  // Whether the directory, below the one that the walk began with, has a rule of its own.
  std::function<bool(const client::FileStatus&)> has_own_rule;
  // One that cannot be listed; the walk goes on beside it.
  std::function<void(const std::string& path, const absl::Status& why)> on_unreadable;
  // Before each call of the server: may wait. False: the walk ends.
  std::function<bool()> on_page;
};

// An error: `directory` itself cannot be listed, or the server does not answer.
absl::Status WalkRule(const OpenDirectory& open, const std::string& directory,
                      const RuleVisitor& visitor);

}  // namespace cairn::tools
