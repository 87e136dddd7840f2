// libjvm.so for programs that load one before they load libhdfs.so, as pyarrow does: they look up
// nothing in it, so that there is no need for a Java to be installed. Whoever does want a virtual
// machine is told that there is none.
#include <cstdint>

namespace {
constexpr int32_t kJniOk = 0;
constexpr int32_t kJniError = -1;
}  // namespace

extern "C" {

// Declared here, as jni.h comes with a Java.
int32_t JNI_GetDefaultJavaVMInitArgs(void* arguments);
int32_t JNI_CreateJavaVM(void** vm, void** environment, void* arguments);
int32_t JNI_GetCreatedJavaVMs(void** vms, int32_t room, int32_t* count);

int32_t JNI_GetDefaultJavaVMInitArgs(void*) { return kJniError; }

int32_t JNI_CreateJavaVM(void**, void**, void*) { return kJniError; }

int32_t JNI_GetCreatedJavaVMs(void**, int32_t, int32_t* count) {
  if (count != nullptr) *count = 0;
  return kJniOk;
}
}
