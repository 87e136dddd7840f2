#include "tools/fsck/fsck.h"

#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cluster_admin.h"
#include "client/file_system.h"
#include "client/group_verifier.h"
#include "client/path.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/block_counts.h"
#include "tools/cluster_options.h"
#include "tools/fsck/file_verifier.h"
#include "tools/fsck/judge.h"
#include "tools/fsck/lost_blocks.h"
#include "tools/fsck/mend.h"
#include "tools/fsck/options.h"
#include "tools/fsck/print.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"

namespace cairn::tools {
namespace {

std::string ThisHost() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

bool IsMissing(const absl::Status& status) {
  return GetFsError(status) == FsError::kFileNotFound || absl::IsNotFound(status);
}

// One run over one path.
class Fsck {
 public:
  // `verifier` is null unless groups are to be verified.
  Fsck(client::FileSystem& fs, client::ClusterAdmin& admin, client::GroupVerifier* verifier,
       FsckOptions options, std::ostream& out, std::ostream& err)
      : fs_(fs), admin_(admin), o_(std::move(options)), out_(out), err_(err), json_(out) {
    if (verifier == nullptr) return;
    verifier_.emplace(o_.verify_parallel,
                      [verifier](const std::string& path, const client::BlockReport& group) {
                        return verifier->Verify(path, group);
                      });
    totals_.verification.asked = true;
  }

  int Run() {
    if (o_.by_block) return RunBlocks();
    if (o_.list_corrupt) return RunListCorrupt();
    return RunPath();
  }

 private:
  int RunPath();
  int RunBlocks();
  int RunListCorrupt();
  absl::StatusOr<std::vector<client::LostBlock>> FindLostBlocks();

  absl::Status FetchCluster();
  absl::Status CheckAll();
  absl::Status CheckBelow(const client::FileStatus& status);  // and tells of all of it
  absl::Status CheckPath(const client::FileStatus& status);
  absl::Status CheckDirectory(const std::string& path);
  absl::Status CheckFile(const client::FileStatus& status);
  void TellFile(const client::FileReport& file, GroupFindings findings);
  // Of what is no file: at once, or after what has to be told of earlier files.
  void InTurn(std::function<void()> tell);
  void MendFile(const client::FileReport& file, const FileVerdict& verdict);
  void Say(absl::string_view trouble) { err_ << "fsck: " << Escaped(trouble) << "\n"; }
  std::string Started(absl::string_view about) const;
  int Failed(const absl::Status& status, absl::Time began);

