// fuse/clients.h - the cluster as each user sees it: one libcairn file system per user name.
//
// HDFS takes the user from the connection, so each user who calls has one of his own, made when he
// first calls. At most kMaxClients are kept; beyond that the one that was used least recently, and
// that no open file holds, goes.
// What only operators' calls tell, such as how a file's blocks stand, comes over connections of
// their own, made when a user first asks for it.
//
// Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "client/cluster_admin.h"
#include "client/file_system.h"
#include "common/mutex.h"

namespace cairn::fuse {

using ClientPtr = std::shared_ptr<client::FileSystem>;
using AdminPtr = std::shared_ptr<client::ClusterAdmin>;

class Clients {
 public:
  static constexpr size_t kMaxClients = 64;

  // `uri` and `options` as FileSystem::Connect takes them; the user in them is not looked at.
  Clients(std::string uri, client::ClientOptions options);

  // Makes no call to the cluster. kInvalidArgument: see FileSystem::Connect.
  absl::StatusOr<ClientPtr> For(const std::string& user) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<AdminPtr> AdminFor(const std::string& user) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Client {
    std::string user;
    ClientPtr fs;
    AdminPtr admin;  // null: he has not asked for it
  };
  using Uses = std::list<Client>;  // the latest first

  client::ClientOptions OptionsOf(const std::string& user) const;
  // The first of uses_ then. What had to go for it is in `dropped`, which outlives the lock: its
  // end joins threads.
  absl::StatusOr<Client*> Use(const std::string& user, Client& dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string uri_;
  const client::ClientOptions options_;
  Mutex mu_;
  Uses uses_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Uses::iterator> by_user_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::fuse
