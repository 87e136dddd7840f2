#include "namenode/namespace/testing/audit.h"

#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "namenode/namespace/inode.h"
#include "namenode/store/keys.h"
#include "proto/store.pb.h"

namespace cairn::namenode {
namespace {

struct Entry {
  uint64_t parent;
  std::string name;
  store::Inode inode;
};

struct Auditor {
  const Dump& dump;
  std::map<uint64_t, Entry> inodes;  // by id; detached roots with parent 0
  std::map<uint64_t, std::set<uint64_t>> children;
  std::set<uint64_t> detached, open, owned_blocks;
  std::string problems;
  ErasurePolicies policies = {};

  void Problem(absl::string_view text) { absl::StrAppend(&problems, text, "\n"); }

  template <typename Message>
  Message Parse(const std::string& key, const std::string& value) {
    Message message;
    if (!message.ParseFromString(value)) Problem(absl::StrCat(keys::Readable(key), " is damaged"));
    return message;
  }

  void Collect() {
    for (const auto& [key, value] : dump) {
      uint64_t id = 0;
      if (key[0] == keys::kEntry) {
        InodeId parent = kNoInode;
        absl::string_view name;
        const bool is_root = key == keys::Entry(kNoInode, "");
        CHECK(is_root || keys::ParseEntry(key, &parent, &name)) << keys::Readable(key);
        Add({ToInt(parent), std::string(name), Parse<store::Inode>(key, value)});
      } else if (key[0] == keys::kDetached) {
        CHECK(keys::ParseTrailingId(key, &id));
        detached.insert(id);
        Add({0, "", Parse<store::Inode>(key, value)});
      } else if (key[0] == keys::kErasurePolicy) {
        const auto record = Parse<store::ErasurePolicy>(key, value);
        CHECK_OK(policies.Put(*DecodePolicy(record), *DecodePolicyState(record.state())));
      } else if (key[0] == keys::kOpenFile) {
        CHECK(keys::ParseTrailingId(key, &id));
        open.insert(id);
      }
    }
  }

  void Add(Entry entry) {
    const uint64_t id = entry.inode.id();
    if (entry.parent != 0) children[entry.parent].insert(id);
    if (!inodes.emplace(id, std::move(entry)).second) {
      Problem(absl::StrCat("inode ", id, " has two entries"));
    }
  }

  void CheckInode(uint64_t id, const Entry& entry) {
    const std::string what = absl::StrCat("inode ", id, " \"", entry.name, "\": ");
    const auto location = dump.find(keys::Location(InodeId{id}));
    if (location == dump.end()) {
      Problem(what + "no location");
    } else {
      const auto place = Parse<store::Location>(location->first, location->second);
      if (place.parent() != entry.parent || place.name() != entry.name) {
        Problem(what + "its location points elsewhere");
      }
    }
    if (entry.parent != 0 && !inodes.contains(entry.parent)) Problem(what + "no parent");
    if (entry.inode.directory()) {
      if (entry.inode.children() != children[id].size()) {
        Problem(absl::StrCat(what, "says ", entry.inode.children(), " children, has ",
                             children[id].size()));
      }
      return;
    }
    if (!children[id].empty()) Problem(what + "a file with children");
    if (entry.inode.lease_holder().empty() == open.contains(id)) {
      Problem(what + "open-file record and lease holder disagree");
    }
    for (const store::Block& block : entry.inode.blocks()) {
      const auto owner = dump.find(keys::BlockOwner(BlockId{block.id()}));
      if (owner == dump.end() ||
          Parse<store::BlockOwner>(owner->first, owner->second).inode() != id) {
        Problem(absl::StrCat(what, "block ", block.id(), " has another owner, or none"));
      }
      if (!owned_blocks.insert(block.id()).second) {
        Problem(absl::StrCat(what, "block ", block.id(), " is in two files"));
      }
    }
  }

