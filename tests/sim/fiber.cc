#include "tests/sim/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define CAIRN_ASAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAIRN_ASAN_FIBERS 1
#endif
#endif
#ifdef CAIRN_ASAN_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace cairn::sim {
namespace {

constexpr size_t kStackBytes = size_t{512} << 10;  // touched pages only cost memory

// Stacks are used again: a history starts thousands of fibers.
class StackPool {
 public:
  std::byte* Take() {
    if (!free_.empty()) {
      std::byte* const stack = free_.back();
      free_.pop_back();
      return stack;
    }
    void* const memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    // An overflow stops the program instead of writing into another stack.
    CHECK_EQ(::mprotect(memory, static_cast<size_t>(::getpagesize()), PROT_NONE), 0);
    return static_cast<std::byte*>(memory);
  }
  void Give(std::byte* stack) { free_.push_back(stack); }

 private:
  std::vector<std::byte*> free_;
};

StackPool& Stacks() {
  static StackPool& pool = *new StackPool();
  return pool;
}

}  // namespace

struct Fiber::Context {
  std::function<void()> body;
  std::byte* stack = nullptr;
  ucontext_t inside{};
  ucontext_t outside{};
  bool started = false;
  bool ended = false;
  bool unwinding = false;
  Fiber* owner = nullptr;
  // What the sanitizers want to know of stacks.
  void* fake_stack_inside = nullptr;
  void* fake_stack_outside = nullptr;
  const void* outside_stack = nullptr;
  size_t outside_bytes = 0;
  void* tsan_inside = nullptr;
  void* tsan_outside = nullptr;

  static Context*& Running() {
    static thread_local Context* running = nullptr;
    return running;
  }

  void Enter() {
    CHECK(Running() == nullptr) << "a fiber resumes a fiber";
    Running() = this;
#ifdef CAIRN_ASAN_FIBERS
    __sanitizer_start_switch_fiber(&fake_stack_outside, stack, kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
    tsan_outside = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_inside, 0);
#endif
    ::swapcontext(&outside, &inside);
#ifdef CAIRN_ASAN_FIBERS
    __sanitizer_finish_switch_fiber(fake_stack_outside, nullptr, nullptr);
#endif
    Running() = nullptr;
  }

  void Leave() {
#ifdef CAIRN_ASAN_FIBERS
    __sanitizer_start_switch_fiber(ended ? nullptr : &fake_stack_inside, outside_stack,
                                   outside_bytes);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(tsan_outside, 0);
#endif
    ::swapcontext(&inside, &outside);
    Arrived();
  }

  void Arrived() {
#ifdef CAIRN_ASAN_FIBERS
    __sanitizer_finish_switch_fiber(fake_stack_inside, &outside_stack, &outside_bytes);
#endif
  }

  // makecontext passes ints only: a pointer goes as two of them.
  static void Main(unsigned low, unsigned high) {
    auto* const self = reinterpret_cast<Context*>(static_cast<uintptr_t>(low) |
                                                  (static_cast<uintptr_t>(high) << 32));
    self->Arrived();
    try {
      self->body();
    } catch (const Unwound&) {
    }
    self->body = nullptr;
    self->ended = true;
    self->Leave();
  }
};

Fiber::Fiber(std::function<void()> body) : context_(std::make_unique<Context>()) {
  context_->body = std::move(body);
  context_->owner = this;
}

Fiber::~Fiber() {
  Context& c = *context_;
  if (!c.started) return;
  CHECK(Context::Running() != &c) << "a fiber destroys itself";
  if (!c.ended) {
    c.unwinding = true;
    c.Enter();
    CHECK(c.ended) << "a fiber suspends while it is unwound";
  }
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(c.tsan_inside);
#endif
  Stacks().Give(c.stack);
}

void Fiber::Resume() {
  Context& c = *context_;
  CHECK(!c.ended);
  if (!c.started) {
    c.started = true;
    c.stack = Stacks().Take();
    CHECK_EQ(::getcontext(&c.inside), 0);
    c.inside.uc_stack.ss_sp = c.stack;
    c.inside.uc_stack.ss_size = kStackBytes;
    c.inside.uc_link = nullptr;
    const auto address = reinterpret_cast<uintptr_t>(&c);
    ::makecontext(&c.inside, reinterpret_cast<void (*)()>(&Context::Main), 2,
                  static_cast<unsigned>(address & 0xffffffffu),
                  static_cast<unsigned>(address >> 32));
#ifdef __SANITIZE_THREAD__
    c.tsan_inside = __tsan_create_fiber(0);
#endif
  }
  c.Enter();
}

bool Fiber::ended() const { return context_->ended; }

void Fiber::Suspend() {
  Context* const c = Context::Running();
  CHECK(c != nullptr) << "nobody to suspend";
  CHECK(!c->unwinding);
  c->Leave();
  if (c->unwinding) throw Unwound{};
}

Fiber* Fiber::Current() {
  Context* const c = Context::Running();
  return c == nullptr ? nullptr : c->owner;
}

}  // namespace cairn::sim
