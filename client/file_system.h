// client/file_system.h - a Cairn or Apache HDFS cluster as a file system: libcairn's front door.
//
//   ASSIGN_OR_RETURN(auto fs, FileSystem::Connect("hdfs://namenode:8020"));
//   ASSIGN_OR_RETURN(auto out, fs->Create("/logs/today"));
//   RETURN_IF_ERROR(out->Write("hello\n"));
//   RETURN_IF_ERROR(out->Close());
//
// Paths are absolute ("/a/b"), with no empty, "." or ".." component; client/path.h makes them so.
// A name is UTF-8; the server decides what it accepts.
//
// Errors are absl::Status with an FsError payload (common/fs_error.h) where the server gave one;
// the message names the path. What every call may return besides what is listed beside it:
//   kNotFound            the path, or a parent, is missing
//   kPermissionDenied    the user may not
//   kFailedPrecondition  safe mode, or an ancestor is a file
//   kUnavailable         no namenode could be reached, or it is still starting: try again
//   kDeadlineExceeded    no answer in time: whether a change was made is unknown
//   kUnimplemented       the server does not know the method
// A change is sent again after a broken connection under the same call id, so that the server's
// retry cache answers instead of doing it twice.
//
// Threads: every method may be called from any thread, several at once. Streams hold what they need
// of the FileSystem alive; destroying it before them is allowed. One background thread renews the
// leases of open output streams.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/input_stream.h"
#include "client/name_order.h"
#include "client/options.h"
#include "client/output_stream.h"
#include "client/types.h"

namespace cairn::client {

struct ClientContext;

// How a file is made.
struct CreateOptions {
  bool overwrite = false;      // replace a file (never a directory)
  bool create_parents = true;  // else kNotFound when the parent is missing
  uint32_t replication = 0;    // 0: ClientOptions::replication
  uint64_t block_bytes = 0;    // 0: ClientOptions::block_bytes; a multiple of the checksum chunk
  uint16_t mode = 0666;        // before the umask
  bool lazy_persist = false;
  // Whatever erasure coding policy the directory has: neither of these leaves a small file to
  // ClientOptions::small_file_bytes.
  bool should_replicate = false;
  std::string erasure_policy;  // by name; empty: the directory's
};

struct AppendOptions {
  bool new_block = false;  // leave the last block as it is, however short
};

enum class RenameOption : uint8_t { kNoOverwrite, kOverwrite };

// The entries of one directory in byte order of their names (name_order.h), a page at a time. An
// entry made or removed while the listing runs may or may not be seen. Not thread-safe.
class DirectoryIterator {
 public:
  DirectoryIterator(std::shared_ptr<ClientContext> context, std::string path,
                    absl::string_view start_after);
  DirectoryIterator(DirectoryIterator&&) noexcept;
  DirectoryIterator& operator=(DirectoryIterator&&) noexcept;
  ~DirectoryIterator();

  // The next entry, or nullopt after the last. kNotFound: the directory is missing. For the path of
  // a file, the one entry is that file.
  absl::StatusOr<std::optional<FileStatus>> Next();
  // Whether Next has to ask the server, if there is more, or has the entry already.
  bool is_at_end_of_page() const { return position_ == page_.size(); }
  // The same, and false behind the last entry.
  bool asks_server_next() const { return is_at_end_of_page() && more_; }

 private:
  std::shared_ptr<ClientContext> context_;
  std::string path_;
  std::vector<FileStatus> page_;
  size_t position_ = 0;
  NameOrder order_;  // of the pages' last names
  bool more_ = true;
};

class FileSystem {
 public:
  // `uri` is "hdfs://host[:port]" (port 8020 when absent; a path after it is ignored). Resolves the
  // host and makes no call. kInvalidArgument: not such a URI, or an option out of range.
  static absl::StatusOr<std::unique_ptr<FileSystem>> Connect(absl::string_view uri,
                                                             ClientOptions options = {});
  // Over connections that are made already: for tests, which give fakes.
  static std::unique_ptr<FileSystem> Over(std::shared_ptr<ClientContext> context);
  ~FileSystem();
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;

  const ClientOptions& options() const;
  const std::string& user() const;
  const std::string& authority() const;  // host:port
  std::string HomeDirectory() const;     // /user/NAME

  // ---- Reading ----

