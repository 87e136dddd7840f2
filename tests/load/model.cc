#include "tests/load/model.h"

#include <utility>

#include "absl/strings/match.h"
#include "common/check.h"

namespace cairn::load {

void Model::Put(const std::string& path, const Thing& thing) {
  CHECK(!InDoubt(path));
  things_[path] = thing;
  gone_.erase(path);
  recent_.insert(path);
}

void Model::Remove(const std::string& path) {
  CHECK(things_.erase(path) == 1);
  gone_.insert(path);
  recent_.insert(path);
}

void Model::Move(const std::string& from, const std::string& to) {
  const Thing* const thing = Find(from);
  CHECK(thing != nullptr);
  Put(to, Thing(*thing));
  Remove(from);
}

void Model::AddDoubt(Doubt doubt) {
  for (const Doubt::State* state : {&doubt.before, &doubt.after}) {
    for (const auto& [path, thing] : *state) {
      things_.erase(path);
      gone_.erase(path);
      doubted_.insert(path);
      recent_.insert(path);
    }
  }
  doubts_.push_back(std::move(doubt));
}

const Thing* Model::Find(const std::string& path) const {
  const auto found = things_.find(path);
  return found == things_.end() ? nullptr : &found->second;
}

bool Model::InDoubtBelow(const std::string& directory) const {
  if (InDoubt(directory)) return true;
  const std::string below = directory + "/";
  const auto next = doubted_.lower_bound(below);
  return next != doubted_.end() && absl::StartsWith(*next, below);
}

std::set<std::string> Model::TakeRecent() { return std::exchange(recent_, {}); }

std::span<const Doubt> Model::TakeRecentDoubts() {
  return std::span(doubts_).subspan(std::exchange(doubts_taken_, doubts_.size()));
}

}  // namespace cairn::load
