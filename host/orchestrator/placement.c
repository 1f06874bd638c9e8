#include "host/orchestrator/placement.h"

enum { ENTRIES_MAX = 100000, CANDIDATES_MAX = 2000000, ENTRIES_SHOWN = 3, BECAUSE_MAX = 4096 };

/* One cluster in one group, before it is known which group it stays in. */
struct candidate {
	struct view cluster;
	unsigned    group;
	bool        is_first;           /* of its cluster, once they are in order */
};

struct group {
	bool        is_mandatory;
	const char *entry;              /* what it is of, for messages */
};

struct resolving {
	const struct placement_ask *ask;
	struct arena     *arena;
	struct candidate *candidates;
	size_t            count, room;
	unsigned          group;        /* the last one made                                        */
	struct group     *groups;       /* from 1                                                   */
	size_t            groups_room;
	const char       *empty_label;  /* an allOf label that nothing carries; NULL: none          */
	struct place_why *whys;
	size_t            why_count, whys_room;
	struct place_passed *passed;    /* NULL: nobody asks                                        */
	size_t            passed_count;
	struct error     *err;
};

static enum status no_memory(struct resolving *r)
{
	return fail(r->err, ST_NO_MEMORY, "out of memory");
}

#define ABOUT(r)  (int) (r)->ask->app.len, (r)->ask->app.ptr, (int) (r)->ask->intent_name.len, (r)->ask->intent_name.ptr
#define ABOUT_FMT "app \"%.*s\": placement intent \"%.*s\": "

/* What there is to do about it: nearly always one of two. */
static enum status place_elsewhere(struct resolving *r)
{
	return fail_hint(r->err, "Add a reference to the cluster to logical cloud \"%.*s\", or place the app elsewhere.", V(r->ask->cloud_name));
}

/* -- gathering --------------------------------------------------------------------------------------------------- */

static enum status add_group(struct resolving *r, bool is_mandatory, const char *entry)
{
	if (!arena_grow(r->arena, &r->groups, r->group + 1, 1, &r->groups_room, sizeof *r->groups))
		return no_memory(r);
	r->groups[++r->group] = (struct group) { is_mandatory, entry };
	return ST_OK;
}

/* Groups that were made since the last reason have this one; a run of clusters that are named is one reason. */
static enum status add_why(struct resolving *r, bool is_mandatory, struct view because)
{
	struct place_why *last = r->why_count > 0 ? &r->whys[r->why_count - 1] : NULL;

	if (r->group == (last != NULL ? last->last_group : 0))
		return ST_OK;
	if (last != NULL && last->is_mandatory == is_mandatory && because.len == 0 && last->because.len == 0) {
		last->last_group = r->group;
		return ST_OK;
	}
	if (!arena_grow(r->arena, &r->whys, r->why_count, 1, &r->whys_room, sizeof *r->whys))
		return no_memory(r);
	r->whys[r->why_count++] = (struct place_why) { r->group, is_mandatory, because };
	return ST_OK;
}

/* What an entry of allOf or anyOf names, as views of the document. */
struct entry { struct view provider, cluster, label; const char *text; };

static enum status read_entry(struct resolving *r, const json_t *value, struct entry *ret_entry)
{
	struct entry entry = {
		json_text_at(value, "clusterProvider"), json_text_at(value, "cluster"), json_text_at(value, "clusterLabel"), "",
	};
	const bool        is_label = entry.label.len > 0;
	const struct view name = is_label ? entry.label : entry.cluster;

	entry.text = arena_printf(r->arena, "%s \"%.*s\" of provider \"%.*s\"", is_label ? "label" : "cluster", (int) name.len,
	                          name.ptr, (int) entry.provider.len, entry.provider.ptr);
	if (entry.text == NULL)
		return no_memory(r);
	if (entry.provider.len == 0 || (entry.cluster.len > 0) == (entry.label.len > 0))
		return fail(r->err, ST_INVALID, ABOUT_FMT "an entry needs a clusterProvider and either cluster or clusterLabel",
		            ABOUT(r));
	*ret_entry = entry;
	return ST_OK;
}

