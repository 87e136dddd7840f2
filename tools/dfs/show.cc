// -cat, -text, -head, -tail: a file's bytes on standard output.
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/inflate.h"

namespace cairn::tools {
namespace {

constexpr uint64_t kEndBytes = 1024;  // what -head and -tail show
constexpr absl::Duration kFollowPause = absl::Seconds(5);

absl::Status WriteOut(Shell& shell, std::span<const std::byte> bytes) {
  shell.out().write(reinterpret_cast<const char*>(bytes.data()),
                    static_cast<std::streamsize>(bytes.size()));
  return shell.out() ? absl::OkStatus()
                     : absl::UnavailableError("Unable to write to output stream.");
}

absl::StatusOr<std::unique_ptr<Reader>> OpenFile(const PathItem& item) {
  if (item.is_directory()) return IsADirectory(item);
  return item.volume->Open(item.path);
}

absl::Status ShowPacked(Shell& shell, Reader& reader, Packing packing) {
  return Inflate(
      packing, [&](std::span<std::byte> out) { return reader.Read(out); },
      [&](std::span<const std::byte> bytes) { return WriteOut(shell, bytes); });
}

absl::Status ShowText(Shell& shell, const PathItem& item) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, OpenFile(item));
  std::array<std::byte, 4> magic{};
  size_t size = 0;
  while (size < magic.size()) {
    ASSIGN_OR_RETURN(const size_t bytes, reader->Read(std::span(magic).subspan(size)));
    if (bytes == 0) break;
    size += bytes;
  }
  RETURN_IF_ERROR(reader->Seek(0));
  const absl::string_view start(reinterpret_cast<const char*>(magic.data()), size);
  if (absl::StartsWith(start, "\x1f\x8b")) return ShowPacked(shell, *reader, Packing::kGzip);
  if (absl::StartsWith(start, "SEQ")) {
    return PathError(item, "is a SequenceFile, which cannot be shown as text");
  }
  if (absl::StartsWith(start, absl::string_view("Obj\x01", 4))) {
    return PathError(item, "is an Avro file, which cannot be shown as text");
  }
  if (absl::EndsWith(item.path, ".deflate")) return ShowPacked(shell, *reader, Packing::kZlib);
  for (absl::string_view packed : {".bz2", ".snappy", ".lz4", ".zst"}) {
    if (absl::EndsWith(item.path, packed)) {
      return PathError(item, absl::StrCat("cannot unpack ", packed));
    }
  }
  return CopyAll(*reader, [&](std::span<const std::byte> b) { return WriteOut(shell, b); });
}

absl::Status ShowHead(Shell& shell, Reader& reader) {
  std::array<std::byte, kEndBytes> buffer;
  uint64_t left = kEndBytes;
  while (left > 0) {
    ASSIGN_OR_RETURN(const size_t bytes, reader.Read(std::span(buffer).first(left)));
    if (bytes == 0) break;
    left -= bytes;
    RETURN_IF_ERROR(WriteOut(shell, std::span(buffer).first(bytes)));
  }
  return absl::OkStatus();
}

// Shows what lies at and after `offset`, and returns where that ends.
absl::StatusOr<uint64_t> ShowFrom(Shell& shell, const PathItem& item, uint64_t offset) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, OpenFile(item));
  const uint64_t length = reader->length();
  if (length > offset) {
    RETURN_IF_ERROR(reader->Seek(offset));
    RETURN_IF_ERROR(
        CopyAll(*reader, [&](std::span<const std::byte> b) { return WriteOut(shell, b); }));
  }
  shell.out().flush();
  return std::max(length, offset);
}

}  // namespace

absl::Status RunCat(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"ignoreCrc"}, {}, 1, SIZE_MAX));
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, OpenFile(item));
    return CopyAll(*reader, [&](std::span<const std::byte> b) { return WriteOut(shell, b); });
  });
}

absl::Status RunText(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"ignoreCrc"}, {}, 1, SIZE_MAX));
  return shell.ForEach(shell.args(), [&](PathItem& item) { return ShowText(shell, item); });
}

absl::Status RunHead(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({}, {}, 1, 1));
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, OpenFile(item));
    return ShowHead(shell, *reader);
  });
}

absl::Status RunTail(Shell& shell) {
  RETURN_IF_ERROR(shell.TakeOptions({"f"}, {"s"}, 1, 1));
  absl::Duration pause = kFollowPause;
  if (const auto text = shell.Value("s"); text.has_value() && !text->empty()) {
    int64_t millis = 0;
    if (!absl::SimpleAtoi(*text, &millis)) {
      return UsageStatus(absl::StrCat("For input string: \"", *text, "\""));
    }
    if (millis > 0) pause = absl::Milliseconds(millis);
  }
  return shell.ForEach(shell.args(), [&](PathItem& item) -> absl::Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, OpenFile(item));
    uint64_t offset = reader->length() - std::min(reader->length(), kEndBytes);
    while (true) {
      ASSIGN_OR_RETURN(offset, ShowFrom(shell, item, offset));
      if (!shell.Has("f")) return absl::OkStatus();
      absl::SleepFor(pause);
    }
  });
}

}  // namespace cairn::tools
