// fuse/names.h - users and groups: the kernel's numbers, the cluster's names.
//
// The mapping is this machine's user database. Who has no entry in it has a number in decimal for a
// name ("1234" and 1234 are one and the same), so that what was written by such a user comes back
// as his; every other unknown name is `nobody`. A look-up may ask a directory service: answers are
// kept for a few minutes, unknown ones for less, and no lock is held meanwhile.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace cairn::fuse {

inline constexpr uint32_t kNobody = 65534;

// One of the two databases; nullopt: no such entry. Both may block.
struct NameDatabase {
  std::function<std::optional<std::string>(uint32_t id)> name_of;
  std::function<std::optional<uint32_t>(const std::string& name)> id_of;
};
NameDatabase SystemUsers();   // getpwnam(3), getpwuid(3)
NameDatabase SystemGroups();  // getgrnam(3), getgrgid(3)

class Names {
 public:
  static constexpr absl::Duration kKnownLife = absl::Minutes(5);
  static constexpr absl::Duration kUnknownLife = absl::Seconds(30);
  static constexpr size_t kMaxEntries = 20'000;  // of each direction; then all are forgotten

  // `clock` outlives this.
  Names(NameDatabase database, Clock& clock);

  std::string NameOf(uint32_t id) ABSL_LOCKS_EXCLUDED(mu_);
  uint32_t IdOf(absl::string_view name) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  template <typename Value>
  struct Entry {
    Value value;
    absl::Duration expires;  // monotonic
  };

  const NameDatabase database_;
  Clock& clock_;
  Mutex mu_;
  absl::flat_hash_map<uint32_t, Entry<std::string>> names_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Entry<uint32_t>> ids_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
