// common/protobuf_log.h - what protobuf says, in the program's log and not on stderr.
#pragma once

namespace cairn {

// From now on protobuf's own errors (a text that is not UTF-8, a required field left out) are lines
// of the log, few however many there are: each is at the will of whoever sends the message.
// Idempotent; before other threads use protobuf.
void LogProtobufErrors();

}  // namespace cairn
