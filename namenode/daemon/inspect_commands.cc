#include "namenode/daemon/inspect_commands.h"

#include "CLI/CLI.hpp"
#include "common/io/file_system.h"
#include "common/logging.h"
#include "namenode/offline/edits_dump.h"
#include "namenode/offline/image_export.h"

namespace cairn::namenode {
namespace {

constexpr int kExitUsage = 2;

// Parses `args`, of which the first must be `action`. An exit status: there is nothing more to do.
std::optional<int> Parse(CLI::App& app, const std::string& action,
                         const std::vector<std::string>& args, std::ostream& out,
                         std::ostream& err) {
  if (args.empty() || args[0] != action) {
    err << app.help();
    return kExitUsage;
  }
  try {
    app.parse(std::vector<std::string>(args.rbegin(), args.rend() - 1));
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : kExitUsage;
  }
  // What the store and the journal have to say while they are read is no part of the answer.
  InitLogging({.level = LogLevel::kError}).IgnoreError();
  return std::nullopt;
}

}  // namespace

int RunEdits(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  EditsDumpOptions options;
  uint64_t from = 1;
  uint64_t to = ~uint64_t{0};
  CLI::App app("Edits of the namenode's journal, as JSON lines.", "cairn edits dump");
  app.add_option("--from", from, "first txid");
  app.add_option("--to", to, "last txid");
  app.add_option("PATH", options.paths, "journal files, their directory, or a namenode's directory")
      ->required();
  if (const auto code = Parse(app, "dump", args, out, err)) return *code;
  options.from = TxId{from};
  options.to = TxId{to};
  const absl::Status status = DumpEdits(PosixFileSystem(), options, out);
  out.flush();
  if (status.ok()) return 0;
  err << "cairn edits dump: " << status.message() << "\n";
  return 1;
}

int RunImage(const std::vector<std::string>& args, std::ostream& out, std::ostream& err) {
  std::string path;
  std::string format = "jsonl";
  CLI::App app("The namespace in a checkpoint or store, a line per inode.", "cairn image export");
  app.add_option("--format", format, "jsonl or csv")->check(CLI::IsMember({"jsonl", "csv"}));
  app.add_option("DIR", path, "a checkpoint, a store, or a namenode's directory: its newest")
      ->required();
  if (const auto code = Parse(app, "export", args, out, err)) return *code;
  FileSystem& files = PosixFileSystem();
  const absl::StatusOr<std::string> store = FindImage(files, path);
  const absl::StatusOr<ExportedImage> image =
      store.ok() ? ExportImage(files, *store,
                               format == "csv" ? ImageFormat::kCsv : ImageFormat::kJsonLines, out)
                 : store.status();
  out.flush();
  if (image.ok()) {
    err << "exported " << image->inodes << " inodes as of edit " << ToInt(image->txid) << " from "
        << *store << "\n";
    return 0;
  }
  err << "cairn image export: " << image.status().message() << "\n";
  return 1;
}

}  // namespace cairn::namenode
