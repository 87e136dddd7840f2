#include "namenode/core/identity.h"

#include <algorithm>

namespace cairn::namenode {

bool Identity::IsIn(absl::string_view group) const {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

IdentityCache::IdentityCache(Options options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

std::shared_ptr<const Identity> IdentityCache::Get(absl::string_view user) {
  const absl::Duration now = clock_.Monotonic();
  {
    MutexLock lock(mu_);
    const auto it = entries_.find(user);
    if (it != entries_.end() && now < it->second.expires) return it->second.identity;
  }
  // Outside the lock: a name service may take its time, and others need not wait for it.
  auto identity = std::make_shared<Identity>();
  identity->user = std::string(user);
  identity->groups = options_.groups_of(identity->user);
  identity->superuser = user == options_.superuser || identity->IsIn(options_.supergroup);
  identity->unchecked = !options_.permissions;
  MutexLock lock(mu_);
  if (entries_.size() >= options_.most) entries_.clear();
  entries_[identity->user] = {identity, now + options_.time_to_live};
  return identity;
}

}  // namespace cairn::namenode
