/*
 * route_priv.h - the tree of paths, between route.c, which makes it, and route_match.c, which walks it.
 */
#ifndef HOST_API_ROUTE_PRIV_H
#define HOST_API_ROUTE_PRIV_H

#include "host/api/route.h"

enum { DEPTH_SEGMENTS_MAX = TYPE_DEPTH_MAX * (1 + TYPE_VARIABLES_MAX) + 4 };

/* One segment of the tree of paths. */
struct node {
	const char      *segment;                 /* NULL: any name                  */
	struct node     *child, *next;            /* literals before the name        */
	struct endpoint *at[METHOD_COUNT];
};

/* What a type added: where its verbs and views go. */
struct place {
	struct node *collection, *item;
	const char  *collection_pattern, *item_pattern;
	size_t       parent_segments, item_segments;
};

struct routes {
	struct arena           arena;
	const struct types    *types;
	struct node            root;
	struct place          *places;            /* parallel to the types           */
	struct endpoint      **endpoints;
	size_t                 count;
};

#endif
