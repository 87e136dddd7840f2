// namenode/namespace/inode_record.h - what a listing shows of an inode's record, read without
// making an inode or a message of it: a page has a thousand.
//
// As strict as the generated parser on what it reads, and it skips fields that it does not know.
// Not thread-safe: one reader per page.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "namenode/namespace/erasure_policies.h"
#include "namenode/namespace/name_table.h"
#include "namenode/namespace/types.h"

namespace cairn::namenode {

class InodeRecordReader {
 public:
  // `above`: what directories get that have nothing set. All outlive this.
  InodeRecordReader(NameTable& names, const ErasurePolicies& policies, const erasure::Policy* above)
      : names_(names), policies_(policies), above_(above) {}

  // store::Inode in `record`. False: it is damaged; the outputs are then undefined.
  bool Read(absl::string_view record, FileStatus* status, uint64_t* txid);

 private:
  // Entries of one directory mostly have one owner: the table's lock is taken when it changes.
  absl::string_view Intern(absl::string_view name, const std::string** last) {
    if (*last == nullptr || **last != name) *last = names_.Intern(name);
    return **last;
  }

  NameTable& names_;
  const ErasurePolicies& policies_;
  const erasure::Policy* const above_;
  const std::string* owner_ = nullptr;
  const std::string* group_ = nullptr;
};

}  // namespace cairn::namenode
