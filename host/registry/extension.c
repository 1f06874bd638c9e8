/* One list without a lock: all is offered before the first plugin is created, and only read from then on. */
#include "host/registry/extension.h"

#include <assert.h>

enum { EXTENSIONS_MAX = 32 };

static struct { const char *id; const void *table; } offered[EXTENSIONS_MAX];
static size_t offered_count;

void extension_offer(const char *id, const void *table)
{
	for (size_t i = 0; i < offered_count; i++) {
		if (strcmp(offered[i].id, id) == 0) {
			offered[i].table = table;
			return;
		}
	}
	assert(offered_count < EXTENSIONS_MAX);
	offered[offered_count].id = id;
	offered[offered_count].table = table;
	offered_count++;
}

const void *extension_find(const char *id)
{
	for (size_t i = 0; i < offered_count; i++)
		if (strcmp(offered[i].id, id) == 0)
			return offered[i].table;
	return NULL;
}