static enum status make_room(struct resolving *r, size_t more)
{
	if (more > CANDIDATES_MAX - r->count)
		return fail(r->err, ST_TOO_LARGE, ABOUT_FMT "more than %d candidates", ABOUT(r), CANDIDATES_MAX);
	return arena_grow(r->arena, &r->candidates, r->count, more, &r->room, sizeof *r->candidates) ? ST_OK : no_memory(r);
}

/* One entry's clusters; with each_its_own, every one in a group of its own. */
static enum status
add_candidates(struct resolving *r, const struct entry *entry, const struct view *clusters, size_t count,
               bool each_its_own)
{
	const size_t prefix = entry->provider.len + 1;
	size_t       bytes = count * prefix;
	enum status  st = make_room(r, count);

	for (size_t i = 0; i < count; i++)
		bytes += clusters[i].len;
	char *name = arena_alloc(r->arena, bytes + 1, 1);
	if (st == ST_OK && name == NULL)
		st = no_memory(r);
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		if (each_its_own)
			st = add_group(r, true, entry->text);
		memcpy(name, entry->provider.ptr, entry->provider.len);
		name[entry->provider.len] = '+';
		memcpy(name + prefix, clusters[i].ptr, clusters[i].len);
		r->candidates[r->count++] = (struct candidate) { { name, prefix + clusters[i].len }, r->group, false };
		name += prefix + clusters[i].len;
	}
	return st;
}

static enum status
look_up(struct resolving *r, const struct entry *entry, const struct view **ret_clusters, size_t *ret_count)
{
	if (entry->cluster.len > 0) {
		*ret_clusters = &entry->cluster;
		*ret_count = 1;
		return ST_OK;
	}
	const enum status st = r->ask->labelled(r->ask->data, entry->provider, entry->label, ret_clusters, ret_count, r->err);
	if (st == ST_NOT_FOUND)
		return fail(r->err, ST_NOT_FOUND, ABOUT_FMT "there is no cluster provider \"%.*s\"", ABOUT(r),
		            (int) entry->provider.len, entry->provider.ptr);
	return st;
}

/* "one of cluster "a" of provider "p", label "edge" of provider "p" and 7 more", piece by piece. */
static enum status add_choice(struct resolving *r, struct buf *because, size_t at, size_t count, const char *entry)
{
	if (at == ENTRIES_SHOWN)
		return buf_printf(because, r->err, " and %zu more", count - at);
	if (at > ENTRIES_SHOWN)
		return ST_OK;
	return buf_printf(because, r->err, "%s%s", at > 0 ? ", " : count > 1 ? "one of " : "", entry);
}

static enum status add_any_of(struct resolving *r, const json_t *any_of)
{
	size_t      i;
	json_t     *value;
	const char *first = NULL;
	auto_buf    because = BUF(BECAUSE_MAX);
	struct view kept;
	enum status st = add_group(r, false, "");

	if (st != ST_OK)
		return st;
	json_array_foreach(json_for_reading(any_of), i, value) {
		const struct view *clusters;
		struct entry       entry;
		size_t             count;
		if ((st = read_entry(r, value, &entry)) != ST_OK ||
		    (st = look_up(r, &entry, &clusters, &count)) != ST_OK)
			return st;
		first = first != NULL ? first : entry.text;
		if ((st = add_candidates(r, &entry, clusters, count, false)) != ST_OK ||
		    (st = add_choice(r, &because, i, json_array_size(any_of), entry.text)) != ST_OK)
			return st;
	}
	r->groups[r->group].entry = first != NULL ? first : "";
	st = arena_keep(r->arena, buf_view(&because), &kept, r->err);
	return st == ST_OK ? add_why(r, false, kept) : st;
}

static enum status add_all_of(struct resolving *r, const json_t *value)
{
	const json_t      *any_of = json_object_get(value, "anyOf");
	const struct view *clusters;
	struct entry       entry;
	size_t             count;
	enum status        st;

