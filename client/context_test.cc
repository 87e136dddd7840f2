#include "client/context.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "common/check.h"

namespace cairn::client {
namespace {

class NoServer final : public RpcChannel {
 public:
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite&) override {
    return absl::UnimplementedError(method);
  }
};

std::string NewClientName() {
  return ClientContext(ClientOptions{}, "user", "fake:0", std::make_unique<NoServer>(), nullptr,
                       SystemClock())
      .client_name;
}

std::string WithoutPid(const std::string& name) { return name.substr(0, name.rfind('_')); }

// Without the number of the process: on another machine it may be the same.
std::string ClientNameOfAChild() {
  int ends[2];
  CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    const std::string name = NewClientName();
    ::_exit(::write(ends[1], name.data(), name.size()) == static_cast<ssize_t>(name.size()) ? 0
                                                                                            : 1);
  }
  ::close(ends[1]);
  std::string name(200, '\0');
  const ssize_t bytes = ::read(ends[0], name.data(), name.size());
  ::close(ends[0]);
  int status = 0;
  CHECK(bytes > 0 && ::waitpid(child, &status, 0) == child && status == 0) << status;
  return WithoutPid(name.substr(0, static_cast<size_t>(bytes)));
}

TEST(ClientContextTest, ForkedChildrenHaveDifferentNames) {
  EXPECT_NE(WithoutPid(NewClientName()), WithoutPid(NewClientName()));
  const std::string first = ClientNameOfAChild();
  EXPECT_EQ(first.find("DFSClient_NONMAPREDUCE_"), 0u) << first;
  EXPECT_NE(first, ClientNameOfAChild());
}

}  // namespace
}  // namespace cairn::client
