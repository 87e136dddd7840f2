// What is refused before anything is done.
#include "libhdfs/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/testing/fake_names.h"
#include "common/testing/status_matchers.h"

namespace cairn::libhdfs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CopyTest : public ::testing::Test {
 protected:
  Place At(const std::string& path) const { return {instance_, path}; }

  std::vector<std::string> asked_;
  const std::shared_ptr<Instance> instance_ =
      std::make_shared<Instance>(client::ConnectToNames(
                                     {
                                         {"/", {16385, true}},
                                         {"/a", {20001, false}},
                                         {"/d", {20002, true}},
                                         {"/d/e", {20003, true}},
                                         {"/.reserved/.inodes/20001", {20001, false}},
                                         {"/.reserved/.inodes/20002", {20002, true}},
                                         {"/.reserved/.inodes/20002/e", {20003, true}},
                                     },
                                     asked_),
                                 "hdfs://fake:8020");
};

TEST_F(CopyTest, NothingIsCopiedToOrIntoItselfUnderAnyOfItsNames) {
  const std::pair<const char*, const char*> pairs[] = {
      {"/a", "/a"},
      {"/a", "/.reserved/.inodes/20001"},
      {"/.reserved/.inodes/20001", "/a"},
      {"/d", "/d/new"},
      {"/d", "/.reserved/.inodes/20002"},
      {"/d", "/.reserved/.inodes/20002/new"},
      {"/d", "/.reserved/.inodes/20002/e/new"},
      {"/.reserved/.inodes/20002", "/d/e/new"},
  };
  for (const auto& [from, to] : pairs) {
    for (const auto& act : {&Copy, &Move}) {
      const absl::Status status = act(At(from), At(to));
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << from << " " << to;
      EXPECT_THAT(status.message(), HasSubstr("to itself or into itself"));
    }
  }
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(CopyTest, AnotherPlaceThatIsNamedByItsInodeIsNot) {
  const absl::Status status = Copy(At("/a"), At("/.reserved/.inodes/20002/new"));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInvalidArgument)));
  EXPECT_THAT(asked_, Not(IsEmpty()));
}

}  // namespace
}  // namespace cairn::libhdfs
