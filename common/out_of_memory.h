// common/out_of_memory.h - how a daemon ends when there is no memory: at once, and saying so.
//
// Code whose work must not stay half done is noexcept on purpose (an edit that is being applied, a
// call that an RPC service is handling): what it throws is std::bad_alloc, and whoever caught that
// would go on with half of it. The process ends through std::terminate instead, and the next start
// makes whole what is on the disks.
#pragma once

namespace cairn {

// From here on std::terminate, when a std::bad_alloc is the cause, first writes "out of memory" to
// standard error. Any thread, best before there are others; idempotent.
void SayWhenOutOfMemory();

}  // namespace cairn
