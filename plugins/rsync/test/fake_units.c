/* Units, their sets and the bodies in them: the extension "emco.units/1" in memory, and what tests put there and read. */
#include "plugins/rsync/test/fake_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As the store does it: what is begun was tried, until a report says that it is true. */
static void tried_give(emco_call *call, struct fake_unit *from, emco_unit *unit)
{
	emco_str *tried = call->alloc(call, FAKE_TRIED_MAX, sizeof *tried);
	size_t    count = 0;

	if (from->desired[0] != '\0' && strcmp(from->desired, from->applied) != 0) {
		while (count < FAKE_TRIED_MAX && from->tried[count][0] != '\0' && strcmp(from->tried[count], from->desired) != 0)
			count++;
		must(count < FAKE_TRIED_MAX);
		unit->begun = from->tried[count][0] != '\0';
		snprintf(from->tried[count], sizeof from->tried[count], "%s", from->desired);
	}
	for (count = 0; count < FAKE_TRIED_MAX && from->tried[count][0] != '\0'; count++)
		tried[count] = fake_keep(call, from->tried[count]);
	unit->tried = tried;
	unit->tried_count = count;
}

static emco_status claim(emco_call *call, uint64_t limit, int64_t lease_ns, emco_units_each *each, void *data)
{
	struct fake *fake = fake_of(call);
	uint64_t     count = 0;

	(void) lease_ns;
	pthread_mutex_lock(&fake->lock);
	while (count == 0 && !call->cancelled(call)) {
		for (size_t i = 0; i < fake->unit_count && count < limit; i++) {
			if (!fake->units[i].needs_work)
				continue;
			fake->units[i].needs_work = false;

			emco_unit *unit = call->alloc(call, 1, sizeof *unit);
			*unit = fake->units[i].unit;
			unit->desired = fake_keep(call, fake->units[i].desired);
			unit->applied = fake_keep(call, fake->units[i].applied);
			tried_give(call, &fake->units[i], unit);
			must(each(data, unit) == EMCO_OK);
			count++;
		}
		if (count == 0) {
			struct timespec until;

			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 20000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_sec++;
				until.tv_nsec -= 1000000000;
			}
			pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
		}
	}
	pthread_mutex_unlock(&fake->lock);
	return count > 0 ? EMCO_OK : EMCO_E_DEADLINE;
}

static emco_status renew(emco_call *call, const emco_unit *unit, int64_t lease_ns)
{
	struct fake *fake = fake_of(call);
	void       (*hook)(struct fake *) = fake->on_renew;

	(void) lease_ns;
	__atomic_add_fetch(&fake->renewals, 1, __ATOMIC_RELAXED);
	if (hook != NULL) {
		fake->on_renew = NULL;
		hook(fake);
	}
	return fake->units[unit->id].is_stolen ? EMCO_E_CONFLICT : EMCO_OK;
}

static void note_done(struct fake_unit *to, const emco_unit *unit)
{
	snprintf(to->applied, sizeof to->applied, "%.*s", STR_ARG(unit->desired));
	memset(to->tried, 0, sizeof to->tried);
	to->unit.applied_context = unit->status_context;
	to->unit.unsure = 0;
}

static bool report_one(struct fake *fake, const emco_unit_report *result)
{
	const emco_unit  *unit = result->unit;
	struct fake_unit *to = &fake->units[unit->id];

	if (to->is_stolen)
		return false;
	pthread_mutex_lock(&fake->lock);
	to->outcome = result->outcome;
	to->reachable = result->reachable;
	to->retry_after_ns = result->retry_after_ns;
	to->state_count = result->object_count;
	snprintf(to->error, sizeof to->error, "%.*s", STR_ARG(result->error));
	must(result->object_count <= FAKE_STATES_MAX);
	for (size_t i = 0; i < result->object_count; i++) {
		snprintf(to->states[i].name, sizeof to->states[i].name, "%.*s", STR_ARG(result->objects[i].name));
		snprintf(to->states[i].message, sizeof to->states[i].message, "%.*s",
		         STR_ARG(result->objects[i].message));
		to->states[i].state = result->objects[i].state;
	}
	if (result->outcome == EMCO_UNIT_DONE)
		note_done(to, unit);
	to->unit.attempts = result->outcome == EMCO_UNIT_DONE ? 0 : to->unit.attempts + 1;
	to->reports++;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return true;
}

