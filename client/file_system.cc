#include "client/file_system.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/context.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "client/file_checksum.h"
#include "client/hadoop_rpc.h"
#include "client/input_stream_impl.h"
#include "client/located_file.h"
#include "client/output_stream_impl.h"
#include "client/path.h"
#include "client/striped_file_writer.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

constexpr absl::Duration kDefaultsLife = absl::Hours(1);
// The server repairs a last block that lacks replicas; an append then works.
constexpr absl::Duration kAppendPause = absl::Milliseconds(500);
constexpr absl::Duration kAppendPatience = absl::Seconds(5);

absl::Status CheckPath(absl::string_view path) {
  if (path.empty() || path.front() != '/') {
    return MakeFsError(FsError::kInvalidPath,
                       absl::StrCat("Pathname ", path, " is not an absolute path"));
  }
  if (!IsUtf8(path)) {
    return MakeFsError(FsError::kInvalidPath,
                       absl::StrCat("Pathname ", ToUtf8(path), " is not UTF-8, as names are"));
  }
  return absl::OkStatus();
}

absl::Status Missing(absl::string_view path) {
  return MakeFsError(FsError::kFileNotFound, absl::StrCat("File does not exist: ", path));
}

absl::Status CheckOptions(const ClientOptions& o) {
  if (o.small_file_bytes.value_or(0) > kMaxSmallFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cairn.ec.small.file.bytes ", *o.small_file_bytes, " is more than ", kMaxSmallFileBytes));
  }
  if (o.bytes_per_checksum == 0 || o.block_bytes % o.bytes_per_checksum != 0) {
    return absl::InvalidArgumentError(absl::StrCat("dfs.blocksize ", o.block_bytes,
                                                   " is no multiple of dfs.bytes-per-checksum ",
                                                   o.bytes_per_checksum));
  }
  if (o.write_packet_bytes == 0 || o.write_packet_bytes > (8u << 20) ||
      o.large_packet_bytes > (8u << 20)) {
    return absl::InvalidArgumentError(
        absl::StrCat("dfs.client-write-packet-size ", o.write_packet_bytes, " is out of range"));
  }
  return absl::OkStatus();
}

// See StripingToWrite.
absl::StatusOr<FileForm> FormOf(const hdfs::HdfsFileStatusProto& status,
                                const ClientOptions& options, absl::string_view path) {
  FileForm form;
  if (status.has_ecpolicy()) {
    ASSIGN_OR_RETURN(form.striping,
                     StripingToWrite(status.ecpolicy(), status.blocksize(), options, path));
  } else if (status.has_smallof()) {
    form.small_bytes = SmallFileBytes(options, Completed(status.smallof()).cellsize());
    // One that was small and grew, by those who do not know of that, stays as it is.
    if (form.small_bytes == 0 || form.small_bytes < status.length()) return FileForm();
    ASSIGN_OR_RETURN(form.striping,
                     StripingToWrite(status.smallof(), status.blocksize(), options, path));
  }
  return form;
}

// The stream for an append that the namenode has begun with `answer`.
absl::StatusOr<std::shared_ptr<OutputStream::Impl>> BeginAppend(
    std::shared_ptr<ClientContext> context, absl::string_view path,
    const hdfs::AppendResponseProto& answer, bool new_block) {
  const ClientOptions& options = context->options;
  const bool has_block = answer.has_block() && answer.block().b().blockid() != 0;
  ASSIGN_OR_RETURN(FileStatus status, ToFileStatus(answer.stat(), std::string(path)));
  const absl::Status invalid =
      absl::InternalError(absl::StrCat(path, ": the server sent no valid status of the file"));
  if (!answer.has_stat() || status.block_bytes == 0 ||
      status.block_bytes % options.bytes_per_checksum != 0) {
    return invalid;
  }
  absl::StatusOr<FileForm> form = FormOf(answer.stat(), options, path);
  const bool coded = answer.stat().has_ecpolicy();
  // A small file can be written on by one who could not code it.
  if (!form.ok() && !coded) form = FileForm();
  RETURN_IF_ERROR(form.status());
  const uint64_t units = coded ? form->striping->layout().data_units() : 1;
  if (has_block && answer.block().b().numbytes() > status.block_bytes * units) return invalid;
  WrittenFile file{.context = std::move(context), .path = std::string(path), .inode = status.inode};
  auto impl =
      std::make_shared<OutputStream::Impl>(std::move(file), std::move(status), *std::move(form));
  if (has_block) RETURN_IF_ERROR(impl->Continue(answer.block(), new_block));
  return impl;
}

}  // namespace

