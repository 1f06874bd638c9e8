# Every foreign library under one name, emco::NAME.  Names of the distribution packages: scripts/packages.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(emco_dependency name module)
	pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
	add_library(emco::${name} ALIAS PkgConfig::${name})
	set_property(GLOBAL APPEND PROPERTY EMCO_FOREIGN emco::${name})
endfunction()

emco_dependency(pq      libpq)
emco_dependency(jansson jansson)
emco_dependency(curl    libcurl)
emco_dependency(config  libconfig)
emco_dependency(crypto  libcrypto)
emco_dependency(ssl     libssl)
emco_dependency(archive libarchive)
emco_dependency(yaml    yaml-0.1)
emco_dependency(pcre2   libpcre2-8)
emco_dependency(git2    libgit2)
emco_dependency(zlib    zlib)
emco_dependency(cmocka  cmocka)
emco_dependency(jemalloc jemalloc)

include(Civetweb)             # emco::civetweb
set_property(GLOBAL APPEND PROPERTY EMCO_FOREIGN emco::civetweb)
