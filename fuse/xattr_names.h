// fuse/xattr_names.h - whose an extended attribute is, by its name.
//
//   user.cairn.*                            the mount's: told_xattrs.h. Nobody sets them
//   user.*, trusted.*, security.hdfs.*      the server's: server_xattrs.h
//   others, such as security.capability     nobody's, and not supported: EOPNOTSUPP
//
// What is nobody's is answered without the cluster: the kernel asks for security.capability before
// each write through the page cache, and ls(1) for security.selinux and system.posix_acl_access.
// EOPNOTSUPP is what Linux's own file systems say of such names; after it ls asks no more, where
// ENODATA would have it ask of every file.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "client/types.h"

namespace cairn::fuse {

inline constexpr absl::string_view kToldPrefix = "user.cairn.";

enum class XattrOwner { kMount, kServer, kNobody };

XattrOwner OwnerOf(absl::string_view name);

// Such a name as the server has it, without a value. nullopt: it is not the server's.
std::optional<client::Xattr> ToServerName(absl::string_view name);

// The name that the kernel has for an attribute of the server's. nullopt: it has none for it, or it
// would not take it.
std::optional<std::string> FromServerName(const client::Xattr& xattr);

}  // namespace cairn::fuse
