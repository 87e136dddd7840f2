// cairn-hold: a writer to be killed. Opens files, writes and flushes, and goes on writing.
//
//   cairn-hold --uri URI [--directory /held] [--files N] [--bytes B] [--sync] [--small S]
//
// Each file I gets B bytes, byte P of which is (P + 7 I) mod 251, and an hflush, with --sync an
// hsync; then as many more without one. Prints "held PATH B" for each once that is acknowledged,
// then "ready", and waits for the end of its input, or to be killed; it never closes a file. S: up
// to how many bytes files are replicated where the directory is erasure-coded.
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/file_system.h"
#include "common/check.h"

namespace cairn::load {
namespace {

std::string Bytes(uint64_t file, uint64_t begin, uint64_t count) {
  std::string bytes(count, '\0');
  for (uint64_t i = 0; i < count; ++i) bytes[i] = static_cast<char>((begin + i + 7 * file) % 251);
  return bytes;
}

int Main(int argc, char** argv) {
  CLI::App app("Opens files, writes, flushes, and waits to be killed.");
  std::string uri, directory = "/held";
  uint64_t files = 1, bytes = 100'000;
  bool sync = false;
  uint64_t small = 0;
  app.add_option("--uri", uri)->required();
  app.add_option("--directory", directory);
  app.add_option("--files", files);
  app.add_option("--bytes", bytes);
  app.add_flag("--sync", sync);
  app.add_option("--small", small);
  CLI11_PARSE(app, argc, argv);
  client::ClientOptions options;
  options.small_file_bytes = small;
  const auto fs = client::FileSystem::Connect(uri, options);
  CHECK_OK(fs.status());
  std::vector<std::unique_ptr<client::OutputStream>> streams;
  for (uint64_t i = 0; i < files; ++i) {
    auto stream = (*fs)->Create(absl::StrCat(directory, "/", i));
    CHECK_OK(stream.status());
    CHECK_OK((*stream)->Write(Bytes(i, 0, bytes)));
    CHECK_OK(sync ? (*stream)->Hsync() : (*stream)->Hflush());
    std::cout << "held " << (*stream)->path() << " " << bytes << std::endl;
    CHECK_OK((*stream)->Write(Bytes(i, bytes, bytes)));
    streams.push_back(*std::move(stream));
  }
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) continue;
  std::_Exit(0);  // without closing what is open
}

}  // namespace
}  // namespace cairn::load

int main(int argc, char** argv) { return cairn::load::Main(argc, argv); }