static bool names_late_app(const struct fake *fake, const emco_unit_report *reports, uint64_t count)
{
	bool is_named = false, are_told = true;

	for (uint64_t i = 0; fake->late_app != NULL && i < count; i++)
		is_named = is_named || str_is(reports[i].unit->app, fake->late_app);
	for (size_t i = 0; i < fake->unit_count; i++)
		are_told = are_told && (fake->units[i].reports > 0 || (fake->late_app != NULL && str_is(fake->units[i].unit.app, fake->late_app)));
	return is_named && !are_told;
}

/* NULL: this report is stored; else why it is not.  Under lock. */
static const char *not_stored(struct fake *fake, const emco_unit_report *reports, uint64_t count, emco_status *ret_status)
{
	if (fake->refused_reports > 0) {
		fake->refused_reports--;
		*ret_status = EMCO_E_UNAVAILABLE;
		return "the store is away";
	}
	if ((fake->late_units > 0 && count > fake->late_units) || names_late_app(fake, reports, count)) {
		fake->late_reports++;
		*ret_status = EMCO_E_DEADLINE;
		return "not stored within 30 s";
	}
	fake->told_reports++;
	return NULL;
}

static emco_status report(emco_call *call, const emco_unit_report *reports, uint64_t count, uint64_t *ret_lost)
{
	struct fake *fake = fake_of(call);
	emco_status  status = EMCO_OK;
	uint64_t     lost = 0;

	pthread_mutex_lock(&fake->lock);
	const char *why = not_stored(fake, reports, count, &status);
	pthread_mutex_unlock(&fake->lock);
	if (why != NULL)
		return call->fail(call, status, EMCO_STR(""), str_of(why), EMCO_STR(""));
	for (uint64_t i = 0; i < count; i++)
		lost += !report_one(fake, &reports[i]);
	if (ret_lost != NULL)
		*ret_lost = lost;
	return EMCO_OK;
}

static const char *set_text(const struct fake *fake, emco_str name)
{
	for (size_t i = 0; i < fake->set_count; i++)
		if (str_is(name, fake->sets[i].name))
			return fake->sets[i].objects;
	return NULL;
}

/* The digest of a body is "set/index/hash": equal bodies must have equal digests, so the hash alone is compared. */
static emco_status each_entry(emco_call *call, emco_str set, emco_units_each_entry *each, void *data)
{
	const char *text = set_text(fake_of(call), set);
	json_t     *objects = text != NULL ? json_loads(text, 0, NULL) : NULL, *object;
	emco_status status = EMCO_OK;
	size_t      i;

	if (objects == NULL)
		return call->fail(call, EMCO_E_NOT_FOUND, EMCO_STR(""), EMCO_STR("no such set"), EMCO_STR(""));
	json_array_foreach(objects, i, object) {
		const json_t *body = json_object_get(object, "body");
		const char   *kind = json_string_value(json_object_get(body, "kind"));
		const char   *name = json_string_value(json_object_get(json_object_get(body, "metadata"), "name"));
		const char   *given = json_string_value(json_object_get(object, "name"));
		const char   *version = json_string_value(json_object_get(body, "apiVersion"));
		const char   *place = json_string_value(json_object_get(json_object_get(body, "metadata"), "namespace"));
		const char   *events = json_string_value(json_object_get(object, "events"));
		char         *digest = json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT);
		char          own[256];

		snprintf(own, sizeof own, "%s+%s", name != NULL ? name : "", kind != NULL ? kind : "");

		const emco_object described = {
			.size = sizeof described,
			.phase = (int32_t) json_integer_value(json_object_get(object, "phase")),
			.name = fake_keep(call, given != NULL ? given : own),
			.events = fake_keep(call, events != NULL ? events : ""),
			.api_version = fake_keep(call, version != NULL ? version : ""),
			.namespace_ = fake_keep(call, place != NULL ? place : ""),
			.kind = fake_keep(call, kind != NULL ? kind : ""),
		};
		const emco_set_entry entry = {
			.size = sizeof entry,
			.secret = json_is_true(json_object_get(object, "secret")),
			.object = &described,
			.digest = fake_keep(call, digest), /* the body is its own name here */
		};
		free(digest);
		status = each(data, &entry);
		if (status != EMCO_OK)
			break;
	}
	json_decref(objects);
	return status;
}