	if (json_array_size(any_of) > 0)
		return add_any_of(r, any_of);
	if ((st = read_entry(r, value, &entry)) != ST_OK || (st = look_up(r, &entry, &clusters, &count)) != ST_OK)
		return st;
	if (count == 0)
		r->empty_label = entry.text;
	st = add_candidates(r, &entry, clusters, count, true);
	return st == ST_OK ? add_why(r, true, entry.label.len > 0 ? view_of(entry.text) : VIEW("")) : st;
}

static enum status gather(struct resolving *r)
{
	const json_t *all_of = json_object_get(r->ask->intent, "allOf"), *any_of = json_object_get(r->ask->intent, "anyOf");
	size_t        i;
	json_t       *value;
	enum status   st = ST_OK;

	if (json_array_size(all_of) + json_array_size(any_of) > ENTRIES_MAX)
		return fail(r->err, ST_TOO_LARGE, ABOUT_FMT "more than %d entries", ABOUT(r), ENTRIES_MAX);
	json_array_foreach(json_for_reading(all_of), i, value) {
		st = add_all_of(r, value);
		if (st != ST_OK)
			return st;
	}
	return json_array_size(any_of) > 0 ? add_any_of(r, any_of) : ST_OK;
}

/* -- choosing ---------------------------------------------------------------------------------------------------- */

static int by_cluster(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;
	const int order = view_order(&left->cluster, &right->cluster);

	return order != 0 ? order : left->group < right->group ? -1 : left->group > right->group;
}

struct tally { unsigned candidates; bool is_satisfied; };      /* of one group */

/* Labels come in byte order, so there is often nothing to sort. */
static void put_in_order(struct resolving *r)
{
	for (size_t i = 1; i < r->count; i++)
		if (by_cluster(&r->candidates[i - 1], &r->candidates[i]) > 0) {
			qsort(r->candidates, r->count, sizeof *r->candidates, by_cluster);
			return;
		}
}

/* In byte order of cluster, whatever step passes it over; told once. */
static void pass_over(struct resolving *r, struct view cluster, const char *why)
{
	if (r->passed == NULL || (r->passed_count > 0 && view_order(&r->passed[r->passed_count - 1].cluster, &cluster) == 0))
		return;
	r->passed[r->passed_count++] = (struct place_passed) { cluster, why };
}

static int by_passed(const void *a, const void *b)
{
	return view_order(&((const struct place_passed *) a)->cluster, &((const struct place_passed *) b)->cluster);
}

static enum status not_in_cloud(struct resolving *r, struct view cluster)
{
	fail(r->err, ST_CONFLICT, ABOUT_FMT "the logical cloud does not have mandatory cluster \"%.*s\"", ABOUT(r), V(cluster));
	return place_elsewhere(r);
}

/* Alternatives outside the cloud go; what is left is in byte order, a cluster's groups beside each other, ascending. */
static enum status sift(struct resolving *r)
{
	size_t kept = 0, at = 0;

	put_in_order(r);
	for (size_t i = 0; i < r->count; i++) {
		const struct candidate *candidate = &r->candidates[i];
		int                     order = 1;
		while (at < r->ask->cloud_count && (order = view_order(&candidate->cluster, &r->ask->cloud[at])) > 0)
			at++;
		if (at < r->ask->cloud_count && order == 0)
			r->candidates[kept++] = *candidate;
		else if (r->groups[candidate->group].is_mandatory)
			return not_in_cloud(r, candidate->cluster);
		else
			pass_over(r, candidate->cluster, "the logical cloud does not have it");
	}
	r->count = kept;
	for (size_t i = 0; i < kept; i++)
		r->candidates[i].is_first = i == 0 || view_order(&r->candidates[i - 1].cluster, &r->candidates[i].cluster) != 0;
	return ST_OK;
}

/* The end of the run of one cluster that begins at i. */
static size_t run_end(const struct resolving *r, size_t i)
{
	size_t end = i + 1;

	while (end < r->count && !r->candidates[end].is_first)
		end++;
	return end;
}

