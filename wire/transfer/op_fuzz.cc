// Any bytes are refused, or give an operation whose parts lie inside them; its message is parsed as
// each kind that a datanode accepts.
#include <google/protobuf/stubs/logging.h>

#include "common/check.h"
#include "proto/hdfs/data_transfer.pb.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"

namespace {

template <typename Message>
void TryAs(absl::string_view body) {
  Message message;
  (void)cairn::ParseMessage(body, &message);  // either will do
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn;                      // NOLINT: one function long
  const google::protobuf::LogSilencer quiet;  // it reports text that is not UTF-8
  const auto op = transfer::TakeOp(std::as_bytes(std::span(data, size)));
  if (!op.ok() || !op->has_value()) return 0;
  CHECK((*op)->consumed <= size);
  TryAs<hdfs::OpWriteBlockProto>((*op)->body);
  TryAs<hdfs::OpReadBlockProto>((*op)->body);
  TryAs<hdfs::OpTransferBlockProto>((*op)->body);
  TryAs<hdfs::OpBlockChecksumProto>((*op)->body);
  TryAs<hdfs::OpBlockGroupChecksumProto>((*op)->body);
  TryAs<hdfs::OpRequestShortCircuitAccessProto>((*op)->body);
  TryAs<hdfs::ReleaseShortCircuitAccessRequestProto>((*op)->body);
  TryAs<hdfs::ShortCircuitShmRequestProto>((*op)->body);
  return 0;
}
