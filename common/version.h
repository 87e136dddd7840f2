// common/version.h - the version of the programs, as operators are told it.
#pragma once

namespace cairn {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace cairn
