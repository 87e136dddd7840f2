// -find: paths below others that match an expression: -name, -iname, -print, -print0, -a.
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/glob.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "tools/dfs/commands.h"
#include "tools/dfs/walk.h"

namespace cairn::tools {
namespace {

// One term; the expression is all of them in turn, until one is false.
struct Term {
  enum Kind { kName, kPrint, kPrint0 } kind;
  bool ignore_case = false;
  std::optional<client::GlobPattern> pattern;
};

absl::StatusOr<std::vector<Term>> ParseExpression(absl::Span<const std::string> words) {
  std::vector<Term> terms;
  bool prints = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "-a" || word == "-and") continue;
    if (word == "-print" || word == "-print0") {
      terms.push_back({.kind = word == "-print" ? Term::kPrint : Term::kPrint0});
      prints = true;
    } else if (word == "-name" || word == "-iname") {
      if (i + 1 == words.size()) {
        return absl::InvalidArgumentError(absl::StrCat("Missing argument for ", word));
      }
      const bool ignore_case = word == "-iname";
      const std::string text = ignore_case ? absl::AsciiStrToLower(words[i + 1]) : words[i + 1];
      ASSIGN_OR_RETURN(client::GlobPattern pattern, client::GlobPattern::Compile(text));
      terms.push_back(
          {.kind = Term::kName, .ignore_case = ignore_case, .pattern = std::move(pattern)});
      ++i;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("Unexpected argument: ", word));
    }
  }
  if (!prints) terms.push_back({.kind = Term::kPrint});
  return terms;
}

void Apply(Shell& shell, const std::vector<Term>& terms, const PathItem& item) {
  for (const Term& term : terms) {
    switch (term.kind) {
      case Term::kName: {
        const absl::string_view name = client::BaseName(item.path);
        const std::string folded =
            term.ignore_case ? absl::AsciiStrToLower(name) : std::string(name);
        if (!term.pattern->Matches(folded)) return;
        break;
      }
      case Term::kPrint:
        shell.out() << item.text << "\n";
        break;
      case Term::kPrint0:
        shell.out() << item.text << '\0';
        break;
    }
  }
}

}  // namespace

absl::Status RunFind(Shell& shell) {
  std::vector<std::string> paths;
  size_t at = 0;
  // -L and -H are about symbolic links, of which there are none.
  while (at < shell.args().size() && (shell.args()[at] == "-L" || shell.args()[at] == "-H")) ++at;
  while (at < shell.args().size() && !absl::StartsWith(shell.args()[at], "-")) {
    paths.push_back(shell.args()[at++]);
  }
  if (shell.args().empty()) {
    return UsageStatus("Not enough arguments: expected 1 but got 0");
  }
  if (paths.empty()) paths.push_back(".");
  ASSIGN_OR_RETURN(const std::vector<Term> terms,
                   ParseExpression(absl::MakeSpan(shell.args()).subspan(at)));
  return shell.ForEach(paths, [&](PathItem& top) {
    return Walk(shell, top, /*recursive=*/true, [&](const PathItem& item, int) {
      Apply(shell, terms, item);
      return absl::OkStatus();
    });
  });
}

}  // namespace cairn::tools
