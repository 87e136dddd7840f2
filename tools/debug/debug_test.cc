#include "tools/debug/debug.h"

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::tools {
namespace {

using ::testing::HasSubstr;

class DebugTest : public ::testing::Test {
 protected:
  struct Printed {
    int exit_code;
    std::string out, err;
  };
  static Printed Debug(std::vector<std::string> args) {
    std::ostringstream out, err;
    CommandContext ctx{.args = std::move(args), .out = out, .err = err};
    const int code = RunDebug(ctx);
    return {code, out.str(), err.str()};
  }
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  TempDir dir_;
};

TEST_F(DebugTest, AComputedMetaFileVerifies) {
  const std::string block = Write("blk_1", absl::StrCat(std::string(3 << 20, 'x'), "tail"));
  const std::string meta = dir_.path() + "/blk_1_1001.meta";
  const Printed computed = Debug({"computeMeta", "-block", block, "-out", meta});
  EXPECT_EQ(computed.exit_code, 0);
  EXPECT_EQ(computed.out, "Checksum calculation succeeded on block file " + block +
                              " saved metadata to meta file " + meta + "\n");
  const Printed verified = Debug({"verifyMeta", "-meta", meta, "-block", block});
  EXPECT_EQ(verified.exit_code, 0);
  EXPECT_EQ(verified.out,
            "Checksum type: DataChecksum(type=CRC32C, chunkSize=512)\n"
            "Checksum verification succeeded on block file " +
                block + "\n");
  EXPECT_EQ(Debug({"computeMeta", "-block", block, "-out", meta}).exit_code, 5);
}

TEST_F(DebugTest, TheExampleOfTheFormatVerifiesAndAFlippedByteDoesNot) {
  const std::string meta =
      Write("m", std::string("\x00\x01\x02\x00\x00\x02\x00\x6e\xed\xe7\xb6", 11));
  EXPECT_EQ(Debug({"verifyMeta", "-meta", meta, "-block", Write("good", "cairn")}).exit_code, 0);
  const Printed bad = Debug({"verifyMeta", "-meta", meta, "-block", Write("bad", "cairm")});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("verifyChunkedSums error: checksum error at offset 0"));
}

TEST_F(DebugTest, LengthsThatDoNotFitAreFound) {
  const std::string meta =
      Write("m", std::string("\x00\x01\x02\x00\x00\x02\x00\x6e\xed\xe7\xb6", 11));
  EXPECT_THAT(Debug({"verifyMeta", "-meta", meta, "-block", Write("none", "")}).err,
              HasSubstr("beyond the block's end"));
  EXPECT_THAT(
      Debug({"verifyMeta", "-meta", meta, "-block", Write("long", std::string(1000, 'c'))}).err,
      HasSubstr("ends before the block, which has bytes at offset 512"));
  EXPECT_THAT(Debug({"verifyMeta", "-meta", Write("short", "\x01")}).err,
              HasSubstr("Failed to read HDFS metadata file header"));
}

TEST_F(DebugTest, AnOptionWithoutItsValueAndWordsTooManyAreRefused) {
  const std::string meta =
      Write("m", std::string("\x00\x01\x02\x00\x00\x02\x00\x6e\xed\xe7\xb6", 11));
  const Printed unverified = Debug({"verifyMeta", "-meta", meta, "-block"});
  EXPECT_EQ(unverified.exit_code, 1) << "the block was not looked at";
  EXPECT_EQ(unverified.err, "option -block requires 1 argument.\n");
  EXPECT_EQ(Debug({"recoverLease", "-path", "/f", "-retries"}).err,
            "option -retries requires 1 argument.\n");
  EXPECT_EQ(Debug({"recoverLease", "-path", "/f", "/g"}).err, "what is \"/g\"?\n");
  EXPECT_EQ(Debug({"computeMeta", "-block", meta, "-out", dir_.Path("o"), "x"}).exit_code, 1);
}

TEST_F(DebugTest, ExitCodesAreHdfss) {
  EXPECT_EQ(Debug({}).exit_code, 0);
  EXPECT_EQ(Debug({"verifyMeta"}).exit_code, 1);
  EXPECT_EQ(Debug({"verifyMeta", "-block", "b"}).exit_code, 1);
  EXPECT_EQ(Debug({"computeMeta", "-out", "o"}).exit_code, 2);
  EXPECT_EQ(Debug({"computeMeta", "-block", "/nonexistent"}).exit_code, 3);
  EXPECT_EQ(Debug({"computeMeta", "-block", Write("b", "x")}).exit_code, 4);
  EXPECT_EQ(Debug({"recoverLease", "-retries", "2"}).exit_code, 1);
  EXPECT_EQ(Debug({"recoverLease", "-path", "s3://bucket/f"}).exit_code, 1);
}

}  // namespace
}  // namespace cairn::tools