  client::FileSystem& fs_;
  client::ClusterAdmin& admin_;
  const FsckOptions o_;
  std::ostream& out_;
  std::ostream& err_;
  JsonWriter json_;
  FsckCluster cluster_;
  FsckTotals totals_;
  bool mending_failed_ = false;
  std::optional<FileVerifier> verifier_;  // groups are to be verified
};

std::string Fsck::Started(absl::string_view about) const {
  return absl::StrCat("FSCK started by ", admin_.user(), " (auth:SIMPLE) from ", ThisHost(), about,
                      " at ", JavaDate(absl::Now()));
}

absl::Status Fsck::FetchCluster() {
  ASSIGN_OR_RETURN(const client::ServerDefaults defaults, fs_.GetServerDefaults());
  cluster_.default_replication = defaults.replication;
  std::set<std::string> racks;
  const absl::StatusOr<client::ClusterFacts> facts = admin_.DescribeCluster();
  if (facts.ok()) {
    cluster_.min_replication = facts->min_replication;
    for (const client::NodeFacts& node : facts->nodes) {
      if (node.liveness == client::NodeLiveness::kDead) continue;
      ++cluster_.live_nodes;
      racks.insert(node.rack);
    }
  } else if (absl::IsUnimplemented(facts.status())) {
    err_
        << "fsck: this server tells only what readers need: excess and single corrupt replicas and "
           "the state of repairs are not known\n";
    ASSIGN_OR_RETURN(const auto nodes, fs_.GetDatanodeReport(client::DatanodeKind::kLive));
    cluster_.live_nodes = static_cast<uint32_t>(nodes.size());
    for (const client::DatanodeReport& node : nodes) racks.insert(node.rack);
  } else {
    return facts.status();
  }
  cluster_.racks = static_cast<uint32_t>(racks.size());
  return absl::OkStatus();
}

absl::Status Fsck::CheckFile(const client::FileStatus& status) {
  absl::StatusOr<client::FileReport> file = admin_.DescribeFile(status.path);
  if (!file.ok()) return IsMissing(file.status()) ? absl::OkStatus() : file.status();
  if (file->open && !o_.open_for_write) {
    totals_.AddOpen(*file);
    return absl::OkStatus();
  }
  if (!verifier_.has_value()) {
    TellFile(*file, {});
    return absl::OkStatus();
  }
  verifier_->Add(*std::move(file),
                 [this](const client::FileReport& verified, GroupFindings findings) {
                   TellFile(verified, std::move(findings));
                 });
  return verifier_->status();
}

void Fsck::InTurn(std::function<void()> tell) {
  verifier_.has_value() ? verifier_->AddOther(std::move(tell)) : tell();
}

void Fsck::TellFile(const client::FileReport& file, GroupFindings findings) {
  FileVerdict verdict = Judge(file, cluster_);
  verdict.findings = std::move(findings);
  totals_.Add(file, verdict);
  if (!o_.json) {
    PrintFsckFile(file, verdict, cluster_, o_, out_);
  } else if (o_.files || !verdict.ok()) {
    WriteFsckFile(file, verdict, json_);
  }
  if (verdict.lost() && !file.open) MendFile(file, verdict);
}

// A file that could not be mended does not stop the check of the others.
void Fsck::MendFile(const client::FileReport& file, const FileVerdict& verdict) {
  if (o_.move) {
    const absl::Status saved = CopyToLostFound(fs_, file, verdict);
    if (!saved.ok()) {
      Say(saved.message());
      mending_failed_ |= o_.remove || !absl::IsAlreadyExists(saved);
      // HDFS deletes it all the same, and what was left of it is gone.
      if (o_.remove) {
        Say(absl::StrCat(file.path, " is not deleted: what is left of it was not saved. -delete ",
                         "without -move deletes it"));
      }
      return;
    }
  }
  if (!o_.remove) return;
  const absl::StatusOr<bool> removed = fs_.Delete(file.path, false);
  if (removed.ok()) return;
  Say(removed.status().message());
  mending_failed_ = true;
}

absl::Status Fsck::CheckDirectory(const std::string& path) {
  if (o_.files && !o_.json) {
    InTurn([this, path] { out_ << Escaped(path) << " <dir>\n"; });
  }
  ++totals_.dirs;
  client::DirectoryIterator entries = fs_.List(path);
  for (;;) {
    absl::StatusOr<std::optional<client::FileStatus>> entry = entries.Next();
    if (!entry.ok()) return IsMissing(entry.status()) ? absl::OkStatus() : entry.status();
    if (!entry->has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(CheckPath(**entry));
  }
}

absl::Status Fsck::CheckPath(const client::FileStatus& status) {
  if (status.is_directory()) return CheckDirectory(status.path);
  if (status.is_file()) return CheckFile(status);
  if (o_.files && !o_.json) {
    InTurn([this, path = status.path] { out_ << Escaped(path) << " <symlink>\n"; });
  }
  ++totals_.symlinks;
  return absl::OkStatus();
}

absl::Status Fsck::CheckBelow(const client::FileStatus& status) {
  absl::Status checked = CheckPath(status);
  if (verifier_.has_value()) checked.Update(verifier_->Finish());
  return checked;
}

absl::Status Fsck::CheckAll() {
  ASSIGN_OR_RETURN(const client::FileStatus status, fs_.Stat(o_.path));
  RETURN_IF_ERROR(FetchCluster());
  if (!o_.json) return CheckBelow(status);
  json_.Key("files");
  json_.BeginArray();
  const absl::Status checked = CheckBelow(status);
  json_.EndArray();
  return checked;
}

int Fsck::Failed(const absl::Status& status, absl::Time began) {
  if (o_.json) {
    json_.Field("status", "FAILED");
    json_.Field("error", status.message());
    json_.EndObject();
    return kExitHadoopFailed;
  }
  out_ << "FSCK ended at " << JavaDate(absl::Now()) << " in "
       << absl::ToInt64Milliseconds(absl::Now() - began) << " milliseconds\n"
       << Escaped(status.message()) << "\n\n\nFsck on path '" << Escaped(o_.path) << "' FAILED\n";
  return kExitHadoopFailed;
}

int Fsck::RunPath() {
  const absl::Time began = absl::Now();
  if (o_.json) {
    json_.BeginObject();
    json_.Field("path", o_.path);
  } else {
    out_ << Started(absl::StrCat(" for path ", Escaped(o_.path))) << "\n\n";
  }
  absl::Status status = CheckAll();
  if (status.ok() && mending_failed_) {
    status = absl::InternalError("fsck encountered internal errors!");
  }
  if (!status.ok()) return Failed(status, began);
  const bool healthy = totals_.healthy();
  if (o_.json) {
    json_.Field("status", healthy ? "HEALTHY" : "CORRUPT");
    json_.Field("complete_knowledge", totals_.complete_knowledge);
    json_.Key("totals");
    WriteFsckTotals(totals_, cluster_, json_);
    json_.EndObject();
  } else {
    PrintFsckTotals(totals_, cluster_, o_, out_);
    out_ << "FSCK ended at " << JavaDate(absl::Now()) << " in "
         << absl::ToInt64Milliseconds(absl::Now() - began)
         << " milliseconds\n\n\nThe filesystem under path '" << Escaped(o_.path) << "' is "
         << (healthy ? "HEALTHY" : "CORRUPT") << "\n";
  }
  return healthy ? kExitOk : 1;
}

int Fsck::RunBlocks() {
  int code = kExitHadoopFailed;
  if (o_.json) {
    json_.BeginObject();
    json_.Key("blocks");
    json_.BeginArray();
  } else {
    out_ << Started("") << "\n";
  }
  for (const std::string& name : o_.block_ids) {
    const absl::StatusOr<uint64_t> id = ParseBlockName(name);
    if (!id.ok()) {
      (o_.json ? err_ : out_) << id.status().message() << "\n";
      code = 0;  // as HDFS
      continue;
    }
    const auto found = admin_.DescribeBlock(*id);
    if (!found.ok()) {
      (o_.json ? err_ : out_) << (absl::IsUnimplemented(found.status())
                                      ? "this server does not tell whose block it is"
                                      : found.status().message())
                              << "\n\n\nFsck on blockId '" << name << "\n";
      code = kExitHadoopFailed;
      continue;
    }
    const client::OwnedBlock* const block = found->has_value() ? &**found : nullptr;
    if (!o_.json) {
      out_ << "\n";
      PrintFsckBlock(name, block, o_, out_);
    } else {
      json_.BeginObject();
      json_.Field("block", name);
      json_.Field("exists", block != nullptr);
      if (block != nullptr) {
        json_.Field("path", block->path);
        json_.Key("health");
        WriteBlock(block->block, json_);
      }
      json_.EndObject();
    }
    code = FsckBlockExitCode(block, o_);
  }
  if (o_.json) {
    json_.EndArray();
    json_.EndObject();
  }
  return code;
}

// A server that is no Cairn names only the files, once per block.
absl::StatusOr<std::vector<client::LostBlock>> Fsck::FindLostBlocks() {
  std::set<std::string> paths;
  std::string cookie;
  do {
    ASSIGN_OR_RETURN(const auto page, admin_.ListCorruptFileBlocks(o_.path, &cookie));
    paths.insert(page.begin(), page.end());
  } while (!cookie.empty());
  std::vector<client::LostBlock> blocks;
  for (const std::string& path : paths) {
    const auto file = admin_.DescribeFile(path);
    if (!file.ok() && IsMissing(file.status())) continue;
    if (!file.ok()) return file.status();
    const FileVerdict verdict = Judge(*file, cluster_);
    for (size_t i = 0; i < file->blocks.size(); ++i) {
      const bool lost = verdict.blocks[i].missing || verdict.blocks[i].corrupt;
      if (lost) blocks.push_back({file->blocks[i].id, path});
    }
  }
  return blocks;
}

int Fsck::RunListCorrupt() {
  LostBlocks lost{.path = o_.path};
  const auto failed = [this](const absl::Status& status) {
    Say(status.message());
    return kExitHadoopFailed;
  };
  // Asked first: what it has looked through by now is in the list. An Apache HDFS that has not
  // looked refuses to tell.
  const auto cluster = admin_.DescribeCluster();
  if (!cluster.ok() && !absl::IsUnimplemented(cluster.status())) return failed(cluster.status());
  if (cluster.ok()) lost.more = WhyMoreMayBeWrong(*cluster);
  auto found = admin_.ListLostBlocks(o_.path);
  if (absl::IsUnimplemented(found.status())) found = FindLostBlocks();
  if (!found.ok()) return failed(found.status());
  lost.blocks = *std::move(found);
  if (o_.json) {
    WriteLostBlocks(lost, json_);
  } else {
    PrintLostBlocks(lost, out_);
  }
  return LostBlocksExitCode(lost);
}

int UsageFailed(std::ostream& err, absl::string_view why) {
  if (!why.empty()) err << why << "\n";
  err << kFsckUsage;
  return kExitHadoopFailed;
}

}  // namespace

int RunFsck(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!options.ok())
    return UsageFailed(ctx.err, absl::StrCat("fsck: ", options.status().message()));
  if (args.empty()) return UsageFailed(ctx.err, "");
  if (args[0] == "-help" || args[0] == "-h" || args[0] == "--help") {
    ctx.out << kFsckUsage;
    return kExitOk;
  }
  absl::StatusOr<FsckOptions> parsed = ParseFsckOptions(args);
  if (!parsed.ok()) return UsageFailed(ctx.err, parsed.status().message());
  for (const std::string& remark : parsed->remarks) ctx.err << "fsck: " << remark << "\n";

