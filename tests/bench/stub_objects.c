/*
 * stub_objects.c - what the stub's hosts answer: discovery, server-side apply, reading, lists and watches.
 *
 * Nothing is parsed: what is applied is kept as it came, with the members that an API server adds put into its metadata,
 * managedFields included, so that answers and events are as long as real ones.
 */
#include "tests/bench/stub.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 500 };

struct object { char *path, *text; };

static uint64_t version = 1000;

static const char core_kinds[] =
	"{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":["
	"{\"name\":\"configmaps\",\"namespaced\":true,\"kind\":\"ConfigMap\"},{\"name\":\"pods\",\"namespaced\":true,\"kind\":\"Pod\"},"
	"{\"name\":\"secrets\",\"namespaced\":true,\"kind\":\"Secret\"},{\"name\":\"services\",\"namespaced\":true,\"kind\":\"Service\"},"
	"{\"name\":\"namespaces\",\"namespaced\":false,\"kind\":\"Namespace\"}]}";
static const char apps_kinds[] =
	"{\"kind\":\"APIResourceList\",\"groupVersion\":\"apps/v1\",\"resources\":["
	"{\"name\":\"deployments\",\"namespaced\":true,\"kind\":\"Deployment\"}]}";

static void say(struct stream *stream, int code, const char *text)
{
	IGNORE(buf_add_text(&stream->out, text, NULL));
	stream_answer(stream, code);
}

static void say_missing(struct stream *stream)
{
	say(stream, 404, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"objects \\\"it\\\" not found\","
	                 "\"reason\":\"NotFound\",\"code\":404}");
}

/* -- objects -- */

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct object *) a)->path, ((const struct object *) b)->path);
}

static struct object *object_find(struct host *host, char *path)
{
	const struct object wanted = { .path = path };
	void               *found = tfind(&wanted, &host->objects, compare_objects);

	return found != NULL ? *(struct object **) found : NULL;
}

const char *object_text(struct host *host, const char *path)
{
	union { const char *in; char *out; } same = { .in = path };
	const struct object *object = object_find(host, same.out);

	return object != NULL ? object->text : NULL;
}

/* "configmaps" of /api/v1/namespaces/x/configmaps/y and of /api/v1/configmaps. */
static bool is_collection(const char *path, const char *plural)
{
	const char  *at = strstr(path, plural);
	const size_t len = strlen(plural);

	return at != NULL && at[-1] == '/' && (at[len] == '/' || at[len] == '?' || at[len] == '\0');
}

static const char *plural_of(const char *path)
{
	static const char *const plurals[] = { "configmaps", "pods", "deployments", "secrets", "services" };

	for (size_t i = 0; i < ARRAY_LEN(plurals); i++)
		if (is_collection(path, plurals[i]))
			return plurals[i];
	return "";
}

static void tell_watches(struct host *host, const struct object *object, bool is_new)
{
	const char    *plural = plural_of(object->path);
	struct stream *watch;

	/* The selector of every watch.  What others apply here carries another label, and is no news to anybody. */
	if (strstr(object->text, "\"emco/deployment-id\"") == NULL)
		return;
	LIST_FOREACH(watch, &host->watches, link)
		if (is_collection(watch->path.data, plural)) {
			IGNORE(buf_printf(&watch->out, NULL, "{\"type\":\"%s\",\"object\":%s}\n", is_new ? "ADDED" : "MODIFIED", object->text));
			stream_more(watch);
		}
}

/* The value of a query's member, up to 100 bytes. */
static const char *query_of(const char *path, const char *name, char text[101])
{
	const char *at = strstr(path, name);

	text[0] = '\0';
	if (at != NULL)
		snprintf(text, 101, "%.*s", (int) strcspn(at + strlen(name), "&"), at + strlen(name));
	return text;
}

