#include "tests/load/reader.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace cairn::load {
namespace {

constexpr size_t kMaxReadBytes = 256 << 10;
constexpr absl::Duration kNothingToRead = absl::Milliseconds(20);

}  // namespace

void Reader::Step() {
  const std::optional<Board::Posted> file = board_.Pick(random_());
  if (!file) return absl::SleepFor(kNothingToRead);
  const std::string trouble = Read(*file);
  // Renamed, rewritten or deleted meanwhile: what is there now is another matter.
  if (trouble.empty() || !board_.Find(file->path)) return;
  wrong_answers_.push_back(absl::StrCat("read ", file->path, ": ", trouble));
}

std::string Reader::Read(const Board::Posted& file) {
  const absl::StatusOr<std::unique_ptr<client::InputStream>> in = fs_.Open(file.path);
  if (!in.ok()) {
    ++failed_;
    return absl::IsNotFound(in.status()) ? in.status().ToString() : "";
  }
  const uint64_t length = (*in)->length();
  if (length < file.least_bytes) {
    return absl::StrCat("length ", length, ", acknowledged ", file.least_bytes);
  }
  uint64_t offset = 0;
  uint64_t end = length;
  if (length > 0 && random_() % 2 == 0) {
    offset = random_() % length;
    end = std::min(length, offset + random_() % kMaxReadBytes);
  }
  std::string trouble = Compare(**in, file, offset, end);
  if (trouble.empty()) ++files_;
  return trouble;
}

std::string Reader::Compare(client::InputStream& in, const Board::Posted& file, uint64_t offset,
                            uint64_t end) {
  std::vector<std::byte> buffer(kMaxReadBytes);
  while (offset < end) {
    const std::span<std::byte> wanted =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), end - offset));
    const absl::StatusOr<size_t> read = in.ReadAt(offset, wanted);
    if (!read.ok()) {
      ++failed_;
      return "";
    }
    // Beyond what is acknowledged a dead writer's tail may be cut off while it is read.
    if (*read == 0) {
      return offset < file.least_bytes ? absl::StrCat("ends at ", offset, " of ", end) : "";
    }
    const auto wrong = file.content.FirstDifference(offset, wanted.first(*read));
    if (wrong) return absl::StrCat("byte ", *wrong, " of ", end, " is wrong");
    offset += *read;
    bytes_ += *read;
  }
  return "";
}

}  // namespace cairn::load
