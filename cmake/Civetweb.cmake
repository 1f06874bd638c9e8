# emco::civetweb.  Debian 12's binary opens OpenSSL by its 1.1 names at run time and crashes on the first HTTPS request,
# so anything older than 1.16 is built here from the distribution's source package: linked against the OpenSSL at hand,
# without the parts that serve files or run programs, and instrumented like our own code.

pkg_check_modules(civetweb_system QUIET IMPORTED_TARGET GLOBAL civetweb>=1.16)
if(civetweb_system_FOUND)
	add_library(emco::civetweb ALIAS PkgConfig::civetweb_system)
	return()
endif()

execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/fetch-civetweb
	OUTPUT_VARIABLE civetweb_source OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE civetweb_failed)
if(civetweb_failed)
	message(FATAL_ERROR "civetweb is missing: see the line above")
endif()

add_library(civetweb STATIC ${civetweb_source}/src/civetweb.c)
add_library(emco::civetweb ALIAS civetweb)
target_include_directories(civetweb SYSTEM PUBLIC ${civetweb_source}/include)
target_compile_definitions(civetweb PRIVATE NO_SSL_DL USE_IPV6 NO_FILES NO_CGI NO_CACHING
	$<IF:$<VERSION_LESS:${ssl_VERSION},3>,OPENSSL_API_1_1,OPENSSL_API_3_0>)
target_compile_options(civetweb PRIVATE -w -O2)
target_link_libraries(civetweb PUBLIC emco::ssl emco::crypto Threads::Threads ${CMAKE_DL_LIBS})

# Address and thread sanitizers must see the whole program; undefined behaviour of foreign code is not ours to stop for.
string(REPLACE "," ";" civetweb_sanitizers "${EMCO_SANITIZE}")
list(REMOVE_ITEM civetweb_sanitizers undefined)
list(JOIN civetweb_sanitizers "," civetweb_sanitizers)
if(civetweb_sanitizers)
	target_compile_options(civetweb PRIVATE -fsanitize=${civetweb_sanitizers} -fno-omit-frame-pointer)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
	target_compile_options(civetweb PRIVATE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
