// tests/sim/network.h - messages between hosts: late, in another order, or never.
//
// A host is a number: 0 the namenode, 1 .. n the datanodes, then the clients. A message takes a
// random time. A cut stops the messages of one direction between two hosts: some are lost, others
// arrive when the cut is over, as TCP sends again. Call() is a request and its answer; a Stream
// keeps the order of its messages and ends when either side's process does.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/messages.h"
#include "tests/sim/process.h"
#include "tests/sim/world.h"

namespace cairn::sim {

inline constexpr Host kNamenodeHost = 0;

class Stream;

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  // Who runs on a host now; null: nobody, messages to it are lost.
  void SetProcess(Host host, Process* process) { processes_[host] = process; }
  Process* ProcessOf(Host host) const;

  // ---- faults
  void Cut(Host from, Host to) { ++cuts_[{from, to}]; }
  void Mend(Host from, Host to) { --cuts_[{from, to}]; }
  bool IsCut(Host from, Host to) const;
  // Who takes connections to a host, in its process.
  void Listen(Host host, std::function<void(std::shared_ptr<Stream>)> accept);
  // Always succeeds: that nobody listens is heard later, and of a dead machine nothing.
  std::shared_ptr<Stream> Connect(Host from, Host to);
  // A process that was killed: the machine closes its connections. One without power does not.
  void CloseStreamsOf(const Process* process);
  // How long a message takes at most.
  void SetSlowest(absl::Duration time) { slowest_ = time; }

  // `deliver` runs in whatever process the host then has.
  void Send(Host from, Host to, std::function<void()> deliver);

  // From a fiber of `caller`. `serve` runs at `to`, and calls the function it is given, there and
  // once, with the answer. nullopt: none within `limit`; the request may have been served, or may
  // be yet.
  template <typename T>
  std::optional<T> Call(Process& caller, Host from, Host to, absl::Duration limit,
                        std::function<void(std::function<void(T)>)> serve) {
    Process::Answer<T> answer;
    Send(from, to, [this, from, to, answer, serve = std::move(serve)] {
      serve([this, from, to, answer](T value) {
        Send(to, from, [answer, value = std::move(value)] { answer.Set(value); });
      });
    });
    return caller.Await(answer, limit);
  }

 private:
  friend class Stream;
  absl::Duration Delay();

  World& world_;
  std::map<Host, Process*> processes_;
  std::map<std::pair<Host, Host>, int> cuts_;
  std::map<Host, std::function<void(std::shared_ptr<Stream>)>> listeners_;
  std::vector<std::weak_ptr<Stream>> streams_;
  absl::Duration slowest_ = absl::Milliseconds(2);
};

// One end of a connection between two processes. Whoever drops an end closes it first.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  using OnMessage = std::function<void(const Message&)>;

  // What is called in this end's process: for each message in order, and when the other end has
  // closed or its process is gone (not when its machine is). Messages that come before are kept.
  void Listen(OnMessage on_message, std::function<void()> on_closed);
  // Lost if an end closes first.
  void Send(Message message);
  // Hears nothing more and tells the other end.
  void Close();
  bool closed() const { return closed_; }

 private:
  friend class Network;
  Stream(Network& network, Host from, Host to, Process* process)
      : network_(network), from_(from), to_(to), process_(process) {}
  void Deliver(std::function<void(Stream& other)> what);
  void DeliverAt(absl::Duration time);  // the first of queue_
  void HearClosed();

  Network& network_;
  const Host from_, to_;
  Process* const process_;  // this end's; compared, not used, once it may be gone
  std::weak_ptr<Stream> peer_;
  OnMessage on_message_;
  std::function<void()> on_closed_;
  std::vector<Message> early_;                      // came before Listen
  std::deque<std::function<void(Stream&)>> queue_;  // on their way to the other end, in order
  absl::Duration last_delivery_;
  bool closed_ = false;
  bool closed_early_ = false;
};

}  // namespace cairn::sim
