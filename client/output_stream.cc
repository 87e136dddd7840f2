#include "client/output_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/output_stream_impl.h"
#include "client/replicated_file_writer.h"
#include "client/small_file_writer.h"
#include "client/striped_file_writer.h"
#include "common/status_macros.h"

namespace cairn::client {

OutputStream::Impl::Impl(WrittenFile file, FileStatus status, FileForm form)
    : file_(std::move(file)), status_(std::move(status)), position_(status_.length) {
  if (form.striping == nullptr) {
    writer_ = std::make_unique<ReplicatedFileWriter>(file_, status_, aborted_);
  } else if (form.small_bytes > 0) {
    writer_ = std::make_unique<SmallFileWriter>(file_, status_, std::move(form.striping),
                                                form.small_bytes, aborted_);
  } else {
    writer_ =
        std::make_unique<StripedFileWriter>(file_, status_, std::move(form.striping), aborted_);
  }
}

OutputStream::Impl::~Impl() { Unregister(); }

void OutputStream::Impl::Register() {
  file_.context->leases.Add(*this);
  file_.context->keeper.Add(*this);
}

void OutputStream::Impl::Unregister() {
  file_.context->keeper.Remove(*this);
  file_.context->leases.Remove(*this);
}

absl::Status OutputStream::Impl::CheckUsable() const {
  if (!error_.ok()) return error_;
  if (closed_) return absl::FailedPreconditionError(absl::StrCat(file_.path, ": stream is closed"));
  return absl::OkStatus();
}

absl::Status OutputStream::Impl::Remember(absl::Status status) {
  if (!status.ok() && error_.ok()) {
    error_ = status;
    writer_ = nullptr;
  }
  return status;
}

absl::Status OutputStream::Impl::Leave(absl::Status status) {
  if (writer_->HasUnsent()) file_.context->keeper.Want();
  return Remember(std::move(status));
}

absl::Status OutputStream::Impl::Continue(const hdfs::LocatedBlockProto& block, bool new_block) {
  MutexLock lock(mu_);
  return Remember(writer_->Continue(block, new_block));
}

absl::Status OutputStream::Impl::DoClose() {
  RETURN_IF_ERROR(writer_->EndBlock());
  return Complete(file_, writer_->last_block());
}

absl::Status OutputStream::Impl::Write(std::span<const std::byte> data) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckUsable());
  RETURN_IF_ERROR(Leave(writer_->Write(data)));
  position_.fetch_add(data.size(), std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::Status OutputStream::Impl::Flush(bool sync) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckUsable());
  return Leave(writer_->Flush(sync));
}

absl::Status OutputStream::Impl::CutBlock() {
  calls_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mu_);
  RETURN_IF_ERROR(CheckUsable());
  return Remember(writer_->EndBlock());
}

absl::Status OutputStream::Impl::Close() {
  absl::Status result;
  {
    MutexLock lock(mu_);
    if (closed_) return error_;
    closed_ = true;
    result = error_.ok() ? Remember(DoClose()) : error_;
  }
  Unregister();
  return result;
}

bool OutputStream::Impl::Serve() {
  const uint64_t calls = calls_.load(std::memory_order_relaxed);
  const bool idle = std::exchange(calls_seen_, calls) == calls;
  // A call that is under way moves the bytes itself, and tells the keeper at its end.
  if (!mu_.try_lock()) return false;
  const bool unsent = writer_ != nullptr && writer_->Serve(idle);
  mu_.unlock();
  return unsent;
}

void OutputStream::Impl::Abort(absl::Status why) {
  // First the flag: the writer may be waiting inside a call, with the lock.
  aborted_.store(true, std::memory_order_relaxed);
  MutexLock lock(mu_);
  Remember(std::move(why)).IgnoreError();  // kept, and returned by the writer's next call
}

OutputStream::OutputStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

OutputStream::~OutputStream() = default;

absl::Status OutputStream::Write(std::span<const std::byte> data) { return impl_->Write(data); }
absl::Status OutputStream::Hflush() { return impl_->Flush(/*sync=*/false); }
absl::Status OutputStream::Hsync() { return impl_->Flush(/*sync=*/true); }
absl::Status OutputStream::EndBlock() { return impl_->CutBlock(); }
absl::Status OutputStream::Close() { return impl_->Close(); }
uint64_t OutputStream::position() const { return impl_->position(); }
const std::string& OutputStream::path() const { return impl_->path(); }
const FileStatus& OutputStream::status() const { return impl_->status(); }

}  // namespace cairn::client
