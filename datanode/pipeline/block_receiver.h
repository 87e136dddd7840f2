// datanode/pipeline/block_receiver.h - the middle of a write: packets in, to the disk and to the
// next node, acknowledgements back.
//
//   upstream ---packets---> buffer ---packets---> mirror (the next node, if any)
//                             | disk thread: data, CRCs, sync, finalize; one job at a time
//                             v
//   upstream <---acks--- written here, and acknowledged by the mirror
//
// Data are received straight into an aligned buffer of 1 MiB that follows the block's offsets. A
// full buffer goes to the disk while the next one fills. When the socket has no more, what is there
// is written too: at once if the last packet was a small one (somebody waits for it), else after a
// pause of flush_delay (a stream that only stutters is better written in whole buffers). No packet
// is acknowledged before its bytes are in the file, so they survive the process; syncBlock and the
// last packet wait for stable media besides. Several packets share one acknowledging send.
//
// The last node of a pipeline verifies checksums, and every node that is sent a copy; others only
// where they have to compute some anew: when the client's checksum is of another kind than the
// replica's, and when a packet continues a partial chunk. Bytes that have come before and come
// again (hflush's next packet begins with the last chunk) are passed on and not looked at: what was
// acknowledged is never written over. A packet that goes on in the middle of such a chunk must have
// a checksum that goes with the bytes this node has.
//
// Memory: at most two buffers, of a pool that all receivers share, with the checksums of the bytes
// in them. A stream that has been quiet for 100 ms between two packets gives its buffer back once
// the bytes are in the file, and at once if another receiver waits for one; the next packet reads
// them again. While another waits, a peer that is silent in the middle of a packet is cut off after
// stall_limit. Who gets none within buffer_wait fails. The checksums of a packet that has more than
// 16 KiB of them are in a buffer of a second pool, on the same terms; who waits for one has given
// back its buffer for data, and who has one may wait for a buffer for data, so that nobody on a
// node waits in a circle. (Between nodes it may be: who has one here may be waiting for the next
// node, where another has the one of that node and waits for this. buffer_wait ends it.) What a
// receiver has besides is some tens of KiB at most, of bytes that have come and of what is to be
// acknowledged, and nothing of a stream that is quiet.
//
// Time: the mirror's channel fails when the mirror takes no byte, or sends none while it owes an
// acknowledgement, for that channel's limit; with nothing owed it may be silent for ever. The
// failed acknowledgement that goes upstream then names it. Who is upstream may have asked for signs
// of life (wire/transfer/sign_of_life.h): it gets one every sign_period in which this node owes it
// an answer and has none, until nothing has moved here for stuck_limit. Closing the upstream ends
// everything: the mirror is closed with it (Channel::CloseWith).
//
// A datanode that is about to restart says so to the upstream (OOB_RESTART) and acknowledges
// nothing more; the client closes then, and comes back later. Notices of nodes further down are
// passed on.
//
// Who asked for signs also hears how long each node took for each packet: from the time when a
// packet was here until its bytes were in the file, and what the way to the next node took beyond
// what that node says it needed itself.
//
// All coroutines of one receiver run on one thread, that of the upstream's executor; only disk jobs
// run elsewhere.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "boost/asio/steady_timer.hpp"
#include "common/buffer_pool.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/disk_pool.h"
#include "datanode/volume/replica_writer.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode {

inline constexpr size_t kWriteBufferBytes = size_t{1} << 20;
static_assert(kWriteBufferBytes >= transfer::kMaxBytesPerNewChecksum);

class BlockReceiver : public std::enable_shared_from_this<BlockReceiver> {
 public:
  struct Setup {
    DiskPool* disk = nullptr;
    BufferPool* buffers = nullptr;                 // of kWriteBufferBytes
    BufferPool* checksum_buffers = nullptr;        // the same, for checksums of large packets
    std::atomic<int>* buffer_waiters = nullptr;    // receivers that wait for one of `buffers`
    std::atomic<int>* checksum_waiters = nullptr;  // and of checksum_buffers
    std::shared_ptr<Channel> upstream;
    std::shared_ptr<Channel> mirror;        // null: this is the last node; closed with upstream
    std::unique_ptr<ReplicaWriter> writer;  // its stopper aborts upstream
    transfer::DataChecksum client_checksum;
    bool send_acks = true;  // false: a copy from another datanode
    bool finalize = true;   // false: the last packet leaves a replica being written
    absl::Duration flush_delay = absl::Milliseconds(2);
    absl::Duration buffer_wait = absl::Seconds(30);
    absl::Duration stall_limit = absl::Seconds(10);
    absl::Duration sign_period = absl::ZeroDuration();  // zero: nobody asked for signs of life
    bool mirror_gives_signs = false;
    absl::Duration watch_period = absl::Seconds(1);  // to look after the mirror while it is blocked
    absl::Duration stuck_limit = absl::Seconds(60);
  };

  // kInvalidArgument: chunk sizes that this node cannot take, or not translate into each other.
  static absl::Status CheckChecksums(const transfer::DataChecksum& replica,
                                     const transfer::DataChecksum& client);

