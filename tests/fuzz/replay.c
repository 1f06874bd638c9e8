/*
 * Run a fuzz target once over every file of the folders named, and over so many mutants of each: the short form, part of the
 * test suite.  Mutants are the same in every run: the last line printed says which one to make again.
 */
#include "lib/base/file.h"

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <limits.h>

enum { FILE_MAX = 16 << 20, MUTANTS = 500, MUTATED_MAX = 64 << 10, EDITS_MAX = 8, GROWTH = 64 };

/* -- mutants ---------------------------------------------------------------------------------------------------------- */

/* xorshift64: enough to choose places, and the same everywhere. */
static size_t draw(uint64_t *state, size_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (size_t) (*state % below);
}

/* One edit in place; bytes has room for GROWTH more. */
static void edit(uint8_t *bytes, size_t *len, uint64_t *state)
{
	static const uint8_t telling[] = "\0\xff\x80\x7f\"'{}[]:,\\/.%=;&*#- \r\n\t0e9";
	const size_t         at = draw(state, *len), run = 1 + draw(state, *len - at < GROWTH ? *len - at : GROWTH);

	switch (draw(state, 6)) {
	case 0: bytes[at] ^= (uint8_t) (1U << draw(state, 8));                       return;
	case 1: bytes[at] = telling[draw(state, sizeof telling)];                    return;
	case 2: memmove(bytes + at, bytes + draw(state, *len - run + 1), run);       return;
	case 3: memmove(bytes + at + run, bytes + at, *len - at); *len += run;       return;      /* twice */
	case 4: memmove(bytes + at, bytes + at + run, *len - at - run); *len -= run; return;
	default: *len = at;
	}
}

/* its own allocation of just this size, so that a read past the end is seen */
static void run_exact(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	must(exact != NULL);
	memcpy(exact, bytes, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static void run_mutant(const struct buf *content, uint64_t seed)
{
	uint8_t *bytes = malloc(content->len + EDITS_MAX * GROWTH);
	uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
	size_t   len = content->len;

	must(bytes != NULL);
	memcpy(bytes, content->data, len);
	for (size_t edits = 1 + draw(&state, EDITS_MAX); edits > 0 && len > 0; edits--)
		edit(bytes, &len, &state);
	run_exact(bytes, len);
	free(bytes);
}

/* -- files ------------------------------------------------------------------------------------------------------------ */

static void replay(const char *folder, const char *name)
{
	char         path[PATH_MAX];
	struct error err;
	auto_buf     content = BUF(FILE_MAX);

	must((size_t) snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path);
	must(file_read(path, &content, &err) == ST_OK);
	fprintf(stderr, "%s\n", path);
	run_exact((const uint8_t *) content.data, content.len);
	for (uint64_t seed = 1; seed <= MUTANTS && content.len > 0 && content.len <= MUTATED_MAX; seed++) {
		fprintf(stderr, "\rmutant %d", (int) seed);
		run_mutant(&content, seed);
	}
	fprintf(stderr, "\n");
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		must(folder != NULL);
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
			if (entry->d_name[0] == '.')
				continue;
			replay(argv[i], entry->d_name);
			count++;
		}
		closedir(folder);
	}
	must(count > 0);
	return 0;
}
