/*
 * option.h - a plugin's options: a table that the server reads, checks and fills.
 *
 * Each row names a member of the plugin's configuration struct.  The server parses the instance's libconfig file against
 * the table, names file and line of every fault, and hands the filled struct to create.  The member's C type decides the
 * option's type, so a field of the wrong type does not compile.
 */
#ifndef EMCO_OPTION_H
#define EMCO_OPTION_H

#include "emco/abi.h"

#define EMCO_TYPE_STRING   1    /* emco_str                                          */
#define EMCO_TYPE_INTEGER  2    /* int64_t                                           */
#define EMCO_TYPE_BOOLEAN  3    /* int32_t, 0 or 1                                   */
#define EMCO_TYPE_STRINGS  4    /* emco_strs                                         */

typedef struct emco_strs {
	const emco_str *items;
	uint64_t        count;
} emco_strs;

typedef struct emco_option {
	const char *name;        /* as in the file; NULL ends the table                 */
	uint32_t    type;
	uint32_t    offset;      /* of the member in the configuration struct           */
	const char *dflt;        /* as text; NULL: the option must be given             */
	const char *help;        /* one sentence                                        */
	int64_t     min, max;    /* of an integer, or of a text's length; 0, 0: no limit */
	uint32_t    secret;      /* 1: never shown or logged                            */
	uint32_t    reserved;
} emco_option;

#ifdef __cplusplus
#define EMCO_OPTION_TYPE_(member)  0    /* C++ plugins name the type themselves: .type = EMCO_TYPE_... */
#else
#define EMCO_OPTION_TYPE_(member) \
	_Generic((member), emco_str: EMCO_TYPE_STRING, int64_t: EMCO_TYPE_INTEGER, int32_t: EMCO_TYPE_BOOLEAN, \
	         emco_strs: EMCO_TYPE_STRINGS)
#endif

/* EMCO_OPTION(struct config, region, .dflt = "eu", .help = "Region to prefer.") */
#define EMCO_OPTION(struct_type, member, ...) \
	{ .name = #member, .type = EMCO_OPTION_TYPE_(((struct_type *) 0)->member), \
	  .offset = (uint32_t) offsetof(struct_type, member), __VA_ARGS__ }
#define EMCO_OPTION_END  { .name = NULL }

#endif