  store::Sums Recount(uint64_t id) {
    const Entry& entry = inodes.at(id);
    store::Sums sums;
    if (!entry.inode.directory()) {
      sums.set_files(1);
      for (const store::Block& block : entry.inode.blocks()) {
        sums.set_length(sums.length() + block.length());
      }
      Inode file;
      NameTable names;
      const absl::Status decoded = DecodeInode(entry.inode, names, policies, &file);
      if (!decoded.ok()) Problem(std::string(decoded.message()));
      sums.set_space(decoded.ok() ? file.Space() : 0);
      return sums;
    }
    sums.set_directories(1);
    for (const uint64_t child : children[id]) {
      const store::Sums below = Recount(child);
      sums.set_directories(sums.directories() + below.directories());
      sums.set_files(sums.files() + below.files());
      sums.set_length(sums.length() + below.length());
      sums.set_space(sums.space() + below.space());
    }
    const auto stored = dump.find(keys::Sums(InodeId{id}));
    if (stored == dump.end()) {
      Problem(absl::StrCat("directory ", id, " has no sums"));
    } else if (stored->second != sums.SerializeAsString()) {
      const auto has = Parse<store::Sums>(stored->first, stored->second);
      Problem(absl::StrCat("sums of directory ", id, " \"", entry.name, "\": ",
                           has.ShortDebugString(), ", recounted ", sums.ShortDebugString()));
    }
    return sums;
  }

  void CheckNothingElse() {
    for (const auto& [key, value] : dump) {
      uint64_t id = 0;
      switch (key[0]) {
        case keys::kLocation:
        case keys::kSums:
        case keys::kOpenFile:
          CHECK(keys::ParseTrailingId(key, &id));
          if (!inodes.contains(id)) Problem(keys::Readable(key) + ": no such inode");
          break;
        case keys::kConversionRule:
          CHECK(keys::ParseTrailingId(key, &id));
          if (!inodes.contains(id) || !inodes.at(id).inode.directory()) {
            Problem(keys::Readable(key) + ": no such directory");
          }
          break;
        case keys::kBlockOwner:
          CHECK(keys::ParseTrailingId(key, &id));
          if (!owned_blocks.contains(id)) Problem(keys::Readable(key) + ": no file has it");
          break;
        default:
          break;
      }
    }
  }
};

}  // namespace

Dump DumpRecords(const Store& store) {
  constexpr size_t kPage = 1000;
  Dump dump;
  for (const char kind : {keys::kNamespace, keys::kEntry, keys::kLocation, keys::kSums,
                          keys::kDetached, keys::kBlockOwner, keys::kStorage, keys::kOpenFile,
                          keys::kErasurePolicy, keys::kConversionRule}) {
    std::string after;
    for (bool more = true; more;) {
      const auto range = store.Scan(std::string(1, kind), after, kPage);
      for (; range->Valid(); range->Next()) {
        dump[std::string(range->key())] = std::string(range->value());
      }
      CHECK_OK(range->status());
      more = range->more();
      if (more) after = std::string(range->resume_after());
    }
  }
  return dump;
}

std::string Audit(const Dump& dump) {
  Auditor auditor{dump, {}, {}, {}, {}, {}, {}};
  auditor.Collect();
  for (const auto& [id, entry] : auditor.inodes) auditor.CheckInode(id, entry);
  if (!auditor.problems.empty()) return auditor.problems;
  // Below a detached root the sums are left as they were.
  auditor.Recount(ToInt(kRootInode));
  auditor.CheckNothingElse();
  return auditor.problems;
}

std::string Difference(const Dump& a, const Dump& b) {
  std::string out;
  const auto describe = [](const std::string& key, const std::string& value) -> std::string {
    store::Inode inode;
    if ((key[0] == keys::kEntry || key[0] == keys::kDetached) && inode.ParseFromString(value)) {
      return inode.ShortDebugString();
    }
    store::Namespace space;
    if (key[0] == keys::kNamespace && space.ParseFromString(value)) {
      return space.ShortDebugString();
    }
    return absl::StrCat(value.size(), " bytes");
  };
  for (const auto& [key, value] : a) {
    const auto other = b.find(key);
    if (other == b.end()) {
      absl::StrAppend(&out, "only in the first: ", keys::Readable(key), "\n");
    } else if (other->second != value) {
      absl::StrAppend(&out, keys::Readable(key), ": ", describe(key, value), " and ",
                      describe(key, other->second), "\n");
    }
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) absl::StrAppend(&out, "only in the second: ", keys::Readable(key), "\n");
  }
  return out;
}

}  // namespace cairn::namenode