  const auto inaccessible = [&](const absl::Status& status) {
    ctx.err << "FileSystem is inaccessible due to:\n" << status.message() << "\nDFSck exiting.\n";
    return kExitOk;  // as HDFS
  };
  const auto failed = [&](const absl::Status& status) {
    ctx.err << "fsck: " << status.message() << "\n";
    return kExitHadoopFailed;
  };
  const absl::StatusOr<client::PathUri> uri = client::ParsePathUri(parsed->path);
  if (!uri.ok()) return failed(uri.status());
  if (!uri->scheme.empty()) {
    options->default_uri = absl::StrCat(uri->scheme, "://", uri->authority);
  }
  const std::string cluster = options->default_uri.empty() ? "hdfs://" : options->default_uri;
  const auto admin = client::ClusterAdmin::Connect(cluster, *options);
  const auto fs = client::FileSystem::Connect(cluster, *options);
  if (!admin.ok()) return failed(admin.status());
  if (!fs.ok()) return failed(fs.status());
  std::unique_ptr<client::GroupVerifier> verifier;
  if (parsed->verify_groups) {
    auto connected = client::GroupVerifier::Connect(cluster, *options);
    if (!connected.ok()) return failed(connected.status());
    verifier = *std::move(connected);
  }
  parsed->path = client::NormalizePath(
      client::JoinPath((*fs)->HomeDirectory(), uri->path.empty() ? "/" : uri->path));
  if (!parsed->by_block) {
    const absl::StatusOr<client::FileStatus> there = (*fs)->Stat(parsed->path);
    if (!there.ok() && IsMissing(there.status())) return inaccessible(there.status());
    if (!there.ok()) return failed(there.status());
  }
  ctx.err << "Connecting to namenode via hdfs://" << (*admin)->authority() << "\n";
  return Fsck(**fs, **admin, verifier.get(), *std::move(parsed), ctx.out, ctx.err).Run();
}

}  // namespace cairn::tools
