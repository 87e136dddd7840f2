#include "common/crash_point.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/check.h"
#include "common/mutex.h"

namespace cairn {
namespace crash_point_internal {

constinit std::atomic<bool> armed{false};

namespace {

// What the environment asked for; never changed after static initialization but for the count.
struct Order {
  std::string name;  // empty: nothing
  std::atomic<int64_t> passes_left{0};
};

Order& TheOrder() {
  static Order* const order = new Order;
  return *order;
}

// Shared, so that it can be called without the lock.
struct HookHolder {
  Mutex mu;
  std::shared_ptr<const CrashPointHook> hook ABSL_GUARDED_BY(mu);
};

HookHolder& TheHook() {
  static HookHolder* const holder = new HookHolder;
  return *holder;
}

bool ReadEnvironment() {
  const char* const value = std::getenv("CAIRN_CRASH_POINT");
  if (value == nullptr || *value == '\0') return false;
  const absl::string_view text = value;
  const size_t colon = text.rfind(':');
  int64_t nth = 1;
  if (colon != absl::string_view::npos) {
    CHECK(absl::SimpleAtoi(text.substr(colon + 1), &nth) && nth >= 1)
        << "CAIRN_CRASH_POINT=" << text << ": expected name[:nth] with nth at least 1";
  }
  TheOrder().name = std::string(text.substr(0, colon));
  TheOrder().passes_left = nth;
  armed = true;
  return true;
}

// Whoever contains a crash point links this file, and so runs this before main.
[[maybe_unused]] const bool ordered = ReadEnvironment();

}  // namespace

void Hit(absl::string_view name) {
  Order& order = TheOrder();
  if (name == order.name && order.passes_left.fetch_sub(1) == 1) {
    ::kill(::getpid(), SIGKILL);
    ::pause();  // the signal is on its way; nothing after this point may happen
  }
  std::shared_ptr<const CrashPointHook> hook;
  {
    MutexLock lock(TheHook().mu);
    hook = TheHook().hook;
  }
  if (hook != nullptr) (*hook)(name);
}

}  // namespace crash_point_internal

void SetCrashPointHook(CrashPointHook hook) {
  crash_point_internal::HookHolder& holder = crash_point_internal::TheHook();
  const bool ordered = !crash_point_internal::TheOrder().name.empty();
  MutexLock lock(holder.mu);
  crash_point_internal::armed = hook != nullptr || ordered;
  holder.hook = hook == nullptr ? nullptr : std::make_shared<const CrashPointHook>(std::move(hook));
}

}  // namespace cairn