// ---- Listing ----

DirectoryIterator::DirectoryIterator(std::shared_ptr<ClientContext> context, std::string path,
                                     absl::string_view start_after)
    : context_(std::move(context)), path_(std::move(path)) {
  if (!start_after.empty()) order_.Next(start_after);
}
DirectoryIterator::DirectoryIterator(DirectoryIterator&&) noexcept = default;
DirectoryIterator& DirectoryIterator::operator=(DirectoryIterator&&) noexcept = default;
DirectoryIterator::~DirectoryIterator() = default;

absl::StatusOr<std::optional<FileStatus>> DirectoryIterator::Next() {
  if (position_ == page_.size()) {
    if (!more_) return std::nullopt;
    RETURN_IF_ERROR(CheckPath(path_));
    hdfs::GetListingRequestProto request;
    request.set_src(path_);
    request.set_startafter(order_.last());
    request.set_needlocation(false);
    ASSIGN_OR_RETURN(const auto response,
                     context_->Call<hdfs::GetListingResponseProto>("getListing", path_, request));
    if (!response.has_dirlist()) return Missing(path_);
    const hdfs::DirectoryListingProto& list = response.dirlist();
    more_ = list.remainingentries() > 0;
    if (list.partiallisting().empty()) {
      // Asking again would go on for ever.
      if (more_) return absl::InternalError(absl::StrCat(path_, ": the server sent an empty page"));
      return std::nullopt;
    }
    page_.clear();
    position_ = 0;
    for (const hdfs::HdfsFileStatusProto& entry : list.partiallisting()) {
      ASSIGN_OR_RETURN(FileStatus status, ToListedStatus(entry, path_));
      page_.push_back(std::move(status));
    }
    const std::string& last = list.partiallisting(list.partiallisting_size() - 1).path();
    if (!order_.Next(last) && more_) {
      return absl::InternalError(absl::StrCat(path_, ": the server sent a page out of order"));
    }
  }
  return std::move(page_[position_++]);
}

// ---- FileSystem ----

FileSystem::FileSystem(std::shared_ptr<ClientContext> context) : context_(std::move(context)) {}
FileSystem::~FileSystem() = default;

absl::StatusOr<std::unique_ptr<FileSystem>> FileSystem::Connect(absl::string_view uri,
                                                                ClientOptions options) {
  ASSIGN_OR_RETURN(const PathUri parsed, ParsePathUri(uri));
  if (parsed.scheme != "hdfs" || parsed.authority.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(uri, ": not hdfs://host[:port]"));
  }
  ASSIGN_OR_RETURN(const HostPort namenode, ParseHostPort(parsed.authority, kDefaultNamenodePort));
  RETURN_IF_ERROR(CheckOptions(options));
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  if (!IsUtf8(user)) {
    return absl::InvalidArgumentError(absl::StrCat("the user's name is not UTF-8: ", ToUtf8(user)));
  }
  NamenodeRpc rpc = NewNamenodeRpc(namenode.host, namenode.port, user, options);
  auto datanodes = NewDatanodeRpc(user, options);
  return std::unique_ptr<FileSystem>(new FileSystem(std::make_shared<ClientContext>(
      std::move(options), user, absl::StrCat(namenode.host, ":", namenode.port),
      std::move(rpc.hdfs), std::move(datanodes), SystemClock(), std::move(rpc.cairn))));
}

std::unique_ptr<FileSystem> FileSystem::Over(std::shared_ptr<ClientContext> context) {
  return std::unique_ptr<FileSystem>(new FileSystem(std::move(context)));
}

const ClientOptions& FileSystem::options() const { return context_->options; }
const std::string& FileSystem::user() const { return context_->user; }
const std::string& FileSystem::authority() const { return context_->authority; }
std::string FileSystem::HomeDirectory() const { return absl::StrCat("/user/", context_->user); }

// ---- Reading ----

absl::StatusOr<FileStatus> FileSystem::Stat(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetFileInfoRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::GetFileInfoResponseProto>("getFileInfo", path, request));
  if (!response.has_fs()) return Missing(path);
  return ToFileStatus(response.fs(), std::string(path));
}

