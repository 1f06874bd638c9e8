#include "lib/base/schema_priv.h"

enum {
	DOCUMENT_MAX = 1 << 20, ARENA_MAX = 64 << 20,
	MATCH_LIMIT = 1000000, DEPTH_LIMIT = 20000, HEAP_LIMIT_KIB = 8192,     /* of one pattern over one string */
};

static void free_schemap(struct schema **schema)
{
	schema_free(*schema);
}

static enum status say_no(const struct checking *at, struct error *err)
{
	if (at->st == ST_NO_MEMORY)
		return fail(err, ST_NO_MEMORY, "out of memory");
	return fail(err, at->st, "the value takes too many steps to check");
}

/*
 * A default that breaks its own schema would blame whoever leaves the member out.  An object is let through: "default": {}
 * makes the members below it the ones that are missing, by name.
 */
static enum status check_default(const struct schema *schema, const struct node *node, struct error *err)
{
	const struct place root = ROOT_PLACE;
	struct verdict     verdict = { 0 };
	auto_arena         arena = ARENA(ARENA_MAX);
	struct checking    at = { .schema = schema, .arena = &arena, .verdict = &verdict };

	if (omits_empty(node) && value_is_empty(node->dflt))
		return ST_OK;                            /* filled in and left out again */
	if (omits_empty(node))
		return fail_at(err, ST_INVALID, node->where != NULL ? node->where : "",
		               "default fills what x-emco-omit-empty leaves out");

	auto_json *shaped = shape_value(&at, node, node->dflt, &root);
	if (shaped != NULL)
		check_value(&at, node, shaped, &root);
	pcre2_match_data_free(at.match);
	if (at.st != ST_OK)
		return say_no(&at, err);
	if (at.faults > 0)
		return fail_at(err, ST_INVALID, node->where != NULL ? node->where : "", "default breaks its own schema: %s %s",
		               verdict.fault[0].field, verdict.fault[0].text);
	return ST_OK;
}

enum status schema_new(struct view document, struct schema **ret_schema, struct error *err)
{
	if (document.len > DOCUMENT_MAX)
		return fail(err, ST_TOO_LARGE, "schema is larger than %d bytes", DOCUMENT_MAX);

	CLEANUP(free_schemap) struct schema *schema = calloc(1, sizeof *schema);
	if (schema == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	arena_init(&schema->arena, ARENA_MAX);
	schema->limits = pcre2_match_context_create(NULL);
	if (schema->limits == NULL)
		return fail(err, ST_NO_MEMORY, "out of memory");
	pcre2_set_match_limit(schema->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(schema->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(schema->limits, HEAP_LIMIT_KIB);

	enum status st = json_read(document, &schema->document, err);
	if (st == ST_OK)
		st = schema_compile(schema, err);
	for (struct node *node = schema->nodes; st == ST_OK && node != NULL; node = node->next)
		if (node->dflt != NULL && !json_is_object(node->dflt))
			st = check_default(schema, node, err);
	if (st != ST_OK)
		return st;
	*ret_schema = schema;
	schema = NULL;
	return ST_OK;
}

void schema_free(struct schema *schema)
{
	if (schema == NULL)
		return;
	arena_done(&schema->arena);
	pcre2_match_context_free(schema->limits);
	json_decref(schema->document);
	free(schema);
}

const json_t *schema_document(const struct schema *schema)
{
	return schema->document;
}

enum status schema_check(const struct schema *schema, const json_t *input, struct arena *arena, struct verdict *verdict,
                         json_t **ret_value, struct error *err)
{
	const struct place root = ROOT_PLACE;
	struct verdict     own;
	struct checking    at = { .schema = schema, .arena = arena, .verdict = verdict != NULL ? verdict : &own };

	*at.verdict = (struct verdict) { .faults = 0 };
	json_t *shaped = shape_value(&at, schema->root, input, &root);
	if (shaped != NULL)
		check_value(&at, schema->root, shaped, &root);
	pcre2_match_data_free(at.match);
	if (at.st == ST_OK && at.faults == 0) {
		*ret_value = shaped;
		return ST_OK;
	}

	json_decref(shaped);
	if (at.st != ST_OK)
		return say_no(&at, err);
	fail_at(err, ST_INVALID, at.verdict->fault[0].field, "%s", at.verdict->fault[0].text);
	if (at.faults > 1)
		fail_hint(err, "There %s %zu more fault%s.", at.faults > 2 ? "are" : "is", at.faults - 1, at.faults > 2 ? "s" : "");
	return ST_INVALID;
}
