#include "client/small_file_writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/context.h"
#include "client/convert.h"
#include "client/copy_name.h"
#include "client/input_stream_impl.h"
#include "client/replicated_file_writer.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/client.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

// Reports of the copy's units are on their way when it is closed.
constexpr absl::Duration kUnitPatience = absl::Seconds(30);
constexpr absl::Duration kUnitPause = absl::Milliseconds(100);
constexpr size_t kReadBytes = 256 << 10;

std::string PathById(uint64_t inode) { return absl::StrCat("/.reserved/.inodes/", inode); }

// Whether the call may have taken effect all the same.
bool MayHaveBeenDone(const absl::Status& status) {
  return absl::IsDeadlineExceeded(status) ||
         (absl::IsUnavailable(status) && GetFsError(status) == FsError::kNone);
}

// What was read unchecked is not to be written anew, with checksums that say it is right, in place
// of replicas of which another one may be right.
bool ReadsAreChecked(const ClientOptions& options) {
  return options.verify_checksums && (options.verify_local || !options.short_circuit);
}

}  // namespace

// A file of the policy, to be emptied into the small one; removed, unless that was done.
class SmallFileWriter::Copy {
 public:
  // Beside the file, wherever that is by now.
  static absl::StatusOr<std::unique_ptr<Copy>> Make(const WrittenFile& file,
                                                    const FileStatus& status) {
    ClientContext& context = *file.context;
    const std::string path =
        absl::StrCat(PathById(file.inode), "/../", ToName(CopyNameOf(file.inode)));
    hdfs::CreateRequestProto request;
    request.set_src(path);
    request.mutable_masked()->set_perm(0600);
    request.set_clientname(context.client_name);
    request.set_createflag(hdfs::CREATE_FLAG_CREATE);
    request.set_createparent(false);
    request.set_replication(status.replication);
    request.set_blocksize(status.block_bytes);
    request.set_ecpolicyname(status.small_of);
    ASSIGN_OR_RETURN(const auto response,
                     context.Call<hdfs::CreateResponseProto>("create", path, request));
    ASSIGN_OR_RETURN(FileStatus made, ToFileStatus(response.fs(), path));
    std::unique_ptr<Copy> copy(
        new Copy({.context = file.context, .path = PathById(made.inode), .inode = made.inode}));
    if (made.inode == 0 || made.ec_policy != status.small_of ||
        made.block_bytes != status.block_bytes) {
      return BadAnswer(path, "another file than was to be made");
    }
    copy->status_ = std::move(made);
    return copy;
  }
  ~Copy() {
    if (taken_) return;
    hdfs::DeleteRequestProto request;
    request.set_src(file_.path);
    request.set_recursive(false);
    file_.context->Call<hdfs::DeleteResponseProto>("delete", file_.path, request)
        .status()
        .IgnoreError();  // `cairn ec -convert` finds it
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  const WrittenFile& file() const { return file_; }
  const FileStatus& status() const { return status_; }
  void NoteTaken() { taken_ = true; }

 private:
  explicit Copy(WrittenFile file) : file_(std::move(file)) {}

  const WrittenFile file_;
  FileStatus status_;
  bool taken_ = false;
};

SmallFileWriter::SmallFileWriter(const WrittenFile& file, const FileStatus& status,
                                 std::shared_ptr<const Striping> striping, uint64_t most_bytes,
                                 const std::atomic<bool>& aborted)
    : file_(file),
      status_(status),
      striping_(std::move(striping)),
      most_bytes_(most_bytes),
      aborted_(aborted) {
  // There are blocks, whether or not there is one to go on with.
  if (status_.length > 0) writer_ = NewReplicated();
}

std::unique_ptr<FileWriter> SmallFileWriter::NewReplicated() const {
  return std::make_unique<ReplicatedFileWriter>(file_, status_, aborted_);
}

std::unique_ptr<FileWriter> SmallFileWriter::NewStriped() const {
  return std::make_unique<StripedFileWriter>(file_, status_, striping_, aborted_);
}

absl::Status SmallFileWriter::Continue(const hdfs::LocatedBlockProto& block, bool new_block) {
  if (writer_ == nullptr) writer_ = NewReplicated();
  return writer_->Continue(block, new_block);
}

// Of the writer nothing has been asked yet: a flush only tells it to sync what will come.
absl::Status SmallFileWriter::Use(std::unique_ptr<FileWriter> writer) {
  writer_ = std::move(writer);
  return syncing_ ? writer_->Flush(/*sync=*/true) : absl::OkStatus();
}

absl::Status SmallFileWriter::StartBlocks() {
  if (writer_ != nullptr || bytes_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Use(NewReplicated()));
  return writer_->Write(bytes_);
}

absl::Status SmallFileWriter::Write(std::span<const std::byte> data) {
  if (undecided_ && data.size() <= most_bytes_ - status_.length - bytes_.size()) {
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    return writer_ == nullptr ? absl::OkStatus() : writer_->Write(data);
  }
  if (undecided_) RETURN_IF_ERROR(Grow());
  return writer_->Write(data);
}

absl::Status SmallFileWriter::Flush(bool sync) {
  syncing_ |= sync;
  RETURN_IF_ERROR(StartBlocks());
  return writer_ == nullptr ? absl::OkStatus() : writer_->Flush(sync);
}

absl::Status SmallFileWriter::EndBlock() {
  RETURN_IF_ERROR(StartBlocks());
  return writer_ == nullptr ? absl::OkStatus() : writer_->EndBlock();
}

absl::Status SmallFileWriter::Grow() {
  const absl::Status grown = writer_ == nullptr ? GrowFromNothing() : GrowFromBlocks();
  undecided_ = false;
  std::vector<std::byte>().swap(bytes_);  // to assign {} would keep the memory
  return grown;
}

absl::Status SmallFileWriter::GrowFromNothing() {
  ASSIGN_OR_RETURN(const bool coded, CodeFile(nullptr));
  RETURN_IF_ERROR(Use(coded ? NewStriped() : NewReplicated()));
  return writer_->Write(bytes_);
}

absl::Status SmallFileWriter::GrowFromBlocks() {
  RETURN_IF_ERROR(writer_->EndBlock());
  if (status_.length > 0 && !ReadsAreChecked(file_.context->options)) {
    return absl::OkStatus();  // it stays replicated
  }
  const auto copy = Copy::Make(file_, status_);
  if (!copy.ok()) return absl::OkStatus();  // likewise
  StripedFileWriter out((*copy)->file(), (*copy)->status(), striping_, aborted_);
  absl::Status copied = CopyBytes(out);
  if (copied.ok()) copied = Complete((*copy)->file(), out.last_block());
  if (!copied.ok()) return absl::OkStatus();  // likewise
  ASSIGN_OR_RETURN(const bool coded, CodeFile(copy->get()));
  if (!coded) return absl::OkStatus();
  (*copy)->NoteTaken();
  // Of groups that are committed already the next one's call need not tell, as after an append.
  return Use(NewStriped());
}

absl::Status SmallFileWriter::CopyBytes(StripedFileWriter& out) {
  // Before there is anything to flush: its units are synced as they end. Bytes that somebody has
  // synced are in them, if not by this stream then by one before it, and their blocks will go.
  RETURN_IF_ERROR(out.Flush(/*sync=*/true));
  if (status_.length > 0) {
    ASSIGN_OR_RETURN(const auto in, InputStream::Impl::Open(file_.context, PathById(file_.inode)));
    std::vector<std::byte> piece(std::min<uint64_t>(kReadBytes, status_.length));
    for (uint64_t at = 0; at < status_.length;) {
      const auto wanted =
          std::span(piece).first(std::min<uint64_t>(piece.size(), status_.length - at));
      ASSIGN_OR_RETURN(const size_t got, in->ReadAt(at, wanted));
      if (got == 0) return absl::InternalError(absl::StrCat(file_.path, ": ends before its end"));
      RETURN_IF_ERROR(out.Write(wanted.first(got)));
      at += got;
    }
  }
  RETURN_IF_ERROR(out.Write(bytes_));
  RETURN_IF_ERROR(out.EndBlock());
  if (!out.has_gaps()) return absl::OkStatus();
  // It is not taken without all its units, and to wait for a repair would hold up the writer.
  return absl::UnavailableError(absl::StrCat(file_.path, ": too few datanodes for the copy"));
}

absl::StatusOr<bool> SmallFileWriter::CodeFile(const Copy* copy) {
  ClientContext& context = *file_.context;
  if (context.cairn == nullptr) return false;
  const absl::Status status = AskToCode(copy);
  if (status.ok()) return true;
  if (MayHaveBeenDone(status))
    return ClientContext::NamingPath(status, "codeSmallFile", file_.path);
  // Or it was done, the answer was lost, and the namenode has forgotten that it gave one.
  hdfs::GetFileInfoRequestProto request;
  request.set_src(PathById(file_.inode));
  ASSIGN_OR_RETURN(const auto response, context.Call<hdfs::GetFileInfoResponseProto>(
                                            "getFileInfo", file_.path, request));
  return response.fs().has_ecpolicy();
}

absl::Status SmallFileWriter::AskToCode(const Copy* copy) {
  ClientContext& context = *file_.context;
  client_calls::CodeSmallFileRequest request;
  request.set_path(file_.path);
  request.set_inode(file_.inode);
  request.set_client_name(context.client_name);
  if (copy != nullptr) {
    request.set_source(copy->file().path);
    if (const hdfs::ExtendedBlockProto* const last = writer_->last_block()) {
      client_calls::BlockVersion& named = *request.mutable_last();
      named.set_id(last->blockid());
      named.set_generation_stamp(last->generationstamp());
      named.set_length(last->numbytes());
    }
  }
  const absl::Duration deadline = context.clock.Monotonic() + kUnitPatience;
  while (true) {
    client_calls::CodeSmallFileResponse response;
    const absl::Status status = context.cairn->Call("codeSmallFile", request, response);
    if (GetFsError(status) != FsError::kNotReplicatedYet || context.clock.Monotonic() >= deadline ||
        aborted_.load(std::memory_order_relaxed)) {
      return status;
    }
    absl::SleepFor(kUnitPause);
  }
}

}  // namespace cairn::client
