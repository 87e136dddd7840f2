// common/net/congestion.h - the congestion control of a data connection.
//
// Where the system's choice is BBR, a timer paces every connection. Between two processes of one
// machine, as data-local readers and datanodes are, that brings nothing and costs half of a read's
// CPU: such a connection takes "reno", which every Linux has and every process may choose, unless
// the configuration names another.
#pragma once

#include <string>

namespace cairn {

// `fd`: a connected TCP socket. `configured`: cairn.client.tcp.congestion or
// cairn.datanode.tcp.congestion, "" for none. Best effort: what the system refuses stays as it was.
void SetCongestionControl(int fd, const std::string& configured);

}  // namespace cairn
