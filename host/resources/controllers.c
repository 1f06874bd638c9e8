/* Controllers that somebody registered: of deployments, of clusters, and of the traffic controller. */
#include "host/resources/resources_priv.h"

#include "host/orchestrator/json_out.h"
#include "host/registry/instance.h"
#include "schemas.h"      /* made from schemas/ */

/* -- what a controller is in this process ---------------------------------------------------------------------------- */

static const struct { uint32_t role; const char *name; } roles[] = {
	{ EMCO_ROLE_PLACEMENT,    "placement"    }, { EMCO_ROLE_ACTION, "action" },
	{ EMCO_ROLE_SYNCHRONISER, "synchroniser" }, { EMCO_ROLE_PROXY,  "proxy"  },
	{ EMCO_ROLE_CLUSTER_LISTENER, "clusterListener" },
};

static void put_roles(struct out *out, const struct instance *instance)
{
	out_key(out, "roles");
	out_raw(out, "[");
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if ((instance->plugin->roles & roles[i].role) != 0) {
			out_comma(out);
			out_text(out, view_of(roles[i].name));
		}
	out_raw(out, "]");
}

/* A controller that came late once is not asked: it is not called again. */
static void put_health(struct out *out, const struct ask *ask, struct instance *instance)
{
	struct error err = { .code = ST_OK };

	if (__atomic_load_n(&instance->is_quarantined, __ATOMIC_RELAXED)) {
		out_member(out, "health", VIEW("quarantined"));
		out_member(out, "message", VIEW("a call came late; it is not called again until a restart"));
		return;
	}
	const enum status st = instance_health(instance, ask->orchestrator->store, &err);
	out_member(out, "health", st == ST_OK ? VIEW("ok") : VIEW("failing"));
	out_member(out, "message", view_of(err.text));
}

static void put_number(struct out *out, const char *key, int64_t number)
{
	out_key(out, key);
	out_number(out, number);
}

static void put_instance(struct out *out, const struct ask *ask, struct instance *instance)
{
	out_raw(out, "{");
	out_member(out, "name", view_of(instance->name));
	out_member(out, "plugin", view_of(instance->plugin->name));
	out_member(out, "version", view_of(instance->plugin->version));
	put_roles(out, instance);
	put_number(out, "priority", instance->priority);
	put_health(out, ask, instance);
	put_number(out, "calls", (int64_t) __atomic_load_n(&instance->calls, __ATOMIC_RELAXED));
	put_number(out, "failures", (int64_t) __atomic_load_n(&instance->failures, __ATOMIC_RELAXED));
	put_number(out, "late", (int64_t) __atomic_load_n(&instance->late, __ATOMIC_RELAXED));
	out_raw(out, "}");
}

/* Every instance of this process, registered or not. */
static enum status list_instances(struct ask *ask, struct error *err)
{
	const struct plugins *plugins = ask->orchestrator->plugins;
	struct out            out = { .buf = ask->reply, .err = err, .st = ST_OK };
	bool                  is_asked = false;

	enum status st = ask_flag(ask, "instances", &is_asked, err);
	ask->is_plain = !is_asked;
	if (st != ST_OK || !is_asked)
		return st;
	out_raw(&out, "[");
	for (size_t i = 0; i < plugins_count(plugins); i++) {
		out_comma(&out);
		put_instance(&out, ask, plugins_at(plugins, i));
	}
	out_raw(&out, "]");
	return out.st;
}

/* By which it takes its turn: a record's own comes before the instance's. */
static void put_priority(struct out *out, const json_t *record, const struct instance *instance)
{
	const int64_t own = json_int_at(record, "spec.priority", 0), priority = own > 0 || instance == NULL ? own : instance->priority;

	if (priority > 0)
		put_number(out, "priority", priority);
}

/* A record and what it means; or an instance without a record. */
static enum status show_controller(struct ask *ask, struct error *err)
{
	const struct view name = path_name(ask->path);
	auto_json        *record = NULL;
	auto_db          *db = NULL;
	struct error      missing;
	struct out        out = { .buf = ask->reply, .err = err, .st = ST_OK };

	enum status st = ask_db(ask, &db, err);
	if (st == ST_OK)
		st = ask_read(ask, db, ask->path, &record, &missing);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		if (record == NULL && db != NULL)
			*err = missing;
		return st;
	}
	struct instance *instance = plugins_bind(ask->orchestrator->plugins, name, json_text_at(record, "spec.host"));
	if (record == NULL && instance == NULL) {
		*err = missing;
		return ST_NOT_FOUND;
	}
	out_raw(&out, "{");
	out_member(&out, "name", name);
	out_key(&out, "isRegistered");
	out_raw(&out, record != NULL ? "true" : "false");
	put_priority(&out, record, instance);
	out_key(&out, "instance");
	if (instance != NULL)
		put_instance(&out, ask, instance);
	else
		out_raw(&out, "null");
	out_raw(&out, "}");
	return out.st;
}

/* -- tables ---------------------------------------------------------------------------------------------------------- */

static const emco_resource_type types[] = {
	{
		.name = "controller", .segment = "controllers",
		.schema = schema_controller, .flags = EMCO_RESOURCE_PUT_201,
		.summary = "A controller that may take part in deployments.",
		.gauge = "emco_controller",
	},
	{
		.name = "clmController", .segment = "clm-controllers",
		.schema = schema_clm_controller, .flags = EMCO_RESOURCE_PUT_200,
		.summary = "A controller that is told of clusters created, updated and deleted.",
	},
	{
		.name = "dtcController", .segment = "dtc-controllers", .schema = schema_dtc_controller,
		.summary = "A sub-controller of the traffic controller.",
	},
};

#define INSTANCE_SCHEMA \
	"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"plugin\":{\"type\":\"string\"},\"version\":{\"type\":" \
	"\"string\"},\"roles\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"priority\":{\"type\":\"integer\"},\"health\":{\"type\":" \
	"\"string\",\"enum\":[\"ok\",\"failing\",\"quarantined\"]},\"message\":{\"type\":\"string\"},\"calls\":{\"type\":\"integer\"}," \
	"\"failures\":{\"type\":\"integer\"},\"late\":{\"type\":\"integer\"}},\"required\":[\"name\",\"plugin\",\"health\"]}"

static const struct look looks[] = {
	{ "controller", false, NULL,     { "instances", "Controllers that are loaded, each with its health, all at once.", SCHEMA_BOOLEAN },
	  list_instances, NULL,
	  "{\"type\":\"array\",\"items\":" INSTANCE_SCHEMA "}" },
	{ "controller", true,  "status", { NULL, "What a controller is bound to, and its health.", NULL }, show_controller, NULL,
	  "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"isRegistered\":{\"type\":\"boolean\"},"
	  "\"priority\":{\"type\":\"integer\"},\"instance\":{\"anyOf\":["
	  INSTANCE_SCHEMA ",{\"type\":\"null\"}]}},\"required\":[\"name\",\"isRegistered\",\"instance\"]}" },
};

const struct family controllers_family = {
	.types = types, .type_count = ARRAY_LEN(types), .looks = looks, .look_count = ARRAY_LEN(looks),
};
