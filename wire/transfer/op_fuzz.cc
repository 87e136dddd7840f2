// Any bytes are refused, or give an operation whose parts lie inside them; its message is parsed as
// each kind that a datanode accepts.
#include "common/check.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/transfer/op.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn;  // NOLINT: one function long
  const auto op = transfer::TakeOp(std::as_bytes(std::span(data, size)));
  if (!op.ok() || !op->has_value()) return 0;
  CHECK((*op)->consumed <= size);
  const int length = static_cast<int>((*op)->body.size());
  hdfs::OpWriteBlockProto().ParseFromArray((*op)->body.data(), length);
  hdfs::OpReadBlockProto().ParseFromArray((*op)->body.data(), length);
  hdfs::OpTransferBlockProto().ParseFromArray((*op)->body.data(), length);
  hdfs::OpBlockChecksumProto().ParseFromArray((*op)->body.data(), length);
  return 0;
}
