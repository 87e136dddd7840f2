#include "namenode/offline/image_export.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/status_macros.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/offline/json_text.h"
#include "namenode/offline/name_directory.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"
#include "namenode/store/store.h"

namespace cairn::namenode {
namespace {

constexpr size_t kPage = 1000;

uint64_t LengthOf(const store::Inode& file) {
  uint64_t length = 0;
  for (const store::Block& block : file.blocks()) length += block.length();
  return length;
}

std::string TimeTextOf(uint64_t ms) {
  return TimeText(absl::FromUnixMillis(static_cast<int64_t>(ms)));
}

std::string ToJsonLine(absl::string_view path, const store::Inode& inode) {
  Json json = {{"path", BytesToJson(path)},
               {"type", inode.directory() ? "directory" : "file"},
               {"id", inode.id()},
               {"owner", inode.owner()},
               {"group", inode.group()},
               {"mode", absl::StrFormat("%04o", inode.mode())},
               {"mtime", TimeTextOf(inode.mtime_ms())}};
  if (inode.storage_policy() != 0) json["storage_policy"] = inode.storage_policy();
  if (inode.directory()) {
    json["children"] = inode.children();
  } else {
    json["atime"] = TimeTextOf(inode.atime_ms());
    json["length"] = LengthOf(inode);
    json["replication"] = inode.replication();
    json["block_size"] = inode.block_bytes();
    Json& blocks = json["blocks"] = Json::array();
    for (const store::Block& block : inode.blocks()) {
      blocks.push_back({{"id", block.id()},
                        {"generation_stamp", block.generation_stamp()},
                        {"length", block.length()}});
    }
    if (!inode.lease_holder().empty()) json["lease_holder"] = BytesToJson(inode.lease_holder());
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// RFC 4180.
std::string Quoted(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

constexpr absl::string_view kCsvHead =
    "path,type,id,owner,group,mode,mtime,atime,length,replication,block_size,blocks,lease_holder";

std::string ToCsvLine(absl::string_view path, const store::Inode& inode) {
  const std::string common =
      absl::StrCat(Quoted(path), ",", inode.directory() ? "directory" : "file", ",", inode.id(),
                   ",", Quoted(inode.owner()), ",", Quoted(inode.group()), ",",
                   absl::StrFormat("%04o", inode.mode()), ",", TimeTextOf(inode.mtime_ms()), ",");
  if (inode.directory()) return absl::StrCat(common, ",,,,,");
  std::string blocks;
  for (const store::Block& block : inode.blocks()) {
    absl::StrAppend(&blocks, blocks.empty() ? "" : " ", "blk_", ToSigned(BlockId{block.id()}), "_",
                    block.generation_stamp(), ":", block.length());
  }
  return absl::StrCat(common, TimeTextOf(inode.atime_ms()), ",", LengthOf(inode), ",",
                      inode.replication(), ",", inode.block_bytes(), ",", blocks, ",",
                      Quoted(inode.lease_holder()));
}

// One directory on the way from the root to where the walk is.
struct Level {
  InodeId directory;
  std::string path;  // ends without '/'
  std::string after;
  std::unique_ptr<Store::Range> range;
};

class Walk {
 public:
  Walk(Store& store, ImageFormat format, std::ostream& out)
      : store_(store), format_(format), out_(out) {}

  absl::StatusOr<uint64_t> Run() {
    if (format_ == ImageFormat::kCsv) out_ << kCsvHead << "\n";
    const std::string root_key = keys::Entry(kNoInode, "");
    ASSIGN_OR_RETURN(const auto bytes, store_.Load(root_key));
    if (!bytes) return absl::DataLossError("store: the root directory is missing");
    ASSIGN_OR_RETURN(const store::Inode root, ParseInode(root_key, *bytes));
    RETURN_IF_ERROR(Write("/", root));
    std::vector<Level> levels;
    levels.push_back({.directory = InodeId{root.id()}, .path = ""});
    while (!levels.empty()) {
      ASSIGN_OR_RETURN(const bool there, Advance(levels.back()));
      if (!there) {
        levels.pop_back();
        continue;
      }
      Level& level = levels.back();
      const std::string key(level.range->key());
      ASSIGN_OR_RETURN(const store::Inode inode, ParseInode(key, level.range->value()));
      absl::string_view name;
      if (!keys::ParseEntryName(key, &name)) {
        return absl::DataLossError(absl::StrCat("store: ", keys::Readable(key), " is no entry"));
      }
      std::string path = absl::StrCat(level.path, "/", name);
      level.after = key;
      level.range->Next();
      RETURN_IF_ERROR(Write(path, inode));
      if (inode.directory()) {
        // Ids that lead back up would make the walk endless.
        if (levels.size() > kMaxDepth) {
          return absl::DataLossError(absl::StrCat("store: ", path, " lies too deep"));
        }
        levels.push_back({.directory = InodeId{inode.id()}, .path = std::move(path)});
      }
    }
    return count_;
  }

 private:
  static constexpr size_t kMaxDepth = 10000;

  // Whether the level has another entry.
  absl::StatusOr<bool> Advance(Level& level) {
    while (true) {
      if (level.range == nullptr) {
        level.range = store_.Scan(keys::EntryPrefix(level.directory), level.after, kPage);
      }
      if (level.range->Valid()) return true;
      RETURN_IF_ERROR(level.range->status());
      if (!level.range->more()) return false;
      level.after = std::string(level.range->resume_after());
      level.range.reset();
    }
  }

  absl::Status Write(absl::string_view path, const store::Inode& inode) {
    ++count_;
    out_ << (format_ == ImageFormat::kCsv ? ToCsvLine(path, inode) : ToJsonLine(path, inode))
         << "\n";
    return out_.good() ? absl::OkStatus() : absl::InternalError("cannot write the output");
  }

  Store& store_;
  const ImageFormat format_;
  std::ostream& out_;
  uint64_t count_ = 0;
};

}  // namespace

absl::StatusOr<std::string> FindImage(FileSystem& files, const std::string& path) {
  if (files.Exists(path + "/CHECKPOINT")) {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, ReadCheckpoint(files, path));
    return checkpoint.store();
  }
  if (files.Exists(path + "/CURRENT")) {
    // Its lock is held for as long as a namenode runs.
    const std::string lock_file = LockFile(ParentDirectory(path));
    if (const auto lock = files.Exists(lock_file) ? files.Lock(lock_file) : nullptr;
        absl::IsFailedPrecondition(lock.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(path,
                       " is in use: export a checkpoint instead; cairn namenode -checkpoint "
                       "makes one. ",
                       lock.status().message()));
    }
    return path;
  }
  ASSIGN_OR_RETURN(const CheckpointList list, ListCheckpoints(files, CheckpointDirectory(path)));
  if (!list.whole.empty()) return list.whole.back().store();
  return absl::NotFoundError(
      absl::StrCat(path, " is no checkpoint, no store, and no namenode's directory with one"));
}

absl::StatusOr<ExportedImage> ExportImage(FileSystem& files, const std::string& store_path,
                                          ImageFormat format, std::ostream& out) {
  StoreOptions options;
  options.directory = store_path;
  options.files = &files;
  options.cache_bytes = 64 << 20;
  options.read_only = true;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Store> store,
      Store::Open(
          options, [] { return kNoTx; }, [](const std::function<void()>& body) { body(); }));
  ExportedImage image{.txid = store->applied()};
  ASSIGN_OR_RETURN(image.inodes, Walk(*store, format, out).Run());
  return image;
}

}  // namespace cairn::namenode
