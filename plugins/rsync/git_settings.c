#include "plugins/rsync/git_settings.h"

#include <git2.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMER_S = 60, TIMER_MAX_S = 86400 };

#define NEEDS_USER   1u
#define NEEDS_TOKEN  2u

static const struct { const char *prefix; unsigned needs; } schemes[] = {
	{ "https://", NEEDS_USER | NEEDS_TOKEN },
	{ "http://",  NEEDS_USER | NEEDS_TOKEN },
	{ "ssh://",   NEEDS_USER },
	{ "git://",   0 },
};

static void json_clear(json_t **value)
{
	json_decref(*value);
}
#define auto_json_value __attribute__((cleanup(json_clear))) json_t

/* A member's text in the pass's memory; "" when it is missing.  NULL: no memory. */
static const char *member(struct pass *pass, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return "";
	return pass_text(pass, (emco_str) { json_string_value(value), json_string_length(value) });
}

static emco_status missing(struct fault *fault, const char *key)
{
	return fault_say(fault, EMCO_E_INVALID,
	                 "the cluster's Git reference object (a cluster sync object) has no \"%s\"", key);
}

/* -- url -- */

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char       *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;

	return at != NULL ? (int) (at - digits) : -1;
}

/* In place; what is no escape stays. */
static void percent_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (from[0] == '%' && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0) {
			*to++ = (char) (hex_value(from[1]) * 16 + hex_value(from[2]));
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

static emco_status local_path(struct pass *pass, struct git_settings *s, const char *path, struct fault *fault)
{
	char *copy = pass_text(pass, str_of(path));

	if (copy == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	if (path != s->url)
		percent_decode(copy);
	if (copy[0] != '/')
		return fault_say(fault, EMCO_E_INVALID, "\"url\" must hold an absolute path, got \"%s\"", s->url);
	if (!pass->config->local_remotes)
		return fault_say(fault, EMCO_E_FORBIDDEN, "\"url\" is a local path, and this server's rsync.conf says "
		                 "\"local_remotes = false\"");
	s->path = copy;
	return EMCO_OK;
}

/* authority: "user@host:port"; is_scp: "user@host", the path follows the colon. */
static emco_status authority_read(struct pass *pass, struct git_settings *s, emco_str authority, struct fault *fault)
{
	const char *at = memrchr(authority.ptr, '@', authority.len);
	emco_str    host = authority;

	if (at != NULL) {
		if (memchr(authority.ptr, ':', (size_t) (at - authority.ptr)) != NULL)
			return fault_say(fault, EMCO_E_INVALID,
			                 "\"url\" must not hold a password: use \"userName\" and \"gitToken\"");
		host = (emco_str) { at + 1, authority.len - (uint64_t) (at + 1 - authority.ptr) };
	}
	if (host.len > 0 && host.ptr[0] == '[') {
		const char *end = memchr(host.ptr, ']', host.len);

		host = end != NULL ? (emco_str) { host.ptr + 1, (uint64_t) (end - host.ptr - 1) } : EMCO_STR("");
	} else {
		const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;

		if (colon != NULL)
			host.len = (uint64_t) (colon - host.ptr);
	}
	if (host.len == 0)
		return fault_say(fault, EMCO_E_INVALID, "\"url\" names no host: \"%s\"", s->url);
	s->host = pass_text(pass, host);
	return s->host != NULL ? EMCO_OK : fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
}

static emco_status needs_check(const struct pass *pass, const struct git_settings *s, unsigned needs,
                               struct fault *fault)
{
	if ((needs & NEEDS_USER) != 0 && s->user[0] == '\0')
		return missing(fault, "userName");
	if ((needs & NEEDS_TOKEN) != 0 && s->token[0] == '\0')
		return missing(fault, "gitToken");
	if (needs == NEEDS_USER && s->token[0] == '\0' && pass->config->ssh_key_file.len == 0)
		return fault_say(fault, EMCO_E_INVALID,
		                 "the cluster's Git reference object has no \"gitToken\", and rsync.conf "
		                 "names no \"ssh_key_file\"");
	return EMCO_OK;
}

static emco_status url_read(struct pass *pass, struct git_settings *s, struct fault *fault)
{
	const char *colon = strchr(s->url, ':'), *slash = strchr(s->url, '/'), *at = strchr(s->url, '@');

	for (const char *c = s->url; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || *c == 0x7f)
			return fault_say(fault, EMCO_E_INVALID, "\"url\" must not hold spaces or control characters");
	if (s->url[0] == '/')
		return local_path(pass, s, s->url, fault);
	if (strncmp(s->url, "file://", 7) == 0)
		return local_path(pass, s, s->url + 7, fault);
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		const size_t len = strlen(schemes[i].prefix);

		if (strncmp(s->url, schemes[i].prefix, len) != 0)
			continue;

		const emco_str    authority = { s->url + len, strcspn(s->url + len, "/?#") };
		const emco_status status = authority_read(pass, s, authority, fault);
		if (status != EMCO_OK)
			return status;
		/* Some hosts take a token as the user, and a url is told to everybody. */
		if ((schemes[i].needs & NEEDS_TOKEN) != 0 && memchr(authority.ptr, '@', authority.len) != NULL)
			return fault_say(fault, EMCO_E_INVALID,
			                 "\"url\" must not hold a user: use \"userName\" and \"gitToken\"");
		s->is_ssh = schemes[i].needs == NEEDS_USER;
		return needs_check(pass, s, schemes[i].needs, fault);
	}
	if (at != NULL && colon != NULL && at < colon && (slash == NULL || colon < slash)) {      /* git@host:path */
		const emco_status status =
			authority_read(pass, s, (emco_str) { s->url, (uint64_t) (colon - s->url) }, fault);

		s->is_ssh = true;
		return status == EMCO_OK ? needs_check(pass, s, NEEDS_USER, fault) : status;
	}
	return fault_say(fault, EMCO_E_INVALID,
	                 "\"url\" must begin with https://, http://, ssh://, git://, file:// or /");
}

/* -- the rest -- */

static emco_status branch_read(struct pass *pass, struct git_settings *s, struct fault *fault)
{
	int is_valid = 0;

	s->ref = pass_printf(pass, "refs/heads/%s", s->branch);
	if (s->ref == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	if (git_reference_name_is_valid(&is_valid, s->ref) != 0 || !is_valid)
		return fault_say(fault, EMCO_E_INVALID, "\"branch\" must be a branch name, got \"%s\"", s->branch);
	return EMCO_OK;
}

static emco_status timer_read(const json_t *object, const char *key, int64_t *ret_s, struct fault *fault)
{
	const json_t *value = json_object_get(object, key);
	const char   *text = json_string_value(value);
	char         *end = NULL;
	long long     number = TIMER_S;

	if (json_is_integer(value))
		number = json_integer_value(value);
	else if (text != NULL && text[0] != '\0') {
		number = strtoll(text, &end, 10);
		if (*end != '\0')
			number = 0;
	}
	if (number < 1 || number > TIMER_MAX_S)
		return fault_say(fault, EMCO_E_INVALID,
		                 "\"%s\" of the cluster's Git resource object must be 1 to %d seconds, "
		                 "got \"%s\"",
		                 key, TIMER_MAX_S, text != NULL ? text : "a number");
	*ret_s = number;
	return EMCO_OK;
}

static emco_status timers_read(struct git_settings *s, emco_str text, struct fault *fault)
{
	auto_json_value *object = json_loadb(text.ptr, text.len, 0, NULL);
	emco_status      status = timer_read(object, "syncInterval", &s->sync_s, fault);

	if (status == EMCO_OK)
		status = timer_read(object, "retryInterval", &s->retry_s, fault);
	if (status == EMCO_OK)
		status = timer_read(object, "timeOut", &s->timeout_s, fault);
	return status;
}

emco_status git_settings_read(struct pass *pass, const struct job *job, struct git_settings **ret_settings,
                              struct fault *fault)
{
	const emco_str       text = job->access.reference_object;
	auto_json_value     *object = json_loadb(text.ptr, text.len, 0, NULL);
	struct git_settings *s = pass_alloc(pass, 1, sizeof *s);

	if (s == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	*s = (struct git_settings) {
		.url = member(pass, object, "url"), .branch = member(pass, object, "branch"),
		.user = member(pass, object, "userName"), .token = member(pass, object, "gitToken"),
		.secret_ref = member(pass, object, "secretRef"), .event = pass_text(pass, job->unit->event), .host = "",
	};

	const char *plain = member(pass, object, "plainSecrets");
	if (s->url == NULL || s->branch == NULL || s->user == NULL || s->token == NULL || s->secret_ref == NULL ||
	    s->event == NULL || plain == NULL)
		return fault_say(fault, EMCO_E_NO_MEMORY, "out of memory");
	s->is_plain_secrets = strcmp(plain, "true") == 0 || json_is_true(json_object_get(object, "plainSecrets"));
	if (s->url[0] == '\0')
		return missing(fault, "url");
	if (s->branch[0] == '\0')
		return missing(fault, "branch");

	emco_status status = url_read(pass, s, fault);
	if (status == EMCO_OK)
		status = branch_read(pass, s, fault);
	if (status == EMCO_OK)
		status = timers_read(s, job->access.resource_object, fault);
	if (status == EMCO_OK)
		*ret_settings = s;
	return status;
}

bool git_settings_equal(const struct git_settings *a, const struct git_settings *b)
{
	return strcmp(a->url, b->url) == 0 && strcmp(a->branch, b->branch) == 0 && strcmp(a->user, b->user) == 0 &&
	       strcmp(a->token, b->token) == 0 && strcmp(a->event, b->event) == 0;
}
