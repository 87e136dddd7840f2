// tools/policy/testing/fake_tree.h - directories and files as a walk through them sees them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/path.h"
#include "tools/policy/rule_walk.h"

namespace cairn::tools {

class FakeTree {
 public:
  // With the directories above it.
  client::FileStatus& AddFile(const std::string& path) { return Add(path, false); }
  uint64_t inode(const std::string& path) const { return entries_.at(path).inode; }
  void Remove(const std::string& path) { entries_.erase(path); }

  OpenDirectory Opener() {
    return [this](const std::string& path) -> std::unique_ptr<DirectoryReader> {
      return std::make_unique<Reader>(*this, path);
    };
  }

  std::map<std::string, absl::Status> errors;  // of listings, by path
  size_t page_entries = 1000;

 private:
  class Reader final : public DirectoryReader {
   public:
    Reader(FakeTree& tree, const std::string& path) {
      page_entries_ = tree.page_entries;
      const auto error = tree.errors.find(path);
      if (error != tree.errors.end()) error_ = error->second;
      if (!tree.entries_.contains(path) && error_.ok()) error_ = absl::NotFoundError(path);
      for (const auto& [name, status] : tree.entries_) {
        if (name != "/" && client::ParentPath(name) == path) found_.push_back(status);
      }
    }
    absl::StatusOr<std::optional<client::FileStatus>> Next() override {
      if (!error_.ok()) return error_;
      if (at_ == found_.size()) return std::nullopt;
      return found_[at_++];
    }
    // As with the real one: an end that falls together with that of a page is known.
    bool asks_server_next() const override {
      return at_ == 0 || (at_ < found_.size() && at_ % page_entries_ == 0);
    }

   private:
    absl::Status error_;
    std::vector<client::FileStatus> found_;
    size_t at_ = 0, page_entries_ = 0;
  };

  client::FileStatus& Add(const std::string& path, bool directory) {
    if (path != "/") {
      const std::string parent(client::ParentPath(path));
      if (!entries_.contains(parent)) Add(parent, true);
    }
    client::FileStatus& status = entries_[path];
    status.path = path;
    status.type = directory ? client::FileType::kDirectory : client::FileType::kFile;
    status.inode = next_inode_++;
    status.open = false;
    return status;
  }

  std::map<std::string, client::FileStatus> entries_;
  uint64_t next_inode_ = 16385;
};

}  // namespace cairn::tools
