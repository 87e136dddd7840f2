#include "datanode/volume/volume_health.h"

namespace cairn::datanode {

VolumeVerdict JudgeVolume(VolumeUse use, const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kDataLoss:
      return use == VolumeUse::kWrite ? VolumeVerdict::kFailed : VolumeVerdict::kCheck;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kInternal:
      return VolumeVerdict::kCheck;
    default:
      return VolumeVerdict::kWell;
  }
}

bool TooManyFailed(int configured, int failed, int tolerated) {
  return failed >= configured || (tolerated >= 0 && failed > tolerated);
}

}  // namespace cairn::datanode
