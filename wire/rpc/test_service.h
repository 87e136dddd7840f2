// wire/rpc/test_service.h - a service and a gate that tests steer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/mutex.h"
#include "google/protobuf/wrappers.pb.h"
#include "wire/rpc/service.h"
#include "wire/rpc/test_frames.h"

namespace cairn::rpc {

class TestGate final : public ReplyGate {
 public:
  uint64_t Passed() const override { return passed_.load(std::memory_order_acquire); }
  std::shared_ptr<void> Listen(std::function<void()> listener) override {
    MutexLock lock(mu_);
    listener_ = std::move(listener);
    return std::shared_ptr<void>(this, [](TestGate* gate) {
      MutexLock unlisten(gate->mu_);
      gate->listener_ = nullptr;
    });
  }
  void MoveTo(uint64_t ticket) {
    passed_.store(ticket, std::memory_order_release);
    MutexLock lock(mu_);
    if (listener_) listener_();
  }

 private:
  std::atomic<uint64_t> passed_{0};
  Mutex mu_;
  std::function<void()> listener_ ABSL_GUARDED_BY(mu_);
};

// Requests and responses are google.protobuf.StringValue, methods are:
//   echo       the request            user   the effective user
//   at         the request, when the gate has passed the number it holds
//   fail       FileNotFoundException with the request as its text
//   busy       RetriableException for the first `busy_calls` calls, then an echo
//   later      deferred: see TakeDeferred
//   identity   client id in hex, call id
//   grow       as many bytes as the request says
//   throw      no answer: it throws, as for want of memory
class TestService final : public RpcService {
 public:
  explicit TestService(absl::string_view protocol = kTestProtocol) : protocol_(protocol) {}

  absl::string_view protocol() const override { return protocol_; }
  void Handle(const CallInfo& call, absl::string_view method, absl::string_view request,
              RpcReply& reply) override {
    calls.fetch_add(1);
    google::protobuf::StringValue value;
    if (!value.ParseFromArray(request.data(), static_cast<int>(request.size()))) {
      reply.Fail(absl::InvalidArgumentError("the request does not parse"));
    } else if (method == "echo" || (method == "busy" && busy_calls.fetch_sub(1) <= 0)) {
      reply.Send(value);
    } else if (method == "busy") {
      reply.Fail(MakeFsError(FsError::kRetriable, "busy"));
    } else if (method == "throw") {
      throw std::bad_alloc();
    } else if (method == "at") {
      uint64_t ticket = 0;
      (void)absl::SimpleAtoi(value.value(), &ticket);
      reply.SendAt(ticket, value);
    } else if (method == "fail") {
      reply.Fail(MakeFsError(FsError::kFileNotFound, value.value()));
    } else if (method == "later") {
      MutexLock lock(mu_);
      deferred_.push_back(reply.Defer());
      deferred_calls_.push_back({std::string(call.client_id.begin(), call.client_id.end()),
                                 call.call_id, call.retry_count});
    } else if (method == "user") {
      Send(call.principal.user, reply);
    } else if (method == "identity") {
      const absl::string_view id(reinterpret_cast<const char*>(call.client_id.data()),
                                 call.has_client_id ? call.client_id.size() : 0);
      Send(absl::StrCat(absl::BytesToHexString(id), " ", call.call_id), reply);
    } else if (method == "grow") {
      size_t bytes = 0;
      (void)absl::SimpleAtoi(value.value(), &bytes);
      Send(std::string(bytes, 'x'), reply);
    } else {
      reply.Fail(MakeFsError(
          FsError::kNoSuchMethod,
          absl::StrCat("Unknown method ", method, " called on ", protocol_, " protocol.")));
    }
  }

  size_t deferred_count() {
    MutexLock lock(mu_);
    return deferred_.size();
  }
  std::vector<DeferredReply> TakeDeferred() {
    MutexLock lock(mu_);
    return std::exchange(deferred_, {});
  }

  struct DeferredCall {
    std::string client_id;
    int32_t call_id;
    int32_t retry_count;
  };
  std::vector<DeferredCall> deferred_calls() {  // all there ever were
    MutexLock lock(mu_);
    return deferred_calls_;
  }

  std::atomic<int> calls{0};
  std::atomic<int> busy_calls{0};

 private:
  static void Send(absl::string_view text, RpcReply& reply) {
    google::protobuf::StringValue value;
    value.set_value(std::string(text));
    reply.Send(value);
  }

  const std::string protocol_;
  Mutex mu_;
  std::vector<DeferredReply> deferred_ ABSL_GUARDED_BY(mu_);
  std::vector<DeferredCall> deferred_calls_ ABSL_GUARDED_BY(mu_);
};

inline google::protobuf::StringValue Text(absl::string_view text) {
  google::protobuf::StringValue value;
  value.set_value(std::string(text));
  return value;
}

}  // namespace cairn::rpc
