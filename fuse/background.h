// fuse/background.h - going to the background only once there is something to show for it.
//
// Before any thread exists the process is split: what goes on is the child, while the parent waits
// for its word and passes it on as exit status. So `cairn-fuse ... && ls MOUNTPOINT` works, and a
// mount that fails says why where it was asked for.
#pragma once

#include "absl/status/statusor.h"

namespace cairn::fuse {

class Background {
 public:
  // Returns in the child. The parent leaves here: with 0 once Ready was called, with the child's
  // exit status if it ended before.
  static absl::StatusOr<Background> Enter();
  Background(Background&& other) noexcept;
  ~Background();

  // Tells the parent, and lets go of the terminal: standard input, output and error.
  void Ready();

 private:
  explicit Background(int to_parent) : to_parent_(to_parent) {}
  int to_parent_ = -1;
};

}  // namespace cairn::fuse
