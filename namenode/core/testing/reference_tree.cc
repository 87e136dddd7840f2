#include "namenode/core/testing/reference_tree.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/check.h"

namespace cairn::namenode {
namespace {

constexpr const char* kKindNames[] = {
    "mkdirs",   "create",        "addBlock",       "complete", "append",  "truncate",
    "concat",   "replaceBlocks", "delete",         "rename",   "rename2", "setPermission",
    "setOwner", "setTimes",      "setReplication", "stat",     "list",    "summary"};

std::string Error(FsError error) { return absl::StrCat("error ", static_cast<int>(error)); }
std::string Text(bool value) { return value ? "true" : "false"; }

std::string DescribeStatus(bool directory, bool open, uint32_t mode, absl::string_view owner,
                           absl::string_view group, uint64_t mtime_ms, uint64_t atime_ms,
                           uint64_t children, uint64_t length, uint32_t replication) {
  return absl::StrFormat("%s %o %s:%s mtime %d atime %d children %d length %d replication %d",
                         directory ? "dir"
                         : open    ? "open"
                                   : "file",
                         mode, owner, group, mtime_ms, atime_ms, children, length, replication);
}

std::string DescribeSums(const ContentSummary& sums) {
  return absl::StrCat(sums.directories, " dirs ", sums.files, " files ", sums.length, " bytes ",
                      sums.space, " space");
}

template <typename T>
std::string ErrorOf(const absl::StatusOr<T>& value) {
  const FsError error = GetFsError(value.status());
  return error == FsError::kNone ? value.status().ToString() : Error(error);
}
std::string TextOf(const absl::StatusOr<bool>& value) {
  return value.ok() ? Text(*value) : ErrorOf(value);
}
template <typename T>
std::string DoneOf(const absl::StatusOr<T>& value) {
  return value.ok() ? "ok" : ErrorOf(value);
}

}  // namespace

std::string Op::ToString() const {
  return absl::StrCat(kKindNames[kind], " ", path, " ", other, " ", flag, " ", flag2, " ", number);
}

std::string RandomPath(Rng& rng) {
  std::string path;
  for (size_t depth = rng() % 5; depth > 0; --depth) {
    path += '/';
    path += "abc"[rng() % 3];
  }
  return path.empty() ? "/" : path;
}

Op RandomOp(Rng& rng) {
  // Making outweighs removing, or the tree would stay empty.
  static constexpr int kWeights[] = {14, 16, 12, 10, 5, 5, 3, 5, 5, 8, 8, 3, 3, 3, 3, 4, 4, 2};
  static_assert(std::size(kWeights) == Op::kKinds);
  static std::discrete_distribution<int> kinds(std::begin(kWeights), std::end(kWeights));
  Op op;
  op.kind = static_cast<Op::Kind>(kinds(rng));
  op.path = RandomPath(rng);
  op.other = RandomPath(rng);
  if (op.kind == Op::kConcat && rng() % 4 != 0) {  // mostly neighbours
    op.other = op.path;
    if (op.other.size() > 1) op.other.back() = "abc"[rng() % 3];
  }
  op.flag = rng() % 2 == 0;
  op.flag2 = rng() % 3 != 0;
  switch (op.kind) {
    case Op::kMkdirs:
    case Op::kCreate:
    case Op::kSetPermission:
      op.number = rng() % 01000;
      break;
    case Op::kAddBlock:
      op.number = rng() % 4 == 0 ? kBlockBytes : 1 + rng() % 100;
      break;
    case Op::kTruncate:
      op.number = rng() % 3 == 0 ? 0 : rng() % 3 == 0 ? kBlockBytes : rng() % 200;
      break;
    case Op::kSetReplication:
      op.number = 1 + rng() % 3;
      break;
    default:
      op.number = rng() % 100000;
      break;
  }
  return op;
}

Op RandomRename(Rng& rng) {
  static constexpr Op::Kind kKinds[] = {Op::kMkdirs, Op::kMkdirs,  Op::kMkdirs,  Op::kCreate,
                                        Op::kCreate, Op::kRename,  Op::kRename,  Op::kRename,
                                        Op::kRename, Op::kRename2, Op::kRename2, Op::kRename2,
                                        Op::kDelete, Op::kList,    Op::kSummary};
  Op op;
  op.kind = kKinds[rng() % std::size(kKinds)];
  const auto path = [&rng] {
    std::string deep;
    for (size_t depth = 1 + rng() % 6; depth > 0; --depth) {
      deep += '/';
      deep += "ab"[rng() % 2];
    }
    return deep;
  };
  op.path = path();
  op.other = path();
  // Onto what lies above, or into what lies below.
  if (rng() % 4 == 0) op.other = op.path.substr(0, 2 * (1 + rng() % 3));
  if (rng() % 4 == 0) op.other = op.path + path();
  op.flag = rng() % 4 != 0;
  op.flag2 = true;
  op.number = 0755;
  return op;
}

uint64_t TestSeed() {
  uint64_t seed = std::random_device()();
  if (const char* const text = std::getenv("CAIRN_SEED")) CHECK(absl::SimpleAtoi(text, &seed));
  std::cout << "CAIRN_SEED=" << seed << std::endl;
  return seed;
}

// ---- the reference

uint64_t ReferenceTree::Node::Length() const {
  uint64_t length = 0;
  for (const uint64_t block : blocks) length += block;
  return length;
}

ReferenceTree::ReferenceTree(uint64_t now_ms) : root_(std::make_unique<Node>()) {
  root_->directory = true;
  root_->mode = 0755;
  root_->mtime_ms = now_ms;
}

ReferenceTree::Place ReferenceTree::Find(absl::string_view path) {
  Place place;
  place.names = absl::StrSplit(path, '/', absl::SkipEmpty());
  place.chain = {root_.get()};
  for (const std::string& name : place.names) {
    Node* const at = place.chain.back();
    if (!at->directory) {
      place.blocked = true;
      return place;
    }
    const auto child = at->children.find(name);
    if (child == at->children.end()) return place;
    place.chain.push_back(child->second.get());
  }
  return place;
}

std::string ReferenceTree::Run(const Op& op, uint64_t now_ms) {
  switch (op.kind) {
    case Op::kMkdirs:
      return Mkdirs(op, now_ms);
    case Op::kCreate:
      return Create(op, now_ms);
    case Op::kAddBlock:
    case Op::kComplete:
      return Write(op, now_ms);
    case Op::kAppend:
      return Append(op);
    case Op::kTruncate:
      return Truncate(op, now_ms);
    case Op::kConcat:
      return Concat(op, now_ms);
    case Op::kReplaceBlocks:
      return ReplaceBlocks(op, now_ms);
    case Op::kDelete:
      return Delete(op, now_ms);
    case Op::kRename:
      return Rename(op, now_ms);
    case Op::kRename2:
      return Rename2(op, now_ms);
    case Op::kSetPermission:
    case Op::kSetOwner:
    case Op::kSetTimes:
    case Op::kSetReplication:
      return SetAttribute(op);
    default:
      return Ask(op);
  }
}

void ReferenceTree::MakeDirectories(const Place& place, size_t count, uint32_t mode,
                                    uint32_t last_mode, uint64_t now_ms) {
  Node* at = place.chain.back();
  const size_t first = place.chain.size() - 1;
  for (size_t i = first; i < first + count; ++i) {
    auto made = std::make_unique<Node>();
    made->directory = true;
    made->mode = i + 1 == place.names.size() ? last_mode : mode;
    made->mtime_ms = at->mtime_ms = now_ms;
    made->group = at->group;
    Node* const next = made.get();
    at->children[place.names[i]] = std::move(made);
    at = next;
  }
}

std::string ReferenceTree::Mkdirs(const Op& op, uint64_t now_ms) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kParentNotDirectory);
  if (place.exists()) {
    return place.target()->directory ? "true" : Error(FsError::kFileAlreadyExists);
  }
  const size_t missing = place.names.size() + 1 - place.chain.size();
  if (missing > 1 && !op.flag2) return Error(FsError::kFileNotFound);
  const auto mode = static_cast<uint32_t>(op.number);
  MakeDirectories(place, missing, mode | 0300, mode, now_ms);
  return "true";
}

