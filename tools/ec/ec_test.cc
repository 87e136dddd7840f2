// What `cairn ec` says, and with which exit code it ends, before it needs a cluster. The texts are
// those of Apache Hadoop 3.4.2's `hdfs ec`, but for what usage texts explain.
#include "tools/ec/ec.h"

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "tools/ec/ec_command.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::StartsWith;

struct Printed {
  int exit_code;
  std::string out, err;
};

Printed Ec(std::vector<std::string> args) {
  args.insert(args.begin(), {"-fs", "hdfs://nn:8020"});
  std::ostringstream out;
  std::ostringstream err;
  CommandContext ctx{.args = std::move(args), .out = out, .err = err};
  const int code = RunEc(ctx);
  return {code, out.str(), err.str()};
}

void ExpectRefused(const std::vector<std::string>& args, int exit_code, const std::string& err) {
  const Printed printed = Ec(args);
  EXPECT_EQ(printed.exit_code, exit_code) << err;
  EXPECT_EQ(printed.err, err);
  EXPECT_EQ(printed.out, "");
}

// A call of -setPolicy with these arguments, of the user ann.
class EcCallTest : public ::testing::Test {
 protected:
  EcCall Call(std::vector<std::string> args) {
    return EcCall(*FindEcCommand("setPolicy"), std::move(args), options_, out_, err_);
  }
  absl::StatusOr<EcPath> Resolve(const std::string& text) { return Call({}).Resolve(text); }
  void ExpectLeadsTo(const std::string& text, const std::string& uri, const std::string& path) {
    ASSERT_OK_AND_ASSIGN(const EcPath found, Resolve(text));
    EXPECT_EQ(found.text, text);
    EXPECT_EQ(found.uri, uri);
    EXPECT_EQ(found.path, path);
  }

  client::ClientOptions options_ = [] {
    client::ClientOptions options;
    options.default_uri = "hdfs://nn:8020/ignored";
    options.user = "ann";
    return options;
  }();
  std::ostringstream out_, err_;
};

// ---- Which command ----

TEST(EcTest, WithoutACommandAllAreListed) {
  const Printed printed = Ec({});
  EXPECT_EQ(printed.exit_code, 1);
  EXPECT_THAT(printed.err, StartsWith("Usage: cairn ec [COMMAND]\n          [-listPolicies"));
  for (const EcCommand& command : EcCommands()) {
    EXPECT_THAT(printed.err, HasSubstr(absl::StrCat("          [-", command.name)));
  }
}

TEST(EcTest, AnUnknownCommandIsNamed) {
  EXPECT_EQ(Ec({"-nosuch"}).exit_code, 1);
  EXPECT_THAT(Ec({"-nosuch"}).err, StartsWith("Can't understand command '-nosuch'\nUsage: cairn"));
  EXPECT_THAT(Ec({"listPolicies"}).err,
              StartsWith("Can't understand command 'listPolicies'\n"
                         "Command names must start with dashes.\nUsage: cairn ec"));
}

TEST(EcTest, HelpOfOneCommandSucceedsAndOfAllIsBadUsageAsInHdfs) {
  const Printed one = Ec({"-help", "setPolicy"});
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_EQ(one.out, "");
  EXPECT_THAT(one.err, StartsWith("[-setPolicy -path <path> [-policy <policy>] [-replicate]]\n\n"));
  EXPECT_EQ(Ec({"-help", "-setPolicy"}).err, one.err);
  const Printed all = Ec({"-help"});
  EXPECT_EQ(all.exit_code, 1);
  EXPECT_THAT(all.err, HasSubstr(one.err));
}

TEST(EcTest, HelpOfWhatIsNoCommandNamesTheCommands) {
  ExpectRefused({"-help", "a", "b"}, 1, "You must give exactly one argument to -help.\n");
  ExpectRefused({"-help", "nosuch"}, 1,
                "Unknown command 'nosuch'.\nValid help command names are:\n"
                "listPolicies, addPolicies, getPolicy, removePolicy, setPolicy, unsetPolicy, "
                "listCodecs, enablePolicy, disablePolicy, verifyClusterSetup, convert\n");
}

// ---- Options ----

TEST(EcTest, AnOptionThatIsNeededIsAskedFor) {
  const std::pair<const char*, const char*> kAsked[] = {
      {"-addPolicies", "Please specify the path with -policyFile."},
      {"-getPolicy", "Please specify the path with -path."},
      {"-setPolicy", "Please specify the path for setting the EC policy."},
      {"-unsetPolicy", "Please specify a path."},
      {"-removePolicy", "Please specify the policy name."},
      {"-enablePolicy", "Please specify the policy name."},
      {"-disablePolicy", "Please specify the policy name."},
  };
  for (const auto& [command, asked] : kAsked) {
    const Printed printed = Ec({command, "word"});
    EXPECT_EQ(printed.exit_code, 1);
    EXPECT_THAT(printed.err, StartsWith(absl::StrCat(asked, "\nUsage: [", command, " ")));
  }
}

TEST(EcTest, AnOptionNeedsItsValue) {
  ExpectRefused({"-getPolicy", "-path"}, 255,
                "IllegalArgumentException: option -path requires 1 argument.\n");
  ExpectRefused({"-setPolicy", "-path", "/d", "-policy"}, 255,
                "IllegalArgumentException: option -policy requires 1 argument.\n");
}

