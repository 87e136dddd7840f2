// common/user_groups.h - which groups a user belongs to, as the server's own user database has it.
//
// HDFS trusts the client for the user's name but asks the server for the groups. A look-up (NSS:
// files, LDAP, ...) may take long; answers are kept for a while, and no lock is held meanwhile.
// Thread-safe. Source of the override syntax: hadoop.user.group.static.mapping.overrides in
// core-default.xml.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn {

using GroupList = std::shared_ptr<const std::vector<std::string>>;  // never null

// The groups of `user` by NSS, the primary group first. Empty: no such user, or a group without a
// name. kUnavailable: the user database does not answer. Blocks.
absl::StatusOr<std::vector<std::string>> LookUpGroups(const std::string& user);

// The name of the user this process runs as; its number in decimal when it has no name.
std::string ProcessUserName();

class UserGroups {
 public:
  struct Options {
    // "user1=group1,group2;user2=": these users are never looked up; user2 has no groups.
    std::string static_overrides;
    absl::Duration time_to_live = absl::Minutes(5);
    absl::Duration time_to_live_unknown = absl::Seconds(30);  // of users without any group
    size_t max_users = 10'000;
    std::function<absl::StatusOr<std::vector<std::string>>(const std::string&)> look_up =
        LookUpGroups;
  };

  // kInvalidArgument: the overrides do not parse. `clock` outlives the result.
  static absl::StatusOr<std::unique_ptr<UserGroups>> Create(Options options, Clock& clock);

  // Empty for an unknown user. When the user database does not answer: what was known last, else
  // empty, which grants nothing; asked again at the next call.
  GroupList GroupsOf(absl::string_view user) ABSL_LOCKS_EXCLUDED(mu_);
  bool IsMember(absl::string_view user, absl::string_view group) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    GroupList groups;
    absl::Duration expires;  // monotonic
  };
  using StaticMap = absl::flat_hash_map<std::string, GroupList>;

  UserGroups(Options options, StaticMap static_groups, Clock& clock);
  void Remember(const std::string& user, const GroupList& groups) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const StaticMap static_;
  Clock& clock_;
  Mutex mu_;
  absl::flat_hash_map<std::string, Entry> cache_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn
