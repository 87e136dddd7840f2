// libhdfs/instance.h - what an hdfsFS stands for: a cluster, and a working directory in it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "hdfs/hdfs.h"
#include "libhdfs/handle_table.h"

namespace cairn::libhdfs {

// Thread-safe.
class Instance {
 public:
  // `uri` is "hdfs://AUTHORITY", as the user wrote it: names are told with it.
  Instance(std::shared_ptr<client::FileSystem> fs, std::string uri);

  client::FileSystem& fs() const { return *fs_; }

  // The absolute path that a caller's text means. kInvalidArgument: NULL, empty, or of another file
  // system.
  absl::StatusOr<std::string> Resolve(const char* text) const ABSL_LOCKS_EXCLUDED(mu_);
  // "hdfs://AUTHORITY/a/b".
  std::string UriOf(absl::string_view path) const;

  std::string working_directory() const ABSL_LOCKS_EXCLUDED(mu_);
  void SetWorkingDirectory(std::string path) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Whether "host[:port]" is this cluster.
  bool IsOurs(const std::string& authority) const;

  const std::shared_ptr<client::FileSystem> fs_;
  const std::string uri_;
  mutable Mutex mu_;
  std::string working_directory_ ABSL_GUARDED_BY(mu_);
};

HandleTable<Instance>& Instances();

hdfsFS AddInstance(std::shared_ptr<client::FileSystem> fs, std::string uri);
// EBADF: no such handle.
absl::StatusOr<std::shared_ptr<Instance>> FindInstance(hdfsFS handle);

// What most calls begin with: handle and path.
struct Place {
  std::shared_ptr<Instance> instance;
  std::string path;
  client::FileSystem* operator->() const { return &instance->fs(); }
};
absl::StatusOr<Place> Locate(hdfsFS handle, const char* path);

}  // namespace cairn::libhdfs