TEST(EcTest, WordsTooManyAreRefused) {
  const std::vector<std::string> kCalls[] = {
      {"-listPolicies", "x"},
      {"-listCodecs", "x"},
      {"-addPolicies", "-policyFile", "/f", "x"},
      {"-getPolicy", "-path", "/d", "x"},
      {"-setPolicy", "-path", "/d", "-policy", "a", "-policy", "b"},
      {"-unsetPolicy", "-path", "/d", "--json"},
      {"-removePolicy", "-policy", "a", "x"},
      {"-enablePolicy", "-policy", "a", "x"},
      {"-disablePolicy", "-policy", "a", "x"},
      {"-verifyClusterSetup", "x"},
  };
  for (const std::vector<std::string>& call : kCalls) {
    ExpectRefused(call, 1, absl::StrCat(call[0], ": Too many arguments\n"));
  }
}

TEST(EcTest, APolicyAndReplicationAreNotSetTogether) {
  ExpectRefused({"-setPolicy", "-path", "/d", "-policy", "x", "-replicate"}, 2,
                "-setPolicy: -replicate and -policy cannot been used at the same time\n");
}

TEST(EcTest, VerifyingPoliciesNeedsTheirNames) {
  ExpectRefused({"-verifyClusterSetup", "-policy"}, 255,
                "NotEnoughArgumentsException: Not enough arguments: expected 1 but got 0\n");
  ExpectRefused({"-verifyClusterSetup", "-policy", "-x", "RS-3-2-1024k"}, 255,
                "UnknownOptionException: Illegal option -x\n");
}

TEST(EcTest, AFileOfPoliciesThatIsWrongIsNamedWithItsLine) {
  TempDir directory;
  const std::string path = directory.Path("policies.xml");
  std::ofstream(path) << "<configuration>\n<layoutversion>2</layoutversion></configuration>";
  ExpectRefused({"-addPolicies", "-policyFile", path}, 255,
                absl::StrCat("IllegalArgumentException: ", path,
                             ":2: <layoutversion> is \"2\", expected 1\n"));
}

TEST(EcTest, AFileWithoutPoliciesIsNoError) {
  TempDir directory;
  const std::string path = directory.Path("none.xml");
  std::ofstream(path) << "<configuration><layoutversion>1</layoutversion><schemas/><policies/>"
                         "</configuration>";
  const Printed printed = Ec({"-addPolicies", "-policyFile", path});
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_EQ(printed.out, absl::StrCat("No EC policy parsed out from ", path, "\n"));
}

TEST_F(EcCallTest, OptionsAreTakenWhereverTheyStand) {
  EcCall call = Call({"-replicate", "-path", "-policy", "last"});
  EXPECT_THAT(call.TakeOption("-path"), IsOkAndHolds(Optional(Eq("-policy"))));
  EXPECT_THAT(call.TakeOption("-path"), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_THAT(call.args, ElementsAre("-replicate", "last"));
  EXPECT_TRUE(call.TakeFlag("-replicate"));
  EXPECT_FALSE(call.TakeFlag("-replicate"));
  EXPECT_EQ(ExitCodeOf(call.CheckNoMore()), 1);
  call.args.clear();
  EXPECT_OK(call.CheckNoMore());
}

// ---- Paths ----

TEST_F(EcCallTest, APathIsOfTheDefaultClusterUnlessItNamesAnother) {
  ExpectLeadsTo("/a/./b/../c/", "hdfs://nn:8020", "/a/c");
  ExpectLeadsTo("hdfs:///a", "hdfs://nn:8020", "/a");
  ExpectLeadsTo("hdfs://other/a", "hdfs://other", "/a");
  ExpectLeadsTo("hdfs://other:1", "hdfs://other:1", "/");
}

TEST_F(EcCallTest, ARelativePathIsBelowTheUsersHome) {
  ExpectLeadsTo("a", "hdfs://nn:8020", "/user/ann/a");
  ExpectLeadsTo(".", "hdfs://nn:8020", "/user/ann");
}

TEST_F(EcCallTest, WhatIsNoPathOfAnHdfsIsRefused) {
  for (const char* text : {"", ":x", "file:///a", "s3a://bucket/a", "//host/a"}) {
    const absl::StatusOr<EcPath> path = Resolve(text);
    EXPECT_EQ(ExitCodeOf(path.status()), 255) << text;
    EXPECT_THAT(std::string(path.status().message()), StartsWith("IllegalArgumentException: "));
  }
  EXPECT_EQ(Resolve("file:///a").status().message(),
            "IllegalArgumentException: FileSystem file:/// is not an HDFS file system");
}

TEST_F(EcCallTest, AClusterHasAHostAndAPort) {
  EXPECT_OK(Call({}).Admin());
  for (const char* uri : {"hdfs://nn:99999", "hdfs://"}) {
    EXPECT_EQ(ExitCodeOf(Call({}).Admin({.text = "/a", .uri = uri, .path = "/a"}).status()), 255);
  }
}

TEST_F(EcCallTest, WithoutAClusterNoPathLeadsAnywhere) {
  options_.default_uri = "";
  EXPECT_THAT(std::string(Resolve("/a").status().message()), HasSubstr("no cluster is configured"));
  options_.default_uri = "file:///";
  EXPECT_THAT(std::string(Resolve("/a").status().message()), HasSubstr("not an HDFS file system"));
  ExpectLeadsTo("hdfs://other/a", "hdfs://other", "/a");
}

}  // namespace
}  // namespace cairn::tools
