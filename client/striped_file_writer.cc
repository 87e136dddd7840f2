#include "client/striped_file_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/erasure_convert.h"
#include "common/status_macros.h"
#include "erasure/layout.h"

namespace cairn::client {

absl::StatusOr<std::shared_ptr<const Striping>> StripingToWrite(
    const hdfs::ErasureCodingPolicyProto& proto, uint64_t block_bytes, const ClientOptions& options,
    absl::string_view path) {
  ASSIGN_OR_RETURN(const erasure::Policy policy, ToPolicy(proto, path));
  if (policy.cell_bytes % options.bytes_per_checksum != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cells of ", policy.cell_bytes, " bytes of ", policy.name,
                     " are no multiple of ", options.bytes_per_checksum, " bytes per checksum"));
  }
  if (block_bytes < policy.cell_bytes || block_bytes > kMaxLength / policy.schema.data_units) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": block size ", block_bytes,
                                                   " does not go with cells of ", policy.cell_bytes,
                                                   " bytes of ", policy.name));
  }
  return Striping::Create(policy);
}

StripedFileWriter::StripedFileWriter(const WrittenFile& file, const FileStatus& status,
                                     std::shared_ptr<const Striping> striping,
                                     const std::atomic<bool>& aborted)
    : file_(file),
      striping_(std::move(striping)),
      aborted_(aborted),
      settings_({.unit_bytes = status.block_bytes,
                 .window_bytes = file.context->options.write_window_bytes,
                 .checksum = WriteChecksum(file.context->options)}),
      group_bytes_(status.block_bytes / striping_->layout().cell_bytes() *
                   striping_->layout().stripe_bytes()),
      packet_sizes_(file.context->options),
      excluded_(file.context->options.excluded_node_expiry, ExcludedNodes::Failing::kLonger,
                file.context->clock),
      early_ends_(striping_->layout().stripe_bytes(), group_bytes_),
      syncing_(file.context->options.sync_blocks) {}

absl::Status StripedFileWriter::Continue(const hdfs::LocatedBlockProto& group, bool /*new_block*/) {
  previous_ = group.b();
  return absl::OkStatus();
}

absl::Status StripedFileWriter::StartGroup() {
  group_ =
      std::make_unique<BlockGroupWriter>(file_, *striping_, settings_, pool_, excluded_, aborted_);
  return group_->Create(last_block(), *stripe_);
}

absl::Status StripedFileWriter::EndGroup(bool sync) {
  RETURN_IF_ERROR(group_->Finish(sync));
  previous_ = group_->block();
  previous_told_ = false;
  has_gaps_ |= group_->HasGaps();
  if (previous_->numbytes() == group_bytes_ && !group_->has_lost()) early_ends_.GotFullAndWhole();
  group_ = nullptr;
  return absl::OkStatus();
}

bool StripedFileWriter::IsEarlyEndDue() const {
  if (group_ == nullptr) return false;
  return group_->is_closing() ||
         (group_->has_lost() &&
          early_ends_.IsDue(group_->block().numbytes(), group_->CanLoseOne()));
}

absl::Status StripedFileWriter::EndGroupIfDue() {
  if (!IsEarlyEndDue()) return absl::OkStatus();
  early_ends_.EndedEarly();
  RETURN_IF_ERROR(EndGroup(/*sync=*/true));
  // What of the next stripe is there already is the first one of the next group.
  if (stripe_ != nullptr) stripe_->MoveTo(0);
  return absl::OkStatus();
}

bool StripedFileWriter::Serve(bool idle) {
  if (group_ == nullptr) return false;
  group_->Serve(idle);
  // Synced in any case: an Hsync may come that finds it closed.
  if (IsEarlyEndDue()) group_->StartClosing(/*sync=*/true);
  return group_->HasUnsent();
}

void StripedFileWriter::StartStripe() {
  const uint64_t group_bytes = group_ == nullptr ? 0 : group_->block().numbytes();
  stripe_ =
      std::make_unique<Stripe>(*striping_, pool_, group_bytes / striping_->layout().data_units(),
                               packet_sizes_.After(unflushed_bytes_));
}

absl::Status StripedFileWriter::PutStripe() {
  RETURN_IF_ERROR(EndGroupIfDue());
  if (group_ == nullptr) RETURN_IF_ERROR(StartGroup());
  stripe_->Encode();
  RETURN_IF_ERROR(group_->Put(*stripe_));
  stripe_ = nullptr;
  return absl::OkStatus();
}

absl::Status StripedFileWriter::Write(std::span<const std::byte> data) {
  RETURN_IF_ERROR(EndGroupIfDue());
  while (!data.empty()) {
    if (stripe_ == nullptr) StartStripe();
    const size_t taken = stripe_->Append(data);
    data = data.subspan(taken);
    unflushed_bytes_ += taken;
    if (HasUnsent()) group_->Move();
    if (!stripe_->is_full()) continue;
    RETURN_IF_ERROR(PutStripe());
    const bool is_full = group_->block().numbytes() == group_bytes_;
    RETURN_IF_ERROR(is_full ? EndGroup(syncing_) : EndGroupIfDue());
  }
  return absl::OkStatus();
}

absl::Status StripedFileWriter::Flush(bool sync) {
  syncing_ |= sync;
  unflushed_bytes_ = 0;
  RETURN_IF_ERROR(EndBlock());
  if (previous_told_) return absl::OkStatus();
  RETURN_IF_ERROR(Fsync(file_, static_cast<int64_t>(previous_->numbytes())));
  previous_told_ = true;
  return absl::OkStatus();
}

absl::Status StripedFileWriter::EndBlock() {
  if (stripe_ != nullptr) RETURN_IF_ERROR(PutStripe());
  return group_ == nullptr ? absl::OkStatus() : EndGroup(syncing_);
}

}  // namespace cairn::client
