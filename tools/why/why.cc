#include "tools/why/why.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cluster_admin.h"
#include "client/file_system.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/fsck/options.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"
#include "tools/why/judge.h"

namespace cairn::tools {
namespace {

// Of a directory so many troubles are told one by one.
constexpr size_t kMostTroubles = 20;

struct Found {
  Explanation explanation;
  uint64_t files = 0;          // of a directory, that were looked at
  uint64_t more_troubles = 0;  // beyond those in the explanation
};

class Why {
 public:
  Why(client::FileSystem& fs, client::ClusterAdmin& admin) : fs_(fs), admin_(admin) {}

  absl::StatusOr<Found> Ask(const std::string& subject) {
    const auto facts = admin_.DescribeCluster();
    if (facts.ok()) cluster_ = *facts;
    if (!facts.ok() && !absl::IsUnimplemented(facts.status())) return facts.status();
    if (absl::StartsWith(subject, "/")) return AskPath(subject);
    if (const auto block = ParseBlockName(subject); block.ok()) return AskBlock(*block, subject);
    return AskNode(subject);
  }

 private:
  const client::ClusterFacts* cluster() const { return cluster_ ? &*cluster_ : nullptr; }

  absl::StatusOr<Found> AskPath(const std::string& path) {
    ASSIGN_OR_RETURN(const client::FileStatus status, fs_.Stat(path));
    Found found;
    if (!status.is_directory()) {
      ASSIGN_OR_RETURN(const client::FileReport file, admin_.DescribeFile(path));
      found.explanation = ExplainFile(file, cluster());
      return found;
    }
    found.explanation.subject = path;
    RETURN_IF_ERROR(AddDirectory(path, found));
    found.explanation.fine = absl::StrCat("all replicas of its ", found.files, " files are there");
    return found;
  }

  absl::Status AddDirectory(const std::string& path, Found& found) {
    client::DirectoryIterator entries = fs_.List(path);
    for (;;) {
      absl::StatusOr<std::optional<client::FileStatus>> entry = entries.Next();
      if (absl::IsNotFound(entry.status())) return absl::OkStatus();
      RETURN_IF_ERROR(entry.status());
      if (!entry->has_value()) return absl::OkStatus();
      if ((*entry)->is_directory()) {
        RETURN_IF_ERROR(AddDirectory((*entry)->path, found));
      } else if ((*entry)->is_file()) {
        RETURN_IF_ERROR(AddFile((*entry)->path, found));
      }
    }
  }

  absl::Status AddFile(const std::string& path, Found& found) {
    const absl::StatusOr<client::FileReport> file = admin_.DescribeFile(path);
    if (absl::IsNotFound(file.status())) return absl::OkStatus();
    RETURN_IF_ERROR(file.status());
    ++found.files;
    std::vector<Trouble>& troubles = found.explanation.troubles;
    for (Trouble& trouble : ExplainFile(*file, cluster()).troubles) {
      // What is lost is told first, however late it is found.
      if (troubles.size() < kMostTroubles) {
        troubles.push_back(std::move(trouble));
        continue;
      }
      ++found.more_troubles;
      if (!trouble.data_lost) continue;
      const auto place = std::find_if(troubles.begin(), troubles.end(),
                                      [](const Trouble& t) { return !t.data_lost; });
      if (place != troubles.end()) *place = std::move(trouble);
    }
    std::stable_partition(troubles.begin(), troubles.end(),
                          [](const Trouble& t) { return t.data_lost; });
    return absl::OkStatus();
  }

  absl::StatusOr<Found> AskBlock(uint64_t id, const std::string& name) {
    ASSIGN_OR_RETURN(const auto owned, admin_.DescribeBlock(id));
    if (!owned.has_value()) {
      return absl::NotFoundError(absl::StrCat(name, ": no file has this block"));
    }
    ASSIGN_OR_RETURN(const auto group, GroupOf(*owned));
    return Found{.explanation = group.has_value() ? ExplainUnit(*owned, *group, cluster())
                                                  : ExplainBlock(*owned, cluster())};
  }