  // kNotFound: no such path.
  absl::StatusOr<FileStatus> Stat(absl::string_view path);
  // False for a missing path; an error only when it cannot be told.
  absl::StatusOr<bool> Exists(absl::string_view path);
  // Those after the name `start_after`, which need not be there; empty: all.
  DirectoryIterator List(absl::string_view path, absl::string_view start_after = "");
  // All of List() at once, for directories known to be small enough for memory.
  absl::StatusOr<std::vector<FileStatus>> ListStatus(absl::string_view path);
  // kNotFound: missing, or a directory.
  absl::StatusOr<std::unique_ptr<InputStream>> Open(absl::string_view path);
  // The length that Open would find. Waits only seconds for a datanode that is silent.
  absl::StatusOr<uint64_t> GetLength(absl::string_view path);
  absl::StatusOr<ContentSummary> GetContentSummary(absl::string_view path);
  // The blocks that overlap [offset, offset + length).
  absl::StatusOr<std::vector<BlockLocation>> GetBlockLocations(absl::string_view path,
                                                               uint64_t offset, uint64_t length);
  // Asks one datanode per block; the data does not travel, but to compute what is lost of an
  // erasure-coded file, which the datanodes do. `length` covers a prefix of the file.
  absl::StatusOr<FileChecksum> GetFileChecksum(absl::string_view path, ChecksumCombine combine,
                                               uint64_t length = UINT64_MAX,
                                               LostUnits lost_units = LostUnits::kCompute);
  // Of all streams so far; zeros unless ClientOptions::hedged_read_threads says otherwise.
  HedgedReadMetrics GetHedgedReadMetrics() const;
  absl::StatusOr<bool> IsFileClosed(absl::string_view path);
  // kPermissionDenied unless the user may do all of `rwx` (bits 4, 2, 1).
  absl::Status Access(absl::string_view path, int rwx);

  // ---- Writing ----

  // kAlreadyExists: the name is taken (and overwrite is off, or it is a directory).
  // kFailedPrecondition with kAlreadyBeingCreated: another writer has it open. kInvalidArgument: of
  // an erasure-coded file also a block that has no room for a cell, or a checksum chunk that does
  // not divide one; the file is there then, and empty.
  absl::StatusOr<std::unique_ptr<OutputStream>> Create(absl::string_view path,
                                                       const CreateOptions& options = {});
  // Writes go after the present end. kFailedPrecondition: another writer has it open. If no
  // datanode of the last block can go on with it (kUnavailable, say), the file is closed again.
  // kUnsupported: the file is erasure-coded, on an Apache HDFS, and AppendOptions::new_block is
  // off.
  absl::StatusOr<std::unique_ptr<OutputStream>> Append(absl::string_view path,
                                                       const AppendOptions& options = {});
  // Makes the directory and its missing parents. OK when it is there. kAlreadyExists: it is a file.
  absl::Status Mkdirs(absl::string_view path, uint16_t mode = 0777);
  // The same, with kNotFound when the parent is missing.
  absl::Status Mkdir(absl::string_view path, uint16_t mode = 0777);
  // HDFS's first rename: into `dst` when that is a directory. False: refused, without a reason.
  absl::StatusOr<bool> Rename(absl::string_view src, absl::string_view dst);
  // Exactly to `dst`. kAlreadyExists: taken. With kOverwrite a file, or an empty directory, goes.
  absl::Status Rename2(absl::string_view src, absl::string_view dst, RenameOption option,
                       bool to_trash = false);
  // False: there was nothing. kFailedPrecondition: a non-empty directory and not `recursive`.
  absl::StatusOr<bool> Delete(absl::string_view path, bool recursive);
  // False: the cut inside the last block is under way; IsFileClosed tells when it is done. Until
  // then an erasure-coded file has its old length.
  absl::StatusOr<bool> Truncate(absl::string_view path, uint64_t length);
  // Moves the blocks of `sources` to the end of `target`, in order; the sources cease to exist.
  absl::Status Concat(absl::string_view target, absl::Span<const std::string> sources);
  // Gives the closed file `target`, which is as `expected` says, the blocks of these ids, in this
  // order, in one step; `source`, a closed file in any directory, vanishes in the same. Each block
  // is one of `target`'s or `source`'s; those that are not named are deleted. Blocks of any length
  // may follow one another. An empty `source`: none is needed. After an error nothing has changed,
  // but for kDeadlineExceeded and kUnavailable, when it is not known. kAborted with kChanged:
  // `target` is not what was expected; another client was faster. kFailedPrecondition with
  // kAlreadyBeingCreated, kUnavailable with kRecoveryInProgress: somebody writes it.
  // kInvalidArgument: `source` is open, of a larger block size, or of another erasure-coding
  // policy; blocks are of neither file, or too many. kUnimplemented: an Apache HDFS, which has no
  // such call.
  absl::Status ReplaceBlocks(absl::string_view target, const FileBlocks& expected,
                             absl::string_view source, absl::Span<const uint64_t> blocks);
  // Whether ReplaceBlocks works here. Asks the server until it once has said so.
  absl::StatusOr<bool> CanReplaceBlocks();
  // Whether Create makes files of this erasure-coding policy now: it may be disabled or removed. An
  // Apache HDFS, which has no such call, is taken for one that does not.
  absl::StatusOr<bool> CanMakeFilesOf(absl::string_view erasure_policy);
  // kFailedPrecondition with kAlreadyBeingCreated: the file is being written.
  absl::StatusOr<FileBlocks> GetFileVersion(absl::string_view path);
  // Gives the closed file `target`, which is as `expected` says, all blocks of `source` in one
  // step: a closed file with the same bytes in another form, replicated or erasure-coded. `source`
  // vanishes, and `target` is kept in its form; id, owner, mode and times stay. Errors as of
  // ReplaceBlocks; besides kUnavailable with kNotReplicatedYet: replicas or units of `source` are
  // missing, ask again. kInvalidArgument: its length is another, or its form is not.
  absl::Status ConvertFile(absl::string_view target, const FileBlocks& expected,
                           absl::string_view source);
  // Whether ConvertFile works here: asks the server.
  absl::StatusOr<bool> CanConvertFiles();
  absl::Status SetPermission(absl::string_view path, uint16_t mode);
  // An empty name leaves that part as it is.
  absl::Status SetOwner(absl::string_view path, absl::string_view owner, absl::string_view group);
  // nullopt leaves that time as it is.
  absl::Status SetTimes(absl::string_view path, std::optional<absl::Time> modified,
                        std::optional<absl::Time> accessed);
  // False: a directory, or missing.
  absl::StatusOr<bool> SetReplication(absl::string_view path, uint32_t replication);
  // Takes the file from a writer that is gone. True: closed now; false: under way, ask again.
  absl::StatusOr<bool> RecoverLease(absl::string_view path);

