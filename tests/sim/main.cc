// sim: runs histories of a simulated cluster (history.h).
//
//   sim [--seed N] [--count N] [--verbose] [--planted NAME] [--without I,J] [--shrink]
//
// Runs `count` histories from `seed` on and prints each that fails; exit status 1 if one does. With
// --verbose all that happens is printed: the same every time. --shrink looks for the faults that a
// failing history needs, and --without leaves faults out.
#include <chrono>
#include <cstdio>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "tests/sim/history.h"

int main(int argc, char** argv) {
  using namespace cairn::sim;
  RunOptions options;
  uint64_t count = 1;
  bool shrink = false;
  std::vector<size_t> without;
  CLI::App app("Runs histories of a simulated cluster");
  app.add_option("--seed", options.seed, "the first history");
  app.add_option("--count", count, "how many");
  app.add_flag("--verbose", options.verbose, "print what happens");
  app.add_flag("--shrink", shrink, "find the faults that a failing history needs");
  app.add_option("--without", without, "faults to leave out, by number")->delimiter(',');
  const std::map<std::string, Planted> planted = {
      {"none", Planted::kNone},
      {"stamp-not-checked", Planted::kStampNotChecked},
      {"ack-before-sync", Planted::kAckBeforeSync},
      {"answer-before-journal", Planted::kAnswerBeforeJournal},
      {"stale-reports", Planted::kStaleReports}};
  app.add_option("--planted", options.planted, "a bug to be found")
      ->transform(CLI::CheckedTransformer(planted));
  CLI11_PARSE(app, argc, argv);
  options.without = {without.begin(), without.end()};
  cairn::LoggingOptions logging{.program = "sim", .level = cairn::LogLevel::kInfo};
  if (!options.verbose) logging = {.level = cairn::LogLevel::kError, .file = "/dev/null"};
  cairn::InitLogging(logging).IgnoreError();  // stderr then
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);

  const auto start = std::chrono::steady_clock::now();
  uint64_t failed = 0, events = 0;
  absl::Duration time;
  for (const uint64_t end = options.seed + count; options.seed < end; ++options.seed) {
    const Result result = RunHistory(options);
    events += result.events;
    time += result.time;
    if (options.verbose) {
      const auto faults = MakeSetting(options.seed).faults;
      for (size_t i = 0; i < faults.size(); ++i) {
        std::printf("fault %zu %s%s\n", i, faults[i].ToString().c_str(),
                    options.without.contains(i) ? " (left out)" : "");
      }
      std::printf("seed %llu hash %016llx\n", static_cast<unsigned long long>(options.seed),
                  static_cast<unsigned long long>(result.trace_hash));
    }
    if (result.failure.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
                result.failure.c_str());
    if (!shrink) continue;
    const std::set<size_t> out = Shrink(options);
    std::printf("  fails as well --without %s\n", absl::StrJoin(out, ",").c_str());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%llu histories, %llu failed; %.0f histories a minute; %llu events, %s of time\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(failed),
              static_cast<double>(count) * 60 / took.count(),
              static_cast<unsigned long long>(events), absl::FormatDuration(time).c_str());
  return failed == 0 ? 0 : 1;
}
