#include "fuse/clients.h"

#include <iterator>
#include <utility>

#include "common/status_macros.h"

namespace cairn::fuse {

Clients::Clients(std::string uri, client::ClientOptions options)
    : uri_(std::move(uri)), options_(std::move(options)) {}

client::ClientOptions Clients::OptionsOf(const std::string& user) const {
  client::ClientOptions options = options_;
  options.user = user;
  return options;
}

absl::StatusOr<Clients::Client*> Clients::Use(const std::string& user, Client& dropped) {
  const auto known = by_user_.find(user);
  if (known != by_user_.end()) {
    uses_.splice(uses_.begin(), uses_, known->second);
    return &uses_.front();
  }
  ASSIGN_OR_RETURN(ClientPtr made, client::FileSystem::Connect(uri_, OptionsOf(user)));
  uses_.push_front({.user = user, .fs = std::move(made), .admin = nullptr});
  by_user_[user] = uses_.begin();
  if (uses_.size() > kMaxClients) {
    for (auto last = std::prev(uses_.end()); last != uses_.begin(); --last) {
      if (last->fs.use_count() > 1) continue;
      dropped = std::move(*last);
      by_user_.erase(dropped.user);
      uses_.erase(last);
      break;
    }
  }
  return &uses_.front();
}

absl::StatusOr<ClientPtr> Clients::For(const std::string& user) {
  Client dropped;
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(const Client* const client, Use(user, dropped));
  return client->fs;
}

absl::StatusOr<AdminPtr> Clients::AdminFor(const std::string& user) {
  Client dropped;
  MutexLock lock(mu_);
  ASSIGN_OR_RETURN(Client* const client, Use(user, dropped));
  if (client->admin == nullptr) {
    ASSIGN_OR_RETURN(client->admin, client::ClusterAdmin::Connect(uri_, OptionsOf(user)));
  }
  return client->admin;
}

}  // namespace cairn::fuse
