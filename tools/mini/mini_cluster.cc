#include "tools/mini/mini_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/file_system.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace cairn::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr absl::Duration kPoll = absl::Milliseconds(10);
constexpr absl::Duration kStartLimit = absl::Seconds(60);

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::ofstream out(temporary, std::ios::trunc);
  out << text;
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::InternalError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

// Below the range that outgoing connections take theirs from: a daemon that is down for a moment
// must find its port free when it comes back.
constexpr int kFirstPort = 10000;
constexpr int kPorts = 11000;

// A port that nobody listens on now; not the same twice.
absl::StatusOr<int> FreePort(const std::string& ip) {
  static int next = static_cast<int>((static_cast<int64_t>(getpid()) * 37) % kPorts);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  int error = 0;
  for (int tried = 0; tried < kPorts; ++tried) {
    const int port = kFirstPort + next++ % kPorts;
    address.sin_port = htons(static_cast<uint16_t>(port));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok =
        fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    error = errno;
    if (fd >= 0) close(fd);
    if (ok) return port;
  }
  return absl::UnavailableError(absl::StrCat("no free port on ", ip, ": ", std::strerror(error)));
}

std::string XmlEscape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

std::string XmlFile(const std::vector<std::pair<std::string, std::string>>& properties) {
  std::string xml = "<?xml version=\"1.0\"?>\n<configuration>\n";
  for (const auto& [name, value] : properties) {
    absl::StrAppend(&xml, "  <property><name>", XmlEscape(name), "</name><value>", XmlEscape(value),
                    "</value></property>\n");
  }
  return xml + "</configuration>\n";
}

bool IsAlive(int pid) {
  if (pid <= 0 || kill(pid, 0) != 0) return false;
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return false;
  if (stat[name_end + 2] != 'Z') return true;
  // A zombie: either all has ended and its parent has not looked yet, or other threads are still on
  // their way out and hold files, locks and ports.
  std::error_code error;
  const fs::directory_iterator threads(absl::StrCat("/proc/", pid, "/task"), error);
  return !error && std::distance(begin(threads), end(threads)) > 1;
}

absl::StatusOr<int> Spawn(const std::vector<std::string>& command, const std::string& log) {
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (out < 0)
    return absl::InternalError(absl::StrCat("cannot open ", log, ": ", std::strerror(errno)));
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int pid = fork();
  if (pid == 0) {
    setsid();  // Ctrl-C in the terminal is for us alone: the daemons are told to end in order
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    execvp(argv[0], argv.data());
    dprintf(2, "cannot run %s: %s\n", argv[0], std::strerror(errno));
    _exit(127);
  }
  close(out);
  if (pid < 0) return absl::InternalError(absl::StrCat("fork: ", std::strerror(errno)));
  return pid;
}

std::string HowItEnded(int status) {
  return WIFSIGNALED(status) ? absl::StrCat(" (killed by signal ", WTERMSIG(status), ")")
                             : absl::StrCat(" (exit status ", WEXITSTATUS(status), ")");
}

// Where datanode `number` (from 1) is; empty without racks.
std::string RackOf(const std::vector<std::string>& racks, size_t number) {
  if (racks.empty()) return "";
  const std::string& rack = racks[std::min(number, racks.size()) - 1];
  return absl::StartsWith(rack, "/") ? rack : "/" + rack;
}

std::string EndOf(const std::string& path) {
  const std::string text = ReadFile(path);
  return text.substr(text.size() > 2000 ? text.size() - 2000 : 0);
}

}  // namespace

std::string ProgramBeside(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path beside = self.parent_path() / name;
  return fs::exists(beside) ? beside.string() : name;
}

std::string MiniCluster::RunFile(const std::string& name, const std::string& suffix) const {
  return absl::StrCat(directory_, "/run/", name, ".", suffix);
}
std::string MiniCluster::LogFile(const std::string& name) const {
  return absl::StrCat(directory_, "/log/", name, ".log");
}

absl::StatusOr<MiniCluster> MiniCluster::Open(const std::string& directory) {
  MiniCluster cluster;
  cluster.directory_ = fs::absolute(directory).lexically_normal().string();
  const std::string text = ReadFile(cluster.directory_ + "/conf/mini.json");
  if (text.empty()) {
    return absl::NotFoundError(
        absl::StrCat(directory, " holds no mini cluster (no conf/mini.json)"));
  }
  const json saved = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!saved.is_object() || !saved.contains("datanodes")) {
    return absl::DataLossError(absl::StrCat(directory, "/conf/mini.json is damaged"));
  }
  cluster.rpc_port_ = saved.value("rpc", 0);
  cluster.internal_port_ = saved.value("internal", 0);
  cluster.overrides_ = saved.value("overrides", std::vector<std::string>());
  for (const json& node : saved["datanodes"]) {
    cluster.datanodes_.push_back({node.value("name", ""), node.value("ip", ""),
                                  node.value("rack", ""), node.value("transfer", 0),
                                  node.value("ipc", 0)});
  }
  cluster.uri_ = absl::StrCat("hdfs://127.0.0.1:", cluster.rpc_port_);
  return cluster;
}

