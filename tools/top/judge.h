// tools/top/judge.h - rates out of two samples of a namenode's counters, and the table of
// `cairn top`. Pure.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "client/admin_types.h"
#include "tools/json.h"

namespace cairn::tools {

struct Rate {
  std::string name;
  double per_second = 0;
};

// What is in the second sample beyond the first, the busiest first. The namenode started again in
// between (a counter went back): since its start.
std::vector<Rate> Rates(const std::vector<client::OperationCount>& before,
                        const std::vector<client::OperationCount>& after, absl::Duration between);

// The same of users, of which the namenode tells the busiest apart. Those of which it is not known
// what they had called before are counted as "(others)", who have what is left of `calls`, those of
// all methods. `started_again`: the namenode was, in between.
std::vector<Rate> UserRates(const std::vector<client::OperationCount>& before,
                            const std::vector<client::OperationCount>& after, bool started_again,
                            double calls, absl::Duration between);

struct TopSample {
  client::ClusterFacts cluster;
  std::vector<Rate> methods, users;
  double total_per_second = 0;
};

TopSample MakeSample(client::ClusterFacts cluster, const client::Operations& before,
                     const client::Operations& after);

// At most `rows` lines; 0: as many as there are.
void PrintTop(const TopSample& sample, const std::string& namenode, size_t rows, std::ostream& out);
void WriteTop(const TopSample& sample, JsonWriter& json);

}  // namespace cairn::tools
