/* Lines of override values, over one another.  What they set is a document that JSON and YAML can hold. */
#include "host/orchestrator/strvals.h"
#include "lib/base/yaml.h"

#include "tests/fuzz/fuzz.h"

static void check_values(const json_t *values)
{
	struct error err;
	json_t      *again = NULL;
	auto_buf     text = BUF(256 << 20), document = BUF(256 << 20);

	must(json_write(&text, values, &err) == ST_OK);
	must(json_read(buf_view(&text), &again, &err) == ST_OK);
	must(json_equal(values, again));
	json_decref(again);
	must(yaml_write(&document, values, &err) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { .code = ST_OK };
	size_t       padding = 1000;              /* fewer than in earnest: a list of nulls teaches nothing */
	json_t      *values = json_object();

	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		const size_t   len = (end == NULL ? size : (size_t) (end - data)) - at;
		if (strvals_parse((struct view) { (const char *) data + at, len }, values, &padding, &err) != ST_OK)
			must((err.code == ST_INVALID || err.code == ST_TOO_LARGE) && err.text[0] != '\0');
		at += len + 1;
	}
	check_values(values);
	json_decref(values);
	return 0;
}
