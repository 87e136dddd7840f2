#include "bench/block_maker.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "common/check.h"

namespace cairn::bench {
namespace {

constexpr uint64_t kPerDirectory = 1000;

// Created, reported, closed: a directory at a time.
void MakeDirectory(FileMaker& files, ToldDatanodes& datanodes, uint64_t first,
                   std::span<const HolderIds> holders, std::span<MadeBlock> made) {
  std::vector<namenode::BlockVersion> blocks;
  for (uint64_t i = 0; i < made.size(); ++i) {
    const std::string path = PathOfFile(first + i);
    files.Create(path);
    blocks.push_back(files.AddBlock(path));
    made[i] = {ToInt(blocks.back().id), ToInt(blocks.back().stamp),
               HoldersOf(first + i, holders.size())};
  }
  datanodes.Report(first, blocks);
  for (uint64_t i = 0; i < made.size(); ++i) {
    files.Complete(PathOfFile(first + i), kNoInode, blocks[i]);
  }
}

void MakeAll(LocalNamenode& local, const std::vector<HolderIds>& holders,
             std::span<MadeBlock> made) {
  FileMaker files(local, "block_maker");
  ToldDatanodes datanodes(local, holders);
  for (uint64_t first = 0; first < made.size(); first += kPerDirectory) {
    const uint64_t count = std::min<uint64_t>(kPerDirectory, made.size() - first);
    MakeDirectory(files, datanodes, first, holders, made.subspan(first, count));
  }
  CHECK_OK(local.journal().WaitDurable(local.journal().last_appended()));
}

}  // namespace

std::string PathOfFile(uint64_t i) {
  return absl::StrFormat("/made/d%06d/f%03d", i / kPerDirectory, i % kPerDirectory);
}

std::span<const MadeBlock> MakeBlocks(const std::string& directory, uint64_t count,
                                      const std::vector<HolderIds>& holders) {
  CHECK_GE(holders.size(), kReplication);
  // Written by the child, read here.
  void* const memory = ::mmap(nullptr, count * sizeof(MadeBlock), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  const std::span<MadeBlock> made(static_cast<MadeBlock*>(memory), count);
  int done[2];
  CHECK_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    ::close(done[0]);
    CHECK_OK(LocalNamenode::Format(directory));
    auto local = LocalNamenode::Open({.directory = directory});
    CHECK_OK(local.status());
    MakeAll(**local, holders, made);
    CHECK_EQ(::write(done[1], "", 1), 1);
    while (true) ::pause();
  }
  ::close(done[1]);
  char byte;
  CHECK_EQ(::read(done[0], &byte, 1), 1) << "the blocks could not be made";
  ::close(done[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return made;
}

}  // namespace cairn::bench
