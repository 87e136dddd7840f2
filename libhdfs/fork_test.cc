#include "libhdfs/fork.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "libhdfs/testing/api_test.h"

namespace cairn::libhdfs {
namespace {

using ForkTest = ApiTest;

// Its sockets and its writer are the parent's: the child touches neither.
TEST_F(ForkTest, WhatIsOpenInTheParentIsNoHandleInTheChild) {
  Put("/f", "bytes");
  const hdfsFile read = Open("/f");
  const hdfsFile written = hdfsOpenFile(fs_, "/g", O_WRONLY, 0, 0, 0);
  ASSERT_EQ(hdfsWrite(fs_, written, "begun", 5), 5);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte;
    const auto refused = [](int result) { return result == -1 && errno == EBADF; };
    const bool all = refused(hdfsPread(fs_, read, 0, &byte, 1)) &&
                     refused(hdfsWrite(fs_, written, "x", 1)) &&
                     refused(hdfsCloseFile(fs_, written)) && refused(hdfsExists(fs_, "/f")) &&
                     refused(hdfsDisconnect(fs_));
    ::_exit(all ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;

  char bytes[5];
  EXPECT_EQ(hdfsPread(fs_, read, 0, bytes, 5), 5);
  EXPECT_EQ(hdfsWrite(fs_, written, " and ended", 10), 10);
  EXPECT_EQ(hdfsCloseFile(fs_, written), 0);
  EXPECT_EQ(hdfsCloseFile(fs_, read), 0);
  EXPECT_EQ(cluster_.Contents("/g"), "begun and ended");
}

struct Counted {
  static Counted* ForChild(const Counted& parent) { return new Counted{parent.generation + 1}; }
  int generation = 0;
};

TEST(PerProcessTest, AChildHasOneOfItsOwn) {
  static const PerProcess<Counted> counted;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(counted.get().generation);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(counted.get().generation, 0);
}

}  // namespace
}  // namespace cairn::libhdfs
