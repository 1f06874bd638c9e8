/*
 * The head of a request to the listener of event streams, up to its empty line; then its path and query, as a stream's
 * topic is made of them.
 */
#include "host/api/events_priv.h"
#include "host/api/request.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ask_parameter *parameters = NULL;
	struct event_wish     wish;
	struct view           path;
	struct error          err = { .code = ST_OK };
	size_t                count = 0;
	auto_arena            arena = ARENA(8 << 20);
	char                 *head = size > 8192 || memchr(data, '\0', size) != NULL ? NULL : malloc(size + 1);

	if (head == NULL)
		return 0;
	memcpy(head, data, size);
	head[size] = '\0';
	if (strstr(head, "\r\n\r\n") != NULL && event_wish_read(head, &wish)) {
		must(wish.target > head && wish.target < head + size && wish.target[0] == '/');
		must(strpbrk(wish.target, " \r\n") == NULL);
		must(*wish.id != '\0' && strlen(wish.id) < REQUEST_ID_SIZE);
		must(*wish.last_id == '\0' || strlen(wish.last_id) == EVENT_ID_SIZE - 1);
		must(strspn(wish.last_id, "0123456789abcdef") == strlen(wish.last_id));
		const char *query = strchr(wish.target, '?');
		const char *raw = arena_copy(&arena, wish.target, query == NULL ? strlen(wish.target) : (size_t) (query - wish.target));
		must(raw != NULL);
		IGNORE(path_decode(raw, &arena, &path));
		must(query_decode(query == NULL ? "" : query + 1, &arena, &parameters, &count, &err) == ST_OK || *err.text != '\0');
	}
	free(head);
	return 0;
}
