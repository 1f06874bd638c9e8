/*
 * discovery.c - which kinds a cluster has: asked for group by group, when somebody needs one, and kept.
 *
 * An API server answers "404 page not found" for a group that it does not have, in plain text, as any other server does, and
 * as it does itself while it starts and has not read its definitions yet.  So it is asked then whether it is ready, and for the
 * list of all its groups: only when it is, and that comes without the group, the answer is certain.
 *
 * A kind that is not there may come soon (a CRD was just applied), so a group is asked again, after pauses that grow while
 * the answer stays no.  One question for a group is under way at a time; whoever asks meanwhile waits for its answer.
 */
#include "lib/kube/kube_priv.h"

#include "lib/base/clock.h"

/* GROUPS_MAX: clusters have some dozens; deployments may name any number that no cluster has. */
enum { KINDS_MAX = 4096, KIND_LEN_MAX = 63, DOUBLINGS_MAX = 6, GROUPS_MAX = 256 };

static const int64_t ask_again_ns = 100000000;       /* doubled up to 6.4 s */

/* The texts of all of a group are in one block with them: a server has a hundred kinds, and there are thousands of servers. */
struct known { const char *kind, *plural; bool is_namespaced; };

struct lookup {
	struct lookup *next;
	char           kind[KIND_LEN_MAX + 1];
	kube_found    *done;
	void          *data;
	enum status    st;                  /* an answer that is known already, on its way to the loop */
	struct kube_kind found;
	struct error   err;
};

struct group {
	struct group        *next;
	struct kube_cluster *cluster;
	struct known        *known;
	size_t               known_count;
	struct lookup       *waiting;
	bool                 is_asking, is_certain;      /* certain: that what is not known is not there */
	int64_t              ask_after_ns, deadline_ns;
	unsigned             misses;
	char                 api_version[];
};

struct discovery { struct group *groups; size_t count; };        /* newest first */

static void group_clear(struct group *group)
{
	free(group->known);
	group->known = NULL;
	group->known_count = 0;
}

void discovery_free(struct discovery *discovery)
{
	if (discovery == NULL)
		return;
	while (discovery->groups != NULL) {
		struct group *group = discovery->groups;
		discovery->groups = group->next;
		group_clear(group);
		free(group);
	}
	free(discovery);
}

/* All below: under cluster->lock. */

static struct group *find_group(const struct kube_cluster *cluster, struct view api_version)
{
	struct group *group = cluster->discovery != NULL ? cluster->discovery->groups : NULL;

	while (group != NULL && !view_is(api_version, group->api_version))
		group = group->next;
	return group;
}

/* The oldest, and rather one that has nothing.  One that is being asked for stays: its answer is on the way. */
static void forget_one(struct discovery *discovery)
{
	struct group **oldest = NULL;

	for (struct group **at = &discovery->groups; *at != NULL; at = &(*at)->next)
		if (!(*at)->is_asking && (oldest == NULL || (*at)->known_count == 0 || (*oldest)->known_count > 0))
			oldest = at;
	if (oldest == NULL)
		return;
	struct group *group = *oldest;
	*oldest = group->next;
	discovery->count--;
	group_clear(group);
	free(group);
}

static struct group *make_group(struct kube_cluster *cluster, struct view api_version)
{
	struct group *group = find_group(cluster, api_version);

	if (group != NULL)
		return group;
	if (cluster->discovery == NULL)
		cluster->discovery = calloc(1, sizeof *cluster->discovery);
	group = calloc(1, sizeof *group + api_version.len + 1);
	if (cluster->discovery == NULL || group == NULL) {
		free(group);
		return NULL;
	}
	if (cluster->discovery->count >= GROUPS_MAX)
		forget_one(cluster->discovery);
	cluster->discovery->count++;
	memcpy(group->api_version, api_version.ptr, api_version.len);
	group->cluster = cluster;
	group->next = cluster->discovery->groups;
	cluster->discovery->groups = group;
	return group;
}

static bool find_known(const struct group *group, struct view kind, struct kube_kind *ret_kind)
{
	for (size_t i = 0; group != NULL && i < group->known_count; i++)
		if (view_is(kind, group->known[i].kind)) {
			*ret_kind = (struct kube_kind) { .is_namespaced = group->known[i].is_namespaced };
			memcpy(ret_kind->plural, group->known[i].plural, strlen(group->known[i].plural));
			return true;
		}
	return false;
}

bool discovery_look(struct kube_cluster *cluster, struct view api_version, struct view kind, struct kube_kind *ret_kind)
{
	bool is_known;

	pthread_mutex_lock(&cluster->lock);
	is_known = find_known(find_group(cluster, api_version), kind, ret_kind);
	pthread_mutex_unlock(&cluster->lock);
	return is_known;
}

