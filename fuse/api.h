// fuse/api.h - libfuse's low-level interface, in the one version that the mount is written for.
// Include this, never libfuse's own header.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