absl::StatusOr<MiniCluster> MiniCluster::OpenOrMake(const MiniOptions& options) {
  absl::StatusOr<MiniCluster> existing = Open(options.directory);
  if (existing.ok()) {
    RETURN_IF_ERROR(existing->CheckIsAsWanted(options));
    if (!options.overrides.empty()) {
      existing->overrides_ = options.overrides;
      RETURN_IF_ERROR(existing->Save());
    }
    RETURN_IF_ERROR(existing->WriteConfiguration());
    RETURN_IF_ERROR(existing->FormatIfEmpty());
    return existing;
  }
  if (!absl::IsNotFound(existing.status())) return existing;
  MiniCluster cluster;
  cluster.directory_ = fs::absolute(options.directory).lexically_normal().string();
  cluster.overrides_ = options.overrides;
  std::error_code error;
  for (const char* part : {"conf", "run", "log"}) {
    fs::create_directories(cluster.directory_ + "/" + part, error);
    if (error) {
      return absl::InternalError(
          absl::StrCat("cannot make ", cluster.directory_, "/", part, ": ", error.message()));
    }
  }
  cluster.rpc_port_ = options.port;
  if (cluster.rpc_port_ == 0) {
    ASSIGN_OR_RETURN(cluster.rpc_port_, FreePort("127.0.0.1"));
  }
  ASSIGN_OR_RETURN(cluster.internal_port_, FreePort("127.0.0.1"));
  for (int i = 1; i <= options.datanodes.value_or(kDefaultDatanodes); ++i) {
    Node node;
    node.name = absl::StrCat("datanode-", i);
    node.ip = options.racks.empty() ? "127.0.0.1" : absl::StrCat("127.0.1.", i);
    node.rack = RackOf(options.racks, static_cast<size_t>(i));
    ASSIGN_OR_RETURN(node.transfer_port, FreePort(node.ip));
    ASSIGN_OR_RETURN(node.ipc_port, FreePort(node.ip));
    cluster.datanodes_.push_back(node);
  }
  cluster.uri_ = absl::StrCat("hdfs://127.0.0.1:", cluster.rpc_port_);
  RETURN_IF_ERROR(cluster.Save());
  RETURN_IF_ERROR(cluster.WriteConfiguration());
  RETURN_IF_ERROR(cluster.FormatIfEmpty());
  return cluster;
}

absl::Status MiniCluster::CheckIsAsWanted(const MiniOptions& options) const {
  const auto differs = [&](const std::string& there, const std::string& wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory_, " was made with ", there, ", which cannot become ", wanted,
                     ": leave the option out to go on with what is there, or take another --dir"));
  };
  const size_t count = datanodes_.size();
  if (options.datanodes.has_value() && static_cast<size_t>(*options.datanodes) != count) {
    return differs(absl::StrCat("--datanodes ", count), absl::StrCat(*options.datanodes));
  }
  if (options.port != 0 && options.port != rpc_port_) {
    return differs(absl::StrCat("--port ", rpc_port_), absl::StrCat(options.port));
  }
  if (options.racks.empty()) return absl::OkStatus();
  std::vector<std::string> there, wanted;
  for (const Node& node : datanodes_) {
    there.push_back(node.rack);
    wanted.push_back(RackOf(options.racks, wanted.size() + 1));
  }
  if (there == wanted) return absl::OkStatus();
  const bool none = datanodes_[0].rack.empty();
  return differs(none ? "no --racks" : absl::StrCat("--racks ", absl::StrJoin(there, ",")),
                 absl::StrJoin(wanted, ","));
}

absl::Status MiniCluster::Save() const {
  json saved{{"rpc", rpc_port_}, {"internal", internal_port_}, {"overrides", overrides_}};
  saved["datanodes"] = json::array();
  for (const Node& node : datanodes_) {
    saved["datanodes"].push_back({{"name", node.name},
                                  {"ip", node.ip},
                                  {"rack", node.rack},
                                  {"transfer", node.transfer_port},
                                  {"ipc", node.ipc_port}});
  }
  return WriteFile(directory_ + "/conf/mini.json", saved.dump(2) + "\n");
}

// None where the directory's name is too long for one.
std::string MiniCluster::DomainSocket() const {
  const std::string longest = directory_ + "/run/dn.65535";
  return longest.size() < sizeof(sockaddr_un{}.sun_path) ? directory_ + "/run/dn._PORT" : "";
}

