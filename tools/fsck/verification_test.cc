// The text and the sums of -ec-verify, from findings to what scripts read.
#include "tools/fsck/verification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tools/fsck/print.h"

namespace cairn::tools {
namespace {

using client::GroupFinding;
using ::testing::HasSubstr;
using ::testing::Not;
using State = GroupFinding::State;

constexpr uint64_t kGroupId = 0x8000000000000010;
constexpr FsckCluster kCluster{.live_nodes = 5, .racks = 1};
constexpr char kGroupName[] = "BP-1-127.0.0.1-1:blk_-9223372036854775792_1001";

// An RS-3-2 file of one group, all units of which are there.
client::FileReport CodedFile() {
  client::FileReport file;
  file.path = "/a/f";
  file.length = 7000000;
  file.replication = 1;
  file.erasure_policy = "RS-3-2-1024k";
  file.block_pool = "BP-1-127.0.0.1-1";
  client::BlockReport group;
  group.id = kGroupId;
  group.stamp = 1001;
  group.length = 7000000;
  group.wanted = 5;
  group.units_needed = 3;
  for (uint64_t number = 0; number < 5; ++number) {
    client::BlockReport unit;
    unit.id = kGroupId + number;
    unit.wanted = 1;
    client::ReplicaReport replica;
    replica.rack = "/default-rack";
    unit.replicas = {replica};
    group.units.push_back(unit);
  }
  file.blocks = {group};
  return file;
}

GroupFinding Verified() { return {.unit_bytes = 3000, .compared_bytes = 3000}; }

client::UnitAt Unit(uint32_t number, std::string datanode, std::string why) {
  return {.unit = number,
          .block = kGroupId + number,
          .datanode = std::move(datanode),
          .why = std::move(why)};
}

GroupFinding Wrong() {
  GroupFinding finding = Verified();
  finding.state = State::kContradiction;
  finding.differ_at = 512;
  finding.wrong = Unit(1, "127.0.0.1:9867", "");
  return finding;
}

FileVerdict VerdictWith(const std::optional<GroupFinding>& finding) {
  FileVerdict verdict = Judge(CodedFile(), kCluster);
  verdict.findings = {finding};
  return verdict;
}

std::string Printed(const std::optional<GroupFinding>& finding, const FsckOptions& o = {}) {
  std::ostringstream out;
  PrintFsckFile(CodedFile(), VerdictWith(finding), kCluster, o, out);
  return out.str();
}

std::string Totals(const std::vector<std::optional<GroupFinding>>& findings) {
  FsckTotals totals;
  totals.verification.asked = true;
  for (const auto& finding : findings) totals.Add(CodedFile(), VerdictWith(finding));
  std::ostringstream out;
  PrintFsckTotals(totals, kCluster, {}, out);
  return out.str();
}

TEST(FsckVerificationTest, NothingIsSaidOfAVerifiedGroup) {
  EXPECT_EQ(Printed(Verified()), "");
  EXPECT_THAT(Printed(Verified(), {.files = true}), HasSubstr("1 block(s):  OK\n"));
  EXPECT_EQ(Printed(std::nullopt), "");
  EXPECT_EQ(Printed(GroupFinding{.state = State::kChanged}), "");
}

TEST(FsckVerificationTest, AWrongUnitIsNamed) {
  const std::string line = std::string(" Wrong unit 1 (blk_-9223372036854775791) of ") +
                           kGroupName +
                           " on 127.0.0.1:9867: the other units agree, and it differs from what "
                           "they say at offset 512 of the unit.\n";
  EXPECT_EQ(Printed(Wrong()), "\n/a/f:" + line);
  const std::string listed = Printed(Wrong(), {.files = true});
  EXPECT_THAT(listed, HasSubstr("1 block(s): " + line));
  EXPECT_THAT(listed, Not(HasSubstr("OK")));
}

TEST(FsckVerificationTest, UnitsOfWhichNoneCanBeNamedContradictEachOther) {
  GroupFinding finding = Wrong();
  finding.wrong.reset();
  finding.lost = {Unit(4, "", "no datanode is known that has it")};
  EXPECT_EQ(Printed(finding),
            std::string("\n/a/f: Contradicting ") + kGroupName +
                ". The group's units contradict each other at offset 512 of the units; which one "
                "is wrong is not known.\n"
                "\n/a/f: Lost unit 4 (blk_-9223372036854775788) of " +
                kGroupName + ": no datanode is known that has it.\n");
}

TEST(FsckVerificationTest, UnitsThatCannotBeReadAreNamedWithWhy) {
  GroupFinding finding = {.state = State::kUnreadable, .unit_bytes = 3000, .compared_bytes = 1000};
  finding.unreadable = {Unit(0, "127.0.0.1:9866", "bad checksum\nStatus: HEALTHY")};
  finding.lost = {Unit(3, "127.0.0.1:9869", "refused")};
  EXPECT_EQ(Printed(finding),
            std::string("\n/a/f: Unreadable unit 0 (blk_-9223372036854775792) of ") + kGroupName +
                " on 127.0.0.1:9866: bad checksum\\nStatus: HEALTHY.\n"
                "\n/a/f: Lost unit 3 (blk_-9223372036854775789) of " +
                kGroupName +
                " on 127.0.0.1:9869: refused.\n"
                "\n/a/f: Not compared: 2000 of 3000 bytes of each unit of " +
                kGroupName + ", where no more units could be read than are needed.\n");
  finding.state = State::kTooFew;
  EXPECT_THAT(Printed(finding), HasSubstr(std::string("\n/a/f: Unrecoverable ") + kGroupName +
                                          ". Fewer units could be read than the 3 that are "
                                          "needed.\n"));
}

TEST(FsckVerificationTest, ThereAreSumsIfTheyWereAskedFor) {
  std::ostringstream out;
  PrintFsckTotals(FsckTotals(), kCluster, {}, out);
  EXPECT_THAT(out.str(), Not(HasSubstr("Verif")));
  const std::string whole = Totals({Verified(), Verified()});
  EXPECT_THAT(whole, HasSubstr("\nStatus: HEALTHY\n"));
  EXPECT_THAT(whole, HasSubstr("\nVerification of Block Groups:\n"
                               " Verified block groups:\t2\n"
                               " Contradicting block groups:\t0\n"
                               " Wrong units:\t0\n"
                               " Unrecoverable block groups:\t0\n"
                               " Block groups with unreadable units:\t0\n"
                               " Block groups with lost units:\t0\n"
                               " Not wholly compared block groups:\t0\n"));
  EXPECT_THAT(whole, Not(HasSubstr("being written")));
}

TEST(FsckVerificationTest, EachGroupIsCountedOnceUnderTheWorstOfIt) {
  GroupFinding lost = {.state = State::kLost, .unit_bytes = 3000, .compared_bytes = 0};
  lost.lost = {Unit(3, "", "gone"), Unit(4, "", "gone")};
  GroupFinding unreadable = {
      .state = State::kUnreadable, .unit_bytes = 3000, .compared_bytes = 3000};
  const std::string mended = Totals({Verified(), lost, unreadable, unreadable, std::nullopt,
                                     GroupFinding{.state = State::kChanged}});
  EXPECT_THAT(mended, HasSubstr("\nStatus: HEALTHY\n"));
  EXPECT_THAT(mended, HasSubstr(" Verified block groups:\t1\n"
                                " Contradicting block groups:\t0\n"
                                " Wrong units:\t0\n"
                                " Unrecoverable block groups:\t0\n"
                                " Block groups with unreadable units:\t2\n"
                                " Block groups with lost units:\t1\n"
                                " Not wholly compared block groups:\t1\n"
                                " Block groups being written (not verified):\t1\n"
                                " Block groups deleted or changed meanwhile (not verified):\t1\n"));
}

TEST(FsckVerificationTest, WhatContradictsItselfOrCannotBeHadIsCorrupt) {
  EXPECT_THAT(Totals({Verified(), Wrong()}), AllOf(HasSubstr("\nStatus: CORRUPT\n"),
                                                   HasSubstr(" Contradicting block groups:\t1\n"),
                                                   HasSubstr(" Wrong units:\t1\n")));
  const GroupFinding too_few = {.state = State::kTooFew, .unit_bytes = 3000, .compared_bytes = 0};
  EXPECT_THAT(Totals({too_few}), AllOf(HasSubstr("\nStatus: CORRUPT\n"),
                                       HasSubstr(" Unrecoverable block groups:\t1\n")));
}

TEST(FsckVerificationTest, JsonTellsOfEachGroup) {
  GroupFinding finding = Wrong();
  finding.unreadable = {Unit(0, "127.0.0.1:9866", "bad")};
  finding.lost = {Unit(4, "", "gone")};
  std::ostringstream out;
  JsonWriter json(out);
  WriteFsckFile(CodedFile(), VerdictWith(finding), json);
  EXPECT_THAT(
      out.str(),
      HasSubstr("\"verification\":[{\"block\":\"blk_-9223372036854775792\",\"state\":"
                "\"contradicting\",\"unit_bytes\":3000,\"compared_bytes\":3000,\"differ_at\":512,"
                "\"wrong_unit\":{\"unit\":1,\"block\":\"blk_-9223372036854775791\",\"datanode\":"
                "\"127.0.0.1:9867\"},\"unreadable_units\":[{\"unit\":0,\"block\":"
                "\"blk_-9223372036854775792\",\"datanode\":\"127.0.0.1:9866\",\"why\":\"bad\"}],"
                "\"lost_units\":[{\"unit\":4,\"block\":\"blk_-9223372036854775788\",\"datanode\":"
                "\"\",\"why\":\"gone\"}]}]}"));
  std::ostringstream open;
  JsonWriter of_open(open);
  WriteFinding(CodedFile().blocks[0], std::nullopt, of_open);
  EXPECT_EQ(open.str(), "{\"block\":\"blk_-9223372036854775792\",\"state\":\"being-written\"}\n");
}

TEST(FsckVerificationTest, JsonHasTheSums) {
  FsckTotals totals;
  std::ostringstream without;
  JsonWriter plain(without);
  WriteFsckTotals(totals, kCluster, plain);
  EXPECT_THAT(without.str(), Not(HasSubstr("verification")));
  totals.verification.asked = true;
  totals.Add(CodedFile(), VerdictWith(Wrong()));
  std::ostringstream out;
  JsonWriter json(out);
  WriteFsckTotals(totals, kCluster, json);
  EXPECT_THAT(out.str(),
              HasSubstr("\"verification\":{\"verified\":0,\"contradicting\":1,\"wrong_units\":1,"
                        "\"unrecoverable\":0,\"with_unreadable_units\":0,\"with_lost_units\":0,"
                        "\"not_wholly_compared\":0,\"being_written\":0,\"changed\":0}"));
}

}  // namespace
}  // namespace cairn::tools
