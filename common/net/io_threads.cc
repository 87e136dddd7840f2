#include "common/net/io_threads.h"

#include <pthread.h>

#include "absl/strings/str_cat.h"

namespace cairn {

IoThreads::IoThreads(int count, const std::string& name) {
  for (int i = 0; i < count; ++i) {
    contexts_.push_back(std::make_unique<boost::asio::io_context>(1));
    guards_.emplace_back(contexts_.back()->get_executor());
  }
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this, i, label = absl::StrCat(name, "-", i).substr(0, 15)] {
      pthread_setname_np(pthread_self(), label.c_str());
      contexts_[i]->run();
    });
  }
}

IoThreads::~IoThreads() { Stop(); }

boost::asio::io_context& IoThreads::Next() {
  return *contexts_[next_.fetch_add(1, std::memory_order_relaxed) % contexts_.size()];
}

void IoThreads::Stop() {
  guards_.clear();
  for (auto& context : contexts_) context->stop();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace cairn
