/*
 * strvals.h - the syntax of Helm's --set: "a.b=1,list[0].name=x,list2={y,z}".
 *
 * Override values of a deployment are texts in this syntax.  They reach Helm as a values document on its standard
 * input, never on its command line, so they are parsed here, exactly as Helm would.  Pure functions: any thread.
 */
#ifndef HOST_ORCHESTRATOR_STRVALS_H
#define HOST_ORCHESTRATOR_STRVALS_H

#include "lib/base/json.h"

enum {
	STRVALS_NESTED_MAX = 30,        /* dots in a key, as in Helm                                          */
	STRVALS_LIST_MAX   = 30,        /* list indexes in a row                                              */
	STRVALS_LEVELS_MAX = 60,        /* dots and indexes of a key together: what JSON_DEPTH_MAX has room for */
	STRVALS_INDEX_MAX  = 65536,     /* highest list index, as in Helm                                     */
	STRVALS_PADDING    = 1000000,   /* list members that one deployment's overrides may bring into being  */
};

/*
 * Set what text says in values, an object, over what is there: members are replaced, lists are extended with nulls.
 * padding: how many list members may still be made; start with STRVALS_PADDING.
 * ST_INVALID says what is wrong, ST_TOO_LARGE past a bound; values may have been changed in part then.
 */
enum status MUST_CHECK strvals_parse(struct view text, json_t *values, size_t *padding, struct error *err);

/* The text "key=value". */
enum status MUST_CHECK strvals_set(json_t *values, struct view key, struct view value, size_t *padding,
                                   struct error *err);

#endif
