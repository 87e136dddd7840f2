#include "client/glob.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/file_system.h"
#include "client/path.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// Bytes that are no UTF-8 stand for themselves above the code points, so that any name can be
// matched.
std::vector<uint32_t> Decode(absl::string_view text) {
  std::vector<uint32_t> out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return static_cast<uint8_t>(text[k]); };
    const uint8_t first = byte(i);
    const int extra = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    uint32_t value = extra == 0 ? first : first & (0x3F >> extra);
    bool valid = first < 0x80 || (first >= 0xC2 && first < 0xF5);
    valid = valid && i + extra < text.size();
    for (int k = 1; valid && k <= extra; ++k) {
      valid = (byte(i + k) & 0xC0) == 0x80;
      value = value << 6 | (byte(i + k) & 0x3F);
    }
    out.push_back(valid ? value : 0x110000 + first);
    i += valid ? extra + 1 : 1;
  }
  return out;
}

absl::Status Malformed(absl::string_view what, absl::string_view pattern) {
  return absl::InvalidArgumentError(absl::StrCat("Illegal file pattern: ", what, " in ", pattern));
}

}  // namespace

class GlobPattern::Parser {
 public:
  explicit Parser(absl::string_view pattern) : pattern_(pattern), text_(Decode(pattern)) {}

  // A sequence up to the end, or up to ',' or '}' inside braces.
  absl::StatusOr<Nodes> Sequence(int depth) {
    Nodes nodes;
    while (at_ < text_.size()) {
      const uint32_t c = text_[at_];
      if (depth > 0 && (c == ',' || c == '}')) break;
      ++at_;
      switch (c) {
        case '\\':
          if (at_ == text_.size()) return Malformed("missing escaped character", pattern_);
          nodes.push_back({.kind = Node::kChar, .character = text_[at_++]});
          break;
        case '?':
          nodes.push_back({.kind = Node::kAny});
          break;
        case '*':
          nodes.push_back({.kind = Node::kStar});
          break;
        case '[': {
          ASSIGN_OR_RETURN(Node set, Set());
          nodes.push_back(std::move(set));
          break;
        }
        case '{': {
          ASSIGN_OR_RETURN(Node words, Alternatives(depth + 1));
          nodes.push_back(std::move(words));
          break;
        }
        default:
          nodes.push_back({.kind = Node::kChar, .character = c});
      }
    }
    return nodes;
  }

 private:
  absl::StatusOr<Node> Set() {
    Node set{.kind = Node::kSet};
    if (at_ < text_.size() && (text_[at_] == '^' || text_[at_] == '!')) {
      set.negated = true;
      ++at_;
    }
    for (bool first = true; at_ < text_.size(); first = false) {
      uint32_t low = text_[at_++];
      if (low == ']' && !first) return set;
      if (low == '\\') {
        if (at_ == text_.size()) break;
        low = text_[at_++];
      }
      uint32_t high = low;
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        high = text_[at_ + 1];
        at_ += 2;
        if (high == '\\' && at_ < text_.size()) high = text_[at_++];
        if (high < low) return Malformed("illegal range", pattern_);
      }
      set.ranges.emplace_back(low, high);
    }
    return Malformed("unclosed character class", pattern_);
  }

  absl::StatusOr<Node> Alternatives(int depth) {
    // Each level is a stack frame; file names are short.
    if (depth > 64) return Malformed("braces nested too deeply", pattern_);
    Node words{.kind = Node::kAlternatives};
    while (true) {
      ASSIGN_OR_RETURN(Nodes word, Sequence(depth));
      words.alternatives.push_back(std::move(word));
      if (at_ == text_.size()) return Malformed("unclosed group", pattern_);
      if (text_[at_++] == '}') return words;
    }
  }

  const absl::string_view pattern_;
  const std::vector<uint32_t> text_;
  size_t at_ = 0;
};

absl::StatusOr<GlobPattern> GlobPattern::Compile(absl::string_view pattern) {
  GlobPattern compiled;
  Parser parser(pattern);
  ASSIGN_OR_RETURN(compiled.nodes_, parser.Sequence(0));
  for (const Node& node : compiled.nodes_) compiled.has_wildcard_ |= node.kind != Node::kChar;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    compiled.literal_ += pattern[i];
  }
  return compiled;
}

// One node after the other, for all positions at a time: no pattern costs more than its length
// times the name's.
GlobPattern::Positions GlobPattern::After(const Nodes& nodes, absl::Span<const uint32_t> text,
                                          Positions at) {
  for (const Node& node : nodes) {
    Positions next(text.size() + 1);
    if (node.kind == Node::kAlternatives) {
      for (const Nodes& word : node.alternatives) {
        const Positions ends = After(word, text, at);
        for (size_t i = 0; i < ends.size(); ++i) next[i] = next[i] || ends[i];
      }
    } else if (node.kind == Node::kStar) {
      bool reached = false;
      for (size_t i = 0; i < at.size(); ++i) next[i] = reached = reached || at[i];
    } else {
      for (size_t i = 0; i < text.size(); ++i) next[i + 1] = at[i] && node.Takes(text[i]);
    }
    at = std::move(next);
  }
  return at;
}

bool GlobPattern::Node::Takes(uint32_t c) const {
  switch (kind) {
    case kChar:
      return c == character;
    case kAny:
      return true;
    case kSet: {
      const bool in = std::any_of(ranges.begin(), ranges.end(), [c](const auto& range) {
        return c >= range.first && c <= range.second;
      });
      return in != negated;
    }
    case kStar:
    case kAlternatives:
      return false;
  }
  return false;
}

