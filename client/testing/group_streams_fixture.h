// client/testing/group_streams_fixture.h - erasure-coded files written through libcairn, against
// datanodes that fail on request, and a check of what they have then.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/testing/fake_groups.h"
#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"
#include "common/status_macros.h"

namespace cairn::client {

inline constexpr uint64_t kCell = 1024;
inline constexpr uint64_t kUnitBytes = 4 * kCell;        // of a full unit
inline constexpr uint64_t kStripeBytes = 3 * kCell;      // of data
inline constexpr uint64_t kGroupBytes = 3 * kUnitBytes;  // the same

class GroupStreamsTest : public ::testing::Test {
 protected:
  using Lost = std::vector<std::set<uint32_t>>;  // units, by group

  static ClientOptions Options() {
    ClientOptions options;
    options.block_bytes = kUnitBytes;
    options.write_window_bytes = 256 << 10;
    options.read_timeout = absl::Seconds(20);
    return options;
  }

  absl::Status Write(const std::string& data, FileSystem& fs) {
    ASSIGN_OR_RETURN(auto out, fs.Create("/f"));
    for (size_t at = 0; at < data.size(); at += 777) {
      RETURN_IF_ERROR(out->Write(absl::string_view(data).substr(at, 777)));
    }
    return out->Close();
  }
  absl::Status Write(const std::string& data) { return Write(data, *fs_); }

  // Every unit has what belongs to it, and no unit is there that is to have nothing; but those
  // that are `lost` are not finished.
  static void ExpectUnits(const FakeGroups& cluster, const erasure::Policy& policy,
                          const std::string& data, const Lost& lost = {}) {
    uint64_t begin = 0;
    const std::vector<FakeGroups::Group> groups = cluster.Groups("/f");
    for (size_t i = 0; i < groups.size(); ++i) {
      const FakeGroups::Group& group = groups[i];
      const auto expected = MakeUnits(policy, absl::string_view(data).substr(begin, group.bytes));
      begin += group.bytes;
      for (uint32_t unit = 0; unit < expected.size(); ++unit) {
        SCOPED_TRACE(absl::StrCat("group ", i, ", unit ", unit));
        const FakeGroups::Unit& stored = group.units[unit];
        if (i < lost.size() && lost[i].contains(unit)) {
          EXPECT_FALSE(stored.finished);
          continue;
        }
        EXPECT_EQ(stored.there, !expected[unit].empty());
        EXPECT_EQ(stored.bytes, expected[unit]);
        EXPECT_EQ(stored.finished, stored.there);
        EXPECT_EQ(stored.stamp, stored.there ? group.stamp : 0);
      }
    }
    EXPECT_EQ(begin, data.size());
    EXPECT_THAT(cluster.Complaints(), ::testing::IsEmpty());
  }
  void ExpectUnits(const std::string& data, const Lost& lost = {}) {
    ExpectUnits(cluster_, SmallCells(3, 2), data, lost);
  }
  // The same, and the file is complete.
  static void ExpectStored(const FakeGroups& cluster, const erasure::Policy& policy,
                           const std::string& data, const Lost& lost = {}) {
    ExpectUnits(cluster, policy, data, lost);
    EXPECT_FALSE(cluster.IsOpen("/f"));
  }
  void ExpectStored(const std::string& data, const Lost& lost = {}) {
    ExpectStored(cluster_, SmallCells(3, 2), data, lost);
  }
  std::vector<uint64_t> GroupBytes() {
    std::vector<uint64_t> bytes;
    for (const FakeGroups::Group& group : cluster_.Groups("/f")) bytes.push_back(group.bytes);
    return bytes;
  }

  FakeGroups cluster_{SmallCells(3, 2), 7};
  std::unique_ptr<FileSystem> fs_ = cluster_.Connect(Options());
};

}  // namespace cairn::client