absl::Status MiniCluster::WriteConfiguration() const {
  RETURN_IF_ERROR(WriteFile(directory_ + "/conf/core-site.xml", XmlFile({{"fs.defaultFS", uri_}})));
  std::vector<std::pair<std::string, std::string>> properties = {
      {"dfs.namenode.rpc-address", absl::StrCat("127.0.0.1:", rpc_port_)},
      {"dfs.namenode.name.dir", directory_ + "/namenode"},
      {"cairn.namenode.internal.address", absl::StrCat("127.0.0.1:", internal_port_)},
      {"dfs.replication",
       absl::StrCat(std::min<size_t>(3, std::max<size_t>(1, datanodes_.size())))},
      {"dfs.heartbeat.interval", "1"},
      {"dfs.domain.socket.path", DomainSocket()},
      // Few datanodes: a Hadoop client goes on with those that are left.
      {"dfs.client.block.write.replace-datanode-on-failure.best-effort", "true"},
  };
  std::string racks;
  for (const Node& node : datanodes_) {
    if (!node.rack.empty()) absl::StrAppend(&racks, node.ip, " ", node.rack, "\n");
  }
  if (!racks.empty()) {
    RETURN_IF_ERROR(WriteFile(directory_ + "/conf/racks", racks));
    properties.emplace_back("net.topology.table.file.name", directory_ + "/conf/racks");
  }
  for (const std::string& text : overrides_) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(text, absl::MaxSplits('=', 1));
    std::erase_if(properties, [&](const auto& property) { return property.first == pair.first; });
    properties.push_back(pair);
  }
  return WriteFile(directory_ + "/conf/hdfs-site.xml", XmlFile(properties));
}

std::string MiniCluster::NamenodeDirectory() const {
  for (auto it = overrides_.rbegin(); it != overrides_.rend(); ++it) {  // the last one counts
    absl::string_view value = *it;
    if (!absl::ConsumePrefix(&value, "dfs.namenode.name.dir=")) continue;
    if (absl::ConsumePrefix(&value, "file:")) {
      while (absl::StartsWith(value, "//")) value.remove_prefix(1);
    }
    return std::string(value);
  }
  return directory_ + "/namenode";
}

absl::Status MiniCluster::FormatIfEmpty() const {
  const std::string directory = NamenodeDirectory();
  if (fs::exists(directory + "/VERSION")) return absl::OkStatus();
  // Never with -force: what is there without VERSION may be all that is left of a namespace. The
  // namenode itself knows a format that was cut short.
  const std::vector<std::string> command = {ProgramBeside("cairn-namenode"), "--conf",
                                            directory_ + "/conf", "-format"};
  ASSIGN_OR_RETURN(const int pid, Spawn(command, LogFile("namenode")));
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrCat("formatting ", directory, " failed:\n", EndOf(LogFile("namenode"))));
  }
  return absl::OkStatus();
}

std::vector<std::string> MiniCluster::names() const {
  std::vector<std::string> names = {"namenode"};
  for (const Node& node : datanodes_) names.push_back(node.name);
  return names;
}

absl::StatusOr<std::vector<std::string>> MiniCluster::Select(
    const std::vector<std::string>& wanted) const {
  const std::vector<std::string> all = names();
  for (const std::string& name : wanted) {
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no \"", name, "\" here; there are: ", absl::StrJoin(all, " ")));
    }
  }
  return wanted.empty() ? all : wanted;
}

std::vector<std::string> MiniCluster::CommandOf(const std::string& name) const {
  std::vector<std::string> command;
  const std::string conf = directory_ + "/conf";
  if (name == "namenode") {
    command = {ProgramBeside("cairn-namenode"), "--conf", conf};
  } else {
    const Node& node = *std::find_if(datanodes_.begin(), datanodes_.end(),
                                     [&](const Node& n) { return n.name == name; });
    command = {ProgramBeside("cairn-datanode"),
               "--conf",
               conf,
               "-D",
               absl::StrCat("dfs.datanode.data.dir=", directory_, "/", name),
               "-D",
               absl::StrCat("dfs.datanode.address=", node.ip, ":", node.transfer_port),
               "-D",
               absl::StrCat("dfs.datanode.ipc.address=", node.ip, ":", node.ipc_port)};
  }
  command.insert(command.end(),
                 {"--pid-file", RunFile(name, "pid"), "--port-file", RunFile(name, "ports")});
  return command;
}

int MiniCluster::PidOf(const std::string& name) const {
  int pid = 0;
  if (!absl::SimpleAtoi(ReadFile(RunFile(name, "pid")), &pid) || !IsAlive(pid)) return 0;
  // The number may have gone to another process since.
  const std::string command = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
  return command.find(directory_) != std::string::npos ? pid : 0;
}

