#include "tools/dfs/inflate.h"

#include <isa-l/igzip_lib.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr size_t kInputBytes = 64 << 10;
constexpr size_t kOutputBytes = 256 << 10;

void Restart(inflate_state& state, Packing packing) {
  isal_inflate_reset(&state);
  state.crc_flag = packing == Packing::kGzip ? ISAL_GZIP : ISAL_ZLIB;
}

}  // namespace

absl::Status Inflate(Packing packing,
                     const std::function<absl::StatusOr<size_t>(std::span<std::byte>)>& read,
                     const std::function<absl::Status(std::span<const std::byte>)>& write) {
  const auto state = std::make_unique<inflate_state>();
  std::vector<std::byte> input(kInputBytes);
  std::vector<std::byte> output(kOutputBytes);
  isal_inflate_init(state.get());
  Restart(*state, packing);
  bool in_member = false;
  while (true) {
    if (state->avail_in == 0) {
      ASSIGN_OR_RETURN(const size_t bytes, read(input));
      if (bytes == 0) {
        return in_member ? absl::DataLossError("Unexpected end of input stream") : absl::OkStatus();
      }
      state->next_in = reinterpret_cast<uint8_t*>(input.data());
      state->avail_in = static_cast<uint32_t>(bytes);
    }
    in_member = true;
    do {
      state->next_out = reinterpret_cast<uint8_t*>(output.data());
      state->avail_out = static_cast<uint32_t>(output.size());
      const int result = isal_inflate(state.get());
      if (result != ISAL_DECOMP_OK) {
        return absl::DataLossError(absl::StrCat("damaged compressed data (", result, ")"));
      }
      RETURN_IF_ERROR(
          write(std::span<const std::byte>(output).first(output.size() - state->avail_out)));
    } while (state->avail_out == 0 && state->block_state != ISAL_BLOCK_FINISH);
    if (state->block_state == ISAL_BLOCK_FINISH) {
      // Another member may follow; what is left of the input belongs to it.
      uint8_t* const next = state->next_in;
      const uint32_t left = state->avail_in;
      Restart(*state, packing);
      state->next_in = next;
      state->avail_in = left;
      in_member = false;
    }
  }
}

}  // namespace cairn::tools
