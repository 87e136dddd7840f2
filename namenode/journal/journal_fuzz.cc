// libFuzzer target: bytes as a journal segment. Must not crash, hang, or return views outside.
#include <cstdint>
#include <vector>

#include "common/check.h"
#include "namenode/journal/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cairn::namenode;  // NOLINT
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(data[i]);
  // A fuzzer cannot guess a CRC: give the header a good one, so that what follows is reached too.
  // Odd sizes keep the header as it is.
  if (size >= kJournalBlockBytes && size % 2 == 0) {
    SegmentHeader header{.state = SegmentHeader::State::kLive,
                         .segment_bytes = size,
                         .first = cairn::TxId{1 + static_cast<uint64_t>(data[0])},
                         .epoch = data[1],
                         .created = absl::UnixEpoch(),
                         .cluster_id = "fuzz"};
    EncodeSegmentHeader(header, std::span(bytes).first<kJournalBlockBytes>());
    // Some begin with a valid batch.
    if (size >= 2 * kJournalBlockBytes && data[2] % 2 == 0) {
      const auto batch = std::span(bytes).subspan(kJournalBlockBytes, kJournalBlockBytes);
      PutFrame(header.first, 0, "edit", batch.data());
      SealBatch(batch, kFrameHeaderBytes + 4, header.epoch, data[3]);
    }
  }
  const auto contents = ReadSegment(bytes);
  // What can be salvaged is in order, and all that a sound reading gives.
  if (const auto salvaged = SalvageSegment(bytes); salvaged.ok()) {
    uint64_t last = 0;
    size_t count = 0;
    for (const SegmentRun& run : salvaged->runs) {
      CHECK(!run.edits.empty());
      for (const Edit& edit : run.edits) {
        CHECK(ToInt(edit.txid) > last);
        last = ToInt(edit.txid);
        ++count;
      }
      CHECK_LE(run.end_offset, bytes.size());
    }
    if (contents.ok()) CHECK(count >= contents->edits.size());
  }
  if (!contents.ok()) return 0;
  uint64_t txid = ToInt(contents->header.first);
  for (const Edit& edit : contents->edits) {
    CHECK_EQ(ToInt(edit.txid), txid);
    ++txid;
    const auto* const begin = reinterpret_cast<const char*>(bytes.data());
    CHECK(edit.data.data() >= begin && edit.data.data() + edit.data.size() <= begin + bytes.size());
  }
  CHECK_LE(contents->end_offset, bytes.size());
  return 0;
}
