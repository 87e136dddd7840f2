// namenode/core/identity.h - what permission checks need to know of a user, resolved once in a
// while.
//
// Groups come from the namenode's own machine (or a static mapping), as HDFS does it; clients never
// send them. The superusers are the user who runs the namenode and the members of
// dfs.permissions.superusergroup. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::namenode {

struct Identity {
  std::string user;
  std::vector<std::string> groups;
  bool superuser = false;
  bool unchecked = false;  // dfs.permissions.enabled is off: may do what its owner may

  bool IsIn(absl::string_view group) const;
};

class IdentityCache {
 public:
  struct Options {
    std::string superuser;  // who runs the namenode
    std::string supergroup = "supergroup";
    bool permissions = true;  // dfs.permissions.enabled
    absl::Duration time_to_live = absl::Minutes(5);
    size_t most = 10000;                                                    // users remembered
    std::function<std::vector<std::string>(const std::string&)> groups_of;  // may be slow
  };
  IdentityCache(Options options, Clock& clock);

  std::shared_ptr<const Identity> Get(absl::string_view user) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<const Identity> identity;
    absl::Duration expires;
  };
  const Options options_;
  Clock& clock_;
  Mutex mu_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
