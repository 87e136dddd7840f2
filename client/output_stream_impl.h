// client/output_stream_impl.h - see output_stream.h for what is promised.
//
// Serializes the calls, keeps the first error, and has the lease; file_writer.h moves the bytes.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "client/context.h"
#include "client/file_writer.h"
#include "client/lease_renewer.h"
#include "client/output_stream.h"
#include "client/pipeline.h"
#include "client/stream_keeper.h"
#include "client/striping.h"
#include "common/mutex.h"

namespace cairn::client {

// How a file is to be written.
struct FileForm {
  std::shared_ptr<const Striping> striping;  // null: with replicas
  // Up to so many bytes with replicas all the same (small_file_writer.h); 0: it is coded already.
  uint64_t small_bytes = 0;
};

class OutputStream::Impl final : public LeaseHolder, public KeptStream {
 public:
  // A file that create() has made, or append() has opened with `status`.
  Impl(WrittenFile file, FileStatus status, FileForm form);
  ~Impl() override;

  // For an append: see FileWriter::Continue.
  absl::Status Continue(const hdfs::LocatedBlockProto& block, bool new_block)
      ABSL_LOCKS_EXCLUDED(mu_);

  absl::Status Write(std::span<const std::byte> data) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Flush(bool sync) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CutBlock() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Close() ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t position() const { return position_.load(std::memory_order_relaxed); }
  const std::string& path() const { return file_.path; }
  const FileStatus& status() const { return status_; }

  // Has the background threads look after the stream, from now until it is closed or destroyed.
  void Register();
  bool Serve() override ABSL_LOCKS_EXCLUDED(mu_);
  void Abort(absl::Status why) override;

 private:
  // kFailedPrecondition: it is closed.
  absl::Status CheckUsable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status DoClose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // At the end of a call: what the sockets did not take goes out later.
  absl::Status Leave(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unregister() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Remember(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const WrittenFile file_;
  const FileStatus status_;
  std::atomic<bool> aborted_ = false;
  std::atomic<uint64_t> position_ = 0;
  std::atomic<uint64_t> calls_ = 0;  // of the application, begun
  uint64_t calls_seen_ = 0;          // by the last Serve; of its thread alone

  Mutex mu_;
  std::unique_ptr<FileWriter> writer_ ABSL_GUARDED_BY(mu_);  // null after an error
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
