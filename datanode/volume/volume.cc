#include "datanode/volume/volume.h"

#include <algorithm>
#include <random>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace cairn::datanode {
namespace {

constexpr uint64_t kMaxVersionBytes = 64 << 10;
constexpr int kFanOut = 32;
constexpr absl::string_view kVersionFile = "/current/VERSION";

int SubdirX(BlockId block) { return static_cast<int>((ToInt(block) >> 16) & (kFanOut - 1)); }
int SubdirY(BlockId block) { return static_cast<int>((ToInt(block) >> 8) & (kFanOut - 1)); }

}  // namespace

absl::StatusOr<VolumeSpec> ParseVolumeSpec(absl::string_view text) {
  VolumeSpec spec;
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t close = rest.find(']');
    const std::string type = absl::AsciiStrToUpper(rest.substr(0, close));
    if (type == "DISK") {
      spec.type = StorageType::kDisk;
    } else if (type == "SSD") {
      spec.type = StorageType::kSsd;
    } else if (type == "ARCHIVE") {
      spec.type = StorageType::kArchive;
    } else if (type == "RAM_DISK") {
      spec.type = StorageType::kRamDisk;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("data directory \"", text, "\": unknown storage type"));
    }
    rest = close == absl::string_view::npos ? "" : rest.substr(close + 1);
  }
  if (absl::ConsumePrefix(&rest, "file://"))
    rest = rest.substr(std::min(rest.find('/'), rest.size()));
  absl::ConsumePrefix(&rest, "file:");
  while (rest.size() > 1 && absl::EndsWith(rest, "/")) rest.remove_suffix(1);
  if (!absl::StartsWith(rest, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("data directory \"", text, "\": not an absolute path"));
  }
  spec.path = std::string(rest);
  return spec;
}

std::string FormatIdentity(const VolumeIdentity& identity) {
  return absl::StrCat("clusterID=", identity.cluster_id, "\nblockpoolID=", identity.block_pool_id,
                      "\nstorageID=", identity.storage_uuid,
                      "\ndatanodeUuid=", identity.datanode_uuid,
                      "\nstorageType=DATA_NODE\nlayoutVersion=", identity.layout_version, "\n");
}

absl::StatusOr<VolumeIdentity> ParseIdentity(absl::string_view text) {
  absl::flat_hash_map<std::string, std::string> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    if (absl::StartsWith(line, "#")) continue;
    const std::vector<absl::string_view> pair = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (pair.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat("VERSION: \"", line, "\" is no key=value"));
    }
    values[absl::StripAsciiWhitespace(pair[0])] = std::string(absl::StripAsciiWhitespace(pair[1]));
  }
  VolumeIdentity identity{.cluster_id = values["clusterID"],
                          .block_pool_id = values["blockpoolID"],
                          .storage_uuid = values["storageID"],
                          .datanode_uuid = values["datanodeUuid"]};
  if (identity.storage_uuid.empty() || identity.datanode_uuid.empty() ||
      !absl::SimpleAtoi(values["layoutVersion"], &identity.layout_version)) {
    return absl::InvalidArgumentError(
        "VERSION: storageID, datanodeUuid or layoutVersion is missing");
  }
  if (identity.layout_version != kLayoutVersion) {
    return absl::FailedPreconditionError(absl::StrCat("VERSION: layout version ",
                                                      identity.layout_version,
                                                      ", this program knows ", kLayoutVersion));
  }
  return identity;
}

std::string DataFileName(BlockId block) { return absl::StrCat("blk_", ToSigned(block)); }
std::string MetaFileName(BlockId block, GenerationStamp stamp) {
  return absl::StrCat("blk_", ToSigned(block), "_", ToInt(stamp), ".meta");
}
std::string TailFileName(BlockId block) { return absl::StrCat("blk_", ToSigned(block), ".tail"); }

std::string NewUuid() {
  std::random_device device;
  const auto word = [&] { return static_cast<uint32_t>(device()); };
  const uint32_t b = word();
  const uint32_t c = word();
  // Version 4, variant 1 (RFC 4122).
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", word(), b >> 16, b & 0xfff,
                         0x8000 | (c & 0x3fff), c >> 16, word());
}

Volume::Volume(FileSystem& fs, VolumeSpec spec, uint64_t reserved_bytes, std::unique_ptr<File> lock,
               VolumeIdentity identity)
    : fs_(fs),
      spec_(std::move(spec)),
      reserved_bytes_(reserved_bytes),
      lock_(std::move(lock)),
      identity_(std::move(identity)),
      finalized_made_(kFanOut * kFanOut) {}

