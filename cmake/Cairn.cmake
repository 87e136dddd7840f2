# How a folder says what it is made of. One library per folder; its DEPS line says what it links, and
# tools/dev/lint holds its #includes to that. Which way DEPS may point is a table there.
#
#   cairn_library(cairn_journal SRCS a.cc b.cc DEPS cairn_common [PRIVATE_DEPS x] [ASIO]
#     [PUBLIC_HDRS a.h])   of a library that others link: what they may include
#   cairn_headers(cairn_wire HDRS a.h DEPS cairn_proto)   what has no .cc, and is not its folder's library's
#   cairn_program(cairn-namenode SRCS main.cc DEPS cairn_namenode)
#   cairn_test(journal_test SRCS journal_test.cc DEPS cairn_journal [LABELS slow] [ALONE c_test.cc])
#   cairn_fuzz(journal_fuzz SRCS journal_fuzz.cc DEPS cairn_journal CORPUS dir)
#
# ALONE names those of SRCS that are compiled by themselves, since a neighbour has a name of theirs in its
# own unnamed namespace, and each is best called that.
#
# ASIO reuses the precompiled header that holds Boost.Asio; without it, the light one is reused.

# GCC refuses a precompiled header whose options differ from its user's in a way that defines other
# macros, as -Wpedantic does; and one built for a library (-fPIC) in a program (-fPIE). The later
# option wins, so programs take -fPIC too.
target_compile_options(cairn_warnings INTERFACE -fPIC)

# One precompiled header for what nearly every file includes, and one that adds Asio.
file(WRITE "${CMAKE_BINARY_DIR}/pch_dummy.cc" "")
add_library(cairn_pch STATIC "${CMAKE_BINARY_DIR}/pch_dummy.cc")
target_precompile_headers(cairn_pch PRIVATE <algorithm> <cstdint> <functional> <map> <memory> <mutex>
  <optional> <span> <string> <string_view> <thread> <utility> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/time/time.h>)
target_link_libraries(cairn_pch PRIVATE absl::statusor absl::strings absl::time absl::flat_hash_map Threads::Threads
  cairn_warnings)

add_library(cairn_pch_asio STATIC "${CMAKE_BINARY_DIR}/pch_dummy.cc")
target_precompile_headers(cairn_pch_asio PRIVATE <algorithm> <cstdint> <functional> <map> <memory> <mutex>
  <optional> <span> <string> <string_view> <thread> <utility> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/time/time.h>
  <boost/asio.hpp>)
target_link_libraries(cairn_pch_asio PRIVATE absl::statusor absl::strings absl::time absl::flat_hash_map
  cairn_asio_headers cairn_warnings)

function(cairn_target_ target)
  cmake_parse_arguments(ARG "ASIO" "" "SRCS;PUBLIC_HDRS;DEPS;PRIVATE_DEPS;LABELS;CORPUS;ALONE" ${ARGN})
  # Most of a file's time goes into what it includes and instantiates, and eight files share much of
  # that. tools/dev/clang compiles each by itself, so that none lives on what a neighbour includes.
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${CAIRN_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} cairn_warnings)
  if(ARG_ASIO)
    target_precompile_headers(${target} REUSE_FROM cairn_pch_asio)
    target_link_libraries(${target} PUBLIC cairn_asio_headers)
    # Clang 14 cannot put what -fsanitize=function writes before a function into a coroutine:
    # "Cannot represent a difference across sections". GCC has no such check.
    if(CAIRN_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_compile_options(${target} PRIVATE -fno-sanitize=function)
    endif()
    # GCC warns that ThreadSanitizer does not see fences. Asio has some around each handler, and
    # hands handlers from thread to thread under a mutex as well, which is seen.
    if(CAIRN_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE -Wno-tsan)
    endif()
  else()
    target_precompile_headers(${target} REUSE_FROM cairn_pch)
  endif()
endfunction()

function(cairn_library target)
  cmake_parse_arguments(ARG "ASIO" "" "SRCS;PUBLIC_HDRS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${target} STATIC ${ARG_SRCS})
  cairn_target_(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES CAIRN_PUBLIC_HDRS "${ARG_PUBLIC_HDRS}")
endfunction()

function(cairn_headers target)
  cmake_parse_arguments(ARG "" "" "HDRS;DEPS" ${ARGN})
  add_library(${target} INTERFACE)
  target_include_directories(${target} INTERFACE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} INTERFACE ${ARG_DEPS})
endfunction()

function(cairn_program target)
  cmake_parse_arguments(ARG "ASIO" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_executable(${target} ${ARG_SRCS})
  cairn_target_(${target} ${ARGN})
endfunction()

function(cairn_test target)
  cmake_parse_arguments(ARG "ASIO" "TIMEOUT" "SRCS;DEPS;PRIVATE_DEPS;LABELS;ALONE" ${ARGN})
  add_executable(${target} ${ARG_SRCS})
  cairn_target_(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE cairn_common_testing GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${target} COMMAND ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${target} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "TSAN_OPTIONS=ignore_noninstrumented_modules=1;CAIRN_BIN=${CMAKE_BINARY_DIR}/bin;CAIRN_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()

# A fuzz target beside its parser, and a test that runs it over CORPUS, a folder of well-formed
# inputs (golden files, or one in tests/corpus). tools/dev/fuzz goes on from there, and finds the
# targets by the test's label. Without CAIRN_FUZZ nothing is built.
function(cairn_fuzz target)
  if(NOT CAIRN_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "ASIO" "CORPUS" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_executable(${target} ${ARG_SRCS})
  cairn_target_(${target} ${ARGN})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  if(NOT IS_DIRECTORY "${CMAKE_SOURCE_DIR}/${ARG_CORPUS}" OR NOT ARG_CORPUS)
    message(FATAL_ERROR "cairn_fuzz(${target}): CORPUS must name a folder of inputs")
  endif()
  add_test(NAME ${target} COMMAND ${target} -runs=0 "${CMAKE_SOURCE_DIR}/${ARG_CORPUS}")
  set_tests_properties(${target} PROPERTIES LABELS fuzz)
endfunction()
