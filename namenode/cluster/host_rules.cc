#include "namenode/cluster/host_rules.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "namenode/cluster/json_objects.h"

namespace cairn::namenode {
namespace {

absl::Status At(absl::string_view source, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(source, ":", line, ": ", what));
}

std::string Key(absl::string_view host, uint32_t port) {
  const std::string lower = absl::AsciiStrToLower(host);  // names know no case
  return port == 0 ? lower : absl::StrCat(lower, ":", port);
}

// The more particular ones first.
std::vector<std::string> KeysOf(const DatanodeAddress& address) {
  std::vector<std::string> keys;
  for (const uint32_t port : {address.transfer_port, uint32_t{0}}) {
    for (const std::string* const host : {&address.ip, &address.host_name}) {
      if (!host->empty()) keys.push_back(Key(*host, port));
    }
  }
  return keys;
}

struct Entry {
  absl::string_view host;
  uint32_t port = 0;
};

// "host", "host:port", "[v6]:port"; an address of version 6 without brackets has no port.
std::optional<Entry> ParseEntry(absl::string_view text) {
  absl::string_view host = text, port;
  if (absl::StartsWith(text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (port.empty()) return host.empty() ? std::nullopt : std::optional<Entry>({host, 0});
    if (port[0] != ':') return std::nullopt;
    port.remove_prefix(1);
  } else if (const size_t colon = text.find(':');
             colon != absl::string_view::npos && text.find(':', colon + 1) == text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  } else {
    return text.empty() ? std::nullopt : std::optional<Entry>({text, 0});
  }
  Entry entry{host, 0};
  const bool digits = !port.empty() && std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
  if (host.empty() || !digits || !absl::SimpleAtoi(port, &entry.port) || entry.port == 0 ||
      entry.port > std::numeric_limits<uint16_t>::max()) {
    return std::nullopt;
  }
  return entry;
}

absl::StatusOr<std::vector<Entry>> ParseList(absl::string_view text, absl::string_view source) {
  std::vector<Entry> entries;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = line.substr(0, line.find('#'));
    for (const absl::string_view word :
         absl::StrSplit(line, absl::ByAnyChar(" \t\r\f\v"), absl::SkipEmpty())) {
      const std::optional<Entry> entry = ParseEntry(word);
      if (!entry) return At(source, number, absl::StrCat(word, " is no host or host:port"));
      entries.push_back(*entry);
    }
  }
  return entries;
}

bool Same(const HostRule& a, const HostRule& b) {
  return a.goal == b.goal && a.maintenance_until == b.maintenance_until;
}

struct JsonEntry {
  std::string host;
  uint32_t port = 0;
  HostRule rule;
};

absl::Status TakeField(const JsonObjects::Field& field, absl::string_view source,
                       JsonEntry* entry) {
  using Kind = JsonObjects::Kind;
  const auto number_up_to = [&](uint64_t most) -> absl::StatusOr<uint64_t> {
    if (field.kind != Kind::kInteger || field.integer < 0 ||
        static_cast<uint64_t>(field.integer) > most) {
      return At(source, field.line,
                absl::StrCat(field.name, " is to be a number from 0 to ", most));
    }
    return static_cast<uint64_t>(field.integer);
  };
  const bool text = field.kind == Kind::kText;
  if (field.name == "hostName") {
    if (!text || field.text.empty()) return At(source, field.line, "hostName is to be a name");
    entry->host = field.text;
  } else if (field.name == "port") {
    ASSIGN_OR_RETURN(const uint64_t port, number_up_to(std::numeric_limits<uint16_t>::max()));
    entry->port = static_cast<uint32_t>(port);
  } else if (field.name == "upgradeDomain") {
    if (!text && field.kind != Kind::kNull) {
      return At(source, field.line, "upgradeDomain is to be a name");
    }
  } else if (field.name == "maintenanceExpireTimeInMS") {
    ASSIGN_OR_RETURN(const uint64_t at, number_up_to(std::numeric_limits<int64_t>::max()));
    entry->rule.maintenance_until = at == std::numeric_limits<int64_t>::max()
                                        ? absl::InfiniteFuture()
                                        : absl::FromUnixMillis(static_cast<int64_t>(at));
  } else if (field.name == "adminState") {
    if (text && field.text == "NORMAL") {
      entry->rule.goal = HostRule::Goal::kServe;
    } else if (text && field.text == "DECOMMISSIONED") {
      entry->rule.goal = HostRule::Goal::kDecommission;
    } else if (text && field.text == "IN_MAINTENANCE") {
      entry->rule.goal = HostRule::Goal::kMaintenance;
    } else {
      return At(source, field.line,
                "adminState is to be \"NORMAL\", \"DECOMMISSIONED\" or \"IN_MAINTENANCE\"");
    }
  } else {
    return At(source, field.line, absl::StrCat("unknown field ", field.name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostRules> HostRules::ParseLists(absl::string_view include,
                                                absl::string_view include_source,
                                                absl::string_view exclude,
                                                absl::string_view exclude_source) {
  HostRules rules;
  ASSIGN_OR_RETURN(const std::vector<Entry> included, ParseList(include, include_source));
  ASSIGN_OR_RETURN(const std::vector<Entry> excluded, ParseList(exclude, exclude_source));
  for (const Entry& entry : included) rules.included_.insert(Key(entry.host, entry.port));
  rules.only_listed_ = !included.empty();
  for (const Entry& entry : excluded) {
    rules.rules_[Key(entry.host, entry.port)].goal = HostRule::Goal::kDecommission;
  }
  return rules;
}

absl::StatusOr<HostRules> HostRules::ParseJson(absl::string_view text, absl::string_view source) {
  HostRules rules;
  absl::flat_hash_map<std::string, int> lines;
  ASSIGN_OR_RETURN(const JsonObjects parsed, JsonObjects::Parse(text, source));
  for (const JsonObjects::Object& object : parsed.objects) {
    JsonEntry entry;
    for (const JsonObjects::Field& field : object.fields) {
      RETURN_IF_ERROR(TakeField(field, source, &entry));
    }
    if (entry.host.empty()) return At(source, object.line, "this object has no hostName");
    if (entry.rule.goal != HostRule::Goal::kMaintenance) {
      entry.rule.maintenance_until = absl::InfiniteFuture();
    }
    const std::string key = Key(entry.host, entry.port);
    const auto [known, added] = rules.rules_.try_emplace(key, entry.rule);
    if (!added && !Same(known->second, entry.rule)) {
      return At(source, object.line,
                absl::StrCat(key, " is said to be something else in line ", lines[key]));
    }
    lines[key] = object.line;
    rules.included_.insert(key);
    rules.only_listed_ |= entry.rule.goal == HostRule::Goal::kServe;
  }
  return rules;
}

HostRule HostRules::For(const DatanodeAddress& address) const {
  HostRule rule;
  const std::vector<std::string> keys = KeysOf(address);
  for (const std::string& key : keys) {
    const auto found = rules_.find(key);
    if (found == rules_.end()) continue;
    rule = found->second;
    break;
  }
  rule.included = !only_listed_ || std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
    return included_.contains(key);
  });
  if (!rule.included) rule.goal = HostRule::Goal::kDecommission;
  return rule;
}

std::vector<std::string> HostRules::Unmatched(const std::vector<DatanodeAddress>& addresses) const {
  absl::flat_hash_set<std::string> seen;
  for (const DatanodeAddress& address : addresses) {
    for (std::string& key : KeysOf(address)) seen.insert(std::move(key));
  }
  absl::btree_set<std::string> unmatched(included_.begin(), included_.end());
  for (const auto& [key, rule] : rules_) unmatched.insert(key);
  absl::erase_if(unmatched, [&](const std::string& key) { return seen.contains(key); });
  return {unmatched.begin(), unmatched.end()};
}

}  // namespace cairn::namenode
