/* The query of GET .../status, the same for deployments and logical clouds but for a few words. */
#include "host/resources/resources_priv.h"

#include "lib/base/name.h"

/* -- single words ---------------------------------------------------------------------------------------------------- */

struct word { const char *name; int value; };

static const struct word types[]    = { { "rsync", STATUS_RSYNC }, { "cluster", STATUS_CLUSTER }, { NULL, 0 } };
static const struct word statuses[] = { { "ready", STATUS_READY }, { "deployed", STATUS_DEPLOYED }, { NULL, 0 } };
static const struct word outputs[] = {
	{ "all", STATUS_ALL }, { "summary", STATUS_SUMMARY }, { "detail", STATUS_DETAIL }, { NULL, 0 }
};

static void say_words(const struct word *words, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (const struct word *word = words; word->name != NULL && len < size; word++)
		len += (size_t) snprintf(text + len, size - len, "%s\"%s\"",
		                         word == words ? "" : word[1].name != NULL ? ", " : " or ", word->name);
}

/* The first parameter of that name, looked up; value stays when there is none. */
static enum status read_word(const struct ask *ask, const char *name, const struct word *words, int *value,
                             struct error *err)
{
	const struct ask_parameter *parameter = ask_find(ask, name);
	char                        text[80];

	if (parameter == NULL)
		return ST_OK;
	for (const struct word *word = words; word->name != NULL; word++)
		if (view_is(parameter->value, word->name)) {
			*value = word->value;
			return ST_OK;
		}
	say_words(words, text, sizeof text);
	return fail_at(err, ST_INVALID, name, "query parameter \"%s\" must be %s, got \"%.*s\"", name, text,
	               (int) parameter->value.len, parameter->value.ptr);
}

static enum status read_instance(const struct ask *ask, int64_t *ret_instance, struct error *err)
{
	const struct ask_parameter *parameter = ask_find(ask, "instance");
	int64_t                     instance = 0;

	if (parameter == NULL)
		return ST_OK;
	const struct view text = parameter->value;
	bool              is_id = text.len > 0 && text.len <= 19;
	for (size_t i = 0; is_id && i < text.len; i++) {
		const int digit = text.ptr[i] - '0';
		is_id = digit >= 0 && digit <= 9 && instance <= (INT64_MAX - digit) / 10;
		if (is_id)
			instance = instance * 10 + digit;
	}
	if (!is_id || instance == 0)
		return fail_at(err, ST_INVALID, "instance",
		               "query parameter \"instance\" must be a number out of the \"actions\" in the status, got \"%.*s\"",
		               (int) text.len, text.ptr);
	*ret_instance = instance;
	return ST_OK;
}

/* -- filters --------------------------------------------------------------------------------------------------------- */

typedef bool filter_rule(struct view value);

static bool is_cluster(struct view value)
{
	const char *plus = memchr(value.ptr, '+', value.len);

	if (plus == NULL)
		return false;
	const size_t len = (size_t) (plus - value.ptr);
	return name_is_valid((struct view) { value.ptr, len }) &&
	       name_is_valid((struct view) { plus + 1, value.len - len - 1 });
}

static enum status filter_fault(const struct ask_parameter *parameter, filter_rule *rule, struct error *err)
{
	const char        *name = parameter->name.ptr;
	const int          len = (int) parameter->name.len;
	const struct view  got = parameter->value;
	char               field[32];

	snprintf(field, sizeof field, "%.*s", len, name);
	if (rule != is_cluster)
		return fail_at(err, ST_INVALID, field, "query parameter \"%.*s\" must be a name, got \"%.*s\"", len,
		               name, (int) got.len, got.ptr);
	fail_at(err, ST_INVALID, field, "query parameter \"cluster\" must be provider+cluster, got \"%.*s\"",
	        (int) got.len, got.ptr);
	return fail_hint(err, "In a URL the \"+\" is written %%2B.");
}

