#include "datanode/pipeline/block_sender.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "common/status_macros.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode {
namespace {

using transfer::DataChecksum;

// As HDFS sends with io.file.buffer.size = 131072, which most clusters set.
constexpr uint64_t kReadPacketBytes = uint64_t{128} << 10;
constexpr uint64_t kWindowBytes = uint64_t{1} << 20;  // fetched and checked for at a time
constexpr uint64_t kAheadBytes = uint64_t{8} << 20;
constexpr uint64_t kTouchStep = uint64_t{128} << 10;
constexpr int kTailTries = 100;  // of a writer that writes faster than it is read
// A paced sender waits in steps, to hear when it is to end; less is made up for by the next wait.
constexpr absl::Duration kLongestWait = absl::Milliseconds(200);
constexpr absl::Duration kShortestWait = absl::Milliseconds(2);

// Whether the page cache has this byte. A file system that cannot tell is asked no more.
bool IsCached(int fd, uint64_t offset) {
  char byte;
  const iovec area{.iov_base = &byte, .iov_len = 1};
  const ssize_t count = ::preadv2(fd, &area, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return count == 1 || (count < 0 && errno != EAGAIN);
}

// Fills `out` from the page cache; false: not all of it is there, or the file system cannot tell.
bool ReadCached(int fd, uint64_t offset, std::span<std::byte> out) {
  const iovec area{.iov_base = out.data(), .iov_len = out.size()};
  const ssize_t count = ::preadv2(fd, &area, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return count == static_cast<ssize_t>(out.size());
}

// Waits until the bytes are in the page cache; the device is given more to read meanwhile.
void Touch(int fd, uint64_t offset, uint64_t end, uint64_t ahead_from, uint64_t ahead_end) {
  if (ahead_end > ahead_from) {
    (void)::readahead(fd, static_cast<off_t>(ahead_from), ahead_end - ahead_from);
  }
  char byte;
  for (uint64_t at = offset; at < end; at += kTouchStep) {
    (void)::pread(fd, &byte, 1, static_cast<off_t>(at));  // an error comes again with sendfile
  }
  (void)::pread(fd, &byte, 1, static_cast<off_t>(end - 1));
}

}  // namespace

BlockSender::BlockSender(DiskPool& disk, ReplicaReader reader, uint64_t offset, uint64_t end,
                         bool checksums)
    : disk_(disk),
      reader_(std::move(reader)),
      checksum_(checksums ? reader_.checksum
                          : DataChecksum(transfer::ChecksumType::kNull,
                                         transfer::kDefaultBytesPerChecksum)),
      begin_(checksum_.RoundDown(offset)),
      end_(std::min(checksum_.RoundUp(end), std::max(reader_.visible(), end))),
      packet_bytes_(std::max<uint64_t>(
          kReadPacketBytes / checksum_.bytes_per_checksum() * checksum_.bytes_per_checksum(),
          checksum_.bytes_per_checksum())) {}

awaitable<absl::Status> BlockSender::Fetch(uint64_t offset, uint64_t end) {
  const int fd = reader_.data->fd();
  if (IsCached(fd, offset) && IsCached(fd, end - 1)) co_return absl::OkStatus();
  const uint64_t ahead_from = std::max(ahead_, offset);
  // In large steps: many small requests would cost more than they bring.
  const uint64_t wanted = std::min(offset + kAheadBytes, end_);
  const bool ask =
      wanted > ahead_from && (wanted == end_ || wanted - ahead_from >= kAheadBytes / 2);
  if (ask) ahead_ = wanted;
  co_return co_await OnDisk(disk_, [=, ahead_end = ask ? wanted : ahead_from] {
    Touch(fd, offset, end, ahead_from, ahead_end);
    return absl::OkStatus();
  });
}

absl::StatusOr<uint32_t> BlockSender::OpenTailCrc() {
  const auto received = [this] { return std::max(reader_.open->received(), end_); };
  const auto compute = [&](uint64_t have) {
    return VerifiedTailCrc(*reader_.data, *reader_.meta, checksum_, end_, have,
                           /*interrupted=*/true);
  };
  uint64_t before = received();  // the last attempt but one began
  auto crc = compute(before);
  // Data and checksum may be of before and after a write. One that ended between two attempts has
  // raised what is received.
  for (int i = 0; absl::IsDataLoss(crc.status()) && i < kTailTries; ++i) {
    const uint64_t again = received();
    crc = compute(again);
    if (received() == before) break;
    before = again;
  }
  RETURN_IF_ERROR(crc.status());
  return **crc;
}

awaitable<absl::StatusOr<uint32_t>> BlockSender::TailCrc() {
  if (reader_.open != nullptr) co_return co_await OnDisk(disk_, [this] { return OpenTailCrc(); });
  if (reader_.tail_crc.has_value() && end_ == reader_.info.length) co_return *reader_.tail_crc;
  co_return absl::DataLossError("there is no checksum of the last chunk");
}

awaitable<absl::Status> BlockSender::ReadWindowChecksums(uint64_t offset, uint64_t end) {
  crcs_.clear();
  if (checksum_.checksum_size() == 0) co_return absl::OkStatus();
  const uint64_t full_end = checksum_.RoundDown(end);
  if (full_end > offset) {
    crcs_.resize(static_cast<size_t>(checksum_.ChecksumBytes(full_end - offset)));
    if (!ReadCached(reader_.meta->fd(), transfer::MetaOffset(checksum_, offset), crcs_)) {
      CO_RETURN_IF_ERROR(co_await OnDisk(disk_, [this, offset, full_end]() -> absl::Status {
        ASSIGN_OR_RETURN(crcs_, ReadChecksums(*reader_.meta, checksum_, offset, full_end));
        return absl::OkStatus();
      }));
    }
  }
  if (full_end < end) {
    const absl::StatusOr<uint32_t> crc = co_await TailCrc();
    CO_RETURN_IF_ERROR(crc.status());
    crcs_.resize(crcs_.size() + 4);
    transfer::StoreBig32(*crc, &crcs_[crcs_.size() - 4]);
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> BlockSender::WaitForTurn(uint64_t bytes) {
  absl::StatusOr<absl::Duration> wait = pace_(bytes);
  absl::Duration left = wait.value_or(absl::ZeroDuration());
  while (wait.ok() && left >= kShortestWait) {
    const absl::Duration step = std::min(left, kLongestWait);
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                    absl::ToChronoNanoseconds(step));
    boost::system::error_code ignored;  // nobody cancels it
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    left -= step;
    wait = pace_(0);
  }
  co_return wait.status();
}

awaitable<absl::Status> BlockSender::Send(Channel& channel) {
  const int fd = reader_.data->fd();
  if (fd < 0) co_return absl::UnimplementedError("this file system has no descriptors");
  const uint64_t window = std::max(kWindowBytes / packet_bytes_, uint64_t{1}) * packet_bytes_;
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> head;
  int64_t seqno = 0;
  for (uint64_t start = begin_; start < end_; start += window) {
    const uint64_t window_end = std::min(start + window, end_);
    CO_RETURN_IF_ERROR(co_await Fetch(start, window_end));
    CO_RETURN_IF_ERROR(co_await ReadWindowChecksums(start, window_end));
    size_t crc_position = 0;
    for (uint64_t offset = start; offset < window_end; offset += packet_bytes_) {
      const auto data_bytes =
          static_cast<uint32_t>(std::min<uint64_t>(packet_bytes_, window_end - offset));
      const auto crc_bytes = static_cast<uint32_t>(checksum_.ChecksumBytes(data_bytes));
      const size_t head_bytes =
          transfer::EncodePacketHeader({.offset_in_block = static_cast<int64_t>(offset),
                                        .seqno = seqno++,
                                        .data_bytes = data_bytes},
                                       crc_bytes, head);
      const iovec areas[] = {{.iov_base = head.data(), .iov_len = head_bytes},
                             {.iov_base = crcs_.data() + crc_position, .iov_len = crc_bytes}};
      crc_position += crc_bytes;
      if (pace_) CO_RETURN_IF_ERROR(co_await WaitForTurn(data_bytes));
      CO_RETURN_IF_ERROR(co_await channel.Write(areas, /*more=*/true));
      CO_RETURN_IF_ERROR(co_await channel.SendFile(fd, offset, data_bytes));
    }
  }
  const size_t last_bytes = transfer::EncodePacketHeader(
      {.offset_in_block = static_cast<int64_t>(end_), .seqno = seqno, .last_in_block = true}, 0,
      head);
  co_return co_await channel.WriteBytes(std::span(head).first(last_bytes));
}

}  // namespace cairn::datanode
