# Turn JSON Schemas into C: cmake -D FROM=FOLDER -D TO=FILE -P schemas.cmake
#
# Each FROM/some-type.json becomes `const char schema_some_type[]` in TO.c, declared in TO.h.  A definition that is used
# ("#/$defs/NAME") is taken from FROM/defs/NAME.json, so that what types share is written once; a schema that has definitions
# of its own has all of them.  The text goes into C as numbers: a string literal of that length is beyond what the standard
# promises.

cmake_minimum_required(VERSION 3.25)

file(GLOB files "${FROM}/*.json")
set(source "#include \"schemas.h\"\n")
set(header "#ifndef SCHEMAS_H\n#define SCHEMAS_H\n\n")

function(minify file result)
	file(READ "${file}" text)
	string(REGEX REPLACE "[\r\n\t]+" "" text "${text}")
	set(${result} "${text}" PARENT_SCOPE)
endfunction()

# The definitions that text uses, and those that they use.
function(definitions text result)
	set(all "")
	set(seen "")
	set(looked_at "${text}")
	while(NOT looked_at STREQUAL "")
		string(REGEX MATCHALL "#/\\$defs/[A-Za-z0-9]+" uses "${looked_at}")
		set(looked_at "")
		foreach(use IN LISTS uses)
			string(REPLACE "#/$defs/" "" name "${use}")
			if(name IN_LIST seen)
				continue()
			endif()
			list(APPEND seen ${name})
			minify("${FROM}/defs/${name}.json" definition)
			string(APPEND looked_at "${definition}")
			string(APPEND all ",\"${name}\": ${definition}")
		endforeach()
	endwhile()
	string(REGEX REPLACE "^," "" all "${all}")
	set(${result} "${all}" PARENT_SCOPE)
endfunction()

foreach(file IN LISTS files)
	get_filename_component(name "${file}" NAME_WE)
	string(REPLACE "-" "_" name "${name}")
	minify("${file}" text)
	set(defs "")
	if(NOT text MATCHES "\"\\$defs\":")
		definitions("${text}" defs)
	endif()
	if(NOT defs STREQUAL "")
		string(REGEX REPLACE "}[ ]*$" "" text "${text}")
		string(APPEND text ",\"$defs\": {${defs}}}")
	endif()
	string(HEX "${text}" numbers)
	string(REGEX REPLACE "(..)" "0x\\1," numbers "${numbers}")
	string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" numbers "${numbers}")
	string(APPEND source "\nconst char schema_${name}[] = {\n${numbers}0\n};\n")
	string(APPEND header "extern const char schema_${name}[];\n")
endforeach()

file(WRITE "${TO}.c" "${source}")
file(WRITE "${TO}.h" "${header}\n#endif\n")
