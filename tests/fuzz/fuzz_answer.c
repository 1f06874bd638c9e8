/*
 * An HTTP code and what an API server, or somebody in its place, answers with it.  There is always one line of readable words,
 * and an outcome; a success is none of this file's.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int codes[] = { 301, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503, 504, 599 };
	struct answer_status status;
	struct error         err = { .code = ST_OK };

	if (size == 0)
		return 0;
	const struct kube_answer answer = {
		.code = codes[data[0] % ARRAY_LEN(codes)], .body = { (const char *) data + 1, size - 1 },
		.location = data[0] > 128 ? (struct view) { (const char *) data + 1, size - 1 > 300 ? 300 : size - 1 } : VIEW(""),
	};

	answer_read(&answer, &status);
	must(status.message[0] != '\0' && status.code == answer.code);
	must(utf8_is_valid(view_of(status.message)) && utf8_is_valid(view_of(status.reason)) && utf8_is_valid(view_of(status.cause)));
	for (const char *c = status.message; *c != '\0'; c++)
		must((unsigned char) *c >= ' ');
	must(answer_outcome(&status) >= KUBE_UNKNOWN_KIND || answer_outcome(&status) == KUBE_GONE);
	must(kube_answer_fail(&answer, "asked", &err) != ST_OK && err.text[0] != '\0');
	return 0;
}
