#include "tools/top/judge.h"

#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(TopTest, RatesAreDifferencesOverTheTimeBetween) {
  const std::vector<Rate> rates =
      Rates({{"mkdirs", 10}, {"delete", 5}}, {{"mkdirs", 14}, {"delete", 5}, {"create", 8}},
            absl::Seconds(2));
  ASSERT_THAT(rates, SizeIs(2));
  EXPECT_EQ(rates[0].name, "create");
  EXPECT_DOUBLE_EQ(rates[0].per_second, 4);
  EXPECT_DOUBLE_EQ(rates[1].per_second, 2);
}

TEST(TopTest, ACounterThatWentBackCountsFromTheNewStart) {
  const std::vector<Rate> rates = Rates({{"mkdirs", 100}}, {{"mkdirs", 6}}, absl::Seconds(1));
  ASSERT_THAT(rates, SizeIs(1));
  EXPECT_DOUBLE_EQ(rates[0].per_second, 6);
}

std::vector<std::string> Texts(const std::vector<Rate>& rates) {
  std::vector<std::string> texts;
  for (const Rate& rate : rates) texts.push_back(absl::StrCat(rate.name, " ", rate.per_second));
  return texts;
}

TEST(TopTest, UsersThatANamenodeTellsAllApartAreCountedAsMethodsAre) {
  EXPECT_THAT(Texts(UserRates({{"alice", 10}}, {{"bob", 4}, {"alice", 12}},
                              /*started_again=*/false, 6, absl::Seconds(2))),
              ElementsAre("bob 2", "alice 1"));
}

TEST(TopTest, WhoWasNotToldApartBeforeIsOneOfTheOthers) {
  // Bob may have had his four million calls for years.
  EXPECT_THAT(Texts(UserRates({{"alice", 10}, {"(others)", 9'000'000}},
                              {{"alice", 12}, {"bob", 4'000'000}, {"(others)", 5'000'010}},
                              /*started_again=*/false, 12, absl::Seconds(1))),
              ElementsAre("(others) 10", "alice 2"));
}

TEST(TopTest, AUserThatWasForgottenMeanwhileIsOneOfTheOthersToo) {
  EXPECT_THAT(Texts(UserRates({{"alice", 1000}}, {{"alice", 990}}, /*started_again=*/false, 3,
                              absl::Seconds(1))),
              ElementsAre("(others) 3"));
}

TEST(TopTest, UsersOfANamenodeThatWasStartedAgainCountFromThere) {
  const TopSample sample = MakeSample(
      {},
      {.at = absl::Seconds(1),
       .methods = {{"mkdirs", 100}},
       .users = {{"alice", 60}, {"(others)", 40}}},
      {.at = absl::Seconds(2), .methods = {{"mkdirs", 70}}, .users = {{"alice", 65}, {"bob", 5}}});
  EXPECT_THAT(Texts(sample.users), ElementsAre("alice 65", "bob 5"));
}

TopSample Sample() {
  client::ClusterFacts cluster;
  cluster.started = absl::UnixEpoch();
  cluster.now = cluster.started + absl::Seconds(90);
  for (const char* ip : {"10.0.0.1", "10.0.0.2"}) {
    client::NodeFacts node;
    node.ip = ip;
    node.transfer_port = 9866;
    node.storages = {{.capacity = 100, .used = 20, .remaining = 75, .blocks = 4}};
    cluster.nodes.push_back(node);
  }
  cluster.nodes[1].liveness = client::NodeLiveness::kDead;
  return MakeSample(cluster, {.at = absl::Seconds(1)},
                    {.at = absl::Seconds(2), .methods = {{"mkdirs", 3}}, .users = {{"alice", 3}}});
}

TEST(TopTest, TheTableShowsOperationsUsersAndNodesInTroubleFirst) {
  std::ostringstream out;
  PrintTop(Sample(), "nn:8020", 0, out);
  EXPECT_THAT(out.str(), HasSubstr("nn:8020  up 1m30s  3.0 operations/s\n"));
  EXPECT_THAT(out.str(), HasSubstr("      3.0  mkdirs"));
  EXPECT_THAT(out.str(), HasSubstr("3.0  alice"));
  EXPECT_LT(out.str().find("10.0.0.2:9866"), out.str().find("10.0.0.1:9866"));
  EXPECT_THAT(out.str(), HasSubstr("25 %"));
}

// A user's name is what the client says it is.
TEST(TopTest, AUsersNameSteersNoTerminal) {
  TopSample sample = Sample();
  sample.users[0].name = "\x1b[2J\nroot";
  std::ostringstream out;
  PrintTop(sample, "nn:8020", 0, out);
  EXPECT_THAT(out.str(), HasSubstr("\\x1b[2J\\nroot"));
}

TEST(TopTest, NoMoreLinesThanTheTerminalHas) {
  std::ostringstream out;
  PrintTop(Sample(), "nn:8020", 3, out);
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(TopTest, ForProgramsTheSameIsJson) {
  std::ostringstream out;
  JsonWriter json(out);
  WriteTop(Sample(), json);
  EXPECT_THAT(out.str(), HasSubstr("\"operations\":[{\"name\":\"mkdirs\",\"per_second\":3}]"));
  EXPECT_THAT(out.str(), HasSubstr("\"state\":\"dead\""));
}

}  // namespace
}  // namespace cairn::tools
