/* The head of a request for a stream: all that its listener ever reads of a client. */
#include "host/api/events_priv.h"

#include <string.h>
#include <strings.h>

/* The value of a header in the lines from at on, up to its line's end; empty: it is not there. */
static struct view header_find(const char *at, const char *name)
{
	const size_t len = strlen(name);

	for (const char *end; (end = strstr(at, "\r\n")) != NULL && end != at; at = end + 2) {
		if (strncasecmp(at, name, len) != 0 || at[len] != ':')
			continue;
		const char *value = at + len + 1 + strspn(at + len + 1, " \t");
		while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		return (struct view) { value, value < end ? (size_t) (end - value) : 0 };
	}
	return VIEW("");
}

bool event_wish_read(char *head, struct event_wish *ret_wish)
{
	char *target = head + 4, *end;

	if (strncmp(head, "GET /", 5) != 0 || (end = strpbrk(target, " \r\n")) == NULL || strncmp(end, " HTTP/1.", 8) != 0)
		return false;
	const char       *lines = strstr(end, "\r\n");
	const struct view last = lines == NULL ? VIEW("") : header_find(lines + 2, "Last-Event-ID");
	*end = '\0';
	*ret_wish = (struct event_wish) { .target = target };
	/* What is no id of ours is no event of ours: the stream begins as for anybody. */
	if (last.len == EVENT_ID_SIZE - 1 && strspn(last.ptr, "0123456789abcdef") >= last.len)
		memcpy(ret_wish->last_id, last.ptr, last.len);
	return true;
}
