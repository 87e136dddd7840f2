// namenode/namespace/testing/audit.h - all records of a namespace, and whether they fit together.
#pragma once

#include <map>
#include <string>

#include "namenode/store/store.h"

namespace cairn::namenode {

// Key to value of everything that edits determine: not 'T' (the store's own) and not where the
// replicas are ('r' and 'n').
using Dump = std::map<std::string, std::string>;

// Needs the namespace lock, shared or exclusively.
Dump DumpRecords(const Store& store);

// Empty, or what is wrong, one line each: entries, locations, counts, sums, owners of blocks and
// open files are compared with each other, and sums with a recount.
std::string Audit(const Dump& dump);

// Empty, or the keys in which they differ.
std::string Difference(const Dump& a, const Dump& b);

}  // namespace cairn::namenode
