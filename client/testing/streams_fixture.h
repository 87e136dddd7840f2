// client/testing/streams_fixture.h - files written and read through libcairn on a cluster of fakes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <span>
#include <string>

#include "client/testing/fake_cluster.h"
#include "common/status_macros.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {

inline constexpr uint64_t kBlockBytes = 1 << 20;

inline std::string RandomBytes(size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

class StreamsTest : public ::testing::Test {
 protected:
  explicit StreamsTest(int datanodes = 4) : cluster_(datanodes) {}

  static ClientOptions Options() {
    ClientOptions options;
    options.block_bytes = kBlockBytes;
    options.write_window_bytes = 256 << 10;
    options.read_retry_window = absl::ZeroDuration();
    options.read_timeout = absl::Seconds(20);
    return options;
  }

  absl::Status WriteFile(const std::string& path, const std::string& data) {
    ASSIGN_OR_RETURN(auto out, fs_->Create(path));
    RETURN_IF_ERROR(out->Write(data));
    return out->Close();
  }

  absl::StatusOr<std::string> ReadFile(const std::string& path) {
    ASSIGN_OR_RETURN(auto in, fs_->Open(path));
    std::string data(in->length() + 1, '\0');
    ASSIGN_OR_RETURN(const size_t bytes, in->ReadFully(std::as_writable_bytes(std::span(data))));
    data.resize(bytes);
    return data;
  }

  FakeClock clock_;  // outlives fs_, whose threads may read it
  FakeCluster cluster_;
  std::unique_ptr<FileSystem> fs_ = cluster_.Connect(Options());
};

}  // namespace cairn::client
