// namenode/service/rpc/testing/fake_reply.h - an RpcReply that keeps the answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/check.h"
#include "wire/rpc/service.h"

namespace cairn::namenode {

// What became of one call. Not thread-safe.
struct FakeAnswer {
  bool given = false;
  bool deferred = false;
  bool connection_gone = false;
  uint64_t ticket = 0;
  absl::Status status;
  std::string bytes;
};

class FakeReply final : public rpc::RpcReply {
 public:
  void SendAt(uint64_t ticket, const google::protobuf::MessageLite& response) override {
    CHECK(response.IsInitialized()) << response.InitializationErrorString();
    SendBytesAt(ticket, response.SerializeAsString());
  }
  void SendBytesAt(uint64_t ticket, absl::string_view response) override {
    Give(*answer_, ticket, absl::OkStatus(), std::string(response));
  }
  void FailAt(uint64_t ticket, const absl::Status& error) override {
    CHECK(!error.ok());
    Give(*answer_, ticket, error, "");
  }
  rpc::DeferredReply Defer() override {
    answer_->deferred = true;
    return rpc::DeferredReply(std::make_unique<Deferred>(answer_));
  }

  const FakeAnswer& answer() const { return *answer_; }
  void CloseConnection() { answer_->connection_gone = true; }

 private:
  static void Give(FakeAnswer& answer, uint64_t ticket, absl::Status status, std::string bytes) {
    CHECK(!answer.given) << "answered twice";
    answer.given = true;
    answer.ticket = ticket;
    answer.status = std::move(status);
    answer.bytes = std::move(bytes);
  }

  class Deferred final : public rpc::DeferredReply::Impl {
   public:
    explicit Deferred(std::shared_ptr<FakeAnswer> answer) : answer_(std::move(answer)) {}
    void SendBytesAt(uint64_t ticket, std::string response) override {
      Give(*answer_, ticket, absl::OkStatus(), std::move(response));
    }
    void FailAt(uint64_t ticket, absl::Status error) override {
      Give(*answer_, ticket, std::move(error), "");
    }
    bool ConnectionGone() const override { return answer_->connection_gone; }

   private:
    const std::shared_ptr<FakeAnswer> answer_;
  };

  const std::shared_ptr<FakeAnswer> answer_ = std::make_shared<FakeAnswer>();
};

}  // namespace cairn::namenode
