// datanode/testing/transfer_client.h - a plain client of the data transfer port for tests: blocking
// sockets, one step per call, so that a test can stop anywhere in the middle.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/op.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode::testing {

inline constexpr char kPool[] = "BP-test";

// Bytes that repeat nowhere near.
std::string Pattern(size_t size, uint32_t seed = 1);

struct TestBlock {
  uint64_t id = 1073741825;
  uint64_t stamp = 1001;
  uint64_t length = 0;  // numBytes of the header

  hdfs::ExtendedBlockProto ToProto() const;
};

hdfs::DatanodeInfoProto NodeAt(uint16_t port);
// With nothing but this.
hdfs::TokenProto TokenOf(absl::string_view identifier);
// A WRITE_BLOCK for a new block, whose further nodes listen at `targets`.
hdfs::OpWriteBlockProto WriteOp(const TestBlock& block, const std::vector<uint16_t>& targets = {});

class TransferClient {
 public:
  explicit TransferClient(uint16_t port);  // connects to 127.0.0.1; a failure ends the program
  explicit TransferClient(const std::string& socket_path);  // a UNIX socket
  ~TransferClient();
  TransferClient(const TransferClient&) = delete;
  TransferClient& operator=(const TransferClient&) = delete;

  // False: the connection is gone.
  bool Send(absl::string_view bytes);
  bool SendOp(transfer::Opcode opcode, const google::protobuf::MessageLite& message);
  int fd() const { return fd_; }
  void ShutdownWrite();
  void Close();

  // kUnavailable: the stream ended.
  absl::StatusOr<hdfs::BlockOpResponseProto> ReadReply();
  absl::StatusOr<transfer::PipelineAck> ReadAck();
  absl::StatusOr<std::string> ReadDelimited();  // a message
  // True once the peer has closed; waits for it.
  bool AtEnd();

  // ---- Writing ----
  // Data with right checksums, or with one bit of the last checksum flipped.
  bool SendPacket(int64_t seqno, uint64_t offset, absl::string_view data, bool sync = false,
                  bool flip = false);
  // Right checksums, and then a bit of the data's byte at `damaged` flipped, as on a bad line.
  bool SendDamaged(int64_t seqno, uint64_t offset, absl::string_view data, size_t damaged);
  // Header and checksums of a packet with `data`, and its first `bytes` only.
  bool SendPartOfPacket(uint64_t offset, absl::string_view data, size_t bytes);
  bool SendLast(int64_t seqno, uint64_t offset, bool sync = false);
  // Sends `data` from `offset` on in packets of `packet_bytes`, then the last packet, reading the
  // acknowledgements. The first failure.
  absl::Status WriteRest(uint64_t offset, absl::string_view data, size_t packet_bytes = 65536,
                         int64_t first_seqno = 0);

  // ---- Reading ----
  // A whole READ_BLOCK, checksums verified, trimmed to the range.
  absl::StatusOr<std::string> ReadBlock(const TestBlock& block, uint64_t offset, uint64_t length,
                                        bool checksums = true);

  transfer::DataChecksum checksum;

 private:
  std::string EncodePacket(int64_t seqno, uint64_t offset, absl::string_view data, bool sync,
                           bool flip) const;
  bool ReadFully(void* out, size_t size);

  int fd_ = -1;
};

}  // namespace cairn::datanode::testing