static char *with_metadata(const struct stream *stream, const char *manager)
{
	static const char member[] = "\"metadata\":{";
	const char       *body = stream->body.data, *at = strstr(body, member);
	const time_t      now = time(NULL);
	struct tm         tm;
	char             *text = NULL, when[32];
	int               len = (int) stream->body.len;

	if (at == NULL)
		return NULL;
	at += sizeof member - 1;
	while (len > 0 && body[len - 1] == '\n')
		len--;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	version++;
	if (asprintf(&text, "%.*s\"uid\":\"5f7c1b54-0000-4000-8000-%012llx\",\"resourceVersion\":\"%llu\",\"creationTimestamp\":\"%s\","
	             "\"managedFields\":[{\"manager\":\"%s\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"time\":\"%s\","
	             "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:data\":{\"f:text\":{},\"f:turn\":{}},"
	             "\"f:metadata\":{\"f:labels\":{\"f:emco/deployment-id\":{}}}}}],%.*s", (int) (at - body), body,
	             (unsigned long long) version, (unsigned long long) version, when, manager, when, (int) (len - (at - body)), at) < 0)
		return NULL;
	return text;
}

static void apply(struct stream *stream)
{
	struct host   *host = stream->host;
	char           manager[101];
	char          *text = with_metadata(stream, query_of(stream->path.data, "fieldManager=", manager));
	struct object *object;

	if (text == NULL) {
		say(stream, 400, "{\"kind\":\"Status\",\"message\":\"no object\",\"code\":400}");
		return;
	}
	stream->path.data[strcspn(stream->path.data, "?")] = '\0';
	object = object_find(host, stream->path.data);
	const bool is_new = object == NULL;
	if (is_new) {
		object = calloc(1, sizeof *object);
		object->path = strdup(stream->path.data);
		tsearch(object, &host->objects, compare_objects);
	}
	free(object->text);
	object->text = text;
	host->applies++;
	host->last_ns = now_real_ns();
	if (host->first_ns == 0)
		host->first_ns = host->last_ns;
	say(stream, is_new ? 201 : 200, text);
	tell_watches(host, object, is_new);
}

static void delete(struct stream *stream)
{
	struct object *object;

	stream->path.data[strcspn(stream->path.data, "?")] = '\0';
	object = object_find(stream->host, stream->path.data);
	if (object == NULL) {
		say_missing(stream);
		return;
	}
	tdelete(object, &stream->host->objects, compare_objects);
	free(object->path);
	free(object->text);
	free(object);
	say(stream, 200, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\"}");
}

/* -- pods -- */

static void pod_write(struct buf *out, unsigned pod, bool is_ready)
{
	IGNORE(buf_printf(out, NULL,
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web-6d4cf56db6-%05u\",\"namespace\":\"default\","
		"\"uid\":\"5f7c1b54-0000-4000-8000-%012x\",\"resourceVersion\":\"%llu\",\"creationTimestamp\":\"2024-01-01T00:00:00Z\","
		"\"labels\":{\"app\":\"web\",\"emco/deployment-id\":\"%s\",\"pod-template-hash\":\"6d4cf56db6\"},"
		"\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web-6d4cf56db6\","
		"\"uid\":\"5f7c1b54-0000-4000-8000-000000000001\",\"controller\":true,\"blockOwnerDeletion\":true}]},"
		"\"spec\":{\"containers\":[{\"name\":\"main\",\"image\":\"nginx:1.27\",\"imagePullPolicy\":\"IfNotPresent\"}],"
		"\"restartPolicy\":\"Always\",\"nodeName\":\"node-1\",\"serviceAccountName\":\"default\"},"
		"\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\"},"
		"{\"type\":\"Ready\",\"status\":\"%s\"},{\"type\":\"ContainersReady\",\"status\":\"%s\"},"
		"{\"type\":\"PodScheduled\",\"status\":\"True\"}],\"hostIP\":\"10.0.0.1\",\"podIP\":\"10.244.0.9\",\"qosClass\":\"BestEffort\"}}",
		pod, pod, (unsigned long long) ++version, pods.label, is_ready ? "True" : "False", is_ready ? "True" : "False"));
}

