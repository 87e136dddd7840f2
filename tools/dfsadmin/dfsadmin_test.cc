#include "tools/dfsadmin/dfsadmin.h"

#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "tools/dfsadmin/admin_command.h"
#include "tools/dfsadmin/reconfig.h"
#include "tools/hadoop_text.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What a run of `cairn dfsadmin` that needs no cluster prints, and its exit code.
struct Printed {
  int exit_code;
  std::string out, err;
};

Printed DfsAdmin(std::vector<std::string> args) {
  std::ostringstream out;
  std::ostringstream err;
  CommandContext ctx{.args = std::move(args), .out = out, .err = err};
  const int code = RunDfsAdmin(ctx);
  return {code, out.str(), err.str()};
}

TEST(DfsAdminTest, BadUsageExitsWith255) {
  EXPECT_EQ(DfsAdmin({}).exit_code, 255);
  EXPECT_EQ(DfsAdmin({"-safemode"}).exit_code, 255);
  EXPECT_EQ(DfsAdmin({"-safemode", "perhaps"}).exit_code, 255);
  EXPECT_EQ(DfsAdmin({"-report", "-sick"}).exit_code, 255);
  EXPECT_EQ(DfsAdmin({"-safemode", "perhaps"}).err,
            "Usage: cairn dfsadmin [-safemode <enter | leave | get | wait | forceExit>]\n");
}

TEST(DfsAdminTest, AnUnknownCommandIsNamedAndAllOthersAreListed) {
  const Printed printed = DfsAdmin({"-nosuch"});
  EXPECT_EQ(printed.exit_code, 255);
  EXPECT_THAT(printed.err, StartsWith("nosuch: Unknown command\nUsage: cairn dfsadmin\n"));
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_THAT(printed.err, HasSubstr(std::string("\t[-") + command.name));
  }
}

TEST(DfsAdminTest, HelpExplainsOneCommandOrAll) {
  EXPECT_THAT(DfsAdmin({"-help", "safemode"}).out, StartsWith("-safemode <enter | leave"));
  EXPECT_EQ(DfsAdmin({"-help", "-safemode"}).out, DfsAdmin({"-help", "safemode"}).out);
  const Printed all = DfsAdmin({"-help"});
  EXPECT_EQ(all.exit_code, 0);
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_THAT(all.out, HasSubstr(command.help[0] == '\0' ? "no help" : command.name));
  }
}

TEST(DfsAdminTest, HelpOfTheReportNamesEachOfItsFlags) {
  for (const char* flag : {"-live", "-dead", "-decommissioning", "-enteringmaintenance",
                           "-inmaintenance", "-slownodes", "--json"}) {
    EXPECT_THAT(DfsAdmin({"-help", "report"}).out, HasSubstr(absl::StrCat("[", flag, "]")));
  }
}

TEST(DfsAdminTest, WhatIsNotSupportedYetFailsAndSaysSo) {
  const Printed printed = DfsAdmin({"-allowSnapshot", "/a"});
  EXPECT_EQ(printed.exit_code, 255);
  EXPECT_EQ(printed.err, "allowSnapshot: not supported yet\n");
}

TEST(DfsAdminTest, ABandwidthIsANumberThatIsNotNegative) {
  EXPECT_THAT(DfsAdmin({"-setBalancerBandwidth", "-1"}).err, HasSubstr("non-negative integer"));
  EXPECT_THAT(DfsAdmin({"-setBalancerBandwidth", "fast"}).err, HasSubstr("NumberFormatException"));
}

TEST(DfsAdminTest, ADatanodeIsNamedByHostAndPort) {
  EXPECT_EQ(DfsAdmin({"-getDatanodeInfo"}).exit_code, 255);
  EXPECT_THAT(DfsAdmin({"-getDatanodeInfo", "dn"}).err, HasSubstr("not host:port"));
  EXPECT_EQ(DfsAdmin({"-shutdownDatanode", "dn:1", "downgrade"}).exit_code, 255);
  EXPECT_EQ(DfsAdmin({"-triggerBlockReport", "-incremental"}).exit_code, 255);
  const Printed printed = DfsAdmin({"-triggerBlockReport", "dn:1", "dn:2"});
  EXPECT_EQ(printed.exit_code, 1);
  EXPECT_EQ(printed.err, "Can't understand arguments: dn:2\n");
}

TEST(DfsAdminTest, ReconfigTakesADatanodeAndOneOfThreeOperations) {
  EXPECT_EQ(DfsAdmin({"-reconfig", "datanode", "dn:1"}).exit_code, 255);
  const Printed unknown = DfsAdmin({"-reconfig", "datanode", "dn:1", "stop"});
  EXPECT_EQ(unknown.exit_code, 255);
  EXPECT_EQ(unknown.err, "Unknown operation: stop\n");
  const Printed namenode = DfsAdmin({"-reconfig", "namenode", "nn:1", "start"});
  EXPECT_EQ(namenode.exit_code, 1);
  EXPECT_EQ(namenode.err, "Node type namenode does not support reconfiguration.\n");
}

TEST(DfsAdminTest, ReconfigurationIsToldInHdfsWords) {
  std::ostringstream out;
  PrintReconfiguration("dn:1", std::nullopt, out);
  client::ReconfigurationTask task{.started = absl::FromUnixSeconds(1'700'000'000)};
  PrintReconfiguration("dn:1", task, out);
  task.ended = absl::FromUnixSeconds(1'700'000'001);
  task.changes = {{"dfs.datanode.data.dir", "/a", "/a,/b", ""},
                  {"dfs.datanode.data.dir", "/a", "/c", "no such disk"}};
  PrintReconfiguration("dn:1", task, out);
  const std::string began = JavaDate(task.started);
  EXPECT_EQ(out.str(),
            "Reconfiguring status for node [dn:1]: no task was found.\n"
            "Reconfiguring status for node [dn:1]: started at " +
                began +
                " and is still running.\n"
                "Reconfiguring status for node [dn:1]: started at " +
                began + " and finished at " + JavaDate(*task.ended) +
                ".\n"
                "SUCCESS: Changed property dfs.datanode.data.dir\n"
                "\tFrom: \"/a\"\n\tTo: \"/a,/b\"\n"
                "FAILED: Change property dfs.datanode.data.dir\n"
                "\tFrom: \"/a\"\n\tTo: \"/c\"\n\tError: no such disk.\n");
}

TEST(DfsAdminTest, AnUpgradeIsAskedForOrFinalized) {
  EXPECT_EQ(DfsAdmin({"-upgrade"}).exit_code, 255);
  const Printed started = DfsAdmin({"-upgrade", "start"});
  EXPECT_EQ(started.exit_code, 255);
  EXPECT_EQ(started.err, "Usage: cairn dfsadmin [-upgrade <query | finalize>]\n");
  EXPECT_EQ(DfsAdmin({"-finalizeUpgrade", "now"}).exit_code, 255);
}

TEST(DfsAdminTest, NoTwoCommandsHaveOneName) {
  std::set<std::string> names;
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
  }
}

}  // namespace
}  // namespace cairn::tools
