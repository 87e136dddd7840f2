// Writes a file to a cluster and reads it back:  hello hdfs://namenode:8020 /path
#include <iostream>
#include <span>
#include <string>

#include "client/file_system.h"

using cairn::client::FileSystem;

namespace {

absl::StatusOr<std::string> Hello(const char* uri, const char* path) {
  const auto fs = FileSystem::Connect(uri);
  if (!fs.ok()) return fs.status();
  const auto out = (*fs)->Create(path);
  if (!out.ok()) return out.status();
  (*out)->Write("hello, cluster\n").IgnoreError();  // Close returns the stream's first error
  if (const absl::Status closed = (*out)->Close(); !closed.ok()) return closed;
  const auto in = (*fs)->Open(path);
  if (!in.ok()) return in.status();
  std::string text((*in)->length(), '\0');
  const auto read = (*in)->ReadFully(std::as_writable_bytes(std::span(text)));
  if (!read.ok()) return read.status();
  return text.substr(0, *read);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto text = Hello(argv[1], argv[2]);
  (text.ok() ? std::cout << *text : std::cerr << text.status() << "\n");
  return text.ok() ? 0 : 1;
}
