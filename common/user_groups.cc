#include "common/user_groups.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace cairn {
namespace {

constexpr size_t kMaxEntryBytes = size_t{1} << 20;  // a group with very many members
constexpr int kMaxGroups = 65536;                   // Linux's NGROUPS_MAX
constexpr size_t kMaxUserNameBytes = 256;           // LOGIN_NAME_MAX

// Calls one of the get..._r functions with a buffer that grows until the answer fits.
// `result` stays null when there is no such entry.
template <typename Entry, typename Call>
absl::Status GetEntry(Call call, std::vector<char>& buffer, Entry& entry, Entry*& result) {
  buffer.resize(4096);
  while (true) {
    const int error = call(&entry, buffer.data(), buffer.size(), &result);
    if (error == ERANGE && buffer.size() < kMaxEntryBytes) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    // Not found is 0 by POSIX, and one of these by some NSS modules.
    if (error == 0 || error == ENOENT || error == ESRCH) return absl::OkStatus();
    if (error == EINTR) continue;
    return absl::UnavailableError(absl::StrCat("user database: ", strerror(error)));
  }
}

absl::StatusOr<std::string> GroupName(gid_t gid) {
  std::vector<char> buffer;
  group entry{};
  group* found = nullptr;
  RETURN_IF_ERROR(GetEntry<group>(
      [gid](group* g, char* b, size_t n, group** r) { return getgrgid_r(gid, g, b, n, r); }, buffer,
      entry, found));
  return found == nullptr ? std::string() : std::string(found->gr_name);
}

absl::StatusOr<absl::flat_hash_map<std::string, GroupList>> ParseOverrides(absl::string_view text) {
  absl::flat_hash_map<std::string, GroupList> out;
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const absl::string_view user = absl::StripAsciiWhitespace(pair.first);
    if (user.empty() || pair.second.find('=') != absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("static group mapping \"", EscapeForLog(part),
                                                     "\": expected user=group,group;user=..."));
    }
    auto groups = std::make_shared<std::vector<std::string>>();
    for (const absl::string_view group : absl::StrSplit(pair.second, ',')) {
      const absl::string_view name = absl::StripAsciiWhitespace(group);
      if (!name.empty()) groups->emplace_back(name);
    }
    if (!out.emplace(user, std::move(groups)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("static group mapping: user ", EscapeForLog(user), " twice"));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> LookUpGroups(const std::string& user) {
  std::vector<char> buffer;
  passwd entry{};
  passwd* found = nullptr;
  RETURN_IF_ERROR(
      GetEntry<passwd>([&user](passwd* p, char* b, size_t n,
                               passwd** r) { return getpwnam_r(user.c_str(), p, b, n, r); },
                       buffer, entry, found));
  std::vector<std::string> names;
  if (found == nullptr) return names;

  std::vector<gid_t> gids(64);
  int count = static_cast<int>(gids.size());
  while (getgrouplist(user.c_str(), found->pw_gid, gids.data(), &count) < 0) {
    if (gids.size() >= kMaxGroups) {
      return absl::UnavailableError(absl::StrCat("user database: ", user, " has too many groups"));
    }
    gids.resize(gids.size() * 2);
    count = static_cast<int>(gids.size());
  }
  gids.resize(static_cast<size_t>(count));
  for (const gid_t gid : gids) {
    ASSIGN_OR_RETURN(std::string name, GroupName(gid));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::string ProcessUserName() {
  const uid_t uid = ::geteuid();
  std::vector<char> buffer;
  passwd entry{};
  passwd* found = nullptr;
  const absl::Status status = GetEntry<passwd>(
      [uid](passwd* p, char* b, size_t n, passwd** r) { return getpwuid_r(uid, p, b, n, r); },
      buffer, entry, found);
  // Without a name, or without a user database, the number is the best name there is.
  return status.ok() && found != nullptr ? std::string(found->pw_name) : absl::StrCat(uid);
}

absl::StatusOr<std::unique_ptr<UserGroups>> UserGroups::Create(Options options, Clock& clock) {
  ASSIGN_OR_RETURN(StaticMap static_groups, ParseOverrides(options.static_overrides));
  return std::unique_ptr<UserGroups>(
      new UserGroups(std::move(options), std::move(static_groups), clock));
}

UserGroups::UserGroups(Options options, StaticMap static_groups, Clock& clock)
    : options_(std::move(options)), static_(std::move(static_groups)), clock_(clock) {}

GroupList UserGroups::GroupsOf(absl::string_view user) {
  static const GroupList* const kNone =
      new GroupList(std::make_shared<const std::vector<std::string>>());
  if (const auto fixed = static_.find(user); fixed != static_.end()) return fixed->second;
  if (user.empty() || user.size() > kMaxUserNameBytes) return *kNone;
  GroupList known;
  {
    const absl::Duration now = clock_.Monotonic();
    MutexLock lock(mu_);
    if (const auto entry = cache_.find(user); entry != cache_.end()) {
      if (now < entry->second.expires) return entry->second.groups;
      known = entry->second.groups;
    }
  }
  const std::string name(user);
  absl::StatusOr<std::vector<std::string>> looked_up = options_.look_up(name);
  if (!looked_up.ok()) {
    LOG_EVERY_SECONDS(kWarn, 10, "groups of user {}: {}", EscapeForLog(name), looked_up.status());
    return known != nullptr ? known : *kNone;
  }
  const GroupList groups = std::make_shared<const std::vector<std::string>>(*std::move(looked_up));
  Remember(name, groups);
  return groups;
}

void UserGroups::Remember(const std::string& user, const GroupList& groups) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mu_);
  if (cache_.size() >= options_.max_users && !cache_.contains(user)) {
    absl::erase_if(cache_, [now](const auto& entry) { return entry.second.expires <= now; });
    // Still full: somebody tries names. Starting over costs each real user one look-up.
    if (cache_.size() >= options_.max_users) cache_.clear();
  }
  cache_[user] = {groups,
                  now + (groups->empty() ? options_.time_to_live_unknown : options_.time_to_live)};
}

bool UserGroups::IsMember(absl::string_view user, absl::string_view group) {
  const GroupList groups = GroupsOf(user);
  return std::find(groups->begin(), groups->end(), group) != groups->end();
}

}  // namespace cairn
