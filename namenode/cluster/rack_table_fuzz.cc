// Any bytes are a table or a clear error, and every host has a rack.
#include <cstddef>
#include <cstdint>

#include "common/check.h"
#include "namenode/cluster/rack_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = cairn::namenode::RackTable::Parse(text, "fuzz");
  if (table.ok()) CHECK(table->RackOf(text.substr(0, 4), text).front() == '/');
  return 0;
}
