/*
 * A schema, a line of "---", a value.  What is accepted must be accepted again and unchanged: shaping is done once.
 */
#include "lib/base/schema.h"

#include "tests/fuzz/fuzz.h"

static bool check(const struct schema *schema, const json_t *input, json_t **ret_value)
{
	struct verdict verdict;
	struct error   err = { .code = ST_OK };
	auto_arena     arena = ARENA(8 << 20);

	const enum status st = schema_check(schema, input, &arena, &verdict, ret_value, &err);
	must(st == ST_OK || err.text[0] != '\0');
	must(st != ST_INVALID || verdict.faults > 0);
	must(st != ST_OK || verdict.faults == 0);
	for (size_t i = 0; st == ST_INVALID && i < verdict.faults && i < FAULTS_MAX; i++)
		must(verdict.fault[i].field != NULL && verdict.fault[i].text != NULL);
	return st == ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char    *mark = memmem(data, size, "\n---\n", 5);
	const size_t   len = mark != NULL ? (size_t) (mark - (const char *) data) : 0;
	struct schema *schema = NULL;
	json_t        *input = NULL, *once = NULL, *twice = NULL;
	struct error   err;

	if (mark == NULL || schema_new((struct view) { (const char *) data, len }, &schema, &err) != ST_OK)
		return 0;
	if (json_read((struct view) { mark + 5, size - len - 5 }, &input, &err) == ST_OK && check(schema, input, &once)
	    && check(schema, once, &twice))
		must(json_equal(once, twice));
	json_decref(input);
	json_decref(once);
	json_decref(twice);
	schema_free(schema);
	return 0;
}
