// namenode/core/testing/failing_store.h - a store whose reads of LevelDB fail when a test says so.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "namenode/core/testing/wrapped_store.h"

namespace cairn::namenode {

class FailingStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;

  // The next Load of a record with this prefix.
  void FailNext(char prefix) { failing_ = prefix; }
  bool has_failed() const { return failing_ == '\0'; }
  // Every Load of one, until another call says otherwise; '\0': none fails.
  void FailAll(char prefix) { failing_always_ = prefix; }
  int failures() const { return failures_; }

  absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const override {
    if (key.empty() || (key[0] != failing_ && key[0] != failing_always_)) {
      return WrappedStore::Load(key);
    }
    if (key[0] == failing_) failing_ = '\0';
    ++failures_;
    return absl::UnavailableError("the disk fails for a moment");
  }

 private:
  mutable char failing_ = '\0';
  char failing_always_ = '\0';
  mutable int failures_ = 0;
};

}  // namespace cairn::namenode
