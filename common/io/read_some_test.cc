#include "common/io/read_some.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

TEST(ReadSomeTest, GivesWhatIsThereUntilTheOtherEndIsClosed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  std::string text = "before ";
  EXPECT_THAT(ReadSome(ends[0], &text), IsOkAndHolds(true)) << "nothing is there yet";
  ASSERT_EQ(::write(ends[1], "some", 4), 4);
  EXPECT_THAT(ReadSome(ends[0], &text), IsOkAndHolds(true));
  ::close(ends[1]);
  EXPECT_THAT(ReadSome(ends[0], &text), IsOkAndHolds(false));
  EXPECT_EQ(text, "before some");
  ::close(ends[0]);
}

// Taken for the end, it would make half an answer a whole one.
TEST(ReadSomeTest, AFailureIsNotTheEnd) {
  const int directory = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(directory, 0);
  std::string text = "half";
  EXPECT_THAT(ReadSome(directory, &text),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("Is a directory")));
  EXPECT_EQ(text, "half");
  ::close(directory);
}

}  // namespace
}  // namespace cairn
