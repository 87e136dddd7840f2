// client/output_stream_impl.h - see output_stream.h for what is promised.
//
// Cuts the bytes into packets and the packets into blocks; block_writer.h moves them.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/block_writer.h"
#include "client/context.h"
#include "client/excluded_nodes.h"
#include "client/lease_renewer.h"
#include "client/output_stream.h"
#include "client/stream_keeper.h"
#include "common/mutex.h"

namespace cairn::client {

class OutputStream::Impl final : public LeaseHolder, public KeptStream {
 public:
  // A file that create() has made, or append() has opened with `status`.
  Impl(OpenFile file, FileStatus status);
  ~Impl() override;

  // For an append: goes on with `block`, the file's last one, or after it if it is full or
  // `new_block` says so.
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
  absl::Status DoWrite(std::span<const std::byte> data) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status DoFlush(bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status DoClose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status StartBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status EndBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Sends what of packet_ has not been sent yet.
  absl::Status PutPacket(bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  size_t Capacity(uint64_t offset_in_block) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // At the end of a call: what the sockets did not take goes out later.
  absl::Status Leave(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unregister() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Remember(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const OpenFile file_;
  const FileStatus status_;
  BlockWriter::Settings settings_;  // constant once constructed
  size_t packet_bytes_ = 0;         // the same: a multiple of the checksum chunk
  size_t large_packet_bytes_ = 0;   // the same
  std::atomic<bool> aborted_ = false;
  std::atomic<uint64_t> position_ = 0;
  std::atomic<uint64_t> calls_ = 0;  // of the application, begun
  uint64_t calls_seen_ = 0;          // by the last Serve; of its thread alone

  Mutex mu_;
  OutPacketPool pool_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<BlockWriter> writer_ ABSL_GUARDED_BY(mu_);  // null: no block is open
  std::unique_ptr<OutPacket> packet_ ABSL_GUARDED_BY(mu_);    // being filled; may be null
  std::optional<hdfs::ExtendedBlockProto> previous_ ABSL_GUARDED_BY(mu_);
  ExcludedNodes excluded_ ABSL_GUARDED_BY(mu_);
  bool block_persisted_ ABSL_GUARDED_BY(mu_) = false;  // the namenode has journalled this block
  bool syncing_ ABSL_GUARDED_BY(mu_);  // blocks are synced at their end, as always after an Hsync
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t unflushed_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // written since the last flush
  absl::Status error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::client
