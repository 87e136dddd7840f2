// tools/doctor/judge.h - what `cairn doctor` has looked at, and what it makes of it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/admin_types.h"
#include "common/descriptors.h"

namespace cairn::tools {

// A program's word on the configuration files.
struct ConfigCheck {
  std::string program;  // "cairn-namenode"; of clients: "clients"
  std::string trouble;  // empty: it takes them
};

// How far another machine's clock is from this one's.
struct ClockOffset {
  absl::Duration offset;  // positive: theirs is ahead
  absl::Duration doubt;   // half of the time that the question took
};

struct DatanodeCheck {
  std::string node;  // ip:port
  absl::Status reached;
  std::optional<ClockOffset> clock;
  client::DatanodeStatus status;
  std::string no_local_reads;  // why none are made of it from this machine; empty: it is well
};

struct DoctorFacts {
  std::string conf;  // the directory, or "" if there is none
  std::vector<ConfigCheck> configs;
  DescriptorUse here;
  std::string namenode;  // host:port
  absl::Status reached;  // it; what follows is empty otherwise
  std::optional<ClockOffset> clock;
  client::ClusterFacts cluster;
  std::vector<DatanodeCheck> datanodes;  // that live
};

enum class Severity { kNote, kWarning, kError };

struct Finding {
  Severity severity = Severity::kWarning;
  std::string check;  // "configuration", "clocks", ...
  std::string what;
  std::string advice;  // what to do
};

// Errors first. Notes are no trouble: they tell what could not be checked, or could be faster.
std::vector<Finding> Diagnose(const DoctorFacts& facts);

}  // namespace cairn::tools