std::string ReferenceTree::Create(const Op& op, uint64_t now_ms) {
  Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kParentNotDirectory);
  Node* const existing = place.target();
  if (existing != nullptr && existing->directory) return Error(FsError::kFileAlreadyExists);
  if (existing != nullptr && !op.flag) {
    return Error(existing->open ? FsError::kAlreadyBeingCreated : FsError::kFileAlreadyExists);
  }
  const size_t missing = place.names.size() + 1 - place.chain.size();
  if (missing > 1) {
    if (!op.flag2) return Error(FsError::kFileNotFound);
    const uint32_t mode = (place.chain.back()->mode & 0777) | 0300;
    MakeDirectories(place, missing - 1, mode, mode, now_ms);
    place = Find(op.path);
  }
  auto file = std::make_unique<Node>();
  file->mode = static_cast<uint32_t>(op.number);
  file->open = true;
  file->replication = 3;
  file->mtime_ms = file->atime_ms = place.parent()->mtime_ms = now_ms;
  file->group = place.parent()->group;
  place.parent()->children[place.names.back()] = std::move(file);
  return "ok";
}

std::string ReferenceTree::Write(const Op& op, uint64_t now_ms) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kAccessControl);
  Node* const file = place.target();
  if (file == nullptr) return Error(FsError::kFileNotFound);
  if (file->directory) return Error(FsError::kLeaseExpired);
  if (op.kind == Op::kComplete) {
    if (!file->open) return "true";  // a repetition
    file->open = false;
    file->mtime_ms = now_ms;
    return "true";
  }
  if (!file->open) return Error(FsError::kLeaseExpired);
  file->blocks.push_back(op.number);
  return "ok";
}