bool GlobPattern::Matches(absl::string_view name) const {
  const std::vector<uint32_t> text = Decode(name);
  Positions start(text.size() + 1);
  start[0] = true;
  return After(nodes_, text, std::move(start)).back();
}

bool HasGlob(absl::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      ++i;
    } else if (absl::string_view("?*[{").find(path[i]) != absl::string_view::npos) {
      return true;
    }
  }
  return false;
}

namespace {

// The outermost braces that hold a slash: where they open, where they close, and their commas.
struct Braces {
  size_t open = absl::string_view::npos;
  size_t close = 0;
  std::vector<size_t> commas;
};

absl::StatusOr<Braces> FindBracesWithSlash(absl::string_view pattern) {
  Braces found;
  int depth = 0;
  bool slash = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      ++i;
    } else if (c == '{') {
      if (depth++ == 0) found = Braces{.open = i}, slash = false;
    } else if (c == '}' && depth > 0) {
      if (--depth == 0 && slash) {
        found.close = i;
        return found;
      }
    } else if (depth > 0) {
      slash |= c == '/';
      if (c == ',' && depth == 1) found.commas.push_back(i);
    }
  }
  if (depth > 0) return Malformed("unclosed group", pattern);
  return Braces{};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExpandBraces(absl::string_view pattern) {
  std::vector<std::string> done;
  std::vector<std::string> todo = {std::string(pattern)};
  while (!todo.empty()) {
    const std::string next = std::move(todo.back());
    todo.pop_back();
    ASSIGN_OR_RETURN(Braces braces, FindBracesWithSlash(next));
    if (braces.open == absl::string_view::npos) {
      done.push_back(next);
      continue;
    }
    const absl::string_view text = next;
    std::vector<std::string> words;
    size_t begin = braces.open + 1;
    braces.commas.push_back(braces.close);
    for (size_t end : braces.commas) {
      words.push_back(absl::StrCat(text.substr(0, braces.open), text.substr(begin, end - begin),
                                   text.substr(braces.close + 1)));
      begin = end + 1;
    }
    // Each of them gives at least one.
    if (done.size() + todo.size() + words.size() > kMaxExpandedPatterns) {
      return absl::InvalidArgumentError(
          absl::StrCat("Illegal file pattern: its words with slashes give more than ",
                       kMaxExpandedPatterns, " patterns: ", pattern));
    }
    todo.insert(todo.end(), words.rbegin(), words.rend());
  }
  return done;
}

namespace {

bool IsMissing(const absl::Status& status) { return absl::IsNotFound(status); }

// Children of `dir` that match; a file, or a directory that is gone, has none.
absl::Status MatchChildren(FileSystem& fs, const FileStatus& dir, const GlobPattern& pattern,
                           std::vector<FileStatus>& out) {
  if (!dir.is_directory()) return absl::OkStatus();
  DirectoryIterator entries = fs.List(dir.path);
  while (true) {
    absl::StatusOr<std::optional<FileStatus>> entry = entries.Next();
    if (!entry.ok()) return IsMissing(entry.status()) ? absl::OkStatus() : entry.status();
    if (!entry->has_value()) return absl::OkStatus();
    // Listing a file gives the file itself: it has no children.
    if ((*entry)->path == dir.path) return absl::OkStatus();
    if (pattern.Matches(BaseName((*entry)->path))) out.push_back(*std::move(*entry));
  }
}

absl::Status GlobOne(FileSystem& fs, absl::string_view pattern, std::vector<FileStatus>& out) {
  FileStatus root;
  root.path = std::string(1, '/');
  root.type = FileType::kDirectory;
  std::vector<FileStatus> candidates = {std::move(root)};
  bool stated = false;  // whether the candidates came from the server, or are only names so far
  for (absl::string_view part : absl::StrSplit(pattern, '/', absl::SkipEmpty())) {
    ASSIGN_OR_RETURN(const GlobPattern compiled, GlobPattern::Compile(part));
    std::vector<FileStatus> next;
    for (FileStatus& candidate : candidates) {
      if (compiled.has_wildcard()) {
        RETURN_IF_ERROR(MatchChildren(fs, candidate, compiled, next));
      } else if (candidate.is_directory()) {
        candidate.path = JoinPath(candidate.path, compiled.literal());
        next.push_back(std::move(candidate));  // looked up at the end, all components at once
      }
    }
    stated = compiled.has_wildcard();
    candidates = std::move(next);
  }
  for (FileStatus& candidate : candidates) {
    if (!stated) {
      absl::StatusOr<FileStatus> status = fs.Stat(candidate.path);
      if (!status.ok() && IsMissing(status.status())) continue;
      if (!status.ok()) return status.status();
      candidate = *std::move(status);
    }
    out.push_back(std::move(candidate));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<FileStatus>> Glob(FileSystem& fs, absl::string_view pattern) {
  std::vector<FileStatus> found;
  ASSIGN_OR_RETURN(const std::vector<std::string> patterns, ExpandBraces(pattern));
  for (const std::string& one : patterns) RETURN_IF_ERROR(GlobOne(fs, one, found));
  std::sort(found.begin(), found.end(),
            [](const FileStatus& a, const FileStatus& b) { return a.path < b.path; });
  return found;
}

}  // namespace cairn::client
