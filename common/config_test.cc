#include "common/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ConfigKey kTable[] = {
    {.name = "fs.defaultFS", .default_value = "hdfs://localhost:8020"},
    {.name = "dfs.replication",
     .type = ConfigType::kInt,
     .default_value = "3",
     .min = 1,
     .max = 512},
    {.name = "dfs.blocksize", .type = ConfigType::kSize, .default_value = "128m", .min = 1048576},
    {.name = "dfs.permissions.enabled", .type = ConfigType::kBool, .default_value = "true"},
    {.name = "cairn.flush.interval",
     .type = ConfigType::kDuration,
     .default_value = "10",
     .unit = absl::Milliseconds(1),
     .min = 0},
    {.name = "cairn.data.dirs", .type = ConfigType::kList, .default_value = ""},
};

std::string Property(absl::string_view name, absl::string_view value, absl::string_view more = "") {
  return absl::StrCat("<property><name>", name, "</name><value>", value, "</value>", more,
                      "</property>\n");
}

class ConfigTest : public testing::Test {
 protected:
  void Write(absl::string_view file, absl::string_view properties) {
    std::ofstream(dir_.Path(file)) << "<?xml version=\"1.0\"?>\n<configuration>\n"
                                   << properties << "</configuration>\n";
  }
  absl::StatusOr<Config> Load(const std::vector<std::string>& overrides = {}) {
    return Config::Load(dir_.path(), overrides, KnownKeys(kTable));
  }

  TempDir dir_;
};

