#include "libhdfs/connections.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "libhdfs/fork.h"

namespace cairn::libhdfs {
namespace {

using FileSystemPtr = std::shared_ptr<client::FileSystem>;

struct Shared {
  static Shared* ForChild(const Shared& /*parent*/) { return new Shared; }

  Mutex mu;
  std::map<std::string, std::weak_ptr<client::FileSystem>> by_words ABSL_GUARDED_BY(mu);
};

Shared& TheShared() {
  static const PerProcess<Shared> shared;
  return shared.get();
}

}  // namespace

absl::StatusOr<FileSystemPtr> ConnectTo(const std::string& uri, const std::string& user,
                                        const Config& config, bool fresh) {
  ASSIGN_OR_RETURN(client::ClientOptions options, client::LoadClientOptions(config));
  if (!user.empty()) options.user = user;
  if (options.user.empty()) options.user = client::LoginUser();
  const std::string words = absl::StrCat(uri, "\n", options.user, "\n", config.Dump());
  Shared& shared = TheShared();
  MutexLock lock(shared.mu);
  if (!fresh) {
    const auto known = shared.by_words.find(words);
    FileSystemPtr open = known == shared.by_words.end() ? nullptr : known->second.lock();
    if (open != nullptr) return open;
  }
  ASSIGN_OR_RETURN(FileSystemPtr made, client::FileSystem::Connect(uri, std::move(options)));
  std::erase_if(shared.by_words, [](const auto& entry) { return entry.second.expired(); });
  if (!fresh) shared.by_words[words] = made;
  return made;
}

}  // namespace cairn::libhdfs
