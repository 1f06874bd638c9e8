/* The head of a request for a stream: all that its listener ever reads of a client. */
#include "host/api/events_priv.h"

#include "host/api/answer.h"
#include "host/api/negotiate.h"

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

/* As far as it fits: what is longer is read as what is there. */
static void copy_header(const char *lines, const char *name, char *out, size_t size)
{
	const struct view value = lines == NULL ? VIEW("") : header_find(lines + 2, name);

	snprintf(out, size, "%.*s", V(value));
}

/* How it is to be answered, also when it asks for no stream. */
static void read_headers(const char *lines, struct event_wish *wish)
{
	char id[REQUEST_ID_SIZE + 1], last[EVENT_ID_SIZE + 1], accept[1024];

	copy_header(lines, "X-Request-Id", id, sizeof id);
	copy_header(lines, "Accept", accept, sizeof accept);
	copy_header(lines, "Last-Event-ID", last, sizeof last);
	request_choose_id(id, wish->id);
	wish->is_problem = negotiate_names(accept, TYPE_PROBLEM);
	/* What is no id of ours is no event of ours: the stream begins as for anybody. */
	if (strlen(last) == EVENT_ID_SIZE - 1 && last[strspn(last, "0123456789abcdef")] == '\0')
		memcpy(wish->last_id, last, sizeof wish->last_id);
}

bool event_wish_read(char *head, struct event_wish *ret_wish)
{
	char *target = head + 4, *end;

	*ret_wish = (struct event_wish) { .target = NULL };
	read_headers(strstr(head, "\r\n"), ret_wish);
	if (strncmp(head, "GET /", 5) != 0 || (end = strpbrk(target, " \r\n")) == NULL || strncmp(end, " HTTP/1.", 8) != 0)
		return false;
	*end = '\0';
	ret_wish->target = target;
	return true;
}