void pod_event(struct buf *out, unsigned pod, bool is_ready)
{
	IGNORE(buf_add_text(out, "{\"type\":\"MODIFIED\",\"object\":", NULL));
	pod_write(out, pod, is_ready);
	IGNORE(buf_add_text(out, "}\n", NULL));
}

bool objects_watches_pods(const struct stream *watch)
{
	return is_collection(watch->path.data, "pods");
}

bool objects_next_event(struct stream *watch)
{
	struct host *host = watch->host;

	if (host->events_left == 0 || !objects_watches_pods(watch))
		return false;
	if (pods.sent == 0)
		pods.first_ns = now_real_ns();
	host->events_left--;
	if (host->next_pod >= pods.count)
		host->next_pod = 0;
	/* Every round through the pods turns each of them over. */
	pod_event(&watch->out, host->next_pod, (host->events_left / pods.count + pods.turn) % 2 == 0);
	host->next_pod++;
	pods.sent++;
	pods.last_ns = now_real_ns();
	return true;
}

/* -- lists -- */

struct listing { struct buf *out; const char *plural; bool is_first; };

static void list_one(const void *node, VISIT visit, void *data)
{
	const struct object *object = *(struct object *const *) node;
	struct listing      *listing = data;

	if ((visit != postorder && visit != leaf) || !is_collection(object->path, listing->plural) ||
	    strstr(object->text, "\"emco/deployment-id\"") == NULL)
		return;
	IGNORE(buf_add_text(listing->out, listing->is_first ? "" : ",", NULL));
	IGNORE(buf_add_text(listing->out, object->text, NULL));
	listing->is_first = false;
}

static void list(struct stream *stream)
{
	char           next[101];
	struct listing listing = { &stream->out, plural_of(stream->path.data), true };
	const bool     is_pods = is_collection(stream->path.data, "pods");
	const unsigned from = (unsigned) strtoul(query_of(stream->path.data, "continue=", next), NULL, 10);
	const unsigned to = !is_pods ? 0 : from + PAGE < pods.count ? from + PAGE : pods.count;

	IGNORE(buf_printf(&stream->out, NULL, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%llu\"",
	                  (unsigned long long) version));
	if (to < pods.count && is_pods)
		IGNORE(buf_printf(&stream->out, NULL, ",\"continue\":\"%u\"", to));
	IGNORE(buf_add_text(&stream->out, "},\"items\":[", NULL));
	for (unsigned pod = from; pod < to; pod++) {
		IGNORE(buf_add_text(&stream->out, pod > from ? "," : "", NULL));
		pod_write(&stream->out, pod, pods.turn % 2 == 0);
	}
	if (!is_pods)
		twalk_r(stream->host->objects, list_one, &listing);
	say(stream, 200, "]}");
}

static void read_one(struct stream *stream)
{
	const char *path = stream->path.data, *text;

	if (strcmp(path, "/api/v1") == 0) {
		say(stream, 200, core_kinds);
	} else if (strcmp(path, "/apis/apps/v1") == 0) {
		say(stream, 200, apps_kinds);
	} else if (strstr(path, "watch=true") != NULL) {
		stream->is_watch = true;
		LIST_INSERT_HEAD(&stream->host->watches, stream, link);
		stream_answer(stream, 200);
	} else if (strstr(path, "limit=") != NULL) {
		list(stream);
	} else {
		text = object_text(stream->host, path);
		if (text != NULL)
			say(stream, 200, text);
		else
			say_missing(stream);
	}
}

void objects_answer(struct stream *stream)
{
	stream->host->requests++;
	if (strcmp(stream->method, "PATCH") == 0)
		apply(stream);
	else if (strcmp(stream->method, "DELETE") == 0)
		delete(stream);
	else
		read_one(stream);
}