void discovery_forget(struct kube_cluster *cluster, struct view api_version)
{
	struct group *group;

	pthread_mutex_lock(&cluster->lock);
	group = find_group(cluster, api_version);
	if (group != NULL) {
		group_clear(group);
		group->ask_after_ns = 0;         /* what is missing now is another kind, perhaps */
	}
	pthread_mutex_unlock(&cluster->lock);
}

/* -- asking -- */

static void lookup_end(struct lookup *lookup)
{
	lookup->done(lookup->data, lookup->st, lookup->st == ST_OK ? &lookup->found : NULL,
	             lookup->st == ST_OK ? NULL : &lookup->err);
	free(lookup);
}

static void answer_lookup(void *data)
{
	lookup_end(data);
}

static void end_from_loop(struct kube_cluster *cluster, struct lookup *lookup)
{
	if (!cluster_task(cluster, answer_lookup, lookup))
		lookup_end(lookup);
}

/* A subresource has a slash, and is no kind. */
static bool is_kind(struct view plural, struct view kind)
{
	return plural_is_sound(plural) && kind.len > 0 && kind.len <= KIND_LEN_MAX;
}

static char *add_text(char **to, struct view text)
{
	char *at = *to;

	memcpy(at, text.ptr, text.len);          /* the zero behind it is there */
	*to += text.len + 1;
	return at;
}

static struct known *read_kinds(struct view body, size_t *ret_count, struct error *err)
{
	auto_json    *list = NULL;
	const json_t *resources, *item;
	struct known *known;
	size_t        i, count = 0, size = 0;
	char         *text;

	resources = json_read(body, &list, NULL) == ST_OK ? json_object_get(list, "resources") : NULL;
	if (!json_is_array(resources) || json_array_size(resources) > KINDS_MAX) {
		fail(err, ST_UPSTREAM, "the server's answer is no list of kinds");
		fail_hint(err, "No API server answers like this: check \"server\" of the kubeconfig.");
		return NULL;
	}
	json_array_foreach(resources, i, item) {
		const struct view plural = json_text_at(item, "name"), kind = json_text_at(item, "kind");
		if (is_kind(plural, kind)) {
			size += plural.len + 1 + kind.len + 1;
			count++;
		}
	}
	known = calloc(1, count * sizeof *known + size + 1);
	if (known == NULL) {
		fail(err, ST_NO_MEMORY, "out of memory");
		return NULL;
	}
	text = (char *) (known + count);
	count = 0;
	json_array_foreach(resources, i, item) {
		const struct view plural = json_text_at(item, "name"), kind = json_text_at(item, "kind");
		if (is_kind(plural, kind))
			known[count++] = (struct known) { .kind = add_text(&text, kind), .plural = add_text(&text, plural),
			                                  .is_namespaced = json_is_true(json_object_get(item, "namespaced")) };
	}
	*ret_count = count;
	return known;
}

/* A list of all that the API server has, without this one. */
static bool is_list_without(struct view body, const char *api_version)
{
	const bool    is_core = strchr(api_version, '/') == NULL;
	auto_json    *list = NULL;
	const json_t *groups, *group, *version;
	size_t        i, k;

	if (json_read(body, &list, NULL) != ST_OK)
		return false;
	groups = json_object_get(list, is_core ? "versions" : "groups");
	if (!view_is(json_text_at(list, "kind"), is_core ? "APIVersions" : "APIGroupList") || !json_is_array(groups))
		return false;
	json_array_foreach(groups, i, group) {
		if (json_is_string(group) && strcmp(json_string_value(group), api_version) == 0)
			return false;
		json_array_foreach(json_object_get(group, "versions"), k, version)
			if (view_is(json_text_at(version, "groupVersion"), api_version))
				return false;
	}
	return true;
}

/* What was answered: known is taken. */
struct found { enum status st; bool is_certain; struct known *known; size_t count; struct error err; };

/* Take it in and give back those who wait, each with its own answer. */
static struct lookup *settle(struct group *group, const struct found *found)
{
	struct kube_cluster *cluster = group->cluster;
	struct lookup       *waiting;
	bool                 is_missing = false;

	pthread_mutex_lock(&cluster->lock);
	if (found->st == ST_OK) {
		group_clear(group);
		group->known = found->known;
		group->known_count = found->count;
		group->is_certain = found->is_certain;
	}
	waiting = group->waiting;
	group->waiting = NULL;
	group->is_asking = false;
	for (struct lookup *lookup = waiting; lookup != NULL; lookup = lookup->next) {
		lookup->st = found->st;
		lookup->found.is_certain = group->is_certain;
		if (found->st != ST_OK)
			lookup->err = found->err;
		else if (!find_known(group, view_of(lookup->kind), &lookup->found))
			is_missing = true;
	}
	if (found->st == ST_OK) {
		group->misses = !is_missing ? 0 : group->misses < DOUBLINGS_MAX ? group->misses + 1 : DOUBLINGS_MAX;
		group->ask_after_ns = is_missing ? clock_ns() + (ask_again_ns << (group->misses - 1)) : 0;
	}
	pthread_mutex_unlock(&cluster->lock);
	return waiting;
}

