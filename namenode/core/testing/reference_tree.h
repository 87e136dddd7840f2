// namenode/core/testing/reference_tree.h - the namespace as simply as it can be written, random
// operations, and how to run one on either. What both answer is compared as text.
//
// All operations come from the superuser, writers are one client, and every block is written,
// synced and reported by one datanode in the call that adds it; so answers depend on the tree
// alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {

struct Op {
  enum Kind {
    kMkdirs,
    kCreate,
    kAddBlock,
    kComplete,
    kAppend,
    kTruncate,
    kConcat,
    kReplaceBlocks,
    kDelete,
    kRename,
    kRename2,
    kSetPermission,
    kSetOwner,
    kSetTimes,
    kSetReplication,
    kStat,
    kList,
    kSummary,
    kKinds,
  };
  Kind kind;
  std::string path, other;
  bool flag = false, flag2 = false;  // recursive, overwrite; create_parent
  uint64_t number = 0;               // mode, length, time, replication; which blocks are named

  // Of replaceBlocks: whether the block with this place in both files' lists is named.
  bool NamesBlock(size_t place) const { return (number >> (place % 16) & 1) != 0; }

  std::string ToString() const;
};

using Rng = std::mt19937_64;

Op RandomOp(Rng& rng);
// Mostly renames and recursive deletions, of directories that lie in one another.
Op RandomRename(Rng& rng);
// Few names, so that operations meet each other: "/a/b/a".
std::string RandomPath(Rng& rng);

// From the environment variable CAIRN_SEED, else at random; printed.
uint64_t TestSeed();

class ReferenceTree {
 public:
  ReferenceTree(uint64_t now_ms);
  std::string Run(const Op& op, uint64_t now_ms);
  // Every path with all that can be asked about it.
  std::map<std::string, std::string> Everything() const;

 private:
  struct Node;
  using Children = std::map<std::string, std::unique_ptr<Node>>;
  struct Node {
    bool directory = false;
    bool open = false;
    uint32_t mode = 0, replication = 0;
    uint64_t mtime_ms = 0, atime_ms = 0;
    std::string owner = "hdfs", group = "supergroup";
    std::vector<uint64_t> blocks;
    Children children;
    uint64_t Length() const;
  };
  struct Place {
    std::vector<Node*> chain;  // as far as it exists
    std::vector<std::string> names;
    bool blocked = false;  // a file in the middle
    bool exists() const { return chain.size() == names.size() + 1; }
    Node* target() const { return exists() ? chain.back() : nullptr; }
    Node* parent() const {
      return !names.empty() && chain.size() >= names.size() ? chain[names.size() - 1] : nullptr;
    }
  };
  Place Find(absl::string_view path);
  void MakeDirectories(const Place& place, size_t count, uint32_t mode, uint32_t last_mode,
                       uint64_t now_ms);
  std::string Mkdirs(const Op& op, uint64_t now_ms);
  std::string Create(const Op& op, uint64_t now_ms);
  std::string Write(const Op& op, uint64_t now_ms);
  std::string Append(const Op& op);
  std::string Truncate(const Op& op, uint64_t now_ms);
  std::string Concat(const Op& op, uint64_t now_ms);
  std::string ReplaceBlocks(const Op& op, uint64_t now_ms);
  std::string Delete(const Op& op, uint64_t now_ms);
  std::string Rename(const Op& op, uint64_t now_ms);
  std::string Rename2(const Op& op, uint64_t now_ms);
  std::string SetAttribute(const Op& op);
  std::string Ask(const Op& op);
  void Move(const Place& from, Node* to_parent, const std::string& name, uint64_t now_ms);
  static bool IsBelow(const Place& place, const Node* node);
  static std::string Describe(const Node& node);
  static void Summarize(const Node& node, ContentSummary* sums);
  static void Walk(const std::string& path, const Node& node,
                   std::map<std::string, std::string>* out);

  std::unique_ptr<Node> root_;
};

std::string RunOp(TestNamenode& nn, const Op& op);
std::map<std::string, std::string> Everything(TestNamenode& nn);

}  // namespace cairn::namenode