static emco_status bodies(emco_call *call, const emco_str *digests, uint64_t count, emco_units_each_body *each, void *data)
{
	struct fake *fake = fake_of(call);

	pthread_mutex_lock(&fake->lock);
	const bool fails = ++fake->pages == fake->failing_page;
	if (count > fake->largest_page)
		fake->largest_page = count;
	pthread_mutex_unlock(&fake->lock);
	if (fake->on_bodies != NULL)
		fake->on_bodies(fake);
	if (fails)
		return call->fail(call, EMCO_E_UNAVAILABLE, EMCO_STR(""), EMCO_STR("the store is away"), EMCO_STR(""));
	for (uint64_t i = count; i > 0; i--) {   /* in any order */
		const emco_status status = each(data, i - 1, digests[i - 1]);

		if (status != EMCO_OK)
			return status;
	}
	return EMCO_OK;
}

/* The contexts of tests begin with 47. */
static emco_status owns(emco_call *call, const emco_unit *unit, emco_str status_context, int32_t *ret_owns)
{
	(void) call;
	(void) unit;
	*ret_owns = status_context.len == 4 && memcmp(status_context.ptr, "47", 2) == 0;
	return EMCO_OK;
}

const emco_units_1 fake_units = {
	.size = sizeof fake_units, .claim = claim, .renew = renew, .report = report, .each_entry = each_entry, .bodies = bodies,
	.owns = owns,
};

/* -- what tests put there, and read -- */

void fake_set(struct fake *fake, const char *name, const char *objects)
{
	json_error_t where;
	json_t      *value = json_loads(objects, 0, &where);

	if (!json_is_array(value)) {
		fprintf(stderr, "set %s: %s at %d\n", name, where.text, where.column);
		abort();
	}
	json_decref(value);
	snprintf(fake->sets[fake->set_count].name, sizeof fake->sets[0].name, "%s", name);
	fake->sets[fake->set_count++].objects = strdup(objects);
}

struct fake_unit *fake_want(struct fake *fake, const char *app, const char *cluster, const char *set, const char *event)
{
	size_t i = 0;

	pthread_mutex_lock(&fake->lock);
	while (i < fake->unit_count &&
	       !(str_is(fake->units[i].unit.app, app) && str_is(fake->units[i].unit.cluster, cluster)))
		i++;
	must(i < FAKE_MAX);

	struct fake_unit *to = &fake->units[i];
	if (i == fake->unit_count) {
		to->unit = (emco_unit) {
			.size = sizeof to->unit,
			.id = i,
			.owner = EMCO_STR("projects/p/composite-apps/ca/v1/deployment-intent-groups/g"),
			.app = str_of(app),
			.cluster = str_of(cluster),
			.status_context = EMCO_STR("4711"),
			.namespace_ = EMCO_STR("ns1"),
			.level = EMCO_STR("0"),
			.logical_cloud = EMCO_STR("lc"),
		};
		fake->unit_count++;
	}
	to->unit.event = str_of(event);
	to->unit.generation++;
	snprintf(to->desired, sizeof to->desired, "%s", set);
	to->needs_work = true;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return to;
}

int32_t fake_state(const struct fake_unit *unit, const char *object)
{
	for (size_t i = 0; i < unit->state_count; i++)
		if (strcmp(unit->states[i].name, object) == 0)
			return unit->states[i].state;
	return -1;
}

bool fake_reported(struct fake *fake, const struct fake_unit *unit, unsigned reports)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&fake->lock);
		const bool is_so = unit->reports >= reports;
		pthread_mutex_unlock(&fake->lock);
		if (is_so)
			return true;
		usleep(10000);
	}
	return false;
}

const char *fake_message(const struct fake_unit *unit, const char *object)
{
	for (size_t i = 0; i < unit->state_count; i++)
		if (strcmp(unit->states[i].name, object) == 0)
			return unit->states[i].message;
	return "not in the report";
}
