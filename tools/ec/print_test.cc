// The texts are those that Apache Hadoop 3.4.2's `hdfs ec` printed.
#include "tools/ec/print.h"

#include <sstream>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::ErasureCodec;
using client::ErasurePolicy;
using client::ErasurePolicyState;

const std::vector<ErasurePolicy> kPolicies = {{.id = 1,
                                               .name = "RS-6-3-1024k",
                                               .codec = "rs",
                                               .data_units = 6,
                                               .parity_units = 3,
                                               .cell_bytes = 1 << 20,
                                               .state = ErasurePolicyState::kEnabled},
                                              {.id = 66,
                                               .name = "RS-4-2-64k",
                                               .codec = "rs",
                                               .data_units = 4,
                                               .parity_units = 2,
                                               .options = {{"speed", "high"}, {"options", ""}},
                                               .cell_bytes = 65536,
                                               .state = ErasurePolicyState::kRemoved}};
const std::vector<ErasureCodec> kCodecs = {{"rs", {"rs_native", "rs_java"}}, {"none", {}}};

template <typename T>
std::string Printed(void (*print)(const T&, std::ostream&), const T& value) {
  std::ostringstream out;
  print(value, out);
  return out.str();
}

TEST(EcPrintTest, PoliciesAreListedAsHadoopWritesThem) {
  EXPECT_EQ(Printed(&PrintPolicies, kPolicies),
            "Erasure Coding Policies:\n"
            "ErasureCodingPolicy=[Name=RS-6-3-1024k, Schema=[ECSchema=[Codec=rs, numDataUnits=6, "
            "numParityUnits=3]], CellSize=1048576, Id=1], State=ENABLED\n"
            "ErasureCodingPolicy=[Name=RS-4-2-64k, Schema=[ECSchema=[Codec=rs, numDataUnits=4, "
            "numParityUnits=2, speed=high, options=]], CellSize=65536, Id=66], State=REMOVED\n");
  EXPECT_EQ(Printed(&PrintPolicies, {}), "There is no erasure coding policies in the cluster.\n");
}

TEST(EcPrintTest, PoliciesAsJson) {
  EXPECT_EQ(Printed(&WritePolicies, kPolicies),
            "{\"policies\":[{\"name\":\"RS-6-3-1024k\",\"id\":1,\"state\":\"ENABLED\","
            "\"codec\":\"rs\",\"data_units\":6,\"parity_units\":3,\"cell\":1048576,"
            "\"options\":{}},{\"name\":\"RS-4-2-64k\",\"id\":66,\"state\":\"REMOVED\","
            "\"codec\":\"rs\",\"data_units\":4,\"parity_units\":2,\"cell\":65536,"
            "\"options\":{\"speed\":\"high\",\"options\":\"\"}}]}\n");
}

TEST(EcPrintTest, CodecsAreListedInCapitals) {
  EXPECT_EQ(Printed(&PrintCodecs, kCodecs),
            "Erasure Coding Codecs: Codec [Coder List]\n\tRS [RS_NATIVE, RS_JAVA]\n\tNONE []\n");
  EXPECT_EQ(Printed(&PrintCodecs, {}), "No erasure coding codecs are supported on the cluster.\n");
}

TEST(EcPrintTest, CodecsAsJson) {
  EXPECT_EQ(Printed(&WriteCodecs, kCodecs),
            "{\"codecs\":[{\"codec\":\"rs\",\"coders\":[\"rs_native\",\"rs_java\"]},"
            "{\"codec\":\"none\",\"coders\":[]}]}\n");
}

TEST(EcPrintTest, EachPolicyThatWasAddedHasItsLine) {
  EXPECT_EQ(Printed(&PrintAdded, {{"XOR-2-1-128k", std::nullopt},
                                  {"NONE-4-2-64k", "Codec name none is not supported"}}),
            "Add ErasureCodingPolicy XOR-2-1-128k succeed.\n"
            "Add ErasureCodingPolicy NONE-4-2-64k failed and error message is Codec name none is "
            "not supported\n");
}

TEST(EcPrintTest, NamesFromAServerForgeNoLine) {
  EXPECT_EQ(Printed(&PrintAdded, {{"a\nb", "c\nd"}}),
            "Add ErasureCodingPolicy a\\nb failed and error message is c\\nd\n");
  EXPECT_EQ(Printed(&PrintCodecs, {{"r\ns", {}}}),
            "Erasure Coding Codecs: Codec [Coder List]\n\tR\\nS []\n");
}

TEST(EcPrintTest, AFailureHasTheClassThatHadoopsClientGivesIt) {
  const auto text = [](FsError error) {
    return FailureText("getPolicy", MakeFsError(error, "why"));
  };
  EXPECT_EQ(text(FsError::kFileNotFound), "FileNotFoundException: why");
  EXPECT_EQ(text(FsError::kAccessControl), "AccessControlException: why");
  EXPECT_EQ(text(FsError::kSafeMode), "SafeModeException: why");
  EXPECT_EQ(text(FsError::kNoErasurePolicySet), "NoECPolicySetException: why");
  EXPECT_EQ(text(FsError::kIllegalArgument), "RemoteException: why");
  EXPECT_EQ(text(FsError::kIo), "RemoteException: why");
  EXPECT_EQ(FailureText("getPolicy", absl::UnavailableError("first line\nsecond line")),
            "-getPolicy: first line");
  EXPECT_EQ(FailureText("getPolicy", absl::UnavailableError("nobody there")),
            "-getPolicy: nobody there");
}

}  // namespace
}  // namespace cairn::tools