std::string ReferenceTree::Append(const Op& op) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kAccessControl);
  Node* const file = place.target();
  if (file == nullptr) return Error(FsError::kFileNotFound);
  if (file->directory) return Error(FsError::kFileAlreadyExists);
  if (file->open) return Error(FsError::kAlreadyBeingCreated);
  file->open = true;
  return "ok";
}

std::string ReferenceTree::Truncate(const Op& op, uint64_t now_ms) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kAccessControl);
  Node* const file = place.target();
  if (file == nullptr || file->directory) return Error(FsError::kFileNotFound);
  if (file->open) return Error(FsError::kAlreadyBeingCreated);
  if (op.number > file->Length()) return Error(FsError::kIllegalArgument);
  if (op.number == file->Length()) return "true";
  file->mtime_ms = now_ms;
  while (file->Length() - file->blocks.back() >= op.number) {
    file->blocks.pop_back();
    if (file->Length() == op.number) return "true";
  }
  file->blocks.back() -= file->Length() - op.number;
  return "false";
}

std::string ReferenceTree::Concat(const Op& op, uint64_t now_ms) {
  const Place target_at = Find(op.path);
  if (target_at.blocked) return Error(FsError::kAccessControl);
  Node* const target = target_at.target();
  if (target == nullptr) return Error(FsError::kFileNotFound);
  if (target->directory || target->open) return Error(FsError::kIllegalArgument);
  const Place source_at = Find(op.other);
  if (source_at.blocked) return Error(FsError::kAccessControl);
  Node* const source = source_at.target();
  if (source == nullptr) return Error(FsError::kFileNotFound);
  if (source->directory || source->open || source == target ||
      source_at.parent() != target_at.parent() || source->blocks.empty() ||
      source->replication != target->replication) {
    return Error(FsError::kIllegalArgument);
  }
  target->blocks.insert(target->blocks.end(), source->blocks.begin(), source->blocks.end());
  target->mtime_ms = target_at.parent()->mtime_ms = now_ms;
  source_at.parent()->children.erase(source_at.names.back());
  return "ok";
}

std::string ReferenceTree::ReplaceBlocks(const Op& op, uint64_t now_ms) {
  const Place target_at = Find(op.path), source_at = Find(op.other);
  if (target_at.blocked) return Error(FsError::kAccessControl);
  Node* const target = target_at.target();
  if (target == nullptr || target->directory) return Error(FsError::kFileNotFound);
  if (source_at.blocked) return Error(FsError::kAccessControl);
  Node* const source = source_at.target();
  if (source == nullptr || source->directory) return Error(FsError::kFileNotFound);
  if (target->open) return Error(FsError::kAlreadyBeingCreated);
  if (source->open || source == target) return Error(FsError::kIllegalArgument);
  std::vector<uint64_t> both = target->blocks, named;
  both.insert(both.end(), source->blocks.begin(), source->blocks.end());
  for (size_t i = 0; i < both.size(); ++i) {
    if (op.NamesBlock(i)) named.push_back(both[i]);
  }
  target->blocks = std::move(named);
  target->mtime_ms = source_at.parent()->mtime_ms = now_ms;
  source_at.parent()->children.erase(source_at.names.back());
  return "ok";
}