  // The same for a replica that is about to be created.
  static absl::Status CheckNewChecksums(const transfer::DataChecksum& replica,
                                        const transfer::DataChecksum& client);

  // The checksums have passed CheckChecksums.
  static std::shared_ptr<BlockReceiver> Create(Setup setup);

  // OK: the last packet was dealt with and, with send_acks, acknowledged as good by every node.
  // Otherwise the replica stays with the bytes it got, on disk. On return no job or coroutine of
  // this receiver is left, and the replica is free for the next writer. Without acknowledgements
  // the upstream is left open, for an answer, unless it was what failed.
  awaitable<absl::Status> Run();

  // Tells the upstream that this datanode restarts. Any thread.
  void AnnounceRestart();

  // New bytes of the block that came.
  uint64_t received_bytes() const { return length_ - start_length_; }
  // Packets came whose data do not match their checksums.
  bool bad_checksum() const { return bad_received_; }
  // Memory for what comes from upstream that is of no pool. From the upstream's executor.
  size_t own_bytes() const {
    return fifo_.capacity() + head_.capacity() + scratch_.capacity() + crcs_.capacity();
  }

 private:
  using Steady = std::chrono::steady_clock;
  struct Item {  // a packet that waits for its acknowledgement
    int64_t seqno = 0;
    uint64_t end = 0;  // block length with it
    bool last = false;
    bool bad = false;  // its checksums do not match; nothing comes after it
    Steady::time_point received{};
    Steady::duration writing{};  // until its bytes were in the file
  };
  struct MirrorAck {
    transfer::PipelineAck ack;
    Steady::time_point came;
  };

  // Packets received and not yet acknowledged; a client has some tens in flight.
  static constexpr size_t kMaxItems = 1024;
  // Acknowledgements of the next node that wait for their turn here; more of them are
  // read only while the next node takes nothing, for the signs of life behind them.
  static constexpr size_t kMaxDownstream = 128;

  explicit BlockReceiver(Setup setup);

  // Starts a coroutine that Run waits for. `ended` is called behind it, and if it could not begin;
  // true: an exception ended it.
  void Spawn(awaitable<void> (BlockReceiver::*loop)(), void (BlockReceiver::*ended)(bool),
             const char* what);

  // ---- The buffer (block_receiver.cc) ----
  // The one at buffer_start_, with what the file has of it. kResourceExhausted: none is free.
  awaitable<absl::Status> TakeBuffer();
  awaitable<absl::Status> TakeChecksumBuffer();
  awaitable<absl::Status> WaitForBuffer(BufferPool& pool, std::atomic<int>& waiters,
                                        std::optional<BufferPool::Buffer>* out);
  bool BufferIsIdle() const;
  void ReleaseBuffer();
  void ReleaseIdleBuffer();  // if another receiver waits for one
  // Looks after kQuietBuffer for what a quiet stream need not keep: again and again while there is
  // a buffer, and once after a packet otherwise.
  void WatchMemory();
  void CheckMemory();
  void FreeQuietMemory();

  // ---- Receiving (block_receiver_packets.cc) ----
  awaitable<absl::Status> ReceiveAll();
  awaitable<absl::Status> ReceivePacket();
  // `head` goes on before the data, if it has not gone yet.
  awaitable<absl::Status> ReceiveData(const transfer::PacketHeader& header,
                                      std::span<const std::byte> head,
                                      std::span<const std::byte> checksums);
  // Receives and passes on bytes that the file has already; `head` goes before them.
  awaitable<absl::Status> SkipData(uint64_t count, bool ends_packet,
                                   std::span<const std::byte>* head);
  awaitable<absl::Status> FillFifo(size_t wanted);
  awaitable<absl::Status> ReadInto(std::span<std::byte> out, bool ends_packet);
  awaitable<absl::Status> WaitForBytes(size_t coming);  // as Channel::WaitReadable
  absl::Status CheckPacket(const transfer::PacketHeader& header, uint32_t checksum_bytes) const;
  // Notes what was received as bad, at this offset. kDataLoss.
  absl::Status BadChecksum(uint64_t offset);
  // Compares the partial chunk at the end of what was received into the buffer with its checksum,
  // which the next bytes change.
  absl::Status CheckTail();
  // Notes the checksums of block bytes [offset, end), which are in the buffer: the given ones, or
  // computed from the buffer if there are none.
  void StoreChecksums(uint64_t offset, uint64_t end, std::span<const std::byte> given);
  awaitable<void> Forward(std::span<const std::byte> head, std::span<const std::byte> data);
  awaitable<absl::Status> Enqueue(const transfer::PacketHeader& header);

  // ---- Writing (block_receiver.cc) ----
  bool dirty() const { return length_ > disk_end_ || sync_wanted_ || finalize_wanted_; }
  void StartFlush(bool rotate);  // without memory for it: write_error_ is set
  void GiveToDisk(bool rotate);
  awaitable<void> Rotate();  // gives a full buffer to the disk
  void FlushTail();          // now, or when the running job ends
  void OnFlushed(absl::Status status, uint64_t end, uint64_t items);
  void SetWritten(uint64_t items);
  awaitable<void> WaitForDisk();

