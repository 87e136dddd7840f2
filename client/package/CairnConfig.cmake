# find_package(Cairn): the target Cairn::cairn. Its headers use Abseil, of the version that it was built with.
include(CMakeFindDependencyMacro)
find_dependency(absl)
include("${CMAKE_CURRENT_LIST_DIR}/CairnTargets.cmake")
