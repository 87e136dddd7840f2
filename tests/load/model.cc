#include "tests/load/model.h"

#include <utility>

#include "absl/strings/match.h"
#include "common/check.h"

namespace cairn::load {

Thing Truncated(Thing file) {
  CHECK(file.truncating);
  file.content.Cut(file.least_bytes);
  file.most_bytes = file.least_bytes;
  file.truncating = false;
  file.closed = true;
  return file;
}

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

void Model::Apply(const Doubt::State& state) {
  for (const auto& [path, thing] : state) {
    if (thing) {
      Put(path, *thing);
    } else {
      Remove(path);
    }
  }
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

Doubt Model::Overwriting(const std::string& from, const std::string& to) const {
  Thing moved = things_.at(from);
  Doubt doubt{.before = {{from, moved}, {to, things_.at(to)}}, .after = {{from, std::nullopt}}};
  moved.rewritten = true;
  doubt.after[to] = moved;
  return doubt;
}

Doubt Model::Joining(const std::string& target, const std::vector<std::string>& sources) const {
  Thing joined = things_.at(target);
  Doubt doubt{.before = {{target, joined}}, .after = {}};
  for (const std::string& source : sources) {
    const Thing& part = things_.at(source);
    joined.content.Join(joined.least_bytes, part.content);
    joined.least_bytes = joined.most_bytes = joined.least_bytes + part.least_bytes;
    doubt.before[source] = part;
    doubt.after[source] = std::nullopt;
  }
  joined.rewritten = true;
  doubt.after[target] = joined;
  return doubt;
}

Doubt Model::Truncating(const std::string& path, uint64_t length) const {
  Thing cut = things_.at(path);
  Doubt doubt{.before = {{path, cut}}, .after = {}};
  CHECK(cut.closed && length < cut.least_bytes);
  cut.least_bytes = length;
  cut.closed = false;
  cut.truncating = cut.rewritten = true;
  doubt.after[path] = cut;
  return doubt;
}

std::set<std::string> Model::TakeRecent() { return std::exchange(recent_, {}); }

std::span<const Doubt> Model::TakeRecentDoubts() {
  return std::span(doubts_).subspan(std::exchange(doubts_taken_, doubts_.size()));
}

}  // namespace cairn::load
