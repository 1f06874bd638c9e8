/*
 * The first byte picks the dialect.  Whatever is read must be written as YAML and read back as the same value, in both
 * dialects; the texts of the documents lie inside the stream, in order.
 */
#include "lib/base/yaml.h"

#include "tests/fuzz/fuzz.h"

struct seen {
	const char *from, *end;
	size_t      count;
};

static void check_round(const json_t *document, enum yaml_dialect dialect)
{
	struct error err;
	json_t      *again = NULL;
	auto_buf     text = BUF(256 << 20);

	if (yaml_write(&text, document, &err) != ST_OK)
		abort();
	must(yaml_read(buf_view(&text), dialect, &again, &err) == ST_OK);
	must(dialect == YAML_KUBERNETES || json_equal(document, again));      /* 1.0 reads as 1 there, as in Go */
	json_decref(again);
}

static enum status each(void *data, size_t index, json_t *document, struct view text, struct error *err)
{
	struct seen *seen = data;

	(void) err;
	must(index == seen->count++);
	must(text.ptr >= seen->from && text.ptr + text.len <= seen->end);
	seen->from = text.ptr + text.len;
	if (document != NULL) {
		check_round(document, YAML_EMCO);
		check_round(document, YAML_KUBERNETES);
	}
	return ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { .code = ST_OK };
	struct seen  seen = { .from = (const char *) data, .end = (const char *) data + size };

	if (size == 0)
		return 0;
	const struct view       bytes = { (const char *) data + 1, size - 1 };
	const enum yaml_dialect dialect = data[0] == 'k' ? YAML_KUBERNETES : YAML_EMCO;
	if (yaml_read_all(bytes, dialect, each, &seen, &err) != ST_OK)
		must(err.text[0] != '\0');
	return 0;
}
