// common/net/domain_socket.h - UNIX sockets between a datanode and the clients of its machine, and
// descriptors sent over them.
//
// Whoever can put a socket of his own in the place of a datanode's can show its clients what bytes
// he likes. So both ends look at the path first, of Hadoop's programs the datanode does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

// The path that `pattern` (dfs.domain.socket.path) means for the datanode whose port of data
// transfer is `port`: _PORT stands for that.
std::string DomainSocketPath(absl::string_view pattern, uint16_t port);

// OK: nobody but root, this process's user, and the owners of directories that root or this user
// made room for can put there what lies at `path`. kFailedPrecondition: somebody else could; the
// message names the directory, what is wrong with it, and what to do. kNotFound: one of
// the directories, or `path` with `must_exist`, is not there. kInvalidArgument: not absolute, or
// longer than a UNIX socket's address may be (107 bytes).
absl::Status CheckDomainSocketPath(const std::string& path, bool must_exist);

// Descriptors in one message; Hadoop sends two at most.
inline constexpr size_t kMaxPassedDescriptors = 4;

// Sends `byte` and copies of `fds` without waiting. What sendmsg returns: 1, or -1 with errno.
ssize_t SendDescriptors(int socket, std::byte byte, std::span<const int> fds);

// Takes one byte and as many descriptors as `fds` has room for, which are the caller's then, closed
// on exec; waits as the socket is set to. kUnavailable: the stream ended or failed, or another
// number of descriptors came (those are closed). kResourceExhausted: they came, and there is no
// room for them in this process; the stream may be read on.
absl::StatusOr<std::byte> ReceiveDescriptors(int socket, std::span<int> fds);

}  // namespace cairn