absl::StatusOr<std::string> Volume::PeekDatanodeUuid(FileSystem& fs, const VolumeSpec& spec) {
  const std::string version = absl::StrCat(spec.path, kVersionFile);
  if (!fs.Exists(version)) return "";
  ASSIGN_OR_RETURN(const std::string text, fs.ReadAll(version, kMaxVersionBytes));
  ASSIGN_OR_RETURN(const VolumeIdentity identity, ParseIdentity(text));
  return identity.datanode_uuid;
}

absl::StatusOr<std::unique_ptr<Volume>> Volume::Open(FileSystem& fs, const VolumeSpec& spec,
                                                     uint64_t reserved_bytes,
                                                     const std::string& datanode_uuid) {
  RETURN_IF_ERROR(fs.MakeDirectories(spec.path));
  ASSIGN_OR_RETURN(std::unique_ptr<File> lock, fs.Lock(spec.path + "/in_use.lock"));
  const std::string version = absl::StrCat(spec.path, kVersionFile);
  VolumeIdentity identity;
  for (const char* directory : {"/current/finalized", "/current/rbw", "/current/tmp"}) {
    RETURN_IF_ERROR(fs.MakeDirectories(spec.path + directory));
  }
  if (fs.Exists(version)) {
    ASSIGN_OR_RETURN(const std::string text, fs.ReadAll(version, kMaxVersionBytes));
    auto parsed = ParseIdentity(text);
    if (!parsed.ok()) {
      return absl::Status(parsed.status().code(),
                          absl::StrCat(spec.path, ": ", parsed.status().message()));
    }
    identity = *std::move(parsed);
  } else {
    identity = {.storage_uuid = "DS-" + NewUuid(), .datanode_uuid = datanode_uuid};
    RETURN_IF_ERROR(fs.WriteDurably(version, FormatIdentity(identity)));
  }
  if (identity.datanode_uuid != datanode_uuid) {
    return absl::FailedPreconditionError(
        absl::StrCat(spec.path, ": belongs to datanode ", identity.datanode_uuid,
                     ", the other directories to ", datanode_uuid));
  }
  std::unique_ptr<Volume> volume(
      new Volume(fs, spec, reserved_bytes, std::move(lock), std::move(identity)));
  RETURN_IF_ERROR(volume->RefreshSpace());
  return volume;
}

VolumeIdentity Volume::identity() const {
  MutexLock lock(mu_);
  return identity_;
}

absl::Status Volume::AdoptCluster(const std::string& cluster_id, const std::string& block_pool_id) {
  VolumeIdentity wanted = identity();
  if (wanted.cluster_id == cluster_id && wanted.block_pool_id == block_pool_id) {
    return absl::OkStatus();
  }
  if (!wanted.cluster_id.empty() && wanted.cluster_id != cluster_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        spec_.path, ": cluster id ", wanted.cluster_id, ", the namenode's is ", cluster_id));
  }
  if (!wanted.block_pool_id.empty() && wanted.block_pool_id != block_pool_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        spec_.path, ": block pool ", wanted.block_pool_id, ", the namenode's is ", block_pool_id));
  }
  wanted.cluster_id = cluster_id;
  wanted.block_pool_id = block_pool_id;
  RETURN_IF_ERROR(fs_.WriteDurably(absl::StrCat(spec_.path, kVersionFile), FormatIdentity(wanted)));
  MutexLock lock(mu_);
  identity_ = std::move(wanted);
  return absl::OkStatus();
}

std::string Volume::FinalizedDirectory(BlockId block) const {
  return absl::StrCat(FinalizedRoot(), "/subdir", SubdirX(block), "/subdir", SubdirY(block));
}

std::vector<std::string> Volume::AllFinalizedDirectories() const {
  std::vector<std::string> all;
  for (int x = 0; x < kFanOut; ++x) {
    for (int y = 0; y < kFanOut; ++y) {
      all.push_back(absl::StrCat(FinalizedRoot(), "/subdir", x, "/subdir", y));
    }
  }
  return all;
}

std::string Volume::DirectoryOf(BlockId block, ReplicaState state) const {
  switch (state) {
    case ReplicaState::kBeingWritten:
    case ReplicaState::kWaitingRecovery:
      return RbwDirectory();
    case ReplicaState::kTemporary:
      return TmpDirectory();
    case ReplicaState::kFinalized:
    case ReplicaState::kCorrupt:
      break;
  }
  return FinalizedDirectory(block);
}