TEST_F(ConfigTest, DeclaredDefaultsHoldWithoutAnyFile) {
  ASSERT_OK_AND_ASSIGN(const Config config, Load());
  EXPECT_THAT(config.GetString("fs.defaultFS"), IsOkAndHolds("hdfs://localhost:8020"));
  EXPECT_THAT(config.GetInt("dfs.replication"), IsOkAndHolds(3));
  EXPECT_THAT(config.GetSize("dfs.blocksize"), IsOkAndHolds(134217728u));
  EXPECT_THAT(config.GetBool("dfs.permissions.enabled"), IsOkAndHolds(true));
  EXPECT_THAT(config.GetDuration("cairn.flush.interval"), IsOkAndHolds(absl::Milliseconds(10)));
  EXPECT_THAT(config.GetList("cairn.data.dirs"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(config.GetString("never.heard.of"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(config.SourceOf("dfs.replication"), "default");
}

TEST_F(ConfigTest, LaterSourceOverridesEarlier) {
  Write("core-site.xml", Property("a", "core") + Property("b", "core") + Property("c", "core"));
  Write("hdfs-site.xml", Property("b", "hdfs") + Property("c", "hdfs"));
  ASSERT_OK_AND_ASSIGN(const Config config, Load({"c= flag ", "d="}));
  EXPECT_THAT(config.GetString("a"), IsOkAndHolds("core"));
  EXPECT_THAT(config.GetString("b"), IsOkAndHolds("hdfs"));
  EXPECT_THAT(config.GetString("c"), IsOkAndHolds("flag"));
  EXPECT_THAT(config.GetString("d"), IsOkAndHolds(""));
  EXPECT_EQ(config.SourceOf("b"), dir_.Path("hdfs-site.xml") + ":3");
  EXPECT_EQ(config.SourceOf("c"), "-D");
}

TEST_F(ConfigTest, FinalValueYieldsToTheCommandLineOnly) {
  Write("core-site.xml", Property("a", "core", "<final>true</final>") +
                             Property("b", "core", "<final>true</final>") +
                             Property("c", "core", "<final>false</final>"));
  Write("hdfs-site.xml", Property("a", "hdfs") + Property("b", "hdfs") + Property("c", "hdfs"));
  ASSERT_OK_AND_ASSIGN(const Config config, Load({"b=flag"}));
  EXPECT_THAT(config.GetString("a"), IsOkAndHolds("core"));
  EXPECT_THAT(config.GetString("b"), IsOkAndHolds("flag"));
  EXPECT_THAT(config.GetString("c"), IsOkAndHolds("hdfs"));
}

TEST_F(ConfigTest, SizesTimesAndNumbersAreReadAsHadoopWritesThem) {
  const auto config = [](std::string text) {
    return Config::FromProperties({}, {"k=" + std::move(text)}, {}).value();
  };
  EXPECT_THAT(config("4096").GetSize("k"), IsOkAndHolds(4096u));
  EXPECT_THAT(config("64k").GetSize("k"), IsOkAndHolds(65536u));
  EXPECT_THAT(config("1G").GetSize("k"), IsOkAndHolds(uint64_t{1} << 30));
  EXPECT_THAT(config("2tb").GetSize("k"), IsOkAndHolds(uint64_t{2} << 40));
  EXPECT_THAT(config("7e").GetSize("k"), IsOkAndHolds(uint64_t{7} << 60));
  for (const char* bad : {"", "k", "8e", "-1", "1.5g", "1 g", "1x", "99999999999999999999"}) {
    EXPECT_THAT(config(bad).GetSize("k"), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(config("7").GetDuration("k", absl::Minutes(1)), IsOkAndHolds(absl::Minutes(7)));
  EXPECT_THAT(config("5ns").GetDuration("k"), IsOkAndHolds(absl::Nanoseconds(5)));
  EXPECT_THAT(config("5us").GetDuration("k"), IsOkAndHolds(absl::Microseconds(5)));
  EXPECT_THAT(config("10ms").GetDuration("k"), IsOkAndHolds(absl::Milliseconds(10)));
  EXPECT_THAT(config("30s").GetDuration("k"), IsOkAndHolds(absl::Seconds(30)));
  EXPECT_THAT(config("5M").GetDuration("k"), IsOkAndHolds(absl::Minutes(5)));
  EXPECT_THAT(config("2h").GetDuration("k"), IsOkAndHolds(absl::Hours(2)));
  EXPECT_THAT(config("-1d").GetDuration("k"), IsOkAndHolds(absl::Hours(-24)));
  for (const char* bad : {"", "s", "1.5s", "1w", "9223372036854775807d"}) {
    EXPECT_THAT(config(bad).GetDuration("k"), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(config("-0x10").GetInt("k"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(config("0x10").GetInt("k"), IsOkAndHolds(16));
  EXPECT_THAT(config("-9223372036854775808").GetInt("k"), IsOkAndHolds(INT64_MIN));
  EXPECT_THAT(config("9223372036854775808").GetInt("k"), Not(IsOk()));
  EXPECT_THAT(config("TRUE").GetBool("k"), IsOkAndHolds(true));
  EXPECT_THAT(config("yes").GetBool("k"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(config(" a, b ,,c\n d").GetList("k"), IsOkAndHolds(ElementsAre("a", "b", "c", "d")));
}

TEST_F(ConfigTest, BadValueStopsTheStartNamingFileKeyValueAndWhatWasExpected) {
  Write("hdfs-site.xml", Property("a", "x") + Property("dfs.replication", "many"));
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr(dir_.Path("hdfs-site.xml") + ":4"),
                                     HasSubstr("dfs.replication = \"many\""),
                                     HasSubstr("expected a whole number of at least 1"))));
  EXPECT_OK(Load({"dfs.replication=512"}));
  EXPECT_THAT(Load({"dfs.replication=513"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-D: dfs.replication")));
  EXPECT_THAT(Load({"dfs.replication=3", "cairn.flush.interval=-1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cairn.flush.interval")));
  EXPECT_THAT(Load({"dfs.replication=3", "dfs.blocksize=1023k"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dfs.blocksize")));
}

TEST_F(ConfigTest, UnknownKeyOfOursIsRefusedWithTheNearestName) {
  Write("hdfs-site.xml", Property("cairn.flush.intervall", "1"));
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr(dir_.Path("hdfs-site.xml") + ":3"),
                                     HasSubstr("cairn.flush.intervall"),
                                     HasSubstr("did you mean cairn.flush.interval?"))));
  EXPECT_THAT(Config::Load("", {"cairn.zzz=1"}, KnownKeys(kTable)),
              StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("did you mean"))));
}

TEST_F(ConfigTest, KeysOfOtherProgramsAndOfHdfsAreFree) {
  KnownKeys keys(kTable);
  keys.LeaveToOthers("cairn.datanode.");
  EXPECT_OK(Config::Load("", {"cairn.datanode.x=1", "dfs.whatever=1"}, keys));
  EXPECT_FALSE(Config::Load("", {"cairn.namenode.x=1"}, keys).ok());
}

TEST_F(ConfigTest, VariablesStandForKeysDefaultsAndTheEnvironment) {
  setenv("CAIRN_TEST_SET", "env", 1);
  setenv("CAIRN_TEST_EMPTY", "", 1);
  unsetenv("CAIRN_TEST_UNSET");
  ASSERT_OK_AND_ASSIGN(const Config config,
                       Load({"base=/data", "dir=${base}/${name}", "name=x${dfs.replication}",
                             "e1=${env.CAIRN_TEST_SET}", "e2=${env.CAIRN_TEST_UNSET}",
                             "e3=${env.CAIRN_TEST_UNSET:-d}", "e4=${env.CAIRN_TEST_EMPTY:-d}",
                             "e5=${env.CAIRN_TEST_EMPTY-d}", "e6=${env.CAIRN_TEST_UNSET-d}",
                             "u=${no.such}/${base}", "n=${${which}}", "which=base",
                             "odd=$ ${ } ${} ${a b} {base} ${", "tmp=/tmp/${user.name}"}));
  EXPECT_THAT(config.GetString("dir"), IsOkAndHolds("/data/x3"));
  EXPECT_THAT(config.GetString("e1"), IsOkAndHolds("env"));
  EXPECT_THAT(config.GetString("e2"), IsOkAndHolds("${env.CAIRN_TEST_UNSET}"));
  EXPECT_THAT(config.GetString("e3"), IsOkAndHolds("d"));
  EXPECT_THAT(config.GetString("e4"), IsOkAndHolds("d"));
  EXPECT_THAT(config.GetString("e5"), IsOkAndHolds(""));
  EXPECT_THAT(config.GetString("e6"), IsOkAndHolds("d"));
  EXPECT_THAT(config.GetString("u"), IsOkAndHolds("${no.such}/${base}"));  // as Hadoop has it
  EXPECT_THAT(config.GetString("n"), IsOkAndHolds("/data"));
  EXPECT_THAT(config.GetString("odd"), IsOkAndHolds("$ ${ } ${} ${a b} {base} ${"));
  EXPECT_THAT(config.GetString("tmp"), IsOkAndHolds(Not(HasSubstr("$"))));
}

TEST_F(ConfigTest, SubstitutionEndsAtLoopsDepthAndSize) {
  std::vector<std::string> overrides = {"self=a${self}", "x=${y}", "y=${x}", "k0=end"};
  for (int i = 1; i <= 21; ++i) {
    overrides.push_back(absl::StrCat("k", i, "=${k", i - 1, "}"));
  }
  overrides.push_back("b0=" + std::string(100'000, 'x'));
  overrides.push_back("b=${b0}${b0}${b0}${b0}${b0}${b0}${b0}${b0}${b0}${b0}${b0}${b0}");
  ASSERT_OK_AND_ASSIGN(const Config config, Load(overrides));
  EXPECT_THAT(config.GetString("self"), IsOkAndHolds("a${self}"));
  EXPECT_THAT(config.GetString("x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(config.GetString("k20"), IsOkAndHolds("end"));
  EXPECT_THAT(config.GetString("k21"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("20 substitutions")));
  EXPECT_THAT(config.GetString("b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bytes")));
}

TEST_F(ConfigTest, BadXmlIsAnErrorThatNamesFileAndLine) {
  std::ofstream(dir_.Path("core-site.xml")) << "<configuration>\n<property>\n</configuration>\n";
  EXPECT_THAT(Load(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(dir_.Path("core-site.xml") + ":3"), HasSubstr("bad XML"))));
  std::ofstream(dir_.Path("core-site.xml")) << "";
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("core-site.xml")));
  std::ofstream(dir_.Path("core-site.xml")) << "<settings/>";
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("<settings>")));
}

TEST_F(ConfigTest, WhatCannotBeReadIsNoMissingFile) {
  EXPECT_THAT(Config::Load(dir_.Path("none"), {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(dir_.Path("none"))));
  ASSERT_EQ(std::system(("mkdir " + dir_.Path("core-site.xml")).c_str()), 0);
  EXPECT_FALSE(Load().ok());
}

TEST_F(ConfigTest, FileBeyondTheLimitIsRefused) {
  {
    std::ofstream file(dir_.Path("core-site.xml"));
    file << "<configuration>" << std::string(Config::kMaxFileBytes, ' ') << "</configuration>";
  }
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("core-site.xml")));
}

TEST(ParseConfigXmlTest, TakesWhatHadoopTakes) {
  const auto parsed = ParseConfigXml(R"(<?xml version="1.0"?>
<?xml-stylesheet type="text/xsl" href="configuration.xsl"?>
<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<configuration>
  <!-- a comment -->
  <property><name> a </name><value>
    1 </value><description>about a</description></property>
  <property name="b" value="2" final="true"/>
  <property><name>c</name><value>x&amp;y&lt;<![CDATA[<z>]]><!-- in between -->!</value></property>
  <property><name>no.value</name></property>
  <property><name>entity</name><value>&e;</value></property>
  <other/>
</configuration>)",
                                     "test.xml");
  ASSERT_OK(parsed);
  ASSERT_EQ(parsed->size(), 4u);
  EXPECT_EQ((*parsed)[0].name, "a");
  EXPECT_EQ((*parsed)[0].value, "1");
  EXPECT_EQ((*parsed)[0].source, "test.xml:6");
  EXPECT_TRUE((*parsed)[1].is_final);
  EXPECT_EQ((*parsed)[2].value, "x&y<<z>!");
  EXPECT_EQ((*parsed)[3].value, "&e;");  // not the contents of a file
}

TEST(ParseConfigXmlTest, RefusesWhatWouldLoseSettings) {
  EXPECT_THAT(ParseConfigXml("<configuration><xi:include href=\"x\"/></configuration>", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("includes")));
  EXPECT_THAT(ParseConfigXml("<configuration>\n<property><value>1</value></property>"
                             "</configuration>",
                             "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f:2")));
}

// 16 MiB of opening tags end in an error, not in an overflown stack.
TEST(ParseConfigXmlTest, DeepNestingIsHarmless) {
  std::string text = "<configuration>";
  for (int i = 0; i < 1'000'000; ++i) text += "<a>";
  EXPECT_THAT(ParseConfigXml(text, "f"), StatusIs(absl::StatusCode::kInvalidArgument));
}

// The short form of config_fuzz: a good file with bytes changed, cut out and doubled.
TEST(ParseConfigXmlTest, DamagedFilesAreReadOrRefusedButNeverCrash) {
  const std::string good =
      "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY e \"x\">]><configuration>" +
      Property("a", "${b}&amp;&#65;<![CDATA[x]]>") +
      Property("b", "${env.X:-1}${a}", "<final>true</final>") +
      "<property name='dfs.replication' value='3'/></configuration>";
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  int parsed_files = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (uint64_t change = random() % 4 + 1; change > 0; --change) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 8);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
      }
    }
    const auto parsed = ParseConfigXml(text, "f");
    if (!parsed.ok()) continue;
    ++parsed_files;
    const auto config = Config::FromProperties({*parsed}, {}, KnownKeys(kTable));
    if (config.ok()) config->Dump();
  }
  EXPECT_GT(parsed_files, 1000) << "seed " << kSeed;
}

TEST_F(ConfigTest, DumpShowsSourcesAndHidesSecrets) {
  ASSERT_OK_AND_ASSIGN(const Config config, Load({"a=x\ny", "ssl.password=hunter2"}));
  const std::string dump = config.Dump();
  EXPECT_THAT(dump, AllOf(HasSubstr("a=x\\ny  (-D)\n"), HasSubstr("dfs.replication=3  (default)\n"),
                          Not(HasSubstr("hunter2"))));
  EXPECT_EQ(config.All().size(), 2u);
}

TEST_F(ConfigTest, MalformedOverrideIsRefused) {
  EXPECT_THAT(Load({"novalue"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("novalue")));
  EXPECT_THAT(Load({"=x"}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("key=value")));
}

TEST(ResolveConfDirTest, FlagGoesBeforeTheEnvironment) {
  setenv("HADOOP_CONF_DIR", "/from/env", 1);
  EXPECT_EQ(ResolveConfDir("/from/flag"), "/from/flag");
  EXPECT_EQ(ResolveConfDir(""), "/from/env");
  unsetenv("HADOOP_CONF_DIR");
  EXPECT_EQ(ResolveConfDir(""), "");
}

TEST(KnownKeysDeathTest, BadTableIsABug) {
  constexpr ConfigKey kBad[] = {{.name = "x", .type = ConfigType::kInt, .default_value = "many"}};
  constexpr ConfigKey kTwice[] = {{.name = "x"}, {.name = "x"}};
  EXPECT_DEATH(KnownKeys{kBad}, "bad default");
  EXPECT_DEATH(KnownKeys{kTwice}, "declared twice");
}

}  // namespace
}  // namespace cairn