absl::StatusOr<bool> FileSystem::Exists(absl::string_view path) {
  const absl::StatusOr<FileStatus> status = Stat(path);
  if (status.ok()) return true;
  if (absl::IsNotFound(status.status())) return false;
  return status.status();
}

DirectoryIterator FileSystem::List(absl::string_view path, absl::string_view start_after) {
  return DirectoryIterator(context_, std::string(path), start_after);
}

absl::StatusOr<std::vector<FileStatus>> FileSystem::ListStatus(absl::string_view path) {
  std::vector<FileStatus> all;
  DirectoryIterator entries = List(path);
  while (true) {
    ASSIGN_OR_RETURN(std::optional<FileStatus> entry, entries.Next());
    if (!entry.has_value()) return all;
    all.push_back(*std::move(entry));
  }
}

absl::StatusOr<std::unique_ptr<InputStream>> FileSystem::Open(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  ASSIGN_OR_RETURN(auto impl, InputStream::Impl::Open(context_, std::string(path)));
  return std::make_unique<InputStream>(std::move(impl));
}

absl::StatusOr<uint64_t> FileSystem::GetLength(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  LocatedFile file(context_, std::string(path));
  RETURN_IF_ERROR(file.Refresh(/*patient=*/false));
  return file.length();
}

absl::StatusOr<ContentSummary> FileSystem::GetContentSummary(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetContentSummaryRequestProto request;
  request.set_path(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetContentSummaryResponseProto>(
                                            "getContentSummary", path, request));
  return ToContentSummary(response.summary());
}

absl::StatusOr<std::vector<BlockLocation>> FileSystem::GetBlockLocations(absl::string_view path,
                                                                         uint64_t offset,
                                                                         uint64_t length) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetBlockLocationsRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_offset(offset);
  request.set_length(std::min(length, kMaxLength));
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetBlockLocationsResponseProto>(
                                            "getBlockLocations", path, request));
  if (!response.has_locations()) return Missing(path);
  RETURN_IF_ERROR(CheckLocatedBlocks(response.locations(), path));
  std::vector<BlockLocation> locations;
  for (const hdfs::LocatedBlockProto& block : response.locations().blocks()) {
    locations.push_back(ToBlockLocation(block));
  }
  return locations;
}

absl::StatusOr<FileChecksum> FileSystem::GetFileChecksum(absl::string_view path,
                                                         ChecksumCombine combine, uint64_t length,
                                                         LostUnits lost_units) {
  RETURN_IF_ERROR(CheckPath(path));
  return ComputeFileChecksum(context_, std::string(path), combine, length, lost_units);
}

HedgedReadMetrics FileSystem::GetHedgedReadMetrics() const {
  const ClientContext::Hedges& hedges = context_->hedges;
  return {.ops = hedges.ops.load(std::memory_order_relaxed),
          .wins = hedges.wins.load(std::memory_order_relaxed),
          .in_current_thread = hedges.in_current_thread.load(std::memory_order_relaxed)};
}

absl::StatusOr<bool> FileSystem::IsFileClosed(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::IsFileClosedRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::IsFileClosedResponseProto>("isFileClosed", path, request));
  return response.result();
}

absl::Status FileSystem::Access(absl::string_view path, int rwx) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::CheckAccessRequestProto request;
  request.set_path(path.data(), path.size());
  request.set_mode(static_cast<hdfs::AclEntryProto::FsActionProto>(rwx & 7));
  return context_->Call<hdfs::CheckAccessResponseProto>("checkAccess", path, request).status();
}

// ---- Writing ----

