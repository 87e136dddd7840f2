# Language level, warnings, sanitizers, linker and compiler cache: everything that is the same for
# every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(CAIRN_SANITIZE "" CACHE STRING "sanitizers for every target, as -fsanitize= takes them")
option(CAIRN_UNITY "compile the files of a target eight at a time, in half the time" ON)
option(CAIRN_FUZZ "build the libFuzzer targets (needs Clang)" OFF)

# Dev optimizes a little (tests move real bytes) and keeps line tables only: half the build time of -g.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -march=x86-64-v2")
# Assertions stay on in every build: CHECK does not depend on NDEBUG.

if(CAIRN_SANITIZE)
  add_compile_options(-fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${CAIRN_SANITIZE})
  if(CAIRN_SANITIZE MATCHES "undefined")
    # A finding ends the program, so that no test passes over one. The vptr check needs type
    # information that the packaged gRPC and protobuf do not all carry.
    add_compile_options(-fno-sanitize-recover=undefined -fno-sanitize=vptr)
    add_link_options(-fno-sanitize=vptr)
  endif()
endif()
if(CAIRN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CAIRN_CCACHE ccache)
if(CAIRN_CCACHE)
  # The sloppiness lets ccache serve objects that were built with a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CAIRN_CCACHE})
endif()
find_program(CAIRN_MOLD mold)
find_program(CAIRN_LLD NAMES ld.lld ld.lld-14)
if(CAIRN_MOLD AND NOT CAIRN_SANITIZE)
  add_link_options(-fuse-ld=mold)
elseif(CAIRN_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()

# Ours only: generated code and system headers are not ours to mend. No warning stops a release from
# being built: -O2 makes GCC 12 see errors in std::string that are not there, and tests build as dev. But for
# the lock annotations, which only Clang reads: what they find is no matter of the optimizer's.
add_library(cairn_warnings INTERFACE)
target_compile_options(cairn_warnings INTERFACE -Wall -Wextra -Wpedantic $<$<NOT:$<CONFIG:Release>>:-Werror> -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-mismatched-new-delete>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CAIRN_UNITY}>>:-Wno-subobject-linkage>
  $<$<CXX_COMPILER_ID:Clang>:-Werror=thread-safety -Wno-unused-private-field -Wno-gnu-zero-variadic-macro-arguments>)
