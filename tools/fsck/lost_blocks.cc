#include "tools/fsck/lost_blocks.h"

#include "absl/strings/str_cat.h"
#include "tools/command.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {

void PrintLostBlocks(const LostBlocks& lost, std::ostream& out) {
  const std::string below = absl::StrCat(" under path '", Escaped(lost.path), "' ");
  if (!lost.blocks.empty()) out << "The list of corrupt blocks" << below << "are:\n";
  for (const client::LostBlock& block : lost.blocks) {
    out << "blk_" << static_cast<int64_t>(block.id) << "\t" << Escaped(block.path) << "\n";
  }
  if (lost.more.empty()) {
    out << "The filesystem" << below << "has " << lost.blocks.size() << " CORRUPT blocks\n";
  } else {
    out << "There may be more CORRUPT blocks" << below << "than these " << lost.blocks.size()
        << ": " << Escaped(lost.more) << "\n";
  }
}

void WriteLostBlocks(const LostBlocks& lost, JsonWriter& json) {
  json.BeginObject();
  json.Field("path", lost.path);
  json.Field("complete", lost.more.empty());
  if (!lost.more.empty()) json.Field("incomplete_because", lost.more);
  json.Key("corrupt_blocks");
  json.BeginArray();
  for (const client::LostBlock& block : lost.blocks) {
    json.BeginObject();
    json.Field("block", absl::StrCat("blk_", static_cast<int64_t>(block.id)));
    json.Field("path", block.path);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

int LostBlocksExitCode(const LostBlocks& lost) {
  return lost.blocks.empty() && lost.more.empty() ? kExitOk : kExitHadoopFailed;
}

}  // namespace cairn::tools