absl::StatusOr<std::unique_ptr<OutputStream>> FileSystem::Create(absl::string_view path,
                                                                 const CreateOptions& options) {
  RETURN_IF_ERROR(CheckPath(path));
  const ClientOptions& defaults = context_->options;
  const uint64_t block_bytes =
      options.block_bytes != 0 ? options.block_bytes : defaults.block_bytes;
  if (block_bytes % defaults.bytes_per_checksum != 0 || block_bytes > kMaxLength) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": block size ", block_bytes, " is no multiple of ",
                     defaults.bytes_per_checksum, " bytes per checksum"));
  }
  hdfs::CreateRequestProto request;
  request.set_src(path.data(), path.size());
  request.mutable_masked()->set_perm(options.mode & ~defaults.umask);
  request.mutable_unmasked()->set_perm(options.mode);
  request.set_clientname(context_->client_name);
  request.set_createflag(hdfs::CREATE_FLAG_CREATE |
                         (options.overwrite ? hdfs::CREATE_FLAG_OVERWRITE : 0) |
                         (options.lazy_persist ? hdfs::CREATE_FLAG_LAZY_PERSIST : 0) |
                         (options.should_replicate ? hdfs::CREATE_FLAG_SHOULD_REPLICATE : 0));
  request.set_createparent(options.create_parents);
  request.set_replication(options.replication != 0 ? options.replication : defaults.replication);
  request.set_blocksize(block_bytes);
  if (!options.erasure_policy.empty()) {
    request.set_ecpolicyname(options.erasure_policy);
  } else if (!options.should_replicate && defaults.small_file_bytes != 0u) {
    request.set_replicatewhilesmall(true);
  }
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::CreateResponseProto>("create", path, request));
  const hdfs::HdfsFileStatusProto& made = response.fs();
  ASSIGN_OR_RETURN(FileStatus status, ToFileStatus(made, std::string(path)));
  WrittenFile file{.context = context_, .path = std::string(path), .inode = made.fileid()};
  if (made.has_fileencryptioninfo()) {
    Complete(file, nullptr).IgnoreError();  // the reason below is what counts
    return absl::UnimplementedError(
        absl::StrCat(path, ": its directory is encrypted, which cannot be written yet"));
  }
  if (!response.has_fs() || made.blocksize() == 0 || made.length() != 0 ||
      made.blocksize() % defaults.bytes_per_checksum != 0) {
    return absl::InternalError(absl::StrCat(path, ": the server sent no valid status of the file"));
  }
  absl::StatusOr<FileForm> form = FormOf(made, defaults, path);
  if (!form.ok()) {
    Complete(file, nullptr).IgnoreError();  // as above
    return form.status();
  }
  auto impl =
      std::make_shared<OutputStream::Impl>(std::move(file), std::move(status), *std::move(form));
  impl->Register();
  return std::make_unique<OutputStream>(std::move(impl));
}

absl::StatusOr<std::unique_ptr<OutputStream>> FileSystem::Append(absl::string_view path,
                                                                 const AppendOptions& options) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::AppendRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_clientname(context_->client_name);
  request.set_flag(hdfs::CREATE_FLAG_APPEND |
                   (options.new_block ? hdfs::CREATE_FLAG_NEW_BLOCK : 0));
  const absl::Duration deadline = context_->clock.Monotonic() + kAppendPatience;
  absl::StatusOr<hdfs::AppendResponseProto> response;
  while (true) {
    response = context_->Call<hdfs::AppendResponseProto>("append", path, request);
    if (response.ok()) break;
    const FsError error = GetFsError(response.status());
    const bool temporary = error == FsError::kRetriable || error == FsError::kNotReplicatedYet;
    if (!temporary || context_->clock.Monotonic() >= deadline) return response.status();
    absl::SleepFor(kAppendPause);
  }
  auto begun = BeginAppend(context_, path, *response, options.new_block);
  if (!begun.ok()) {
    // No stream holds the lease, and those of other files would have it renewed for ever.
    RecoverLease(path).IgnoreError();  // the first error is what counts
    return begun.status();
  }
  (*begun)->Register();
  return std::make_unique<OutputStream>(*std::move(begun));
}

namespace {

absl::Status MakeDirectory(ClientContext& context, absl::string_view path, uint16_t mode,
                           bool parents) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::MkdirsRequestProto request;
  request.set_src(path.data(), path.size());
  request.mutable_masked()->set_perm(mode & ~context.options.umask);
  request.mutable_unmasked()->set_perm(mode);
  request.set_createparent(parents);
  ASSIGN_OR_RETURN(const auto response,
                   context.Call<hdfs::MkdirsResponseProto>("mkdirs", path, request));
  if (response.result()) return absl::OkStatus();
  return MakeFsError(FsError::kIo, absl::StrCat("mkdirs ", path, ": refused"));
}

}  // namespace