  // ---- Acknowledging (block_receiver_acks.cc) ----
  awaitable<void> AckLoop();
  awaitable<void> MirrorAckLoop();
  void EndAckLoop(bool thrown);
  void EndMirrorAckLoop(bool thrown);
  bool FrontIsReady() const;
  transfer::PipelineAck MakeAck(const Item& item);
  void AddTimes(const Item& item, const MirrorAck* mirrored, transfer::PipelineAck& ack) const;
  // What goes upstream out of turn: notices of restarts, signs of life. Empty: nothing.
  std::string OutOfTurn();
  awaitable<void> WaitForClient();  // to leave, after our notice
  void MeasureBlocking(Steady::time_point from, Steady::time_point to);

  // ---- Signs of life (block_receiver_acks.cc) ----
  bool OwesAnswer() const { return in_packet_ || !items_.empty(); }
  bool IsStuck() const;
  void Watch();  // looks every watch period, while an answer is owed

  DiskPool& disk_;
  BufferPool& buffers_;
  BufferPool& checksum_buffers_;
  std::atomic<int>& buffer_waiters_;
  std::atomic<int>& checksum_waiters_;
  const std::shared_ptr<Channel> upstream_;
  const std::shared_ptr<Channel> mirror_;
  std::unique_ptr<ReplicaWriter> writer_;
  const transfer::DataChecksum client_checksum_;
  const transfer::DataChecksum checksum_;  // the replica's
  const bool translate_;                   // client_checksum_ is another one
  const bool send_acks_;
  const bool finalize_;
  const absl::Duration flush_delay_;
  const absl::Duration buffer_wait_;
  const absl::Duration stall_limit_;
  const bool gives_signs_;
  const bool mirror_gives_signs_;
  const absl::Duration watch_period_;
  const absl::Duration stuck_limit_;
  const uint64_t span_;  // block bytes per buffer: whole chunks

  // Bytes read from upstream beyond the data asked for: headers and checksums.
  std::vector<std::byte> fifo_;
  size_t fifo_begin_ = 0;
  size_t fifo_end_ = 0;
  size_t usual_head_bytes_ = 0;  // of the last packet: what to read ahead

  std::optional<BufferPool::Buffer> buffer_;
  uint64_t buffer_start_ = 0;    // block offset of buffer_[0]
  std::vector<std::byte> crcs_;  // of the chunks in buffer_; none without one
  std::vector<std::byte> head_;  // header and checksums of the packet being received
  std::optional<BufferPool::Buffer> checksum_buffer_;  // these, of a large packet
  std::vector<std::byte> scratch_;  // for bytes that are received only to be passed on
  const uint64_t start_length_;     // bytes there were
  uint64_t length_ = 0;             // bytes there are, here or on disk
  uint64_t disk_end_ = 0;           // bytes in the file

  bool in_packet_ = false;  // between a packet's first byte and its place in items_
  bool in_data_ = false;    // between a packet's header and its last byte
  bool waiting_ = false;    // for bytes from upstream, since
  Steady::time_point waiting_since_;
  bool forwarding_ = false;           // a write to the mirror is under way
  Steady::time_point blocked_since_;  // of what is being measured
  Steady::duration blocked_{};        // since then, in writes to the mirror
  uint32_t blocked_permille_ = 0;     // of the last span

  bool flush_running_ = false;
  Steady::time_point flush_began_;
  bool flush_again_ = false;
  bool sync_wanted_ = false;
  bool finalize_wanted_ = false;
  bool last_was_small_ = false;
  absl::Status write_error_;

  std::deque<Item> items_;
  uint64_t items_enqueued_ = 0;
  uint64_t items_written_ = 0;
  uint64_t items_acked_ = 0;
  Steady::time_point last_acked_;  // or since when there is something to acknowledge
  std::deque<MirrorAck> downstream_;
  uint64_t mirror_acks_ = 0;    // that came from the mirror
  absl::Status mirror_error_;   // it will acknowledge nothing more
  absl::Status forward_error_;  // it takes no more bytes, but may have said why: read on
  bool last_received_ = false;
  bool bad_received_ = false;
  bool receiving_ended_ = false;
  bool all_acked_ = false;
  bool sign_wanted_ = false;
  bool restart_wanted_ = false;  // to be announced
  bool restart_told_ = false;
  std::optional<transfer::PipelineAck> notice_;  // of a node further down
  int loops_running_ = 0;

  Signal disk_signal_;
  Signal ack_signal_;
  Signal mirror_signal_;  // the mirror owes an acknowledgement, or was closed
  Signal end_signal_;
  boost::asio::steady_timer flush_timer_;
  bool flush_timer_armed_ = false;
  boost::asio::steady_timer buffer_timer_;
  bool buffer_timer_armed_ = false;
  boost::asio::steady_timer watch_timer_;
  bool watch_timer_armed_ = false;
};

}  // namespace cairn::datanode
