// client/glob.h - HDFS's file name patterns.
//
//   ?       one character          [abc] [a-c] [^a]   one of, a range, none of
//   *       any number, no slash   {ab,c{d,e}}        one of the words, nested too
//   \c      the character itself
//
// Braces are expanded first, so that a word may hold a slash; each component is then matched by
// itself. Words with slashes multiply each other: beyond kMaxExpandedPatterns they are refused.
// Source: Hadoop's FileSystem.globStatus documentation (GlobPattern, GlobExpander).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/types.h"

namespace cairn::client {

class FileSystem;

// One component's pattern, ready to match. Immutable: thread-safe.
class GlobPattern {
 public:
  // kInvalidArgument: an unclosed '[' or '{', or an escape at the end.
  static absl::StatusOr<GlobPattern> Compile(absl::string_view pattern);

  bool Matches(absl::string_view name) const;
  bool has_wildcard() const { return has_wildcard_; }
  // The name itself, escapes taken away; only without a wildcard.
  const std::string& literal() const { return literal_; }

 private:
  struct Node {
    enum Kind { kChar, kAny, kStar, kSet, kAlternatives } kind;
    uint32_t character = 0;
    bool negated = false;
    std::vector<std::pair<uint32_t, uint32_t>> ranges;
    std::vector<std::vector<Node>> alternatives;

    bool Takes(uint32_t c) const;  // of the kinds that are one character
  };
  using Nodes = std::vector<Node>;
  using Positions = std::vector<bool>;  // in a text, its end included
  class Parser;
  // Where `nodes` may end if they begin at any of `at`.
  static Positions After(const Nodes& nodes, absl::Span<const uint32_t> text, Positions at);

  Nodes nodes_;
  bool has_wildcard_ = false;
  std::string literal_;
};

inline constexpr size_t kMaxExpandedPatterns = 10'000;

// Expands only braces that hold a slash, as HDFS does: "/a/{b/c,d}" gives "/a/b/c" and "/a/d".
// kInvalidArgument: an unclosed '{', or more than kMaxExpandedPatterns.
absl::StatusOr<std::vector<std::string>> ExpandBraces(absl::string_view pattern);

// True when `path` holds a pattern character that is not escaped.
bool HasGlob(absl::string_view path);

// The existing files that match the absolute `pattern`, in order of path. Empty: none does.
absl::StatusOr<std::vector<FileStatus>> Glob(FileSystem& fs, absl::string_view pattern);

}  // namespace cairn::client