absl::Status FileSystem::Mkdirs(absl::string_view path, uint16_t mode) {
  return MakeDirectory(*context_, path, mode, /*parents=*/true);
}

absl::Status FileSystem::Mkdir(absl::string_view path, uint16_t mode) {
  return MakeDirectory(*context_, path, mode, /*parents=*/false);
}

absl::StatusOr<bool> FileSystem::Rename(absl::string_view src, absl::string_view dst) {
  RETURN_IF_ERROR(CheckPath(src));
  RETURN_IF_ERROR(CheckPath(dst));
  hdfs::RenameRequestProto request;
  request.set_src(src.data(), src.size());
  request.set_dst(dst.data(), dst.size());
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::RenameResponseProto>("rename", src, request));
  return response.result();
}

absl::Status FileSystem::Rename2(absl::string_view src, absl::string_view dst, RenameOption option,
                                 bool to_trash) {
  RETURN_IF_ERROR(CheckPath(src));
  RETURN_IF_ERROR(CheckPath(dst));
  hdfs::Rename2RequestProto request;
  request.set_src(src.data(), src.size());
  request.set_dst(dst.data(), dst.size());
  request.set_overwritedest(option == RenameOption::kOverwrite);
  if (to_trash) request.set_movetotrash(true);
  return context_->Call<hdfs::Rename2ResponseProto>("rename2", src, request).status();
}

absl::StatusOr<bool> FileSystem::Delete(absl::string_view path, bool recursive) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::DeleteRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_recursive(recursive);
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::DeleteResponseProto>("delete", path, request));
  return response.result();
}

absl::StatusOr<bool> FileSystem::Truncate(absl::string_view path, uint64_t length) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::TruncateRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_newlength(length);
  request.set_clientname(context_->client_name);
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::TruncateResponseProto>("truncate", path, request));
  return response.result();
}

absl::Status FileSystem::Concat(absl::string_view target, absl::Span<const std::string> sources) {
  RETURN_IF_ERROR(CheckPath(target));
  hdfs::ConcatRequestProto request;
  request.set_trg(target.data(), target.size());
  for (const std::string& source : sources) {
    RETURN_IF_ERROR(CheckPath(source));
    request.add_srcs(source);
  }
  return context_->Call<hdfs::ConcatResponseProto>("concat", target, request).status();
}

absl::Status FileSystem::SetPermission(absl::string_view path, uint16_t mode) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::SetPermissionRequestProto request;
  request.set_src(path.data(), path.size());
  request.mutable_permission()->set_perm(mode & 01777);
  return context_->Call<hdfs::SetPermissionResponseProto>("setPermission", path, request).status();
}

absl::Status FileSystem::SetOwner(absl::string_view path, absl::string_view owner,
                                  absl::string_view group) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::SetOwnerRequestProto request;
  request.set_src(path.data(), path.size());
  if (!owner.empty()) request.set_username(owner.data(), owner.size());
  if (!group.empty()) request.set_groupname(group.data(), group.size());
  return context_->Call<hdfs::SetOwnerResponseProto>("setOwner", path, request).status();
}

absl::Status FileSystem::SetTimes(absl::string_view path, std::optional<absl::Time> modified,
                                  std::optional<absl::Time> accessed) {
  RETURN_IF_ERROR(CheckPath(path));
  const auto millis = [](const std::optional<absl::Time>& time) {
    return time.has_value() ? static_cast<uint64_t>(absl::ToUnixMillis(*time)) : UINT64_MAX;
  };
  hdfs::SetTimesRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_mtime(millis(modified));
  request.set_atime(millis(accessed));
  return context_->Call<hdfs::SetTimesResponseProto>("setTimes", path, request).status();
}

absl::StatusOr<bool> FileSystem::SetReplication(absl::string_view path, uint32_t replication) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::SetReplicationRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_replication(replication);
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::SetReplicationResponseProto>(
                                            "setReplication", path, request));
  return response.result();
}

absl::StatusOr<bool> FileSystem::RecoverLease(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::RecoverLeaseRequestProto request;
  request.set_src(path.data(), path.size());
  request.set_clientname(context_->client_name);
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::RecoverLeaseResponseProto>("recoverLease", path, request));
  return response.result();
}

// ---- Access-control lists ----

absl::StatusOr<AclStatus> FileSystem::GetAcl(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetAclStatusRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::GetAclStatusResponseProto>("getAclStatus", path, request));
  return ToAclStatus(response.result());
}

