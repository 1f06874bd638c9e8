/* Whatever is read must be written, and read back as the same value. */
#include "lib/base/json.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view bytes = { (const char *) data, size };
	json_t           *value = NULL, *again = NULL;
	struct error      err;
	auto_buf          text = BUF(64 << 20);

	if (json_read(bytes, &value, &err) != ST_OK) {
		must(err.code != ST_OK && err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
		return 0;
	}
	must(json_write(&text, value, &err) == ST_OK);
	must(json_read(buf_view(&text), &again, &err) == ST_OK);
	must(json_equal(value, again));
	json_decref(value);
	json_decref(again);
	return 0;
}
