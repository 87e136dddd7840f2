// common/check.h - CHECK(condition) << "what was expected": stops the program on a broken
// invariant.
//
// For bugs only, in every build: a wrong byte must not reach the disk. What the network, the disk
// or the user can cause is an absl::Status instead. The message goes to stderr with file and line;
// then abort(), so that a core is left.
#pragma once

#include <sstream>

#include "absl/base/optimization.h"
#include "absl/status/status.h"

namespace cairn::check_internal {

// Collects the message; its destructor prints it and aborts.
class Failure {
 public:
  Failure(const char* file, int line, const char* what);
  [[noreturn]] ~Failure();
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;
  std::ostream& stream() { return text_; }

 private:
  std::ostringstream text_;
};

// Gives both arms of CHECK's conditional the type void; & binds looser than <<.
struct Voidify {
  void operator&(std::ostream&) {}
};

}  // namespace cairn::check_internal

#define CHECK(condition)                 \
  ABSL_PREDICT_TRUE(condition)           \
  ? (void)0                              \
  : ::cairn::check_internal::Voidify() & \
          ::cairn::check_internal::Failure(__FILE__, __LINE__, #condition).stream()

// Each operand is evaluated again for the message when the check fails: pass plain values.
#define CHECK_OP_(a, op, b) CHECK((a)op(b)) << "(" << (a) << " vs " << (b) << ") "
#define CHECK_EQ(a, b) CHECK_OP_(a, ==, b)
#define CHECK_NE(a, b) CHECK_OP_(a, !=, b)
#define CHECK_LE(a, b) CHECK_OP_(a, <=, b)
#define CHECK_LT(a, b) CHECK_OP_(a, <, b)
#define CHECK_GE(a, b) CHECK_OP_(a, >=, b)
#define CHECK_GT(a, b) CHECK_OP_(a, >, b)

// CHECK_OK(expression of type absl::Status).
#define CHECK_OK(expr)                                                      \
  do {                                                                      \
    const absl::Status check_status_ = (expr);                              \
    CHECK(check_status_.ok()) << #expr << ": " << check_status_.ToString(); \
  } while (false)
