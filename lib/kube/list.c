/* Lists: what a cluster has of one kind, page by page. */
#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"

/* Others wait for the same answer, so it has time of its own. */
enum { FIND_MS = 30000 };

struct list {
	struct kube_cluster *cluster;    /* a reference */
	struct kube_kind     found;
	int64_t              deadline_ns;
	kube_listed         *listed;
	void                *data;
	char                *next_page;  /* NULL: the first */
	char                *api_version, *kind, *selector;
};

bool object_name_kind(json_t *item, const char *api_version, const char *kind)
{
	return json_is_object(item) &&
	       (json_object_get(item, "kind") != NULL || json_object_set_new(item, "kind", json_string(kind)) == 0) &&
	       (json_object_get(item, "apiVersion") != NULL ||
	        json_object_set_new(item, "apiVersion", json_string(api_version)) == 0);
}

static void list_free(struct list *list)
{
	kube_cluster_unref(list->cluster);
	free(list->next_page);
	free(list->api_version);
	free(list->kind);
	free(list->selector);
	free(list);
}

/* Takes list. */
static void end(struct list *list, enum status st, const struct error *err)
{
	IGNORE(list->listed(list->data, NULL, st, err));
	list_free(list);
}

static void ask(struct list *list);

static void take_page(struct list *list, struct view body)
{
	auto_json   *page = NULL;
	struct error err;
	bool         is_enough = false;
	json_t      *item;
	size_t       i;

	if (json_read(body, &page, &err) != ST_OK || !json_is_array(json_object_get(page, "items"))) {
		fail(&err, ST_UPSTREAM, "the server's answer is no list of objects");
		end(list, ST_UPSTREAM, &err);
		return;
	}
	json_array_foreach(json_object_get(page, "items"), i, item)
		if (object_name_kind(item, list->api_version, list->kind))
			is_enough = !list->listed(list->data, item, ST_OK, NULL) || is_enough;
	free(list->next_page);
	list->next_page = NULL;

	const char *next = json_string_at(page, "metadata.continue");
	if (next[0] == '\0' || is_enough) {
		end(list, ST_OK, NULL);
	} else if ((list->next_page = strdup(next)) == NULL) {
		fail(&err, ST_NO_MEMORY, "out of memory");
		end(list, ST_NO_MEMORY, &err);
	} else {
		ask(list);
	}
}

static void answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct list *list = data;
	struct error why;
	char         what[200];

	if (st != ST_OK) {
		end(list, st, err);
	} else if (answer->code == 200) {
		take_page(list, answer->body);
	} else {
		snprintf(what, sizeof what, "list of \"%.60s\" in \"%.100s\"", list->kind, list->api_version);
		st = kube_answer_fail(answer, what, &why);
		end(list, st, &why);
	}
}

static void ask(struct list *list)
{
	auto_buf            path = BUF(COLLECTION_PATH_MAX);
	struct kube_request request = { .method = "GET", .body = VIEW(""), .deadline_ns = list->deadline_ns,
	                                        .is_hurried = true };
	struct error        err;
	const enum status   st = path_write_page(&path, view_of(list->api_version), list->found.plural, list->selector,
	                                         list->next_page, &err);

	request.path = path.data;
	if (st == ST_OK)
		kube_send(list->cluster, &request, answered, list);
	else
		end(list, st, &err);
}

static void found(void *data, enum status st, const struct kube_kind *kind, const struct error *err)
{
	struct list *list = data;
	struct error why;

	if (st != ST_OK) {
		end(list, st, err);
	} else if (kind->plural[0] == '\0') {
		st = fail(&why, kind->is_certain ? ST_NOT_FOUND : ST_UNAVAILABLE, "the cluster %s no kind \"%s\" in \"%s\"",
		          kind->is_certain ? "knows" : "shows", list->kind, list->api_version);
		end(list, st, &why);
	} else {
		list->found = *kind;
		ask(list);
	}
}

void kube_list(struct kube_cluster *cluster, struct view api_version, struct view kind, const char *selector,
               int64_t deadline_ns, kube_listed *listed, void *data)
{
	struct list *list = calloc(1, sizeof *list);
	struct error err;

	if (list != NULL) {
		list->api_version = strndup(api_version.ptr, api_version.len);
		list->kind = strndup(kind.ptr, kind.len);
		list->selector = strdup(selector);
	}
	if (list == NULL || list->api_version == NULL || list->kind == NULL || list->selector == NULL) {
		if (list != NULL)
			list_free(list);
		fail(&err, ST_NO_MEMORY, "out of memory");
		IGNORE(listed(data, NULL, ST_NO_MEMORY, &err));
		return;
	}
	cluster_keep(cluster);
	list->cluster = cluster;
	list->deadline_ns = deadline_ns;
	list->listed = listed;
	list->data = data;
	const int64_t find_ns = deadline_in_ms(FIND_MS);
	kube_find_kind(cluster, view_of(list->api_version), view_of(list->kind), find_ns > deadline_ns ? find_ns : deadline_ns,
	               found, list);
}
