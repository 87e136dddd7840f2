#include "fuse/clients.h"

#include "common/status_macros.h"

namespace cairn::fuse {

Clients::Clients(std::string uri, client::ClientOptions options)
    : uri_(std::move(uri)), options_(std::move(options)) {}

absl::StatusOr<ClientPtr> Clients::For(const std::string& user) {
  ClientPtr dropped;  // after the lock: its end joins threads
  MutexLock lock(mu_);
  const auto known = by_user_.find(user);
  if (known != by_user_.end()) {
    uses_.splice(uses_.begin(), uses_, known->second);
    return known->second->second;
  }
  client::ClientOptions options = options_;
  options.user = user;
  ASSIGN_OR_RETURN(ClientPtr made, client::FileSystem::Connect(uri_, std::move(options)));
  uses_.emplace_front(user, made);
  by_user_[user] = uses_.begin();
  if (uses_.size() > kMaxClients) {
    for (auto last = std::prev(uses_.end()); last != uses_.begin(); --last) {
      if (last->second.use_count() > 1) continue;
      dropped = std::move(last->second);
      by_user_.erase(last->first);
      uses_.erase(last);
      break;
    }
  }
  return made;
}

}  // namespace cairn::fuse
