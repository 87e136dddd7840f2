# Every library that is not ours. All are Debian 12 packages, listed in tools/dev/packages.txt.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(gRPC CONFIG QUIET)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(pugixml REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)

find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
# pkg-config's flags for gRPC define a macro that only Windows heeds, and GCC then refuses the
# precompiled headers.
set_property(TARGET PkgConfig::GRPCPP PROPERTY INTERFACE_COMPILE_OPTIONS "")
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET fuse3)
find_library(LEVELDB_LIBRARY leveldb REQUIRED)
find_library(ISAL_LIBRARY isal REQUIRED)

# Boost headers alone; Asio is compiled once, in common/ (BOOST_ASIO_SEPARATE_COMPILATION).
add_library(cairn_asio_headers INTERFACE)
target_link_libraries(cairn_asio_headers INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(cairn_asio_headers INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_NO_TS_EXECUTORS)