std::string ReferenceTree::Delete(const Op& op, uint64_t now_ms) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kAccessControl);
  if (!place.exists() || place.names.empty()) return "false";
  if (!place.target()->children.empty() && !op.flag) return Error(FsError::kNotEmptyDirectory);
  place.parent()->mtime_ms = now_ms;
  place.parent()->children.erase(place.names.back());
  return "true";
}

bool ReferenceTree::IsBelow(const Place& place, const Node* node) {
  // Of a destination its existing directories count.
  for (const Node* const at : place.chain) {
    if (at == node) return true;
  }
  return false;
}

void ReferenceTree::Move(const Place& from, Node* to_parent, const std::string& name,
                         uint64_t now_ms) {
  std::unique_ptr<Node> moved = std::move(from.parent()->children[from.names.back()]);
  from.parent()->children.erase(from.names.back());
  from.parent()->mtime_ms = to_parent->mtime_ms = now_ms;
  to_parent->children[name] = std::move(moved);
}

std::string ReferenceTree::Rename(const Op& op, uint64_t now_ms) {
  const Place from = Find(op.path);
  if (from.blocked) return Error(FsError::kAccessControl);
  const Place to = Find(op.other);
  if (to.blocked) return Error(FsError::kParentNotDirectory);
  if (!from.exists() || from.names.empty()) return "false";
  Node* const source = from.target();
  if (to.target() == source) return Text(!source->directory);
  Node* to_parent = to.parent();
  std::string name = to.names.empty() ? "" : to.names.back();
  if (to.exists()) {
    if (!to.target()->directory) return "false";
    to_parent = to.target();
    name = from.names.back();
    if (to_parent->children.contains(name)) {
      return Text(to_parent == from.parent() && !source->directory);
    }
  }
  if (to_parent == nullptr || IsBelow(to, source)) return "false";
  Move(from, to_parent, name, now_ms);
  return "true";
}

std::string ReferenceTree::Rename2(const Op& op, uint64_t now_ms) {
  const Place from = Find(op.path);
  if (from.blocked) return Error(FsError::kAccessControl);
  const Place to = Find(op.other);
  if (to.blocked) return Error(FsError::kParentNotDirectory);
  if (!from.exists()) return Error(FsError::kFileNotFound);
  if (from.names.empty() || to.names.empty()) return Error(FsError::kIo);
  Node* const source = from.target();
  Node* const existing = to.target();
  if (existing == source) return Error(FsError::kFileAlreadyExists);
  if (existing != nullptr && IsBelow(from, existing)) return Error(FsError::kIo);
  if (to.parent() == nullptr) return Error(FsError::kFileNotFound);
  if (IsBelow(to, source)) return Error(FsError::kIo);
  if (existing != nullptr) {
    if (existing->directory != source->directory) return Error(FsError::kIo);
    if (!op.flag) return Error(FsError::kFileAlreadyExists);
    if (!existing->children.empty()) return Error(FsError::kIo);
  }
  Move(from, to.parent(), to.names.back(), now_ms);
  return "ok";
}

std::string ReferenceTree::SetAttribute(const Op& op) {
  const Place place = Find(op.path);
  if (place.blocked) return Error(FsError::kAccessControl);
  Node* const node = place.target();
  if (op.kind == Op::kSetReplication) {
    if (node == nullptr || node->directory) return "false";
    node->replication = static_cast<uint32_t>(op.number);
    return "true";
  }
  if (node == nullptr) return Error(FsError::kFileNotFound);
  if (op.kind == Op::kSetPermission) node->mode = static_cast<uint32_t>(op.number);
  if (op.kind == Op::kSetOwner) (op.flag ? node->owner : node->group) = absl::StrCat(op.number);
  if (op.kind == Op::kSetTimes) {
    if (op.flag) node->mtime_ms = op.number;
    if (op.flag2 && !node->directory) node->atime_ms = op.number;
  }
  return "ok";
}

