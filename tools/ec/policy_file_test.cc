// Where a file of policies is wrong is said with its line.
#include "tools/ec/policy_file.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::tools {
namespace {

using client::ErasurePolicy;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kFile[] =
    "<?xml version=\"1.0\"?>\n"
    "<configuration>\n"
    "<layoutversion>1</layoutversion>\n"
    "<schemas>\n"
    "  <schema id=\"narrow\"> <codec>xor</codec> <k>2</k> <m>1</m> </schema>\n"
    "  <schema id=\"tuned\"><k> 12 </k><m>4</m><codec>rs</codec><speed>high</speed></schema>\n"
    "</schemas>\n"
    "<policies>\n"
    "  <!-- a comment -->\n"
    "  <policy><schema>narrow</schema><cellsize>131072</cellsize></policy>\n"
    "  <policy><schema>tuned</schema><cellsize>262144</cellsize></policy>\n"
    "</policies>\n"
    "</configuration>\n";

const ErasurePolicy kNarrow = {.name = "XOR-2-1-128k",
                               .codec = "xor",
                               .data_units = 2,
                               .parity_units = 1,
                               .cell_bytes = 131072};
const ErasurePolicy kTuned = {.name = "RS-12-4-256k",
                              .codec = "rs",
                              .data_units = 12,
                              .parity_units = 4,
                              .options = {{"speed", "high"}},
                              .cell_bytes = 262144};

std::string Edited(absl::string_view from, absl::string_view to) {
  std::string text = absl::StrReplaceAll(kFile, {{from, to}});
  EXPECT_NE(text, kFile) << from;
  return text;
}

std::string Complaint(absl::string_view text) {
  return std::string(ParsePolicyFile(text, "f.xml").status().message());
}
std::string ComplaintAfter(absl::string_view from, absl::string_view to) {
  return Complaint(Edited(from, to));
}

TEST(PolicyFileTest, PoliciesAreMadeOfSchemasAndCells) {
  EXPECT_THAT(ParsePolicyFile(kFile, "f.xml"), IsOkAndHolds(ElementsAre(kNarrow, kTuned)));
}

TEST(PolicyFileTest, APolicyThatIsThereTwiceIsReadOnce) {
  EXPECT_THAT(ParsePolicyFile(Edited("<schema>tuned</schema><cellsize>262144</cellsize>",
                                     "<schema>narrow</schema><cellsize>131072</cellsize>"),
                              "f.xml"),
              IsOkAndHolds(ElementsAre(kNarrow)));
}

TEST(PolicyFileTest, ThereMayBeNoPolicy) {
  EXPECT_THAT(ParsePolicyFile("<configuration><layoutversion>1</layoutversion><schemas/>"
                              "<policies/></configuration>",
                              "f.xml"),
              IsOkAndHolds(IsEmpty()));
}

TEST(PolicyFileTest, AFileOfAnotherKindIsRefused) {
  EXPECT_THAT(Complaint(""), StartsWith("f.xml:1: bad XML: "));
  EXPECT_EQ(Complaint("<conf/>"), "f.xml:1: the root element is <conf>, expected <configuration>");
  EXPECT_EQ(Complaint("\n<configuration/>"), "f.xml:2: <configuration> without <layoutversion>");
  EXPECT_EQ(ComplaintAfter(">1<", ">2<"), "f.xml:3: <layoutversion> is \"2\", expected 1");
  EXPECT_EQ(ComplaintAfter(">1</lay", "></lay"), "f.xml:3: <layoutversion> is empty");
  EXPECT_THAT(Complaint(absl::string_view(kFile).substr(0, 150)), HasSubstr(": bad XML: "));
  EXPECT_EQ(Complaint("<configuration><layoutversion>1</layoutversion></configuration>"),
            "f.xml:1: <configuration> without <schemas>");
  EXPECT_EQ(ComplaintAfter("policies", "rules"), "f.xml:2: <configuration> without <policies>");
}

TEST(PolicyFileTest, ASchemaNeedsAnIdACodecAndItsUnits) {
  EXPECT_EQ(ComplaintAfter(" id=\"narrow\"", ""), "f.xml:5: <schema> without an id");
  EXPECT_EQ(ComplaintAfter("\"tuned\"", "\"narrow\""),
            "f.xml:6: a second <schema> with the id \"narrow\"");
  EXPECT_EQ(ComplaintAfter("<codec>xor</codec>", ""), "f.xml:5: <schema> without <codec>");
  EXPECT_EQ(ComplaintAfter("<m>1</m>", "<m>1</m> <m>1</m>"), "f.xml:5: a second <m> in <schema>");
  for (const char* k : {"two", "0", "-1", "2147483648", "2.5"}) {
    EXPECT_THAT(ComplaintAfter("<k>2<", absl::StrCat("<k>", k, "<")),
                AllOf(StartsWith("f.xml:5: <k> is"), HasSubstr(k)));
  }
  EXPECT_EQ(ComplaintAfter("<schema id=\"narrow\"> <codec>xor</codec> <k>2</k> <m>1</m> </schema>",
                           "<schemer/>"),
            "f.xml:5: <schemer> in <schemas>, expected <schema>");
}

TEST(PolicyFileTest, APolicyNeedsAKnownSchemaAndAWholeCell) {
  EXPECT_EQ(ComplaintAfter("<schema>tuned<", "<schema>tamed<"),
            "f.xml:11: there is no schema \"tamed\"");
  EXPECT_EQ(ComplaintAfter("262144", "1000"),
            "f.xml:11: <cellsize> is 1000, expected a multiple of 1024");
  EXPECT_THAT(ComplaintAfter("262144", "256k"), StartsWith("f.xml:11: <cellsize> is \"256k\""));
  EXPECT_EQ(ComplaintAfter("<cellsize>262144</cellsize>", ""),
            "f.xml:11: <policy> without <cellsize>");
  EXPECT_EQ(ComplaintAfter("<cellsize>262144</cellsize>", "<cellSize>262144</cellSize>"),
            "f.xml:11: <cellSize> in <policy>, expected <schema> and <cellsize>");
  EXPECT_EQ(ComplaintAfter("<!-- a comment -->", "<rule/>"),
            "f.xml:9: <rule> in <policies>, expected <policy>");
}

TEST(PolicyFileTest, ASchemaHasABoundedNumberOfOptions) {
  std::string options;
  for (int i = 0; i < 64; ++i) absl::StrAppend(&options, "<o", i, ">x</o", i, ">");
  EXPECT_THAT(ParsePolicyFile(Edited("<speed>high</speed>", options), "f.xml"),
              IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ(ComplaintAfter("<speed>high</speed>", options + "<speed>high</speed>"),
            "f.xml:6: <schema> has more than 64 options");
}

TEST(PolicyFileTest, ThereIsABoundedNumberOfPolicies) {
  std::string policies;
  for (int cell = 1; cell <= 255; ++cell) {
    absl::StrAppend(&policies, "<policy><schema>narrow</schema><cellsize>", 1024 * cell,
                    "</cellsize></policy>");
  }
  constexpr char kTunedPolicy[] =
      "<policy><schema>tuned</schema><cellsize>262144</cellsize></policy>";
  constexpr char kNarrowPolicy[] =
      "  <policy><schema>narrow</schema><cellsize>131072</cellsize></policy>\n";
  std::string text = absl::StrReplaceAll(kFile, {{kNarrowPolicy, ""}, {kTunedPolicy, policies}});
  EXPECT_THAT(ParsePolicyFile(text, "f.xml"), IsOkAndHolds(SizeIs(255)));
  text = absl::StrReplaceAll(text, {{"</policies>", absl::StrCat(kTunedPolicy, "</policies>")}});
  EXPECT_EQ(Complaint(text), "f.xml:11: there are more than 255 policies");
}

TEST(PolicyFileTest, ComplaintsAreOfOneLine) {
  EXPECT_EQ(ComplaintAfter("<schema>tuned<", "<schema>a&#10;b<"),
            "f.xml:11: there is no schema \"a\\nb\"");
}

TEST(PolicyFileTest, AFileIsNamedByItsPathOrUri) {
  TempDir directory;
  const std::string path = directory.path() + "/policies.xml";
  std::ofstream(path) << kFile;
  EXPECT_THAT(ReadPolicyFile(path), IsOkAndHolds(ElementsAre(kNarrow, kTuned)));
  EXPECT_THAT(ReadPolicyFile("file://" + path), IsOkAndHolds(ElementsAre(kNarrow, kTuned)));
}

TEST(PolicyFileTest, AFileThatCannotBeReadIsNamed) {
  TempDir directory;
  const std::string missing = directory.path() + "/missing.xml";
  EXPECT_THAT(ReadPolicyFile(missing),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing.xml")));
  const std::string large = directory.path() + "/large.xml";
  std::ofstream(large) << std::string((1 << 20) + 1, ' ');
  EXPECT_THAT(ReadPolicyFile(large),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("large.xml")));
}

}  // namespace
}  // namespace cairn::tools
