/* Run a fuzz target once over every file of the folders named: the short form, part of the test suite. */
#include "lib/base/file.h"

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <limits.h>

enum { FILE_MAX = 16 << 20 };

static void replay(const char *folder, const char *name)
{
	char         path[PATH_MAX];
	struct error err;
	auto_buf     content = BUF(FILE_MAX);

	must((size_t) snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path);
	must(file_read(path, &content, &err) == ST_OK);

	/* its own allocation of just this size, so that a read past the end is seen */
	uint8_t *exact = malloc(content.len > 0 ? content.len : 1);
	must(exact != NULL);
	memcpy(exact, content.data, content.len);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(exact, content.len);
	free(exact);
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