std::string ReferenceTree::Describe(const Node& node) {
  return DescribeStatus(node.directory, node.open, node.mode, node.owner, node.group, node.mtime_ms,
                        node.atime_ms, node.children.size(), node.Length(), node.replication);
}

void ReferenceTree::Summarize(const Node& node, ContentSummary* sums) {
  ++(node.directory ? sums->directories : sums->files);
  sums->length += node.Length();
  sums->space += node.Length() * node.replication;
  for (const auto& [name, child] : node.children) Summarize(*child, sums);
}

std::string ReferenceTree::Ask(const Op& op) {
  const Place place = Find(op.path);
  const Node* const node = place.target();
  if (op.kind == Op::kSummary) {
    if (place.blocked) return Error(FsError::kAccessControl);
    if (node == nullptr) return Error(FsError::kFileNotFound);
    ContentSummary sums;
    Summarize(*node, &sums);
    return DescribeSums(sums);
  }
  if (node == nullptr) return "none";
  if (op.kind == Op::kStat) return Describe(*node);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->children) names.push_back(name);
  if (!node->directory) names.push_back("");
  return absl::StrJoin(names, ",");
}

void ReferenceTree::Walk(const std::string& path, const Node& node,
                         std::map<std::string, std::string>* out) {
  ContentSummary sums;
  Summarize(node, &sums);
  (*out)[path.empty() ? "/" : path] = absl::StrCat(Describe(node), "; ", DescribeSums(sums));
  for (const auto& [name, child] : node.children) {
    Walk(absl::StrCat(path, "/", name), *child, out);
  }
}

std::map<std::string, std::string> ReferenceTree::Everything() const {
  std::map<std::string, std::string> out;
  Walk("", *root_, &out);
  return out;
}

// ---- the namenode

namespace {

std::optional<BlockVersion> LastBlock(TestNamenode& nn, const std::string& path) {
  const auto located = nn->GetBlockLocations(kSuper, path, 0, 0);
  if (!located.value.ok() || !located.value->last) return std::nullopt;
  return located.value->last->block;
}

std::string AddBlock(TestNamenode& nn, const Op& op) {
  AddBlockRequest request;
  request.path = op.path;
  request.client_name = "client";
  request.previous = LastBlock(nn, op.path);
  const Outcome<LocatedBlock> added = nn->AddBlock(kSuper, request, nullptr);
  if (!added.value.ok()) return ErrorOf(added.value);
  BlockVersion block = added.value->block;
  block.length = op.number;
  const auto synced = nn->Fsync(kSuper, op.path, kNoInode, "client", op.number);
  if (!synced.value.ok()) return "fsync: " + ErrorOf(synced.value);
  nn.ReportFinalized(block);
  return "ok";
}

std::string Truncate(TestNamenode& nn, const Op& op) {
  const auto cut = nn->Truncate(kSuper, op.path, op.number, "client");
  if (!cut.value.ok() || *cut.value) return TextOf(cut.value);
  nn->RunMaintenance();
  for (const DatanodeCommand& command : nn.Heartbeat(0)) {
    const auto* const order = std::get_if<TruncateCommand>(&command);
    if (order == nullptr) continue;
    nn.ReportFinalized({order->block.id, order->new_stamp, order->new_length});
  }
  return *nn->IsFileClosed(kSuper, op.path).value ? "false" : "the truncation did not end";
}

std::string ReplaceBlocks(TestNamenode& nn, const Op& op) {
  ReplaceBlocksRequest request{.target = op.path, .source = op.other, .client_name = "client"};
  const auto status = nn->GetFileInfo(kSuper, op.path);
  if (status.value.ok() && status.value->has_value()) request.target_id = (*status.value)->id;
  size_t place = 0;
  for (const bool of_target : {true, false}) {
    const auto located =
        nn->GetBlockLocations(kSuper, of_target ? op.path : op.other, 0, UINT64_MAX);
    if (!located.value.ok()) continue;
    for (const LocatedBlock& block : located.value->blocks) {
      if (of_target) request.expected.push_back(block.block);
      if (op.NamesBlock(place++)) request.blocks.push_back(block.block.id);
    }
  }
  return DoneOf(nn->ReplaceBlocks(kSuper, request).value);
}

std::string DescribeStatus(TestNamenode& nn, const std::string& path, const FileStatus& status) {
  const bool open = !status.directory && !*nn->IsFileClosed(kSuper, path).value;
  return DescribeStatus(status.directory, open, status.mode, status.owner, status.group,
                        status.mtime_ms, status.atime_ms, status.children, status.length,
                        status.replication);
}

}  // namespace

