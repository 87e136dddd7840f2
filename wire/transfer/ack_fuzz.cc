// Any bytes are refused or read without a crash; what is read survives a second trip.
#include "common/check.h"
#include "wire/transfer/ack.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::transfer;  // NOLINT: one function long
  const auto taken = TakeAck(std::as_bytes(std::span(data, size)));
  if (!taken.ok() || !taken->has_value()) return 0;
  CHECK((*taken)->consumed <= size);
  std::string again;
  AppendAck((*taken)->ack, again);
  const auto second = TakeAck(std::as_bytes(std::span(again.data(), again.size())));
  CHECK(second.ok() && second->has_value());
  CHECK((*second)->ack.seqno == (*taken)->ack.seqno);
  CHECK((*second)->ack.statuses == (*taken)->ack.statuses);
  return 0;
}
