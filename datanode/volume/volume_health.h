// datanode/volume/volume_health.h - when a volume counts as failed.
//
//   write, sync or rename: EIO            failed at once: what is on the medium is not known
//   any call that does not return         failed once it has taken cairn.datanode.disk.hang.timeout
//   read: EIO; any call: a file or a      the volume is checked (Volume::Check): is it there, is it
//   directory is not there, EROFS, ...    ours, can a small file be written and synced
//   no space, no descriptors              nothing: the disk is well
//   a checksum that does not match        a check: bytes that rot often come before worse
//
// A failed volume stays failed until the process ends or the volume is replaced: it takes no new
// replicas, its own are no longer known, and the namenode is told. These are the decisions;
// Volume and ReplicaStore act on them.
#pragma once

#include "absl/status/status.h"

namespace cairn::datanode {

enum class VolumeUse { kRead, kWrite };
enum class VolumeVerdict { kWell, kCheck, kFailed };

// What the error of a call on one of its files says of a volume.
VolumeVerdict JudgeVolume(VolumeUse use, const absl::Status& error);

// `tolerated` is dfs.datanode.failed.volumes.tolerated: more failed volumes than that are too many,
// and none left always is. -1: as many may fail as leave one.
bool TooManyFailed(int configured, int failed, int tolerated);

}  // namespace cairn::datanode
