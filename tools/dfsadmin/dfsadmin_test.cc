#include "tools/dfsadmin/dfsadmin.h"

#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "common/testing/status_matchers.h"
#include "tools/dfsadmin/admin_command.h"

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

TEST(DfsAdminTest, WhatIsNotSupportedYetFailsAndSaysSo) {
  const Printed printed = DfsAdmin({"-allowSnapshot", "/a"});
  EXPECT_EQ(printed.exit_code, 255);
  EXPECT_EQ(printed.err, "allowSnapshot: not supported yet\n");
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

TEST(DfsAdminTest, NoTwoCommandsHaveOneName) {
  std::set<std::string> names;
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
  }
}

}  // namespace
}  // namespace cairn::tools