static void finish(struct group *group, const struct found *found)
{
	struct lookup *waiting = settle(group, found);

	while (waiting != NULL) {
		struct lookup *next = waiting->next;
		lookup_end(waiting);
		waiting = next;
	}
}

static void groups_answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct group *group = data;
	struct found  found = { .st = st };

	if (st != ST_OK)
		found.err = *err;
	else
		found.is_certain = answer->code == 200 && is_list_without(answer->body, group->api_version);
	finish(group, &found);
}

static void ask_for(struct group *group, const char *path, kube_done *done)
{
	const struct kube_request request = {
		.method = "GET", .path = path, .body = VIEW(""), .deadline_ns = group->deadline_ns,
	};

	kube_send(group->cluster, &request, done, group);
}

/* Who is ready has read all definitions.  Where we may not ask, or nothing is there to be asked, the list alone counts. */
static bool may_be_ready(int code)
{
	return code == 200 || code == 401 || code == 403 || code == 404;
}

static void readiness_answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct group *group = data;
	struct found  found = { .st = st };

	if (st == ST_OK && may_be_ready(answer->code)) {
		ask_for(group, strchr(group->api_version, '/') == NULL ? "/api" : "/apis", groups_answered);
		return;
	}
	if (st != ST_OK)
		found.err = *err;
	finish(group, &found);
}

static void answered(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct group        *group = data;
	struct found         found = { .st = st, .is_certain = true };
	struct answer_status status;
	char                 what[160];

	if (st != ST_OK) {
		found.err = *err;
	} else if (answer->code == 200) {
		found.known = read_kinds(answer->body, &found.count, &found.err);
		if (found.known == NULL)
			found.st = fail_within(&found.err, "kinds of \"%s\"", group->api_version);
	} else {
		snprintf(what, sizeof what, "kinds of \"%.120s\"", group->api_version);
		answer_read(answer, &status);
		if (answer_outcome(&status) != KUBE_UNKNOWN_KIND) {
			found.st = kube_answer_fail(answer, what, &found.err);
		} else if (!status.is_status) {
			ask_for(group, "/readyz", readiness_answered);
			return;
		}
	}
	finish(group, &found);
}

static void ask(struct group *group, int64_t deadline_ns)
{
	auto_buf            path = BUF(1024);
	struct error        err;
	struct kube_request request = { .method = "GET", .body = VIEW(""), .deadline_ns = deadline_ns };
	const enum status   st = path_write_group(&path, view_of(group->api_version), &err);

	group->deadline_ns = deadline_ns;
	request.path = path.data;
	if (st == ST_OK)
		kube_send(group->cluster, &request, answered, group);
	else
		answered(group, st, NULL, &err);
}

void kube_find_kind(struct kube_cluster *cluster, struct view api_version, struct view kind, int64_t deadline_ns,
                    kube_found *done, void *data)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);
	struct group  *group;
	struct error   err;
	bool           is_settled = false, shall_ask = false;

	if (lookup == NULL) {
		fail(&err, ST_NO_MEMORY, "out of memory");
		done(data, ST_NO_MEMORY, NULL, &err);
		return;
	}
	lookup->done = done;
	lookup->data = data;
	if (!id_is_sound(api_version, kind, &lookup->err)) {
		lookup->st = lookup->err.code;
		end_from_loop(cluster, lookup);
		return;
	}
	memcpy(lookup->kind, kind.ptr, kind.len);

	pthread_mutex_lock(&cluster->lock);
	group = make_group(cluster, api_version);
	if (group == NULL) {
		lookup->st = fail(&lookup->err, ST_NO_MEMORY, "out of memory");
		is_settled = true;
	} else if (find_known(group, kind, &lookup->found) || (!group->is_asking && !deadline_past(group->ask_after_ns))) {
		lookup->found.is_certain = group->is_certain;
		is_settled = true;
	} else {
		shall_ask = !group->is_asking;
		group->is_asking = true;
		lookup->next = group->waiting;
		group->waiting = lookup;
	}
	pthread_mutex_unlock(&cluster->lock);
	if (is_settled)
		end_from_loop(cluster, lookup);
	else if (shall_ask)
		ask(group, deadline_ns);
}