/* A group with a mandatory cluster among its alternatives asks for nothing more. */
static void settle(struct resolving *r, struct tally *tally)
{
	for (size_t i = 0, end; i < r->count; i = end) {
		bool is_mandatory = false;
		end = run_end(r, i);
		for (size_t k = i; k < end; k++) {
			tally[r->candidates[k].group].candidates += k == i || r->candidates[k].group != r->candidates[k - 1].group;
			is_mandatory = is_mandatory || r->groups[r->candidates[k].group].is_mandatory;
		}
		for (size_t k = i; is_mandatory && k < end; k++)
			tally[r->candidates[k].group].is_satisfied = true;
	}
}

/*
 * The group a cluster stays in: its mandatory one; else the last it is in, as in EMCO, but no group loses its last
 * alternative.  0: none, because all its groups are satisfied without it.
 */
static unsigned choose(const struct resolving *r, struct tally *tally, size_t begin, size_t end, bool *ret_is_mandatory)
{
	unsigned chosen = 0;

	*ret_is_mandatory = false;
	for (size_t k = begin; k < end; k++)
		if (r->groups[r->candidates[k].group].is_mandatory) {
			*ret_is_mandatory = true;
			return r->candidates[k].group;
		}
	for (size_t k = begin; k < end; k++) {
		const unsigned group = r->candidates[k].group;
		if (tally[group].is_satisfied || (k > begin && group == r->candidates[k - 1].group))
			continue;
		if (chosen == 0)
			chosen = group;
		else if (tally[chosen].candidates > 1) {
			tally[chosen].candidates--;
			chosen = group;
		} else {
			tally[group].candidates--;
		}
	}
	return chosen;
}

static enum status check_groups(struct resolving *r, const struct tally *tally, size_t places)
{
	for (unsigned group = 1; group <= r->group; group++)
		if (tally[group].candidates == 0 && !r->groups[group].is_mandatory) {
			fail(r->err, ST_CONFLICT, ABOUT_FMT "the logical cloud has no cluster of the anyOf that begins with %s", ABOUT(r),
			     r->groups[group].entry);
			return place_elsewhere(r);
		}
	if (places > 0)
		return ST_OK;
	if (r->empty_label != NULL) {
		fail(r->err, ST_CONFLICT, ABOUT_FMT "no cluster carries %s", ABOUT(r), r->empty_label);
		return fail_hint(r->err, "Label a cluster, or name another label or a cluster in the intent.");
	}
	fail(r->err, ST_CONFLICT, ABOUT_FMT "it names no cluster", ABOUT(r));
	return fail_hint(r->err, "Name a cluster or a label in its allOf or anyOf.");
}

enum status placement_resolve(const struct placement_ask *ask, struct arena *arena, struct placement *ret_placement,
                              struct error *err)
{
	struct resolving r = { .ask = ask, .arena = arena, .err = err };
	struct placement placement = { .intent = ask->intent_name };
	enum status      st = gather(&r);

	if (st != ST_OK)
		return st;
	struct tally *tally = arena_alloc(arena, r.group + 1, sizeof *tally);
	placement.at = arena_alloc(arena, r.count + 1, sizeof *placement.at);
	r.passed = ask->explains ? arena_alloc(arena, r.count + 1, sizeof *r.passed) : NULL;
	if (tally == NULL || placement.at == NULL || (ask->explains && r.passed == NULL))
		return no_memory(&r);

	st = sift(&r);
	if (st != ST_OK)
		return st;
	settle(&r, tally);
	st = check_groups(&r, tally, r.count);
	if (st != ST_OK)
		return st;
	for (size_t i = 0, end; i < r.count; i = end) {
		bool is_mandatory;
		end = run_end(&r, i);
		const unsigned group = choose(&r, tally, i, end, &is_mandatory);
		if (group != 0)
			placement.at[placement.count++] = (struct place) { r.candidates[i].cluster, group, is_mandatory };
		else
			pass_over(&r, r.candidates[i].cluster, "its anyOf has a mandatory cluster already");
	}
	if (r.passed_count > 1)
		qsort(r.passed, r.passed_count, sizeof *r.passed, by_passed);
	placement.whys = r.whys;
	placement.why_count = r.why_count;
	placement.passed = r.passed;
	placement.passed_count = r.passed_count;
	*ret_placement = placement;
	return ST_OK;
}