  // ---- Access-control lists ----

  absl::StatusOr<AclStatus> GetAcl(absl::string_view path);
  absl::Status SetAcl(absl::string_view path, absl::Span<const AclEntry> entries);
  absl::Status ModifyAcl(absl::string_view path, absl::Span<const AclEntry> entries);
  absl::Status RemoveAclEntries(absl::string_view path, absl::Span<const AclEntry> entries);
  absl::Status RemoveDefaultAcl(absl::string_view path);
  absl::Status RemoveAcl(absl::string_view path);

  // ---- Extended attributes ----

  // Those that the user may see.
  absl::StatusOr<std::vector<Xattr>> GetXattrs(absl::string_view path);
  // Makes or replaces it, or only the one. kInternal with kIo and Hadoop's words: kNew, and it is
  // there; kExisting, and it is not.
  absl::Status SetXattr(absl::string_view path, const Xattr& xattr,
                        XattrSetting setting = XattrSetting::kAny);
  // That of the same space and name.
  absl::Status RemoveXattr(absl::string_view path, const Xattr& xattr);

  // ---- The cluster ----

  absl::StatusOr<FsStats> GetFsStats();
  absl::StatusOr<ServerDefaults> GetServerDefaults();  // asked once an hour
  absl::StatusOr<std::vector<DatanodeReport>> GetDatanodeReport(DatanodeKind kind);
  absl::StatusOr<BlockStats> GetReplicatedBlockStats();
  absl::StatusOr<BlockStats> GetBlockGroupStats();
  absl::StatusOr<bool> SetSafeMode(SafeModeAction action);  // true: in safe mode now
  // Has the namenode make a checkpoint, unless the last is at most `time_window` old and
  // `transaction_gap` behind and one of these is given. True: one was made.
  absl::StatusOr<bool> SaveNamespace(absl::Duration time_window, uint64_t transaction_gap);
  absl::StatusOr<uint64_t> RollEdits();  // the first txid of the new journal segment
  absl::StatusOr<std::string> GetEcPolicy(absl::string_view path);  // empty: replicated

 private:
  explicit FileSystem(std::shared_ptr<ClientContext> context);
  std::shared_ptr<ClientContext> context_;
};

}  // namespace cairn::client
