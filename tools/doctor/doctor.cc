#include "tools/doctor/doctor.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cluster_admin.h"
#include "client/datanode_admin.h"
#include "common/config.h"
#include "common/io/run_program.h"
#include "common/net/domain_socket.h"
#include "common/net/own_addresses.h"
#include "common/status_macros.h"
#include "tools/cluster_options.h"
#include "tools/doctor/judge.h"
#include "tools/hadoop_text.h"
#include "tools/json.h"
#include "tools/mini/mini_cluster.h"

namespace cairn::tools {
namespace {

// A look at the cluster, not a wait for it.
constexpr absl::Duration kPatience = absl::Seconds(5);

// Their clock as read between two looks at ours.
ClockOffset OffsetOf(absl::Time theirs, absl::Time before, absl::Time after) {
  const absl::Duration half = (after - before) / 2;
  return {theirs - (before + half), half + absl::Milliseconds(1)};
}

// Each daemon knows its own keys: it is asked whether it takes the files.
void CheckWithDaemons(const std::string& conf, DoctorFacts& facts) {
  for (const char* program : {"cairn-namenode", "cairn-datanode"}) {
    const auto checked =
        RunProgram({.arguments = {ProgramBeside(program), "--check-config", "--conf", conf},
                    .time_limit = kPatience});
    // A machine without that program has no use for its keys.
    if (absl::IsNotFound(checked.status())) continue;
    facts.configs.push_back({program, std::string(checked.status().message())});
  }
}

// Of a datanode of this machine, whether clients may have its replicas' descriptors.
std::string CheckLocalReads(const client::NodeFacts& node, const client::ClientOptions& options) {
  if (!options.short_circuit || options.domain_socket_path.empty()) return "";
  if (!IsOwnAddress(node.ip, OwnAddresses())) return "";
  const std::string path = DomainSocketPath(options.domain_socket_path, node.transfer_port);
  return std::string(CheckDomainSocketPath(path, /*must_exist=*/true).message());
}

void CheckDatanodes(const client::ClientOptions& options, DoctorFacts& facts) {
  for (const client::NodeFacts& node : facts.cluster.nodes) {
    if (node.liveness == client::NodeLiveness::kDead) continue;
    DatanodeCheck& check = facts.datanodes.emplace_back();
    check.node = node.name();
    check.no_local_reads = CheckLocalReads(node, options);
    const auto datanode =
        client::DatanodeAdmin::Connect(absl::StrCat(node.ip, ":", node.ipc_port), options);
    check.reached = datanode.status();
    if (!datanode.ok()) continue;
    const absl::Time before = absl::Now();
    const auto status = (*datanode)->Describe();
    check.reached = status.status();
    if (!status.ok()) continue;
    check.status = *status;
    check.clock = OffsetOf(status->now, before, absl::Now());
  }
}

void CheckCluster(client::ClientOptions options, DoctorFacts& facts) {
  options.rpc_retry_time = std::min(options.rpc_retry_time, kPatience);
  options.rpc_timeout = kPatience;
  options.connect_timeout = kPatience;
  const std::string uri = options.default_uri.empty() ? "hdfs://" : options.default_uri;
  const auto admin = client::ClusterAdmin::Connect(uri, options);
  facts.namenode = admin.ok() ? (*admin)->authority() : uri;
  facts.reached = admin.status();
  if (!admin.ok()) return;
  // The first call also connects; the second one tells the time.
  facts.reached = (*admin)->DescribeCluster().status();
  if (!facts.reached.ok()) return;
  const absl::Time before = absl::Now();
  auto cluster = (*admin)->DescribeCluster();
  facts.reached = cluster.status();
  if (!cluster.ok()) return;
  facts.clock = OffsetOf(cluster->now, before, absl::Now());
  facts.cluster = *std::move(cluster);
  CheckDatanodes(options, facts);
}

const char* SeverityText(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

void PrintText(const std::vector<Finding>& findings, const DoctorFacts& facts, bool well,
               std::ostream& out) {
  for (const Finding& finding : findings) {
    out << SeverityText(finding.severity) << ": " << finding.check << ": " << Escaped(finding.what)
        << "\n    " << finding.advice << "\n";
  }
  if (!well) return;
  out << "Nothing is wrong: " << facts.cluster.nodes.size() << " datanodes of " << facts.namenode
      << ", configuration, clocks, limits, disks and blocks were looked at.\n";
}

void PrintJson(const std::vector<Finding>& findings, const DoctorFacts& facts, bool well,
               std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("namenode", facts.namenode);
  json.Field("well", well);
  json.Key("findings");
  json.BeginArray();
  for (const Finding& finding : findings) {
    json.BeginObject();
    json.Field("severity", SeverityText(finding.severity));
    json.Field("check", finding.check);
    json.Field("what", finding.what);
    json.Field("advice", finding.advice);
    json.EndObject();
  }
  json.EndArray();
  json.Key("journals");
  json.BeginArray();
  for (const client::JournalFacts& journal : facts.cluster.journals) {
    json.BeginObject();
    json.Field("directory", journal.directory);
    json.Field("last_edit", journal.last_txid);
    json.Field("in_use", journal.dropped.empty());
    json.Field("dropped", journal.dropped);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

// The value of -conf among the generic options.
std::string ConfOf(const std::vector<std::string>& args) {
  for (size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] == "-conf" || args[i] == "--conf") return args[i + 1];
  }
  return "";
}

}  // namespace

int RunDoctor(CommandContext& ctx) {
  std::vector<std::string> args = ctx.args;
  const auto json = std::find(args.begin(), args.end(), "--json");
  const bool as_json = json != args.end();
  if (as_json) args.erase(json);
  DoctorFacts facts;
  facts.conf = ResolveConfDir(ConfOf(args));
  facts.here = ReadDescriptorUse();
  const absl::StatusOr<client::ClientOptions> options = TakeClusterOptions(args);
  if (!args.empty() && options.ok()) {
    ctx.err << "usage: cairn doctor [-conf DIR] [-fs URI] [-D KEY=VALUE]... [--json]\n";
    return kExitUsage;
  }
  facts.configs.push_back({"clients", std::string(options.status().message())});
  if (!facts.conf.empty()) CheckWithDaemons(facts.conf, facts);
  if (options.ok()) {
    CheckCluster(*options, facts);
  } else {
    facts.namenode = "the namenode";
    facts.reached = absl::FailedPreconditionError("the configuration does not load");
  }
  const std::vector<Finding> findings = Diagnose(facts);
  const bool well = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity != Severity::kNote;
  });
  as_json ? PrintJson(findings, facts, well, ctx.out) : PrintText(findings, facts, well, ctx.out);
  return well ? kExitOk : kExitFailed;
}

}  // namespace cairn::tools
