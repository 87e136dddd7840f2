#include "fuse/names.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::fuse {
namespace {

// The reentrant look-ups want room for the texts of an entry, and say so when it is too little.
template <typename Record, typename Find>
bool LookUp(Record& record, std::vector<char>& texts, const Find& find) {
  for (texts.resize(1024); texts.size() <= (1u << 20); texts.resize(texts.size() * 2)) {
    Record* found = nullptr;
    const int error = find(&record, texts.data(), texts.size(), &found);
    if (error == EINTR) continue;
    if (error != ERANGE) return found != nullptr;
  }
  return false;
}

}  // namespace

NameDatabase SystemUsers() {
  return {.name_of = [](uint32_t id) -> std::optional<std::string> {
            passwd record{};
            std::vector<char> texts;
            const bool found = LookUp(record, texts, [&](auto... rest) {
              return ::getpwuid_r(static_cast<uid_t>(id), rest...);
            });
            return found ? std::optional<std::string>(record.pw_name) : std::nullopt;
          },
          .id_of = [](const std::string& name) -> std::optional<uint32_t> {
            passwd record{};
            std::vector<char> texts;
            const bool found = LookUp(
                record, texts, [&](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); });
            return found ? std::optional<uint32_t>(record.pw_uid) : std::nullopt;
          }};
}

NameDatabase SystemGroups() {
  return {.name_of = [](uint32_t id) -> std::optional<std::string> {
            group record{};
            std::vector<char> texts;
            const bool found = LookUp(record, texts, [&](auto... rest) {
              return ::getgrgid_r(static_cast<gid_t>(id), rest...);
            });
            return found ? std::optional<std::string>(record.gr_name) : std::nullopt;
          },
          .id_of = [](const std::string& name) -> std::optional<uint32_t> {
            group record{};
            std::vector<char> texts;
            const bool found = LookUp(
                record, texts, [&](auto... rest) { return ::getgrnam_r(name.c_str(), rest...); });
            return found ? std::optional<uint32_t>(record.gr_gid) : std::nullopt;
          }};
}

Names::Names(NameDatabase database, Clock& clock) : database_(std::move(database)), clock_(clock) {}

std::string Names::NameOf(uint32_t id) {
  const absl::Duration now = clock_.Monotonic();
  {
    MutexLock lock(mu_);
    const auto kept = names_.find(id);
    if (kept != names_.end() && now < kept->second.expires) return kept->second.value;
  }
  const std::optional<std::string> found = database_.name_of(id);
  std::string name = found.has_value() ? *found : absl::StrCat(id);
  MutexLock lock(mu_);
  if (names_.size() >= kMaxEntries) names_.clear();
  names_[id] = {name, now + (found.has_value() ? kKnownLife : kUnknownLife)};
  return name;
}

uint32_t Names::IdOf(absl::string_view name) {
  const absl::Duration now = clock_.Monotonic();
  {
    MutexLock lock(mu_);
    const auto kept = ids_.find(name);
    if (kept != ids_.end() && now < kept->second.expires) return kept->second.value;
  }
  const std::optional<uint32_t> found = database_.id_of(std::string(name));
  uint32_t id = kNobody;
  if (found.has_value()) {
    id = *found;
  } else if (uint32_t number = 0; absl::SimpleAtoi(name, &number) && number != UINT32_MAX) {
    id = number;
  }
  MutexLock lock(mu_);
  if (ids_.size() >= kMaxEntries) ids_.clear();
  ids_[std::string(name)] = {id, now + (found.has_value() ? kKnownLife : kUnknownLife)};
  return id;
}

}  // namespace cairn::fuse
