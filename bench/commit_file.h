// bench/commit_file.h - what a journal cannot beat: one write that is on the disk.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace cairn::bench {

cpu_set_t CpusOf(pid_t pid);          // that it may use; 0: the calling thread
void SetCpus(const cpu_set_t& cpus);  // of the calling thread

// Commits of 4 KiB to a preallocated file of zeros, which is removed at the end.
class CommitFile {
 public:
  // Commits on the CPUs that process `like` may use.
  CommitFile(const std::string& directory, pid_t like);
  ~CommitFile();
  CommitFile(const CommitFile&) = delete;
  CommitFile& operator=(const CommitFile&) = delete;

  // Seconds of each of `count` direct, synchronous writes, one after the other.
  std::vector<float> Run(uint64_t count);
  // Of as many, how many are done in a second.
  double Rate(uint64_t count);

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  const pid_t like_;
  const std::string path_;
  const int fd_;
  const std::unique_ptr<char, Free> block_;
  off_t at_ = 0;
};

}  // namespace cairn::bench
