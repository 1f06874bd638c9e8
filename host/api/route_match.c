/* Which endpoint a path means, and which parameters it knows. */
#include "host/api/route_priv.h"

#include "lib/base/name.h"

static const struct node *node_step(const struct node *node, struct view segment)
{
	for (node = node->child; node != NULL; node = node->next) {
		if (node->segment == NULL)
			return name_is_valid(segment) ? node : NULL;
		if (view_is(segment, node->segment))
			return node;
	}
	return NULL;
}

/* The first count segments of what follows "v2/"; ends[i] is where segment i of the whole path ends. */
static struct view first_segments(struct view path, const size_t *ends, size_t count)
{
	if (count == 0)
		return VIEW("");
	const size_t begin = ends[0] + 1;
	return (struct view) { path.ptr + begin, ends[count] - begin };
}

bool routes_match(const struct routes *routes, enum method method, struct view path, struct match *ret_match)
{
	size_t ends[DEPTH_SEGMENTS_MAX + 4], count = 0;
	const struct node *node = &routes->root;
	const struct endpoint *any = NULL;
	struct match match = { .path = VIEW(""), .parent = VIEW("") };

	for (size_t at = 0; at <= path.len; at = ends[count++] + 1) {
		const char *slash = memchr(path.ptr + at, '/', path.len - at);
		if (count == ARRAY_LEN(ends))
			return false;
		ends[count] = slash == NULL ? path.len : (size_t) (slash - path.ptr);
		node = node_step(node, (struct view) { path.ptr + at, ends[count] - at });
		if (node == NULL)
			return false;
	}
	for (unsigned i = 0; i < METHOD_COUNT; i++) {
		if (node->at[i] != NULL) {
			match.allowed |= 1u << i;
			any = node->at[i];
		}
	}
	if (any == NULL)
		return false;
	match.endpoint = method < METHOD_COUNT ? node->at[method] : NULL;
	if (match.endpoint != NULL && match.endpoint->type != NULL) {
		match.path = first_segments(path, ends, match.endpoint->path_segments);
		match.parent = first_segments(path, ends, match.endpoint->parent_segments);
	}
	*ret_match = match;
	return true;
}

static bool options_have(const struct query_option *option, struct view name)
{
	for (; option != NULL && option->name != NULL; option++)
		if (view_is(name, option->name))
			return true;
	return false;
}

bool look_takes(const struct look *look, struct view parameter)
{
	return (look->by.name != NULL && view_is(parameter, look->by.name)) || options_have(look->options, parameter);
}

bool endpoint_takes(const struct endpoint *endpoint, struct view parameter)
{
	if (options_have(endpoint->options, parameter))
		return true;
	if (endpoint->verb != NULL && options_have(endpoint->verb->options, parameter))
		return true;
	for (size_t i = 0; i < endpoint->look_count; i++)
		if (look_takes(endpoint->looks[i], parameter))
			return true;
	return false;
}