/* All values of a parameter that may be repeated, each checked. */
static enum status read_filter(const struct ask *ask, const char *name, filter_rule *rule,
                               const struct view **ret_values, size_t *ret_count, struct error *err)
{
	struct view *values = NULL;
	size_t       count = 0;

	for (size_t i = 0; i < ask->parameter_count; i++) {
		const struct ask_parameter *parameter = &ask->parameters[i];
		if (!view_is(parameter->name, name))
			continue;
		if (!rule(parameter->value))
			return filter_fault(parameter, rule, err);
		if (values == NULL)
			values = arena_alloc(ask->arena, ask->parameter_count, sizeof(struct view));
		if (values == NULL)
			return fail(err, ST_NO_MEMORY, "out of memory");
		values[count++] = parameter->value;
	}
	*ret_values = values;
	*ret_count = count;
	return ST_OK;
}

/* -- the whole ------------------------------------------------------------------------------------------------------- */

enum status status_query_read(const struct ask *ask, enum status_owner owner, struct status_query *ret_query,
                              struct error *err)
{
	const bool          is_deployment = owner == STATUS_OF_DEPLOYMENT;
	struct status_query query = { .output = STATUS_ALL, .form = STATUS_FULL, .asks_clusters = !ask->is_stream };
	int                 mode = is_deployment ? STATUS_RSYNC : STATUS_READY, output = STATUS_ALL;

	enum status st = read_instance(ask, &query.instance, err);
	if (st == ST_OK && is_deployment)
		st = read_word(ask, "type", types, &mode, err);
	if (st == ST_OK)
		st = read_word(ask, "status", statuses, &mode, err);
	if (st == ST_OK)
		st = read_word(ask, "output", outputs, &output, err);
	if (st == ST_OK && is_deployment)
		st = read_filter(ask, "app", name_is_valid, &query.apps, &query.app_count, err);
	if (st == ST_OK)
		st = read_filter(ask, "cluster", is_cluster, &query.clusters, &query.cluster_count, err);
	if (st == ST_OK)
		st = read_filter(ask, "resource", name_is_valid, &query.resources, &query.resource_count, err);
	if (st != ST_OK)
		return st;

	query.mode = (enum status_mode) mode;
	query.output = (enum status_output) output;
	if (is_deployment && ask_find(ask, "apps") != NULL)
		query.form = STATUS_APPS;
	else if (ask_find(ask, "clusters") != NULL)
		query.form = STATUS_CLUSTERS;
	else if (ask_find(ask, "resources") != NULL)
		query.form = STATUS_RESOURCES;
	*ret_query = query;
	return ST_OK;
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

const struct query_option status_options[] = {
	{ "type",      "rsync (the default) or cluster: EMCO's older form of status.", "{\"enum\":[\"rsync\",\"cluster\"]}" },
	{ "app",       "Of this app only; may be repeated.", NULL },
	{ "apps",      "Names of apps only, whatever its value.", NULL },
	/* STATUS_OPTIONS_OF_APPS are above. */
	{ "status",    "deployed: what was brought to the clusters; ready: what they show.", "{\"enum\":[\"deployed\",\"ready\"]}" },
	{ "output",    "How much.", "{\"enum\":[\"all\",\"summary\",\"detail\"],\"default\":\"all\"}" },
	{ "instance",  "Of an earlier instance.", "{\"type\":\"string\",\"pattern\":\"^[0-9]{1,19}$\"}" },
	{ "cluster",   "Of this provider+cluster only; may be repeated.", NULL },
	{ "resource",  "Of objects of this name only; may be repeated.", NULL },
	{ "clusters",  "Names of clusters only, whatever its value.", NULL },
	{ "resources", "Names of objects only, whatever its value.", NULL },
	{ "watch",     "true: a stream of events (text/event-stream), each with the whole status when it has changed; elsewhere, by a redirect.",
	  SCHEMA_BOOLEAN },
	{ NULL, NULL, NULL },
};
