#include "tools/fsck/mend.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr char kLostFound[] = "/lost+found";
constexpr size_t kBufferBytes = 1 << 20;

absl::Status CopyBlock(client::InputStream& in, const client::BlockReport& block,
                       client::OutputStream& out) {
  std::vector<std::byte> buffer(kBufferBytes);
  for (uint64_t at = 0; at < block.length;) {
    const size_t most = std::min<uint64_t>(buffer.size(), block.length - at);
    const std::span<std::byte> room(buffer.data(), most);
    ASSIGN_OR_RETURN(const size_t got, in.ReadAt(block.offset + at, room));
    if (got == 0) return absl::DataLossError("the file ends before its length");
    RETURN_IF_ERROR(out.Write(std::as_bytes(room.first(got))));
    at += got;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CopyToLostFound(client::FileSystem& fs, const client::FileReport& file,
                             const FileVerdict& verdict) {
  const std::string target = absl::StrCat(kLostFound, file.path);
  ASSIGN_OR_RETURN(const bool exists, fs.Exists(target));
  if (exists) {
    return absl::AlreadyExistsError(absl::StrCat("can't copy the remains of ", file.path,
                                                 " to lost+found, because ", target,
                                                 " already exists."));
  }
  RETURN_IF_ERROR(fs.Mkdirs(target, 0755));
  ASSIGN_OR_RETURN(const auto in, fs.Open(file.path));
  std::unique_ptr<client::OutputStream> out;
  absl::Status first_error;
  int chain = 0;
  const auto end_chain = [&] {
    if (out == nullptr) return;
    first_error.Update(out->Close());
    out = nullptr;
  };
  for (size_t i = 0; i < file.blocks.size(); ++i) {
    if (verdict.blocks[i].missing || verdict.blocks[i].corrupt) {
      end_chain();
      continue;
    }
    if (out == nullptr) {
      ASSIGN_OR_RETURN(out, fs.Create(absl::StrCat(target, "/", chain++)));
    }
    const absl::Status copied = CopyBlock(*in, file.blocks[i], *out);
    if (copied.ok()) continue;
    // What came of the block stays at the end of its run; the next one begins anew.
    first_error.Update(copied);
    end_chain();
  }
  end_chain();
  return first_error;
}

}  // namespace cairn::tools
