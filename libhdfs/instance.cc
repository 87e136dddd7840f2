#include "libhdfs/instance.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "libhdfs/errno.h"
#include "libhdfs/fork.h"

namespace cairn::libhdfs {
namespace {

constexpr uint16_t kDefaultPort = 8020;

}  // namespace

Instance::Instance(std::shared_ptr<client::FileSystem> fs, std::string uri)
    : fs_(std::move(fs)), uri_(std::move(uri)), working_directory_(fs_->HomeDirectory()) {}

absl::StatusOr<std::string> Instance::Resolve(const char* text) const {
  if (text == nullptr) return absl::InvalidArgumentError("the path is NULL");
  ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(text));
  if (!uri.scheme.empty() && (uri.scheme != "hdfs" || !IsOurs(uri.authority))) {
    return absl::InvalidArgumentError(absl::StrCat("Wrong FS: ", text, ", expected: ", uri_));
  }
  return client::NormalizePath(client::JoinPath(working_directory(), uri.path));
}

bool Instance::IsOurs(const std::string& authority) const {
  if (authority.empty()) return true;
  const absl::StatusOr<client::HostPort> theirs = client::ParseHostPort(authority, kDefaultPort);
  const absl::StatusOr<client::HostPort> ours =
      client::ParseHostPort(fs_->authority(), kDefaultPort);
  return theirs.ok() && ours.ok() && theirs->port == ours->port &&
         absl::EqualsIgnoreCase(theirs->host, ours->host);
}

std::string Instance::UriOf(absl::string_view path) const { return absl::StrCat(uri_, path); }

std::string Instance::working_directory() const {
  MutexLock lock(mu_);
  return working_directory_;
}

void Instance::SetWorkingDirectory(std::string path) {
  MutexLock lock(mu_);
  working_directory_ = std::move(path);
}

HandleTable<Instance>& Instances() {
  static const PerProcess<HandleTable<Instance>> table;
  return table.get();
}

hdfsFS AddInstance(std::shared_ptr<client::FileSystem> fs, std::string uri) {
  return static_cast<hdfsFS>(
      Instances().Add(std::make_shared<Instance>(std::move(fs), std::move(uri))));
}

absl::StatusOr<std::shared_ptr<Instance>> FindInstance(hdfsFS handle) {
  std::shared_ptr<Instance> instance = Instances().Find(handle);
  if (instance == nullptr) return WithErrno(EBADF, "not a connected hdfsFS");
  return instance;
}

absl::StatusOr<Place> Locate(hdfsFS handle, const char* path) {
  Place place;
  ASSIGN_OR_RETURN(place.instance, FindInstance(handle));
  ASSIGN_OR_RETURN(place.path, place.instance->Resolve(path));
  return place;
}

}  // namespace cairn::libhdfs
