#include "tools/balancer/options.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr ConfigKey kKeys[] = {
    {"dfs.balancer.max-size-to-move", ConfigType::kSize, "10g",
     "most bytes that a datanode gives or takes in one iteration", absl::Seconds(1), 1},
    {"dfs.balancer.getBlocks.min-block-size", ConfigType::kSize, "10m",
     "smaller blocks are moved only if there are no others"},
    {"dfs.balancer.moverThreads", ConfigType::kInt, "1000", "moves at a time in the cluster",
     absl::Seconds(1), 1, 1'000'000},
    {"dfs.balancer.max-iteration-time", ConfigType::kDuration, "20m",
     "after so long an iteration begins no more moves", absl::Milliseconds(1), 1},
    {"dfs.datanode.balance.max.concurrent.moves", ConfigType::kInt, "100",
     "moves for balance that a datanode sends, or takes, at a time", absl::Seconds(1), 1, 10000},
};

// A file of hosts: names parted by white space, '#' begins a comment.
absl::StatusOr<std::vector<std::string>> ReadHosts(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> hosts;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) hosts.push_back(word);
  }
  if (!in.eof()) return absl::InvalidArgumentError(absl::StrCat(file, ": cannot be read"));
  return hosts;
}

class Parser {
 public:
  Parser(const std::vector<std::string>& args, BalancerOptions* out) : args_(args), out_(*out) {}

  absl::Status Run() {
    client::BalanceJob& job = out_.job;
    for (at_ = 0; at_ < args_.size(); ++at_) {
      const std::string option = absl::AsciiStrToLower(args_[at_]);  // HDFS ignores the case, too
      if (option == "-threshold") {
        RETURN_IF_ERROR(ParseThreshold());
      } else if (option == "-policy") {
        RETURN_IF_ERROR(ParsePolicy());
      } else if (option == "-include") {
        RETURN_IF_ERROR(ParseHosts("include", &job.include));
      } else if (option == "-exclude") {
        RETURN_IF_ERROR(ParseHosts("exclude", &job.exclude));
      } else if (option == "-source") {
        RETURN_IF_ERROR(ParseHosts("source", &job.sources));
      } else if (option == "-idleiterations") {
        ASSIGN_OR_RETURN(const std::string text, Value("idleiterations value"));
        if (!absl::SimpleAtoi(text, &out_.idle_iterations) || out_.idle_iterations < -1) {
          return absl::InvalidArgumentError(
              absl::StrCat("Expecting a number of iterations, or -1: ", text));
        }
      } else if (option == "-runduringupgrade") {
        // The namenode's upgrade has nothing to do with where blocks are.
      } else if (option == "-sorttopnodes") {
        out_.remarks.emplace_back("-sortTopNodes: the fullest datanodes come first in any case");
      } else if (option == "--json") {
        out_.json = true;
      } else if (option == "-asservice") {
        return absl::InvalidArgumentError(
            "-asService: not supported; a namenode with cairn.namenode.balance.enabled keeps "
            "balance by itself");
      } else if (option == "-hotblocktimeinterval" || option == "-limitoverutilizednum" ||
                 option == "-excludesource" || option == "-excludetarget" ||
                 option == "-blockpools") {
        return absl::InvalidArgumentError(absl::StrCat(args_[at_], ": not supported"));
      } else {
        return absl::InvalidArgumentError(absl::StrCat("what is \"", args_[at_], "\"?"));
      }
    }
    if (!job.include.empty() && !job.exclude.empty()) {
      return absl::InvalidArgumentError(
          "-exclude and -include options cannot be specified together.");
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::string> Value(absl::string_view what) {
    if (++at_ >= args_.size()) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is missing"));
    }
    return args_[at_];
  }

  absl::Status ParseThreshold() {
    ASSIGN_OR_RETURN(const std::string text, Value("Threshold value"));
    double threshold = 0;
    if (!absl::SimpleAtod(text, &threshold) || !(threshold >= 1 && threshold <= 100)) {
      return absl::InvalidArgumentError(
          absl::StrCat("Expecting a number in the range of [1.0, 100.0]: ", text));
    }
    out_.job.threshold_percent = threshold;
    return absl::OkStatus();
  }

  // There is one block pool: both mean the same.
  absl::Status ParsePolicy() {
    ASSIGN_OR_RETURN(const std::string text, Value("Policy value"));
    if (absl::EqualsIgnoreCase(text, "datanode") || absl::EqualsIgnoreCase(text, "blockpool")) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("Illegal policy name: ", text));
  }

  absl::Status ParseHosts(absl::string_view option, std::vector<std::string>* hosts) {
    ASSIGN_OR_RETURN(const std::string text,
                     Value(absl::StrCat("List of nodes to ", option, " | -f <filename>")));
    if (absl::EqualsIgnoreCase(text, "-f")) {
      ASSIGN_OR_RETURN(const std::string file,
                       Value(absl::StrCat("File containing nodes to ", option)));
      ASSIGN_OR_RETURN(*hosts, ReadHosts(file));
    } else {
      hosts->clear();
      for (const absl::string_view host : absl::StrSplit(text, ',')) {
        const absl::string_view name = absl::StripAsciiWhitespace(host);
        if (!name.empty()) hosts->emplace_back(name);
      }
    }
    // An empty list would mean all of them.
    if (!hosts->empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("-", option, ": the list of hosts is empty"));
  }

  const std::vector<std::string>& args_;
  BalancerOptions& out_;
  size_t at_ = 0;
};

}  // namespace

const char kBalancerUsage[] =
    "Usage: cairn balancer [-conf DIR] [-fs URI] [-D KEY=VALUE]...\n"
    "\t[-policy <policy>]\tdatanode or blockpool: the same, there is one block pool\n"
    "\t[-threshold <threshold>]\tpercent of the capacity, 1 to 100; 10 if left out\n"
    "\t[-exclude [-f <hosts-file> | <comma-separated list of hosts>]]\tthese take no part\n"
    "\t[-include [-f <hosts-file> | <comma-separated list of hosts>]]\tonly these take part\n"
    "\t[-source [-f <hosts-file> | <comma-separated list of hosts>]]\tonly these give\n"
    "\t[-idleiterations <idleiterations>]\titerations without a move before it gives up, -1 for "
    "ever; 5 if left out\n"
    "\t[-runDuringUpgrade]\taccepted\n"
    "\t[--json]\tthe same for programs: docs/operations.md\n";

std::span<const ConfigKey> BalancerConfigKeys() { return kKeys; }

absl::StatusOr<BalancerOptions> ParseBalancerOptions(const std::vector<std::string>& args,
                                                     const Config& config) {
  BalancerOptions options;
  ASSIGN_OR_RETURN(options.job.most_bytes, config.GetSize("dfs.balancer.max-size-to-move"));
  ASSIGN_OR_RETURN(options.job.min_block_bytes,
                   config.GetSize("dfs.balancer.getBlocks.min-block-size"));
  ASSIGN_OR_RETURN(options.job.moves, config.GetInt("dfs.balancer.moverThreads"));
  ASSIGN_OR_RETURN(options.job.moves_per_node,
                   config.GetInt("dfs.datanode.balance.max.concurrent.moves"));
  ASSIGN_OR_RETURN(options.job.longest_iteration,
                   config.GetDuration("dfs.balancer.max-iteration-time"));
  RETURN_IF_ERROR(Parser(args, &options).Run());
  return options;
}

}  // namespace cairn::tools
