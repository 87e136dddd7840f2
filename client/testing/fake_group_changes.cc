// What the namenode of a FakeGroups knows beyond HDFS's: files whose groups are replaced by others,
// and a policy that may be disabled.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/fake_groups.h"
#include "client/testing/fake_namenode.h"
#include "common/fs_error.h"
#include "proto/client.pb.h"

namespace cairn::client {

absl::Status FakeGroups::HandleCairn(absl::string_view method, const std::string& bytes) {
  MutexLock lock(mu_);
  ++calls_[std::string(method)];
  if (method == "checkErasurePolicy") {
    if (Parse<client_calls::CheckErasurePolicyRequest>(bytes).policy() != policy_.name) {
      Complain("another policy is asked for");
    }
    return CheckPolicy();
  }
  if (method == "replaceBlocks") {
    return ReplaceBlocks(Parse<client_calls::ReplaceBlocksRequest>(bytes));
  }
  return MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method));
}

FakeGroups::Files::iterator FakeGroups::Lookup(const std::string& path) {
  auto found = files_.find(path);
  if (found != files_.end()) return found;
  for (found = files_.begin(); found != files_.end(); ++found) {
    if (path == absl::StrCat("/.reserved/.inodes/", found->second.inode)) break;
  }
  return found;
}

absl::Status FakeGroups::CheckPolicy() const {
  if (!disabled_) return absl::OkStatus();
  return MakeFsError(FsError::kIllegalArgument, "does not match any enabled policy");
}

absl::Status FakeGroups::ReplaceBlocks(const client_calls::ReplaceBlocksRequest& request) {
  const auto target = Lookup(request.target());
  if (target == files_.end()) return MakeFsError(FsError::kFileNotFound, "no target");
  std::vector<GroupState> unused = target->second.groups;
  bool same = static_cast<size_t>(request.expected_size()) == unused.size();
  for (size_t i = 0; same && i < unused.size(); ++i) {
    const client_calls::BlockVersion& expected = request.expected(static_cast<int>(i));
    const hdfs::ExtendedBlockProto& id = unused[i].id;
    same = expected.id() == id.blockid() && expected.generation_stamp() == id.generationstamp() &&
           expected.length() == id.numbytes();
  }
  if (!same) return MakeFsError(FsError::kChanged, "changed by another client");
  const auto source = request.source().empty() ? files_.end() : Lookup(request.source());
  if (source != files_.end()) {
    if (source->second.open || source == target) Complain("a source that does not fit");
    const std::vector<GroupState>& more = source->second.groups;
    unused.insert(unused.end(), more.begin(), more.end());
  }
  std::vector<GroupState> groups;
  for (const uint64_t id : request.blocks()) {
    const auto found = std::find_if(unused.begin(), unused.end(), [id](const GroupState& group) {
      return group.id.blockid() == id;
    });
    if (found == unused.end()) return MakeFsError(FsError::kIllegalArgument, "another's block");
    groups.push_back(*found);
    unused.erase(found);
  }
  target->second.groups = std::move(groups);
  if (source != files_.end()) files_.erase(source);
  history_.push_back("replaceBlocks");
  return absl::OkStatus();
}

void FakeGroups::DisablePolicy() {
  MutexLock lock(mu_);
  disabled_ = true;
}

}  // namespace cairn::client
