// client/pipeline_set_up.h - one of several pipelines that are set up at once.
//
// What SetUpPipeline does, in steps that wait for nothing: connecting, the request, the answer
// behind the signs of life that may come before it. A datanode that hangs so holds up no other.
// Whether one is waited for any longer is its owner's business, who knows how the others fare.
//
// Not thread-safe.
#pragma once

#include <poll.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/context.h"
#include "client/pipeline.h"
#include "client/socket.h"
#include "client/transfer_reply.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {

class PipelineSetUp {
 public:
  // `context` and `target` outlive this, and `target` stays as it is.
  PipelineSetUp(ClientContext& context, const PipelineTarget& target, const SetUpRequest& request,
                const transfer::DataChecksum& checksum);

  // Does what can be done without waiting. True: it is over.
  bool Move();
  pollfd WhatToPoll() const;
  // It has been waited for as long as one is: see SilenceLimit.
  bool IsOverdue(bool spare) const;
  void GiveUp();  // it is over, and has failed

  // Once it is over. nullopt: it has failed, as `failure` says then.
  std::optional<OpenPipeline> Take(PipelineFailure& failure);

 private:
  void Fail(absl::Status why);
  // It is connected.
  void Send(Socket socket);
  void TakeReply();

  ClientContext& context_;
  const PipelineTarget& target_;
  const std::string request_;
  const absl::Duration began_;
  absl::Duration heard_;  // of the datanode, or connected
  std::optional<PendingSocket> pending_;
  std::optional<Socket> socket_;  // connected, the request sent
  DelimitedReceiver receiver_;
  bool over_ = false;
  bool gives_signs_ = false;
  PipelineFailure failure_;
};

}  // namespace cairn::client
