#include "tools/doctor/judge.h"

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::Need;
using client::NodeFacts;
using client::NodeLiveness;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

NodeFacts Node(int number, NodeLiveness liveness = NodeLiveness::kLive) {
  NodeFacts node;
  node.ip = "10.0.0." + std::to_string(number);
  node.host = "dn" + std::to_string(number);
  node.transfer_port = 9866;
  node.rack = number % 2 == 0 ? "/even" : "/odd";
  node.liveness = liveness;
  node.silent = absl::Seconds(1);
  node.storages = {{.uuid = "DS-" + std::to_string(number), .capacity = 1000, .remaining = 500}};
  return node;
}

// Nothing is wrong here.
DoctorFacts Healthy() {
  DoctorFacts facts;
  facts.conf = "/etc/cairn";
  facts.configs = {{"clients", ""}, {"cairn-namenode", ""}};
  facts.here = {.limit = 65536, .used = 10};
  facts.namenode = "nn:8020";
  facts.clock = ClockOffset{absl::Milliseconds(20), absl::Milliseconds(1)};
  facts.cluster.version = "1";
  facts.cluster.default_replication = 3;
  facts.cluster.descriptor_limit = 65536;
  facts.cluster.nodes = {Node(1), Node(2), Node(3)};
  for (const NodeFacts& node : facts.cluster.nodes) {
    facts.datanodes.push_back(
        {.node = node.name(), .status = {.version = "1", .descriptor_limit = 65536}});
  }
  return facts;
}

Finding TheFinding(const DoctorFacts& facts) {
  const std::vector<Finding> findings = Diagnose(facts);
  EXPECT_THAT(findings, SizeIs(1));
  return findings.empty() ? Finding() : findings[0];
}

TEST(DoctorTest, AHealthyClusterHasNoFindings) { EXPECT_THAT(Diagnose(Healthy()), IsEmpty()); }

TEST(DoctorTest, BlockGroupsThatContradictThemselvesAreAWarning) {
  DoctorFacts facts = Healthy();
  facts.cluster.contradicting_groups = 2;
  const Finding finding = TheFinding(facts);
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_EQ(finding.check, "blocks");
  EXPECT_THAT(finding.what, HasSubstr("2 block groups have units that contradict each other"));
}

TEST(DoctorTest, ADroppedDirectoryOfTheJournalIsAnError) {
  DoctorFacts facts = Healthy();
  facts.cluster.journals = {{"/a/journal", 20, ""}, {"/b/journal", 17, "No space left on device"}};
  const Finding finding = TheFinding(facts);
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(finding.check, "journal");
  EXPECT_EQ(finding.what,
            "/b/journal is not used any more, since edit 17: No space left on device");
  EXPECT_THAT(finding.advice, HasSubstr("restart the namenode"));
}

TEST(DoctorTest, ABadConfigurationIsToldOnceHoweverManyProgramsRefuseIt) {
  DoctorFacts facts = Healthy();
  facts.configs = {{"clients", "hdfs-site.xml: unknown key"},
                   {"cairn-namenode", "hdfs-site.xml: unknown key"}};
  const Finding finding = TheFinding(facts);
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_EQ(finding.what, "clients: hdfs-site.xml: unknown key");
}

TEST(DoctorTest, ANamenodeThatCannotBeAskedHidesTheRest) {
  DoctorFacts facts = Healthy();
  facts.reached = absl::UnavailableError("connection refused");
  facts.cluster.safe_mode = true;
  const Finding finding = TheFinding(facts);
  EXPECT_EQ(finding.check, "namenode");
  EXPECT_THAT(finding.what, HasSubstr("nn:8020 cannot be asked: connection refused"));
}

TEST(DoctorTest, AClockIsWrongOnlyBeyondWhatTheQuestionTook) {
  DoctorFacts facts = Healthy();
  facts.clock = ClockOffset{absl::Seconds(2), absl::Milliseconds(1500)};
  EXPECT_THAT(Diagnose(facts), IsEmpty());
  facts.clock = ClockOffset{absl::Seconds(2), absl::Milliseconds(500)};
  EXPECT_THAT(TheFinding(facts).what, HasSubstr("2s ahead of this machine's"));
  facts.clock = ClockOffset{-absl::Minutes(2), absl::Milliseconds(1)};
  EXPECT_EQ(TheFinding(facts).severity, Severity::kError);
}