namespace {

template <typename Request, typename Response>
absl::Status ChangeAcl(ClientContext& context, absl::string_view method, absl::string_view path,
                       absl::Span<const AclEntry> entries) {
  RETURN_IF_ERROR(CheckPath(path));
  Request request;
  request.set_src(path.data(), path.size());
  for (const AclEntry& entry : entries) *request.add_aclspec() = ToProto(entry);
  return context.Call<Response>(method, path, request).status();
}

}  // namespace

absl::Status FileSystem::SetAcl(absl::string_view path, absl::Span<const AclEntry> entries) {
  return ChangeAcl<hdfs::SetAclRequestProto, hdfs::SetAclResponseProto>(*context_, "setAcl", path,
                                                                        entries);
}

absl::Status FileSystem::ModifyAcl(absl::string_view path, absl::Span<const AclEntry> entries) {
  return ChangeAcl<hdfs::ModifyAclEntriesRequestProto, hdfs::ModifyAclEntriesResponseProto>(
      *context_, "modifyAclEntries", path, entries);
}

absl::Status FileSystem::RemoveAclEntries(absl::string_view path,
                                          absl::Span<const AclEntry> entries) {
  return ChangeAcl<hdfs::RemoveAclEntriesRequestProto, hdfs::RemoveAclEntriesResponseProto>(
      *context_, "removeAclEntries", path, entries);
}

absl::Status FileSystem::RemoveDefaultAcl(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::RemoveDefaultAclRequestProto request;
  request.set_src(path.data(), path.size());
  return context_->Call<hdfs::RemoveDefaultAclResponseProto>("removeDefaultAcl", path, request)
      .status();
}

absl::Status FileSystem::RemoveAcl(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::RemoveAclRequestProto request;
  request.set_src(path.data(), path.size());
  return context_->Call<hdfs::RemoveAclResponseProto>("removeAcl", path, request).status();
}

// ---- Extended attributes ----

absl::StatusOr<std::vector<Xattr>> FileSystem::GetXattrs(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetXAttrsRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::GetXAttrsResponseProto>("getXAttrs", path, request));
  std::vector<Xattr> xattrs;
  for (const hdfs::XAttrProto& xattr : response.xattrs()) xattrs.push_back(ToXattr(xattr));
  return xattrs;
}

absl::Status FileSystem::SetXattr(absl::string_view path, const Xattr& xattr,
                                  XattrSetting setting) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::SetXAttrRequestProto request;
  request.set_src(path.data(), path.size());
  *request.mutable_xattr() = ToProto(xattr);
  uint32_t flag = hdfs::XATTR_FLAG_CREATE | hdfs::XATTR_FLAG_REPLACE;
  if (setting == XattrSetting::kNew) flag = hdfs::XATTR_FLAG_CREATE;
  if (setting == XattrSetting::kExisting) flag = hdfs::XATTR_FLAG_REPLACE;
  request.set_flag(flag);
  return context_->Call<hdfs::SetXAttrResponseProto>("setXAttr", path, request).status();
}

absl::Status FileSystem::RemoveXattr(absl::string_view path, const Xattr& xattr) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::RemoveXAttrRequestProto request;
  request.set_src(path.data(), path.size());
  *request.mutable_xattr() = ToProto(xattr);
  return context_->Call<hdfs::RemoveXAttrResponseProto>("removeXAttr", path, request).status();
}

// ---- The cluster ----

absl::StatusOr<FsStats> FileSystem::GetFsStats() {
  ASSIGN_OR_RETURN(const auto r, context_->Call<hdfs::GetFsStatsResponseProto>(
                                     "getFsStats", "", hdfs::GetFsStatsRequestProto()));
  return FsStats{.capacity = r.capacity(),
                 .used = r.used(),
                 .remaining = r.remaining(),
                 .under_replicated = r.under_replicated(),
                 .corrupt_blocks = r.corrupt_blocks(),
                 .missing_blocks = r.missing_blocks(),
                 .missing_single_replica_blocks = r.missing_repl_one_blocks(),
                 .pending_deletion_blocks = r.pending_deletion_blocks()};
}

