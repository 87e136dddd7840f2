// The journal against its limit, the device: raw O_DIRECT|O_DSYNC writes into a zero-filled file.
//
//   journal_bench DIR [ROUNDS [SECONDS]]
//
// DIR is on the disk to measure; a journal is made in it and removed. Each measurement takes
// SECONDS, 1 by default.
//
// Rounds interleave both, and each line ends with their ratio, since the disk of a shared machine
// is another one every minute. "one at a time" waits for each edit of 200 bytes; "N in flight"
// keeps N of them appended and not yet durable, against raw writes of as many bytes at once.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "common/status_macros.h"
#include "namenode/journal/aligned_buffer.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

constexpr size_t kEditBytes = 200;
constexpr uint64_t kRawFileBytes = uint64_t{64} << 20;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Writes per second of `bytes` each, one after the other.
absl::StatusOr<double> RawWrites(File& file, size_t bytes, double seconds) {
  const AlignedBuffer buffer(RoundUpToBlock(bytes));
  std::memset(buffer.data(), 1, buffer.size());
  uint64_t offset = 0;
  uint64_t count = 0;
  const double begin = Now();
  while (Now() - begin < seconds) {
    if (offset + buffer.size() > kRawFileBytes) offset = 0;
    RETURN_IF_ERROR(file.WriteAt(offset, buffer.span()));
    offset += buffer.size();
    ++count;
  }
  return static_cast<double>(count) / (Now() - begin);
}

// Durable edits per second with up to `in_flight` of them waiting.
absl::StatusOr<double> JournalEdits(Journal& journal, uint64_t in_flight, double seconds) {
  const std::string edit(kEditBytes, 'e');
  const uint64_t first = ToInt(journal.durable());
  uint64_t last = ToInt(journal.last_appended());
  const double begin = Now();
  while (Now() - begin < seconds) {
    if (in_flight > 1 && last - ToInt(journal.durable()) >= in_flight) {
      std::this_thread::yield();
      continue;
    }
    RETURN_IF_ERROR(journal.Ready());
    journal.Append(TxId{++last}, edit);
    if (in_flight == 1) RETURN_IF_ERROR(journal.WaitDurable(TxId{last}));
  }
  RETURN_IF_ERROR(journal.WaitDurable(TxId{last}));
  const double took = Now() - begin;
  journal.Release(TxId{last});
  return static_cast<double>(last - first) / took;
}

absl::Status Compare(Journal& journal, File& raw, uint64_t in_flight, int rounds, double seconds) {
  std::vector<double> limits;
  std::vector<double> rates;
  for (int round = 0; round < rounds; ++round) {
    ASSIGN_OR_RETURN(const double writes,
                     RawWrites(raw, in_flight * (kEditBytes + kFrameHeaderBytes), seconds));
    ASSIGN_OR_RETURN(const double edits, JournalEdits(journal, in_flight, seconds));
    limits.push_back(writes * static_cast<double>(in_flight));
    rates.push_back(edits);
  }
  std::printf("%6llu in flight: raw %9.0f/s, journal %9.0f edits/s, ratio of medians %.2f\n",
              static_cast<unsigned long long>(in_flight), Median(limits), Median(rates),
              Median(rates) / Median(limits));
  return absl::OkStatus();
}

absl::Status Run(const std::string& directory, int rounds, double seconds) {
  FileSystem& fs = PosixFileSystem();
  JournalOptions options;
  options.directory = directory + "/journal_bench";
  options.keep = absl::ZeroDuration();  // so that segments go round and round
  RETURN_IF_ERROR(FormatFileJournal(fs, SystemClock(), options));
  const std::string raw_path = options.directory + "/raw";
  absl::Status result;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<Journal> journal,
                     OpenFileJournal(fs, SystemClock(), options, kNoTx, TxId{1},
                                     [](TxId, absl::string_view) { return absl::OkStatus(); }));
    ASSIGN_OR_RETURN(
        const std::unique_ptr<File> raw,
        fs.Open(raw_path, {.create = true, .write = true, .direct = true, .data_sync = true}));
    RETURN_IF_ERROR(raw->Allocate(0, kRawFileBytes));
    for (const uint64_t in_flight : {1, 16, 128, 1024, 4096}) {
      result.Update(Compare(*journal, *raw, in_flight, rounds, seconds));
    }
    const JournalStats stats = journal->stats();
    std::printf("%llu batches, %.1f edits each; %llu segment switches, %llu of them waited\n",
                static_cast<unsigned long long>(stats.batches),
                static_cast<double>(stats.edits) / static_cast<double>(stats.batches),
                static_cast<unsigned long long>(stats.segment_switches),
                static_cast<unsigned long long>(stats.segment_waits));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(options.directory));
  for (const std::string& name : names) RETURN_IF_ERROR(fs.Remove(options.directory + "/" + name));
  RETURN_IF_ERROR(fs.RemoveDirectory(options.directory));
  return result;
}

}  // namespace
}  // namespace cairn::namenode

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: journal_bench DIR [ROUNDS [SECONDS]]\n");
    return 2;
  }
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  const double seconds = argc > 3 ? std::max(0.01, std::atof(argv[3])) : 1;
  const absl::Status status = cairn::namenode::Run(argv[1], rounds, seconds);
  if (!status.ok()) {
    std::fprintf(stderr, "journal_bench: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
