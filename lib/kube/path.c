/*
 * path.c - the paths of the API, made of names that strangers chose.
 */
#include "lib/kube/kube_priv.h"

enum { GROUP_LEN_MAX = 253, NAMESPACE_LEN_MAX = 63, OBJECT_NAME_LEN_MAX = 253, KIND_LEN_MAX = 63, PAGE = 500 };

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A DNS label; with dots: labels joined by them. */
static bool is_dns(struct view text, size_t max, bool with_dots)
{
	if (text.len == 0 || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.ptr[i];
		const bool is_edge = i == 0 || i + 1 == text.len || text.ptr[i - 1] == '.' || text.ptr[i + 1] == '.';
		if (is_lower_or_digit(c) || (c == '-' && !is_edge) || (c == '.' && with_dots && !is_edge))
			continue;
		return false;
	}
	return true;
}

/* What Kubernetes itself asks of a path segment: names of roles hold ":" and upper case. */
static bool is_object_name(struct view text)
{
	if (text.len == 0 || text.len > OBJECT_NAME_LEN_MAX || view_is(text, ".") || view_is(text, ".."))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char) text.ptr[i] <= ' ' || text.ptr[i] == 127 || text.ptr[i] == '/' || text.ptr[i] == '%')
			return false;
	return true;
}

static bool is_kind(struct view text)
{
	if (text.len == 0 || text.len > KIND_LEN_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_lower_or_digit(text.ptr[i]) && !(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z'))
			return false;
	return true;
}

enum status path_add_escaped(struct buf *path, struct view text, struct error *err)
{
	static const char plain[] = "-._~";
	enum status       st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < text.len; i++) {
		const char c = text.ptr[i];
		if (is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || memchr(plain, c, sizeof plain - 1) != NULL)
			st = buf_add(path, &c, 1, err);
		else
			st = buf_printf(path, err, "%%%02X", (unsigned) (unsigned char) c);
	}
	return st;
}

enum status path_write_group(struct buf *path, struct view api_version, struct error *err)
{
	const char *slash = api_version.len > 0 ? memchr(api_version.ptr, '/', api_version.len) : NULL;
	struct view version = api_version, group = VIEW("");

	if (slash != NULL) {
		group = (struct view) { api_version.ptr, (size_t) (slash - api_version.ptr) };
		version = (struct view) { slash + 1, api_version.len - group.len - 1 };
	}
	if (!is_dns(version, KIND_LEN_MAX, false) || (slash != NULL && !is_dns(group, GROUP_LEN_MAX, true)))
		return fail(err, ST_INVALID, "\"%.*s\" is no apiVersion",
		            (int) (api_version.len > 100 ? 100 : api_version.len), api_version.ptr);
	return buf_printf(path, err, slash != NULL ? "/apis/%.*s" : "/api/%.*s", (int) api_version.len, api_version.ptr);
}

enum status path_write_collection(struct buf *path, struct view api_version, const char *plural, struct error *err)
{
	const enum status st = path_write_group(path, api_version, err);

	return st == ST_OK ? buf_printf(path, err, "/%s", plural) : st;
}

enum status path_write_query(struct buf *path, struct view api_version, const char *plural, const char *first,
                             const char *selector, struct error *err)
{
	enum status st = path_write_collection(path, api_version, plural, err);

	if (st == ST_OK)
		st = buf_add_text(path, first, err);
	if (st == ST_OK && selector[0] != '\0') {
		st = buf_add_text(path, "&labelSelector=", err);
		if (st == ST_OK)
			st = path_add_escaped(path, view_of(selector), err);
	}
	return st;
}

enum status path_write_page(struct buf *path, struct view api_version, const char *plural, const char *selector,
                            const char *next_page, struct error *err)
{
	char first[32];

	snprintf(first, sizeof first, "?limit=%d", PAGE);
	enum status st = path_write_query(path, api_version, plural, first, selector, err);
	if (st == ST_OK && next_page != NULL) {
		st = buf_add_text(path, "&continue=", err);
		if (st == ST_OK)
			st = path_add_escaped(path, view_of(next_page), err);
	}
	return st;
}

enum status path_write(struct buf *path, const struct kube_id *id, const struct kube_kind *kind,
                       const char *default_namespace, struct error *err)
{
	const struct view namespace_ = id->namespace_.len > 0 ? id->namespace_ : view_of(default_namespace);
	enum status       st = path_write_group(path, id->api_version, err);

	if (st != ST_OK)
		return st;
	if (!is_object_name(id->name))
		return fail(err, ST_INVALID, "\"%.*s\" is no name of an object", (int) (id->name.len > 100 ? 100 : id->name.len),
		            id->name.ptr);
	if (kind->is_namespaced) {
		if (!is_dns(namespace_, NAMESPACE_LEN_MAX, false))
			return fail(err, ST_INVALID, "\"%.*s\" is no name of a namespace",
			            (int) (namespace_.len > 100 ? 100 : namespace_.len), namespace_.ptr);
		st = buf_printf(path, err, "/namespaces/%.*s", (int) namespace_.len, namespace_.ptr);
	}
	if (st == ST_OK)
		st = buf_printf(path, err, "/%s/", kind->plural);
	return st == ST_OK ? path_add_escaped(path, id->name, err) : st;
}

bool id_is_sound(struct view api_version, struct view kind, struct error *err)
{
	auto_buf path = BUF(512);

	if (path_write_group(&path, api_version, err) != ST_OK)
		return false;
	if (is_kind(kind))
		return true;
	fail(err, ST_INVALID, "\"%.*s\" is no kind", (int) (kind.len > 100 ? 100 : kind.len), kind.ptr);
	return false;
}

bool plural_is_sound(struct view plural)
{
	return is_dns(plural, sizeof ((struct kube_kind *) 0)->plural - 1, true);
}