absl::StatusOr<ServerDefaults> FileSystem::GetServerDefaults() {
  const absl::Duration now = context_->clock.Monotonic();
  {
    MutexLock lock(context_->defaults_mu);
    if (context_->defaults.has_value() && now - context_->defaults_at < kDefaultsLife) {
      return *context_->defaults;
    }
  }
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::GetServerDefaultsResponseProto>(
                       "getServerDefaults", "", hdfs::GetServerDefaultsRequestProto()));
  MutexLock lock(context_->defaults_mu);
  context_->defaults = ToServerDefaults(response.serverdefaults());
  context_->defaults_at = now;
  return *context_->defaults;
}

absl::StatusOr<std::vector<DatanodeReport>> FileSystem::GetDatanodeReport(DatanodeKind kind) {
  hdfs::GetDatanodeReportRequestProto request;
  request.set_type(ToProto(kind));
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetDatanodeReportResponseProto>(
                                            "getDatanodeReport", "", request));
  std::vector<DatanodeReport> report;
  for (const hdfs::DatanodeInfoProto& node : response.di()) {
    report.push_back(ToDatanodeReport(node));
  }
  return report;
}

absl::StatusOr<BlockStats> FileSystem::GetReplicatedBlockStats() {
  ASSIGN_OR_RETURN(const auto r, context_->Call<hdfs::GetFsReplicatedBlockStatsResponseProto>(
                                     "getFsReplicatedBlockStats", "",
                                     hdfs::GetFsReplicatedBlockStatsRequestProto()));
  BlockStats stats{.low_redundancy = r.low_redundancy(),
                   .corrupt = r.corrupt_blocks(),
                   .missing = r.missing_blocks(),
                   .missing_single_replica = r.missing_repl_one_blocks(),
                   .pending_deletion = r.pending_deletion_blocks()};
  if (r.has_highest_prio_low_redundancy_blocks()) {
    stats.highest_priority_low_redundancy = r.highest_prio_low_redundancy_blocks();
  }
  return stats;
}

absl::StatusOr<BlockStats> FileSystem::GetBlockGroupStats() {
  ASSIGN_OR_RETURN(const auto r,
                   context_->Call<hdfs::GetFsECBlockGroupStatsResponseProto>(
                       "getFsECBlockGroupStats", "", hdfs::GetFsECBlockGroupStatsRequestProto()));
  BlockStats stats{.low_redundancy = r.low_redundancy(),
                   .corrupt = r.corrupt_blocks(),
                   .missing = r.missing_blocks(),
                   .pending_deletion = r.pending_deletion_blocks()};
  if (r.has_highest_prio_low_redundancy_blocks()) {
    stats.highest_priority_low_redundancy = r.highest_prio_low_redundancy_blocks();
  }
  return stats;
}

absl::StatusOr<bool> FileSystem::SetSafeMode(SafeModeAction action) {
  hdfs::SetSafeModeRequestProto request;
  request.set_action(ToProto(action));
  request.set_checked(false);
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::SetSafeModeResponseProto>("setSafeMode", "", request));
  return response.result();
}

absl::StatusOr<bool> FileSystem::SaveNamespace(absl::Duration time_window,
                                               uint64_t transaction_gap) {
  hdfs::SaveNamespaceRequestProto request;
  request.set_timewindow(static_cast<uint64_t>(absl::ToInt64Seconds(time_window)));
  request.set_txgap(transaction_gap);
  ASSIGN_OR_RETURN(const auto response,
                   context_->Call<hdfs::SaveNamespaceResponseProto>("saveNamespace", "", request));
  return response.saved();
}

absl::StatusOr<uint64_t> FileSystem::RollEdits() {
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::RollEditsResponseProto>(
                                            "rollEdits", "", hdfs::RollEditsRequestProto()));
  return response.newsegmenttxid();
}

absl::StatusOr<std::string> FileSystem::GetEcPolicy(absl::string_view path) {
  RETURN_IF_ERROR(CheckPath(path));
  hdfs::GetErasureCodingPolicyRequestProto request;
  request.set_src(path.data(), path.size());
  ASSIGN_OR_RETURN(const auto response, context_->Call<hdfs::GetErasureCodingPolicyResponseProto>(
                                            "getErasureCodingPolicy", path, request));
  return response.has_ecpolicy() ? PolicyName(response.ecpolicy()) : std::string();
}

}  // namespace cairn::client