std::string RunOp(TestNamenode& nn, const Op& op) {
  const auto number = static_cast<uint32_t>(op.number);
  switch (op.kind) {
    case Op::kMkdirs:
      return TextOf(nn->Mkdirs(kSuper, op.path, number, op.flag2).value);
    case Op::kCreate: {
      CreateOptions options = CreateFlags(true, op.flag, op.flag2);
      options.mode = number;
      return DoneOf(nn->Create(kSuper, op.path, options).value);
    }
    case Op::kAddBlock:
      return AddBlock(nn, op);
    case Op::kComplete:
      return TextOf(
          nn->Complete(kSuper, op.path, kNoInode, "client", LastBlock(nn, op.path), nullptr).value);
    case Op::kAppend:
      return DoneOf(nn->Append(kSuper, op.path, "client", false).value);
    case Op::kTruncate:
      return Truncate(nn, op);
    case Op::kConcat:
      return DoneOf(nn->Concat(kSuper, op.path, {op.other}).value);
    case Op::kReplaceBlocks:
      return ReplaceBlocks(nn, op);
    case Op::kDelete:
      return TextOf(nn->Delete(kSuper, op.path, op.flag).value);
    case Op::kRename:
      return TextOf(nn->Rename(kSuper, op.path, op.other).value);
    case Op::kRename2:
      return DoneOf(nn->Rename2(kSuper, op.path, op.other, op.flag, false).value);
    case Op::kSetPermission:
      return DoneOf(nn->SetPermission(kSuper, op.path, number).value);
    case Op::kSetOwner: {
      const std::string name = absl::StrCat(op.number);
      return DoneOf(nn->SetOwner(kSuper, op.path, op.flag ? name : "", op.flag ? "" : name).value);
    }
    case Op::kSetTimes: {
      std::optional<uint64_t> mtime, atime;
      if (op.flag) mtime = op.number;
      if (op.flag2) atime = op.number;
      return DoneOf(nn->SetTimes(kSuper, op.path, mtime, atime).value);
    }
    case Op::kSetReplication:
      return TextOf(nn->SetReplication(kSuper, op.path, number).value);
    case Op::kStat: {
      const auto status = nn->GetFileInfo(kSuper, op.path);
      if (!status.value.ok()) return ErrorOf(status.value);
      return status.value->has_value() ? DescribeStatus(nn, op.path, **status.value) : "none";
    }
    case Op::kList:
      return nn.Exists(op.path) ? absl::StrJoin(nn.List(op.path), ",") : "none";
    case Op::kSummary: {
      const auto sums = nn->GetContentSummary(kSuper, op.path);
      return sums.value.ok() ? DescribeSums(*sums.value) : ErrorOf(sums.value);
    }
    case Op::kKinds:
      break;
  }
  return "?";
}

std::map<std::string, std::string> Everything(TestNamenode& nn) {
  std::map<std::string, std::string> out;
  std::vector<std::string> todo = {"/"};
  while (!todo.empty()) {
    const std::string path = std::move(todo.back());
    todo.pop_back();
    const auto status = nn.Stat(path);
    if (!status.has_value()) {
      out[path] = "listed, but not there";
      continue;
    }
    const auto sums = nn->GetContentSummary(kSuper, path);
    out[path] = absl::StrCat(DescribeStatus(nn, path, *status), "; ", DescribeSums(*sums.value));
    if (!status->directory) continue;
    for (const std::string& name : nn.List(path)) {
      todo.push_back(path == "/" ? "/" + name : absl::StrCat(path, "/", name));
    }
  }
  return out;
}

}  // namespace cairn::namenode