absl::Status Volume::MakeFinalizedDirectory(BlockId block) {
  const auto slot = static_cast<size_t>(SubdirX(block) * kFanOut + SubdirY(block));
  {
    MutexLock lock(mu_);
    if (finalized_made_[slot]) return absl::OkStatus();
  }
  RETURN_IF_ERROR(fs_.MakeDirectories(FinalizedDirectory(block)));
  MutexLock lock(mu_);
  finalized_made_[slot] = true;
  return absl::OkStatus();
}

SpaceInfo Volume::Space() const {
  MutexLock lock(mu_);
  SpaceInfo space = space_;
  const uint64_t used = used_bytes();
  if (used >= used_then_) {
    space.free_bytes -= std::min(space.free_bytes, used - used_then_);
  } else {
    space.free_bytes = std::min(space.capacity_bytes, space.free_bytes + (used_then_ - used));
  }
  return space;
}

absl::Status Volume::RefreshSpace() {
  const uint64_t used = used_bytes();
  const absl::StatusOr<SpaceInfo> space = fs_.Space(spec_.path);
  if (!space.ok()) {
    MarkFailed(space.status());
    return space.status();
  }
  MutexLock lock(mu_);
  space_ = *space;
  used_then_ = used;
  return absl::OkStatus();
}

uint64_t Volume::Available() const {
  if (failed()) return 0;
  const uint64_t free = Space().free_bytes;
  const uint64_t taken = reserved_bytes_ + promised_bytes();
  return free > taken ? free - taken : 0;
}

absl::Status Volume::failure() const {
  MutexLock lock(mu_);
  return failure_;
}

absl::Status Volume::CheckUsable() const {
  if (!failed()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("volume ", spec_.path, " has failed: ", failure().message()));
}

void Volume::MarkFailed(const absl::Status& why) {
  {
    MutexLock lock(mu_);
    if (failed()) return;
    failure_ = why;
    failed_.store(true, std::memory_order_release);
  }
  if (!retired()) LOG_ERROR("volume {} has failed and is used no more: {}", spec_.path, why);
  if (on_failure_) on_failure_();
}

void Volume::Retire() {
  retired_.store(true, std::memory_order_release);
  MarkFailed(absl::UnavailableError("removed by an administrator"));
}

void Volume::LetGo() {
  std::unique_ptr<File> lock_file;
  {
    MutexLock lock(mu_);
    lock_file = std::move(lock_);
  }
}

absl::Status Volume::Note(VolumeUse use, absl::Status status) {
  switch (JudgeVolume(use, status)) {
    case VolumeVerdict::kWell:
      break;
    case VolumeVerdict::kCheck:
      Check().IgnoreError();  // it marks the volume
      break;
    case VolumeVerdict::kFailed:
      MarkFailed(status);
      break;
  }
  return status;
}

absl::Status Volume::TryPresence() const {
  // An unmounted disk leaves a directory without it, or that of another one.
  ASSIGN_OR_RETURN(const std::string text,
                   fs_.ReadAll(absl::StrCat(spec_.path, kVersionFile), kMaxVersionBytes));
  ASSIGN_OR_RETURN(const VolumeIdentity there, ParseIdentity(text));
  const std::string ours = identity().storage_uuid;
  if (there.storage_uuid == ours) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(spec_.path, ": storage ", there.storage_uuid, " is there instead of ", ours));
}

absl::Status Volume::TryReadAndWrite() {
  RETURN_IF_ERROR(fs_.List(RbwDirectory()).status());
  RETURN_IF_ERROR(fs_.List(FinalizedRoot()).status());
  const std::string path = TmpDirectory() + "/disk-check";
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     fs_.Open(path, {.create = true, .write = true}));
    const absl::string_view text = "can this disk be written?\n";
    absl::Status status = file->WriteAt(0, std::as_bytes(std::span(text.data(), text.size())));
    if (status.ok()) status = file->SyncData();
    // A full disk is well.
    if (!status.ok() && !absl::IsResourceExhausted(status)) return status;
  }
  return fs_.Remove(path);
}

absl::Status Volume::CheckPresence() {
  if (failed()) return failure();
  const absl::Status status = TryPresence();
  if (!status.ok() && !absl::IsResourceExhausted(status)) MarkFailed(status);
  return status;
}

absl::Status Volume::Check() {
  RETURN_IF_ERROR(CheckPresence());
  if (checking_.exchange(true)) return absl::OkStatus();
  const absl::Status status = TryReadAndWrite();
  {
    MutexLock lock(mu_);
    // Whoever removed one of these directories, or mounted another disk, did not tell us.
    finalized_made_.assign(finalized_made_.size(), false);
  }
  checking_.store(false);
  if (!status.ok() && !absl::IsResourceExhausted(status)) MarkFailed(status);
  return status;
}

}  // namespace cairn::datanode