  // The group of a unit. nullopt: the block is none, or its file is gone since.
  absl::StatusOr<std::optional<client::BlockReport>> GroupOf(const client::OwnedBlock& owned) {
    if (!owned.block.is_unit()) return std::nullopt;
    const auto file = admin_.DescribeFile(owned.path);
    if (absl::IsNotFound(file.status())) return std::nullopt;
    RETURN_IF_ERROR(file.status());
    for (const client::BlockReport& block : file->blocks) {
      if (block.is_group() && block.id == owned.block.group_id()) return block;
    }
    return std::nullopt;
  }

  absl::StatusOr<Found> AskNode(const std::string& name) {
    if (!cluster_) return absl::UnimplementedError("this server does not tell of its datanodes");
    const client::NodeFacts* const node = FindNode(*cluster_, name);
    if (node == nullptr) {
      return absl::NotFoundError(absl::StrCat(
          name, ": no datanode of this name, or several; `cairn dfsadmin -report` names them all"));
    }
    return Found{.explanation = ExplainNode(*node, *cluster_)};
  }

  client::FileSystem& fs_;
  client::ClusterAdmin& admin_;
  std::optional<client::ClusterFacts> cluster_;
};

void PrintText(const Found& found, std::ostream& out) {
  const Explanation& e = found.explanation;
  if (e.troubles.empty()) {
    out << "Nothing is wrong with " << Escaped(e.subject) << ": " << Escaped(e.fine) << ".\n";
    return;
  }
  const auto line = [&](const char* word, const std::string& text) {
    if (!text.empty()) out << "  " << word << Escaped(text) << "\n";
  };
  for (const Trouble& t : e.troubles) {
    out << Escaped(t.subject) << "\n";
    line("wrong:      ", t.what);
    line("since:      ", t.since);
    line("being done: ", t.doing);
    line("in the way: ", t.blocked);
    line("ends:       ", t.expected);
  }
  if (found.more_troubles > 0) out << "and " << found.more_troubles << " more\n";
}

void PrintJson(const Found& found, std::ostream& out) {
  const Explanation& e = found.explanation;
  JsonWriter json(out);
  json.BeginObject();
  json.Field("subject", e.subject);
  json.Field("well", e.troubles.empty());
  if (e.troubles.empty()) json.Field("note", e.fine);
  json.Key("troubles");
  json.BeginArray();
  for (const Trouble& t : e.troubles) {
    json.BeginObject();
    json.Field("subject", t.subject);
    json.Field("wrong", t.what);
    json.Field("since", t.since);
    json.Field("doing", t.doing);
    json.Field("blocked_by", t.blocked);
    json.Field("ends", t.expected);
    json.Field("data_lost", t.data_lost);
    json.EndObject();
  }
  json.EndArray();
  json.Field("more_troubles", found.more_troubles);
  json.EndObject();
}

absl::StatusOr<Found> Run(std::string subject, client::ClientOptions options) {
  if (absl::StrContains(subject, "://")) {
    ASSIGN_OR_RETURN(const client::PathUri uri, client::ParsePathUri(subject));
    options.default_uri = absl::StrCat(uri.scheme, "://", uri.authority);
    subject = uri.path.empty() ? "/" : uri.path;
  }
  if (absl::StartsWith(subject, "/")) subject = client::NormalizePath(subject);
  const std::string cluster = options.default_uri.empty() ? "hdfs://" : options.default_uri;
  ASSIGN_OR_RETURN(const auto fs, client::FileSystem::Connect(cluster, options));
  ASSIGN_OR_RETURN(const auto admin, client::ClusterAdmin::Connect(cluster, options));
  return Why(*fs, *admin).Ask(subject);
}

}  // namespace

int RunWhy(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  const auto json = std::find(args.begin(), args.end(), "--json");
  const bool as_json = json != args.end();
  if (as_json) args.erase(json);
  if (!options.ok() || args.size() != 1) {
    if (!options.ok()) ctx.err << "why: " << options.status().message() << "\n";
    ctx.err
        << "usage: cairn why [-conf DIR] [-fs URI] [-D KEY=VALUE]... PATH|BLOCK|NODE [--json]\n";
    return kExitUsage;
  }
  const absl::StatusOr<Found> found = Run(args[0], *options);
  if (!found.ok()) {
    ctx.err << "why: " << Escaped(found.status().message()) << "\n";
    return kExitUsage;
  }
  as_json ? PrintJson(*found, ctx.out) : PrintText(*found, ctx.out);
  return found->explanation.troubles.empty() ? kExitOk : kExitFailed;
}

}  // namespace cairn::tools
