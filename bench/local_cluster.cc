#include "bench/local_cluster.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "common/check.h"

namespace cairn::bench {

std::string ProgramBesideThis(const char* name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

std::string RunAndRead(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  CHECK(pipe != nullptr);
  std::string text;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), count);
  }
  CHECK(::pclose(pipe) == 0) << command << " failed: " << text;
  return text;
}

LocalCluster::LocalCluster(std::string directory, int datanodes,
                           const std::vector<std::string>& keys)
    : directory_(std::move(directory)) {
  std::string command =
      absl::StrCat("'", ProgramBesideThis("cairn"), "' mini --dir '", directory_, "' --datanodes ",
                   datanodes, " --port 0 --detach -D cairn.log.level=warn");
  for (const std::string& key : keys) absl::StrAppend(&command, " -D '", key, "'");
  const std::string said = RunAndRead(command);
  const size_t at = said.find("hdfs://");
  CHECK(at != std::string::npos) << said;
  uri_ = said.substr(at, said.find_first_of(" \n", at) - at);
}

LocalCluster::~LocalCluster() {
  Mini("stop");
  std::filesystem::remove_all(directory_);
}

void LocalCluster::Mini(const std::string& command) {
  RunAndRead(absl::StrCat("'", ProgramBesideThis("cairn"), "' mini --dir '", directory_, "' ",
                          command, " 2>&1"));
}

std::vector<Process> ProcessesOf(const std::string& directory) {
  std::vector<Process> found;
  if (directory.empty()) return found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/run", error)) {
    if (entry.path().extension() != ".pid") continue;
    std::ifstream file(entry.path());
    Process process{.name = entry.path().stem().string()};
    if (file >> process.pid) found.push_back(std::move(process));
  }
  std::sort(found.begin(), found.end(),
            [](const Process& a, const Process& b) { return a.name < b.name; });
  return found;
}

std::vector<double> CpuNow(const std::vector<Process>& processes) {
  std::vector<double> cpu{CpuSeconds()};
  for (const Process& process : processes) cpu.push_back(CpuSecondsOf(process.pid));
  return cpu;
}

}  // namespace cairn::bench