TEST(DoctorTest, DeadAndSilentNodesAreNamed) {
  DoctorFacts facts = Healthy();
  facts.cluster.nodes.push_back(Node(4, NodeLiveness::kStale));
  facts.cluster.nodes.push_back(Node(5, NodeLiveness::kDead));
  const std::vector<Finding> findings = Diagnose(facts);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].what, HasSubstr("10.0.0.5:9866 (dn5) is dead"));
  EXPECT_THAT(findings[1].what, HasSubstr("10.0.0.4:9866 (dn4) has been silent"));
}

TEST(DoctorTest, MoreReplicasThanLiveNodesCannotBe) {
  DoctorFacts facts = Healthy();
  facts.cluster.default_replication = 4;
  EXPECT_THAT(TheFinding(facts).what, HasSubstr("dfs.replication is 4, and 3 datanodes live"));
}

TEST(DoctorTest, OneRackIsAWarningWhenThereAreSeveralMachines) {
  DoctorFacts facts = Healthy();
  for (NodeFacts& node : facts.cluster.nodes) node.rack = "/default-rack";
  EXPECT_EQ(TheFinding(facts).check, "topology");
}

TEST(DoctorTest, DisksThatFailedAreErrorsAndNearlyFullOnesWarnings) {
  DoctorFacts facts = Healthy();
  facts.cluster.nodes[0].storages[0].failed = true;
  facts.cluster.nodes[1].storages[0].remaining = 50;
  const std::vector<Finding> findings = Diagnose(facts);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].what, HasSubstr("DS-1 of 10.0.0.1:9866 (dn1) has failed"));
  EXPECT_THAT(findings[1].what, HasSubstr("is nearly full: 50 B of 1000 B are left"));
}

TEST(DoctorTest, MissingBlocksAreErrorsAndThoseUnderRepairWarnings) {
  DoctorFacts facts = Healthy();
  facts.cluster.by_need[static_cast<size_t>(Need::kMissing)] = 2;
  facts.cluster.by_need[static_cast<size_t>(Need::kLow)] = 5;
  const std::vector<Finding> findings = Diagnose(facts);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].what, HasSubstr("2 blocks have no good replica"));
  EXPECT_THAT(findings[1].what, HasSubstr("5 blocks lack replicas"));
}

// Nothing found is no all-clear then.
TEST(DoctorTest, BlocksThatWereNotLookedAtAreAWarning) {
  DoctorFacts facts = Healthy();
  facts.cluster.looking = true;
  EXPECT_EQ(TheFinding(facts).severity, Severity::kWarning);
  EXPECT_EQ(TheFinding(facts).check, "blocks");
  EXPECT_THAT(TheFinding(facts).what, HasSubstr("still looking through the blocks"));
  facts.cluster.safe_mode = true;
  EXPECT_EQ(TheFinding(facts).check, "safe mode") << "told once";
  facts = Healthy();
  facts.cluster.overflowed = true;
  EXPECT_THAT(TheFinding(facts).what, HasSubstr("more than the namenode remembers"));
}

TEST(DoctorTest, DescriptorsRunOutBeforeTheyAreOut) {
  DoctorFacts facts = Healthy();
  facts.cluster.descriptors_used = 60000;
  EXPECT_THAT(TheFinding(facts).what,
              HasSubstr("the namenode has 60000 of 65536 file descriptors in use"));
  facts = Healthy();
  facts.here.limit = 1024;
  EXPECT_THAT(TheFinding(facts).what, HasSubstr("this shell may open only 1024"));
}

TEST(DoctorTest, DatanodesThatCannotBeAskedAndOtherVersionsAreTold) {
  DoctorFacts facts = Healthy();
  facts.datanodes[0].reached = absl::UnavailableError("no route");
  facts.datanodes[1].status.version = "2";
  const std::vector<Finding> findings = Diagnose(facts);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].what, HasSubstr("10.0.0.1:9866 cannot be asked from here: no route"));
  EXPECT_THAT(findings[1].what, HasSubstr("several versions run: 1, 2"));
}

TEST(DoctorTest, ThatADatanodeOfThisMachineIsReadOverTcpIsNoTrouble) {
  DoctorFacts facts = Healthy();
  facts.datanodes[1].no_local_reads = "/run/cairn/dn.9866: No such file or directory";
  const Finding finding = TheFinding(facts);
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_EQ(finding.check, "local reads");
  EXPECT_THAT(finding.what, HasSubstr("/run/cairn/dn.9866"));
}

}  // namespace
}  // namespace cairn::tools
