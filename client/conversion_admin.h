// client/conversion_admin.h - conversion rules: which files below a directory are to be kept in
// another form as time goes by, and who sees to it. A part of "cairn.AdminProtocol"
// (proto/admin.proto), for superusers; an Apache HDFS has none.
//
// Errors as in client/file_system.h; besides kInternal: the server sent what cannot be.
//
// Threads: any, several at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/erasure_admin.h"
#include "client/options.h"

namespace cairn::client {

class RpcChannel;

// Of files of which all this is true.
struct ConversionRule {
  std::string policy;         // by name; empty: back to replication
  absl::Duration older_than;  // since they were changed
  absl::Duration unread_for;  // since they were read, by their access time; 0: whenever that was
  uint64_t larger_than_bytes = 0;

  bool operator==(const ConversionRule&) const = default;
};

struct PlacedConversionRule {
  uint64_t inode = 0;  // of its directory
  std::string path;
  ConversionRule rule;
  absl::Time set;
  // Of its policy; kEnabled where it has none.
  ErasurePolicyState policy_state = ErasurePolicyState::kEnabled;
};

// Somebody who carries the rules out, as he told it last.
struct ConversionRun {
  std::string holder;  // empty: there was nobody since the namenode's start
  bool ended = false;
  absl::Duration heard_ago;
  uint64_t rounds = 0;                    // through all rules, that have ended
  std::optional<absl::Duration> next_in;  // as it was then; nullopt: one runs, or none comes
  uint64_t files_converted = 0, bytes_converted = 0, files_failed = 0;
  std::string doing;  // one line
};

struct ConversionRules {
  std::vector<PlacedConversionRule> rules;  // by inode
  ConversionRun run;
};

class ConversionAdmin {
 public:
  // `uri` as for FileSystem::Connect. Makes no call.
  static absl::StatusOr<std::unique_ptr<ConversionAdmin>> Connect(
      absl::string_view uri, const ClientOptions& options = {});
  explicit ConversionAdmin(std::unique_ptr<RpcChannel> cairn);  // tests give a channel
  ~ConversionAdmin();
  ConversionAdmin(const ConversionAdmin&) = delete;
  ConversionAdmin& operator=(const ConversionAdmin&) = delete;

  // In place of the one that the directory has.
  absl::Status Set(absl::string_view path, const ConversionRule& rule);
  // False: the directory has none itself.
  absl::StatusOr<bool> Remove(absl::string_view path);
  absl::StatusOr<ConversionRules> List();
  // Begins, renews or ends run `id`, not 0. Not empty: another's goes on, and this one must not.
  absl::StatusOr<std::string> RenewRun(uint64_t id, const ConversionRun& told, bool stop);

 private:
  const std::unique_ptr<RpcChannel> channel_;
};

}  // namespace cairn::client
