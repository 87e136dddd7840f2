#include "tools/fsck/options.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::tools {

const char kFsckUsage[] =
    "Usage: cairn fsck <path> [-list-corruptfileblocks | [-move | -delete | -openforwrite] "
    "[-files [-blocks [-locations | -racks | -replicaDetails | -upgradedomains]]]] "
    "[-includeSnapshots] [-storagepolicies] [-maintenance] [-blockId <blk_Id>...] "
    "[-ec-verify [-parallel <groups>]] [--json]\n"
    "\t<path>\twhere to begin; / if none is given\n"
    "\t-files\tshow every file\n"
    "\t-files -blocks\tand its blocks\n"
    "\t-files -blocks -locations\tand the storages of their replicas\n"
    "\t-files -blocks -racks\tand the racks\n"
    "\t-files -blocks -replicaDetails\tand how each replica stands\n"
    "\t-files -blocks -upgradedomains\tand upgrade domains, of which there are none\n"
    "\t-openforwrite\tcheck files that are being written as well; else they are only counted\n"
    "\t-list-corruptfileblocks\tshow only blocks without a good replica, and their files\n"
    "\t-move\tcopy what is left of files that lost a block to /lost+found\n"
    "\t-delete\tdelete files that lost a block\n"
    "\t-storagepolicies\tcount blocks by the types of storage they are on\n"
    "\t-maintenance\tshow nodes that are in maintenance, or will be\n"
    "\t-blockId\tshow which file a block belongs to and how its replicas stand\n"
    "\t-includeSnapshots\taccepted: there are no snapshots yet\n"
    "\t-ec-verify\tread all units of erasure-coded files, and see whether they agree; files that "
    "are being written only with -openforwrite, and without the group that is being written\n"
    "\t-parallel\twith -ec-verify: so many block groups at a time, 1 to 64; 4 if not given\n"
    "\t--json\tthe same for programs: docs/operations.md\n";

namespace {

absl::Status ParseParallel(const std::string& text, FsckOptions* o) {
  constexpr uint32_t kMost = 64;
  if (absl::SimpleAtoi(text, &o->verify_parallel) && o->verify_parallel >= 1 &&
      o->verify_parallel <= kMost) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("fsck: -parallel takes a number from 1 to ", kMost, ", not '", text, "'"));
}

}  // namespace

absl::StatusOr<FsckOptions> ParseFsckOptions(const std::vector<std::string>& args) {
  FsckOptions o;
  bool have_path = false, parallel_given = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "-files") {
      o.files = true;
    } else if (arg == "-blocks") {
      o.blocks = true;
    } else if (arg == "-locations") {
      o.locations = true;
    } else if (arg == "-racks") {
      o.racks = true;
    } else if (arg == "-replicaDetails") {
      o.replica_details = true;
    } else if (arg == "-upgradedomains") {
      o.upgrade_domains = true;
    } else if (arg == "-maintenance") {
      o.maintenance = true;
    } else if (arg == "-storagepolicies") {
      o.storage_policies = true;
    } else if (arg == "-openforwrite") {
      o.open_for_write = true;
    } else if (arg == "-list-corruptfileblocks") {
      o.list_corrupt = true;
    } else if (arg == "-move") {
      o.move = true;
    } else if (arg == "-delete") {
      o.remove = true;
    } else if (arg == "-ec-verify") {
      o.verify_groups = true;
    } else if (arg == "-parallel") {
      const bool has_value = i + 1 < args.size();
      RETURN_IF_ERROR(ParseParallel(has_value ? args[++i] : "", &o));
      parallel_given = true;
    } else if (arg == "--json") {
      o.json = true;
    } else if (arg == "-includeSnapshots") {
      o.remarks.push_back(
          "-includeSnapshots: snapshots are not supported yet; files as they are now are checked");
    } else if (arg == "-showprogress") {
      o.remarks.push_back("-showprogress: has no effect");
    } else if (arg == "-replicate") {
      o.remarks.push_back("-replicate: the namenode spreads badly placed blocks by itself");
    } else if (arg == "-blockId") {
      o.by_block = true;
      while (i + 1 < args.size() && !absl::StartsWith(args[i + 1], "-")) {
        o.block_ids.push_back(args[++i]);
      }
    } else if (absl::StartsWith(arg, "-")) {
      return absl::InvalidArgumentError(absl::StrCat("fsck: Illegal option '", arg, "'"));
    } else if (have_path) {
      return absl::InvalidArgumentError(
          absl::StrCat("fsck: can only operate on one path at a time '", arg, "'"));
    } else {
      o.path = arg;
      have_path = true;
    }
  }
  if (parallel_given && !o.verify_groups) {
    return absl::InvalidArgumentError("fsck: -parallel is for -ec-verify");
  }
  if (o.verify_groups && (o.by_block || o.list_corrupt)) {
    return absl::InvalidArgumentError(
        "fsck: -ec-verify reads files; it does not go with -blockId or -list-corruptfileblocks");
  }
  return o;
}

absl::StatusOr<uint64_t> ParseBlockName(const std::string& text) {
  const size_t at = text.rfind("blk_");
  size_t end = at == std::string::npos ? at : at + 4;
  const size_t begin = end;
  if (at != std::string::npos) {
    if (end < text.size() && text[end] == '-') ++end;  // a block group
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  }
  int64_t number = 0;
  const bool ended =
      at != std::string::npos && (end == text.size() || text[end] == '_' || text[end] == '.');
  if (!ended || !absl::SimpleAtoi(text.substr(begin, end - begin), &number)) {
    return absl::InvalidArgumentError(absl::StrCat("Incorrect blockId format: ", text));
  }
  return static_cast<uint64_t>(number);
}

}  // namespace cairn::tools
