#include "absl/container/flat_hash_set.h"
#include "namenode/core/run.h"

namespace cairn::namenode {
namespace {

constexpr size_t kLoadedTogether = 256;

absl::string_view KindOf(const Inode& file) {
  return file.erasure == nullptr ? absl::string_view("replicated") : file.erasure->name;
}

}  // namespace

Outcome<Nothing> NamenodeImpl::Concat(const Caller& caller, absl::string_view target_text,
                                      const std::vector<std::string>& sources) {
  absl::StatusOr<Path> target_path = ParsePath(target_text);
  if (!target_path.ok()) return {target_path.status()};
  std::vector<Path> paths;
  for (const std::string& source : sources) {
    absl::StatusOr<Path> path = ParsePath(source);
    if (!path.ok()) return {path.status()};
    paths.push_back(*std::move(path));
  }
  return Write<Nothing>(
      caller, What{"concat ", target_text}, [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        const auto refuse = [](absl::string_view why) {
          return MakeFsError(FsError::kIllegalArgument, why);
        };
        if (paths.empty()) return refuse("concat: no sources");
        const auto too_many = [&](size_t blocks) {
          return refuse(absl::StrCat("concat: ", blocks, " blocks, more than ",
                                     options_.max_blocks_per_file));
        };
        // None of them may be empty.
        if (paths.size() > options_.max_blocks_per_file) return too_many(paths.size());
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*target_path));
        const Inode& target = *at.target();
        if (target.is_directory() || target.is_open()) {
          return refuse(absl::StrCat("concat: target ", ForMessage(target_text),
                                     target.is_open() ? " is open" : " is a directory"));
        }
        RETURN_IF_ERROR(attempt.Check(target, kWrite));
        RETURN_IF_ERROR(attempt.Check(*target.parent, kWrite));
        size_t blocks = target.file->blocks.size();
        absl::flat_hash_set<InodeId> seen{target.id};
        edit::Concat change;
        change.set_target(ToInt(target.id));
        size_t missing = 0;
        for (const Path& path : paths) {
          const absl::StatusOr<Resolved> source_at = attempt.ResolveExisting(path);
          // What is not in memory is asked for many at a time, not a source for each attempt.
          if (source_at.status() == View::NotLoaded()) {
            if (++missing == kLoadedTogether) return View::NotLoaded();
            continue;
          }
          if (!source_at.ok()) return missing > 0 ? View::NotLoaded() : source_at.status();
          const Inode& source = *source_at->target();
          const absl::string_view name = ForMessage(path.text);
          if (source.is_directory() || source.is_open()) {
            return refuse(absl::StrCat("concat: source ", name,
                                       source.is_open() ? " is open" : " is a directory"));
          }
          if (source.parent != target.parent) {
            return refuse(absl::StrCat("Source file ", name,
                                       " is not in the same directory with "
                                       "the target ",
                                       ForMessage(target_text)));
          }
          if (!seen.insert(source.id).second) {
            return refuse(absl::StrCat("concat: ", name, " is given twice, or is the target"));
          }
          if (source.file->blocks.empty()) {
            return refuse(absl::StrCat("concat: source file ", name, " is empty"));
          }
          if (source.erasure != target.erasure) {
            return refuse(absl::StrCat("concat: source file ", name, " is ", KindOf(source),
                                       ", the target ", KindOf(target)));
          }
          if (source.file->replication != target.file->replication) {
            return refuse(absl::StrCat("concat: source file ", name, " has replication ",
                                       source.file->replication, ", the target ",
                                       target.file->replication));
          }
          if (source.file->block_bytes > target.file->block_bytes) {
            return refuse(absl::StrCat("concat: source file ", name, " has preferred block size ",
                                       source.file->block_bytes,
                                       " which is greater than the "
                                       "target file's preferred block size ",
                                       target.file->block_bytes));
          }
          RETURN_IF_ERROR(attempt.Check(source, kRead));
          RETURN_IF_ERROR(attempt.CheckRemoval(*source.parent, source));
          blocks += source.file->blocks.size();
          change.add_sources(ToInt(source.id));
        }
        if (missing > 0) return View::NotLoaded();
        if (blocks > options_.max_blocks_per_file) return too_many(blocks);
        attempt.NewEdit().mutable_concat()->Swap(&change);
        attempt.Commit();
        return Nothing{};
      });
}

}  // namespace cairn::namenode
