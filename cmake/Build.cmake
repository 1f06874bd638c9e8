# How this project compiles: one place for warnings, sanitizers and the three kinds of target.

set(EMCO_SANITIZE "" CACHE STRING "Comma-separated sanitizers, such as address,undefined or thread")
option(EMCO_COVERAGE "Count executed lines" OFF)
option(EMCO_FUZZ "Build the fuzz targets with libFuzzer (clang)" OFF)

add_library(emco_flags INTERFACE)
target_compile_options(emco_flags INTERFACE
	-Wall -Wextra -Wpedantic -Wno-overlength-strings -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -fno-common
	# C99 promises 4,095 bytes of a literal, and the longest statements of SQL have more: compilers take megabytes.
	# gcc cannot know that fail() never returns ST_OK and calls every ret_ output unset; clang-tidy is told (lint.h).
	$<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
	# `f(...)` with nothing for the dots is GNU C11, which gcc agrees to.
	$<$<C_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>)
target_link_libraries(emco_flags INTERFACE m)
target_compile_definitions(emco_flags INTERFACE _GNU_SOURCE EMCO_VERSION="${PROJECT_VERSION}")
target_include_directories(emco_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/sdk/include)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
	target_compile_options(emco_flags INTERFACE -fstack-protector-strong)
	target_compile_definitions(emco_flags INTERFACE _FORTIFY_SOURCE=2)
	target_link_options(emco_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(EMCO_SANITIZE)
	target_compile_options(emco_flags INTERFACE -fsanitize=${EMCO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	# The runtime guesses what surrounds the thread-local data of a library that dlopen() has brought; where these begin 16 bytes
	# into a page, one process in 256, it guesses wrong and the leak check crashes.  Data in the static block need no guess.
	target_compile_options(emco_flags INTERFACE -ftls-model=initial-exec)
	target_link_options(emco_flags INTERFACE -fsanitize=${EMCO_SANITIZE})
endif()
if(EMCO_FUZZ)
	target_compile_options(emco_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(EMCO_COVERAGE)
	target_compile_options(emco_flags INTERFACE --coverage -fprofile-update=atomic)     # threads count too
	target_link_options(emco_flags INTERFACE --coverage)
endif()

# What is installed, without the tests: what a user builds.
add_custom_target(product)

# emco_library(NAME LINK lib...): a static library from every .c file of the current directory.
function(emco_library name)
	cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
	file(GLOB sources CONFIGURE_DEPENDS *.c)
	if(NOT sources)
		add_library(${name} INTERFACE)
		target_link_libraries(${name} INTERFACE emco_flags ${ARG_LINK})
		return()
	endif()
	add_library(${name} STATIC ${sources})
	target_link_libraries(${name} PUBLIC emco_flags ${ARG_LINK})
endfunction()

# emco_plugin(NAME LINK lib...): NAME.so from the current directory; exports one symbol and needs none of ours.
function(emco_plugin name)
	cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
	file(GLOB sources CONFIGURE_DEPENDS *.c)
	add_library(${name} MODULE ${sources})
	set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins)
	target_link_libraries(${name} PRIVATE emco_flags ${ARG_LINK})
	if(NOT EMCO_SANITIZE)
		target_link_options(${name} PRIVATE -Wl,-z,defs)
	endif()
	install(TARGETS ${name} LIBRARY DESTINATION lib/emco/plugins)
	add_dependencies(product ${name})
endfunction()

# emco_unit_tests(LINK lib...): one cmocka program per test_*.c of the current directory, labelled unit.
function(emco_unit_tests)
	cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
	file(GLOB tests CONFIGURE_DEPENDS test_*.c)
	foreach(source IN LISTS tests)
		get_filename_component(test ${source} NAME_WE)
		add_executable(${test} ${source})
		target_link_libraries(${test} PRIVATE emco_flags ${ARG_LINK} emco::cmocka)
		add_test(NAME unit.${test} COMMAND ${test})
		set_tests_properties(unit.${test} PROPERTIES LABELS unit TIMEOUT 120)
	endforeach()
endfunction()
