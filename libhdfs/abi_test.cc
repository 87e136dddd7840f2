// What programs that were built against Hadoop's header rely on. The numbers are those of x86-64
// and AArch64 Linux; this file says what must never change.
#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "hdfs/hdfs.h"

namespace {

static_assert(sizeof(tSize) == 4 && std::is_signed_v<tSize>);
static_assert(sizeof(tTime) == 8);
static_assert(sizeof(tOffset) == 8 && std::is_signed_v<tOffset>);
static_assert(sizeof(tPort) == 2);
static_assert(sizeof(tObjectKind) == 4 && kObjectKindFile == 'F' && kObjectKindDirectory == 'D');

static_assert(sizeof(hdfsFileInfo) == 80);
static_assert(offsetof(hdfsFileInfo, mKind) == 0);
static_assert(offsetof(hdfsFileInfo, mName) == 8);
static_assert(offsetof(hdfsFileInfo, mLastMod) == 16);
static_assert(offsetof(hdfsFileInfo, mSize) == 24);
static_assert(offsetof(hdfsFileInfo, mReplication) == 32);
static_assert(offsetof(hdfsFileInfo, mBlockSize) == 40);
static_assert(offsetof(hdfsFileInfo, mOwner) == 48);
static_assert(offsetof(hdfsFileInfo, mGroup) == 56);
static_assert(offsetof(hdfsFileInfo, mPermissions) == 64);
static_assert(offsetof(hdfsFileInfo, mLastAccess) == 72);
static_assert(sizeof(hdfsFileInfo::mReplication) == 2 && sizeof(hdfsFileInfo::mPermissions) == 2);

static_assert(sizeof(hdfsReadStatistics) == 32);
static_assert(offsetof(hdfsReadStatistics, totalLocalBytesRead) == 8);
static_assert(offsetof(hdfsReadStatistics, totalShortCircuitBytesRead) == 16);
static_assert(offsetof(hdfsReadStatistics, totalZeroCopyBytesRead) == 24);

static_assert(sizeof(hdfsHedgedReadMetrics) == 24);
static_assert(offsetof(hdfsHedgedReadMetrics, hedgedReadOpsWin) == 8);
static_assert(offsetof(hdfsHedgedReadMetrics, hedgedReadOpsInCurThread) == 16);

static_assert(jNanoseconds == 0 && jMilliseconds == 2 && jDays == 6);
static_assert(EINTERNAL == 255);

TEST(AbiTest, TheTypesAreHadoops) { SUCCEED() << "checked when this was compiled"; }

}  // namespace