absl::StatusOr<int> MiniCluster::StartOne(const std::string& name) const {
  if (const int running = PidOf(name); running != 0) return running;
  std::error_code ignored;
  fs::remove(RunFile(name, "ports"), ignored);
  if (name != "namenode") fs::create_directories(directory_ + "/" + name, ignored);
  ASSIGN_OR_RETURN(const int pid, Spawn(CommandOf(name), LogFile(name)));
  RETURN_IF_ERROR(WriteFile(RunFile(name, "pid"), absl::StrCat(pid, "\n")));
  return pid;
}

absl::Status MiniCluster::AwaitReady(const std::string& name, int pid) const {
  const absl::Time until = absl::Now() + kStartLimit;
  while (!fs::exists(RunFile(name, "ports"))) {
    int status = 0;
    const bool ended = waitpid(pid, &status, WNOHANG) == pid;
    if (ended || !IsAlive(pid)) {
      return absl::UnavailableError(absl::StrCat(name, " ended while starting",
                                                 ended ? HowItEnded(status) : "", "; the end of ",
                                                 LogFile(name), ":\n", EndOf(LogFile(name))));
    }
    if (absl::Now() > until) {
      return absl::DeadlineExceededError(absl::StrCat(name, " is not ready after ",
                                                      absl::FormatDuration(kStartLimit), "; see ",
                                                      LogFile(name)));
    }
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

absl::Status MiniCluster::Start(const std::vector<std::string>& wanted) {
  ASSIGN_OR_RETURN(const std::vector<std::string> selected, Select(wanted));
  std::vector<int> pids;
  for (const std::string& name : selected) {
    ASSIGN_OR_RETURN(pids.emplace_back(), StartOne(name));
  }
  for (size_t i = 0; i < selected.size(); ++i) RETURN_IF_ERROR(AwaitReady(selected[i], pids[i]));
  return PidOf("namenode") == 0 ? absl::OkStatus() : AwaitRegistered();
}

absl::Status MiniCluster::AwaitRegistered() const {
  size_t running = 0;
  for (const Node& node : datanodes_) running += PidOf(node.name) != 0;
  client::ClientOptions options;
  options.user = client::LoginUser();
  ASSIGN_OR_RETURN(const auto cluster, client::FileSystem::Connect(uri_, options));
  const absl::Time until = absl::Now() + kStartLimit;
  for (;;) {
    ASSIGN_OR_RETURN(const std::vector<client::DatanodeReport> live,
                     cluster->GetDatanodeReport(client::DatanodeKind::kLive));
    ASSIGN_OR_RETURN(const bool safe_mode, cluster->SetSafeMode(client::SafeModeAction::kGet));
    // Safe mode may wait for datanodes that were not started now: that is not ours to wait for.
    const bool all = running == datanodes_.size();
    if (live.size() >= running && !(safe_mode && all)) return absl::OkStatus();
    if (absl::Now() > until) {
      return absl::DeadlineExceededError(
          absl::StrCat(live.size(), " of ", running, " datanodes registered within ",
                       absl::FormatDuration(kStartLimit), "; see ", directory_, "/log"));
    }
    absl::SleepFor(kPoll);
  }
}

absl::Status MiniCluster::Signal(const std::vector<std::string>& wanted, int signal) {
  ASSIGN_OR_RETURN(const std::vector<std::string> selected, Select(wanted));
  for (const std::string& name : selected) {
    const int pid = PidOf(name);
    if (pid != 0) kill(pid, signal);
    if (signal != SIGKILL || pid == 0) continue;
    while (IsAlive(pid)) {
      waitpid(pid, nullptr, WNOHANG);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  return absl::OkStatus();
}

absl::Status MiniCluster::Stop(const std::vector<std::string>& wanted, absl::Duration patience) {
  ASSIGN_OR_RETURN(std::vector<std::string> selected, Select(wanted));
  // Datanodes first: the namenode hears of what they finish.
  std::reverse(selected.begin(), selected.end());
  const absl::Time until = absl::Now() + patience;
  for (const std::string& name : selected) {
    const int pid = PidOf(name);
    if (pid == 0) continue;
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
    while (IsAlive(pid)) {
      waitpid(pid, nullptr, WNOHANG);
      if (absl::Now() > until) kill(pid, SIGKILL);
      absl::SleepFor(kPoll);
    }
    std::error_code ignored;
    fs::remove(RunFile(name, "pid"), ignored);
    fs::remove(RunFile(name, "ports"), ignored);
  }
  return absl::OkStatus();
}

}  // namespace cairn::tools
