// common/testing/faulty_inode.h - what FaultyFileSystem is made of: files and directories that know
// what of them has reached the disk. Guarded by the file system's lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace cairn::faulty_internal {

inline constexpr uint64_t kSectorBytes = 512;  // a disk writes one whole or not at all
inline constexpr uint64_t kPageBytes = 4096;   // only the unit of storage here
inline constexpr uint64_t kSectorsPerPage = kPageBytes / kSectorBytes;

inline uint64_t SectorsCovering(uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes;
}

// Sparse bytes: what was never written, or zeroed, takes no memory.
class Contents {
 public:
  uint64_t size() const { return size_; }

  size_t Read(uint64_t offset, std::span<std::byte> out) const {
    if (offset >= size_) return 0;
    const size_t count = std::min<uint64_t>(out.size(), size_ - offset);
    ForEachRun(offset, count, [&](uint64_t page, size_t in_page, size_t done, size_t run) {
      const auto found = pages_.find(page);
      if (found == pages_.end()) {
        std::memset(out.data() + done, 0, run);
      } else {
        std::memcpy(out.data() + done, found->second.data() + in_page, run);
      }
    });
    return count;
  }

  void Write(uint64_t offset, std::span<const std::byte> data) {
    ForEachRun(offset, data.size(), [&](uint64_t page, size_t in_page, size_t done, size_t run) {
      std::memcpy(PageAt(page).data() + in_page, data.data() + done, run);
    });
    size_ = std::max(size_, offset + data.size());
  }

  void Zero(uint64_t offset, uint64_t length) {
    ForEachRun(offset, length, [&](uint64_t page, size_t in_page, size_t, size_t run) {
      if (run == kPageBytes) {
        pages_.erase(page);
      } else if (const auto found = pages_.find(page); found != pages_.end()) {
        std::memset(found->second.data() + in_page, 0, run);
      }
    });
    size_ = std::max(size_, offset + length);
  }

  // To the same size, it zeroes what CopySector brought in beyond the end.
  void Resize(uint64_t size) {
    if (size <= size_) {
      pages_.erase(pages_.lower_bound((size + kPageBytes - 1) / kPageBytes), pages_.end());
      const uint64_t in_page = size % kPageBytes;
      if (const auto last = pages_.find(size / kPageBytes); last != pages_.end() && in_page != 0) {
        std::memset(last->second.data() + in_page, 0, kPageBytes - in_page);
      }
    }
    size_ = size;
  }

  // The pages at and after `offset` that hold anything.
  std::vector<uint64_t> PagesFrom(uint64_t offset) const {
    std::vector<uint64_t> out;
    for (auto page = pages_.lower_bound(offset / kPageBytes); page != pages_.end(); ++page) {
      out.push_back(page->first);
    }
    return out;
  }

  // Makes one sector as it is in `other`, whatever the sizes say.
  void CopySector(const Contents& other, uint64_t sector) {
    const uint64_t page = sector / kSectorsPerPage;
    const uint64_t in_page = sector % kSectorsPerPage * kSectorBytes;
    const auto from = other.pages_.find(page);
    if (from != other.pages_.end()) {
      std::memcpy(PageAt(page).data() + in_page, from->second.data() + in_page, kSectorBytes);
    } else if (const auto to = pages_.find(page); to != pages_.end()) {
      std::memset(to->second.data() + in_page, 0, kSectorBytes);
    }
  }

  void FlipBit(uint64_t offset, int bit) {
    std::byte& byte = PageAt(offset / kPageBytes)[offset % kPageBytes];
    byte ^= static_cast<std::byte>(1 << bit);
  }

 private:
  using Page = std::array<std::byte, kPageBytes>;

  Page& PageAt(uint64_t page) { return pages_.try_emplace(page, Page{}).first->second; }

  // Calls run(page, offset in page, bytes done before, bytes) for each page of the range.
  template <typename Run>
  static void ForEachRun(uint64_t offset, uint64_t length, Run run) {
    for (uint64_t done = 0; done < length;) {
      const uint64_t in_page = (offset + done) % kPageBytes;
      const uint64_t count = std::min(kPageBytes - in_page, length - done);
      run((offset + done) / kPageBytes, in_page, done, count);
      done += count;
    }
  }

  uint64_t size_ = 0;
  std::map<uint64_t, Page> pages_;
};

struct Inode;
using InodePtr = std::shared_ptr<Inode>;
using Entries = std::map<std::string, InodePtr>;

struct Inode {
  explicit Inode(bool is_dir) : is_directory(is_dir) {}

  const bool is_directory;
  // Of a directory:
  Entries entries;
  Entries stable_entries;
  // Of a file:
  Contents current;
  Contents stable;
  std::set<uint64_t> dirty;  // sectors written since the last sync
  std::set<uint64_t> lost;   // dirty ones that a failed sync gave up
  bool size_dirty = false;
  bool locked = false;

  void MarkDirty(uint64_t offset, uint64_t length) {
    for (uint64_t s = offset / kSectorBytes; s < SectorsCovering(offset + length); ++s) {
      dirty.insert(s);
      lost.erase(s);
    }
  }

  void Resize(uint64_t size) {
    if (size == current.size()) return;
    // What lay beyond the new end must not come back when the file grows again. The stable state
    // may hold pages there that the current one has lost already.
    for (const Contents* const contents : {&current, &stable}) {
      for (const uint64_t page : contents->PagesFrom(size)) {
        const uint64_t begin = std::max(page * kPageBytes, size);
        MarkDirty(begin, (page + 1) * kPageBytes - begin);
      }
    }
    current.Resize(size);
    size_dirty = true;
  }

  void Sync() {
    stable.Resize(current.size());
    for (const uint64_t sector : dirty) stable.CopySector(current, sector);
    dirty.clear();
    size_dirty = false;
  }

  // As Sync, but only what one O_DSYNC write needs to be found again.
  void SyncRange(uint64_t offset, uint64_t length) {
    if (stable.size() < offset + length) stable.Resize(offset + length);
    for (uint64_t s = offset / kSectorBytes; s < SectorsCovering(offset + length); ++s) {
      stable.CopySector(current, s);
      dirty.erase(s);
    }
    if (stable.size() == current.size()) size_dirty = false;
  }

  void FailSync() {
    lost.merge(dirty);
    dirty.clear();
  }
};

// A change of names that is all or nothing, in a power cut too. A null target removes the name.
struct NameChange {
  struct Part {
    InodePtr directory;
    std::string name;
    InodePtr target;
  };
  std::vector<Part> parts;

  bool Names(const InodePtr& directory, const std::string& name) const {
    return std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
      return part.directory == directory && part.name == name;
    });
  }
  bool Touches(const InodePtr& directory) const {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const Part& part) { return part.directory == directory; });
  }
  void ApplyToStable() const {
    for (const Part& part : parts) {
      if (part.target == nullptr) {
        part.directory->stable_entries.erase(part.name);
      } else {
        part.directory->stable_entries[part.name] = part.target;
      }
    }
  }
};

}  // namespace cairn::faulty_internal
