// cairn-flusher: writers that flush and do not close, for tests that kill, stop and rob them.
//
//   cairn-flusher --uri URI --directory DIR --files N [--id I] [--replication R] [--seed S]
//       [--small B]
//       writes N files DIR/0 .. DIR/N-1 in turn, for ever. The 8-byte words of file k are
//       (I + k) << 32 | index, little-endian. Where the directory is erasure-coded, a file of up to
//       B bytes is replicated.
//   cairn-flusher --uri URI --take-over PATH --id I [--rounds R] [--seed S]
//       R times: takes the file from whoever has it, appends records of 1000 bytes, and closes it.
//       Record k of writer I is the 16-digit number I * 10^9 + k, repeated and cut.
//
// Prints a line at once, when: `sent K BYTES` the bytes of file (or the record) K are about to go
// to the stream, up to that length of the file; `acked K BYTES` a flush up to there has returned;
// `failed K MESSAGE` a call failed, after which file K is left alone (with --take-over: tried
// again). Exit status: 0 when all rounds are done.
#include <unistd.h>

#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/file_system.h"
#include "common/status_macros.h"

namespace cairn::load {
namespace {

constexpr size_t kRecordBytes = 1000;

struct Flags {
  std::string uri, directory, take_over;
  uint64_t files = 1, id = 1, seed = 1;
  uint64_t small = 0;
  uint32_t replication = 3;
  int rounds = 10;
};

// In one write: what was printed before a kill -9 has been said.
void Say(const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) ::_exit(1);
}

std::string Words(uint64_t id, uint64_t from, uint64_t count) {
  std::string bytes;
  for (uint64_t n = from; n < from + count; ++n) {
    const uint64_t word = (id << 32) | (n / 8);
    bytes.push_back(static_cast<char>(word >> (n % 8 * 8)));
  }
  return bytes;
}

std::string Record(uint64_t writer, uint64_t number) {
  const std::string digits = absl::StrCat(writer * 1'000'000'000 + number);
  const std::string word = std::string(16 - digits.size(), '0') + digits;
  std::string bytes;
  while (bytes.size() < kRecordBytes) bytes += word;
  bytes.resize(kRecordBytes);
  return bytes;
}

absl::Status FlushForEver(client::FileSystem& fs, const Flags& flags) {
  std::mt19937_64 random(flags.seed);
  struct Open {
    std::unique_ptr<client::OutputStream> stream;
    uint64_t bytes = 0;
  };
  std::vector<Open> files(flags.files);
  for (uint64_t k = 0; k < flags.files; ++k) {
    ASSIGN_OR_RETURN(files[k].stream, fs.Create(absl::StrCat(flags.directory, "/", k)));
  }
  while (true) {
    bool any = false;
    for (uint64_t k = 0; k < flags.files; ++k) {
      Open& file = files[k];
      if (file.stream == nullptr) continue;
      any = true;
      const uint64_t count = 1 + random() % (random() % 4 == 0 ? 200'000 : 3000);
      Say(absl::StrCat("sent ", k, " ", file.bytes + count));
      absl::Status status = file.stream->Write(Words(flags.id + k, file.bytes, count));
      file.bytes += count;
      if (status.ok() && random() % 4 != 0) {
        status = random() % 4 == 0 ? file.stream->Hsync() : file.stream->Hflush();
        if (status.ok()) Say(absl::StrCat("acked ", k, " ", file.bytes));
      }
      if (!status.ok()) {
        Say(absl::StrCat("failed ", k, " ", status.ToString()));
        file.stream = nullptr;
      }
    }
    if (!any) return absl::OkStatus();
  }
}

absl::Status AppendRecords(client::FileSystem& fs, const Flags& flags, uint64_t& next,
                           std::mt19937_64& random) {
  ASSIGN_OR_RETURN(auto stream, fs.Append(flags.take_over));
  for (uint64_t left = 1 + random() % 5; left > 0; --left) {
    const uint64_t number = next++;
    Say(absl::StrCat("sent ", number, " ", kRecordBytes));
    RETURN_IF_ERROR(stream->Write(Record(flags.id, number)));
    RETURN_IF_ERROR(stream->Hflush());
    Say(absl::StrCat("acked ", number, " ", kRecordBytes));
  }
  return stream->Close();
}

absl::Status TakeOver(client::FileSystem& fs, const Flags& flags) {
  std::mt19937_64 random(flags.seed);
  uint64_t next = 0;
  for (int round = 0; round < flags.rounds;) {
    const absl::Status status = AppendRecords(fs, flags, next, random);
    if (status.ok()) {
      ++round;
      continue;
    }
    Say(absl::StrCat("failed ", round, " ", status.ToString()));
    // Whoever has it loses it.
    const absl::StatusOr<bool> closed = fs.RecoverLease(flags.take_over);
    if (!closed.ok()) Say(absl::StrCat("failed ", round, " ", closed.status().ToString()));
    absl::SleepFor(absl::Milliseconds(20 + random() % 100));
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Writers that flush and do not close.");
  app.add_option("--uri", flags.uri, "hdfs://HOST:PORT")->required();
  app.add_option("--directory", flags.directory, "of the files");
  app.add_option("--files", flags.files, "how many at the same time");
  app.add_option("--take-over", flags.take_over, "the file to append to");
  app.add_option("--rounds", flags.rounds, "appends");
  app.add_option("--id", flags.id, "what the content says, from there on");
  app.add_option("--replication", flags.replication, "replicas");
  app.add_option("--small", flags.small, "bytes of a file that is not erasure-coded yet");
  app.add_option("--seed", flags.seed, "of all random draws");
  CLI11_PARSE(app, argc, argv);

  client::ClientOptions options;
  options.replication = flags.replication;
  options.small_file_bytes = flags.small;
  options.block_bytes = 1 << 20;
  options.write_window_bytes = 128 << 10;
  auto fs = client::FileSystem::Connect(flags.uri, options);
  absl::Status status = fs.status();
  if (fs.ok()) {
    status = flags.take_over.empty() ? FlushForEver(**fs, flags) : TakeOver(**fs, flags);
  }
  if (!status.ok()) std::cerr << "cairn-flusher: " << status << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace cairn::load

int main(int argc, char** argv) { return cairn::load::Main(argc, argv); }
