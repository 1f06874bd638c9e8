/*
 * The same client in front of a real control plane: what it answers is what counts.
 */
#include "tests/unit/kube/fixture.h"

#include "lib/base/file.h"
#include "lib/kube/managers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static struct kube         *kube;
static struct kube_cluster *cluster;
static struct buf           kubeconfig;
static char                 space[64];

static int cluster_up(void **state)
{
	char   path[1024] = "";
	FILE  *out = popen(CLUSTER " up unit-kube --until $PPID", "r");

	(void) state;
	if (out == NULL || fgets(path, sizeof path, out) == NULL || pclose(out) != 0)
		return -1;
	path[strcspn(path, "\n")] = '\0';
	buf_init(&kubeconfig, 1 << 20);
	assert_ok(file_read(path, &kubeconfig, NO_ERR));
	assert_ok(kube_open(&(struct kube_options) { .user_agent = "emcod/test" }, &kube, NO_ERR));
	assert_ok(kube_cluster_ref(kube, VIEW("real"), buf_view(&kubeconfig), &cluster, NO_ERR));
	snprintf(space, sizeof space, "space-%d-%lld", (int) getpid(), (long long) clock_ns());
	return 0;
}

static int cluster_down(void **state)
{
	(void) state;
	kube_cluster_unref(cluster);
	kube_close(kube);
	buf_done(&kubeconfig);
	return system(CLUSTER " down unit-kube >/dev/null");
}

/* text: JSON with ' for ", and one %s for the namespace, perhaps. */
static enum kube_outcome apply_as(const char *manager, bool force, const char *known, const char *fmt, struct waited *waited)
{
	struct kube_id id;
	struct error   err;
	char           text[4096];
	const int      count = waited->count;
	const char    *at = strstr(fmt, "%s");

	snprintf(text, sizeof text, "%.*s%s%s", at != NULL ? (int) (at - fmt) : (int) strlen(fmt), fmt, at != NULL ? space : "",
	         at != NULL ? at + 2 : "");
	for (char *quote = text; (quote = strchr(quote, '\'')) != NULL;)
		*quote = '"';
	auto_json *object = json_loads(text, 0, NULL);
	assert_non_null(object);
	assert_ok(kube_id_of(object, &id, NO_ERR));
	if (kube_normalise(object, &err) != ST_OK)
		return KUBE_REFUSED;
	auto_buf body = BUF(1 << 20);
	assert_ok(json_write(&body, object, NO_ERR));
	kube_apply(cluster, &(struct kube_apply) { .object = buf_view(&body), .id = id, .manager = manager, .force = force,
	                                           .known_version = view_of(known), .deadline_ns = deadline_in_ms(30000) },
	           waited_applied, waited);
	waited_until(waited, count + 1);
	return waited->outcome;
}

static enum kube_outcome apply(const char *fmt, struct waited *waited)
{
	return apply_as("emco", true, "", fmt, waited);
}

static enum kube_outcome remove_it(const char *api_version, const char *kind, const char *namespace_, const char *name,
                                   struct waited *waited)
{
	const struct kube_id id = { view_of(api_version), view_of(kind), view_of(namespace_), view_of(name) };
	const int            count = waited->count;

	kube_delete(cluster, &id, VIEW(""), deadline_in_ms(30000), waited_applied, waited);
	waited_until(waited, count + 1);
	return waited->outcome;
}

#define NAMESPACE  "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}"
#define CONFIG(v)  "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'c','namespace':'%s'},'data':{'a':'" v "'}}"
#define JOB(image) "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':'j','namespace':'%s'},'spec':{'template':{'spec':" \
	"{'restartPolicy':'Never','containers':[{'name':'a','image':'" image "'}]}}}}"
#define SERVICE    "{'apiVersion':'v1','kind':'Service','metadata':{'name':'s','namespace':'%s'},'spec':{'selector':{'a':'b'}," \
	"'ports':[{'name':'x','port':80},{'name':'y','port':81}]}}"
#define CRD        "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':'things.unit.dev'}," \
	"'spec':{'group':'unit.dev','scope':'Namespaced','names':{'plural':'things','singular':'thing','kind':'Thing'}," \
	"'versions':[{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object'," \
	"'x-kubernetes-preserve-unknown-fields':true}}}]}}"
#define THING      "{'apiVersion':'unit.dev/v1','kind':'Thing','metadata':{'name':'t','namespace':'%s'},'spec':{'a':1}}"

static void test_an_object_is_created_left_alone_changed_and_deleted(void **state)
{
	struct waited waited;
	char          version[64] = "";

	(void) state;
	waited_init(&waited);
	assert_int_equal(apply(CONFIG("1"), &waited), KUBE_NO_NAMESPACE);
	assert_int_equal(apply(NAMESPACE, &waited), KUBE_CREATED);
	assert_int_equal(apply(CONFIG("1"), &waited), KUBE_CREATED);
	auto_json *object = json_loads(waited.body, 0, NULL);
	snprintf(version, sizeof version, "%s", json_string_at(object, "metadata.resourceVersion"));
	assert_int_equal(apply_as("emco", true, version, CONFIG("1"), &waited), KUBE_UNCHANGED);
	assert_int_equal(apply_as("emco", true, version, CONFIG("2"), &waited), KUBE_CHANGED);
	assert_int_equal(apply_as("other", false, "", CONFIG("3"), &waited), KUBE_CONFLICT);
	assert_non_null(strstr(waited.text, "emco"));
	assert_int_equal(remove_it("v1", "ConfigMap", space, "c", &waited), KUBE_GONE);       /* at once */
	assert_int_equal(remove_it("v1", "ConfigMap", space, "never", &waited), KUBE_GONE);
	assert_int_equal(remove_it("v1", "ConfigMap", space, "c", &waited), KUBE_GONE);
}

static void test_a_change_that_is_not_possible_is_told_from_one_that_is_wrong(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	assert_int_not_equal(apply(NAMESPACE, &waited), KUBE_LATER);
	assert_int_equal(apply(JOB("a:1"), &waited), KUBE_CREATED);
	assert_int_equal(apply(JOB("a:2"), &waited), KUBE_IMMUTABLE);
	assert_int_equal(apply(SERVICE, &waited), KUBE_CREATED);
	assert_int_equal(apply(SERVICE, &waited), KUBE_CHANGED);
	assert_int_equal(apply("{'apiVersion':'v1','kind':'Service','metadata':{'name':'bad','namespace':'%s'},'spec':{'ports':[{'port':99999}]}}",
	                       &waited), KUBE_REFUSED);
	assert_non_null(strstr(waited.text, "99999"));
	assert_int_equal(apply("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'bad','namespace':'%s'},'spec':{'replicas':'x'}}",
	                       &waited), KUBE_REFUSED);
}

#define PORT(n)    "{'apiVersion':'v1','kind':'Service','metadata':{'name':'p','namespace':'%s'},'spec':{'selector':{'a':'b'}," \
	"'ports':[{'name':'x','port':" n "}]}}"

static bool is_first_or_second(void *data, const char *manager)
{
	(void) data;
	return strcmp(manager, "first") == 0 || strcmp(manager, "second") == 0;
}

static enum kube_outcome patch_service(const json_t *patch, struct waited *waited)
{
	const struct kube_id id = { VIEW("v1"), VIEW("Service"), view_of(space), VIEW("p") };
	const int            count = waited->count;
	auto_buf             text = BUF(1 << 20);

	assert_ok(json_write(&text, patch, NO_ERR));
	kube_patch(cluster, &id, buf_view(&text), deadline_in_ms(30000), waited_applied, waited);
	waited_until(waited, count + 1);
	return waited->outcome;
}

/* Two managers of one port keep it, beside which another of its name is invalid: until one inherits from the others. */
static void test_what_a_manager_inherits_goes_when_he_leaves_it_out(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	assert_int_not_equal(apply(NAMESPACE, &waited), KUBE_LATER);
	assert_int_equal(apply_as("first", true, "", PORT("80"), &waited), KUBE_CREATED);
	assert_int_equal(apply_as("second", true, "", PORT("80"), &waited), KUBE_CHANGED);
	assert_int_equal(apply_as("third", true, "", PORT("80"), &waited), KUBE_CHANGED);
	assert_int_equal(apply_as("third", true, "", PORT("8080"), &waited), KUBE_REFUSED);
	assert_int_equal(apply_as("third", true, "", PORT("80"), &waited), KUBE_CHANGED);
	auto_json *object = json_loads(waited.body, 0, NULL);
	auto_json *patch = NULL, *none = NULL;
	assert_ok(managers_inherit(object, "third", is_first_or_second, NULL, &patch, NO_ERR));
	assert_non_null(patch);
	assert_int_equal(patch_service(patch, &waited), KUBE_CHANGED);
	assert_int_equal(patch_service(patch, &waited), KUBE_CONFLICT);            /* of a version that has moved */
	assert_int_equal(apply_as("third", false, "", PORT("8080"), &waited), KUBE_CHANGED);
	auto_json *now = json_loads(waited.body, 0, NULL);
	assert_int_equal(json_array_size(json_at(now, "spec.ports")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_at(now, "spec.ports"), 0), "port")), 8080);
	assert_ok(managers_inherit(now, "third", is_first_or_second, NULL, &none, NO_ERR));
	assert_null(none);
	assert_int_equal(remove_it("v1", "Service", space, "p", &waited), KUBE_GONE);
}

static void test_a_kind_is_unknown_until_its_definition_is_there(void **state)
{
	const int64_t deadline_ns = deadline_in_ms(20000);
	struct waited waited;

	(void) state;
	waited_init(&waited);
	assert_int_not_equal(apply(NAMESPACE, &waited), KUBE_LATER);
	assert_int_equal(apply(THING, &waited), KUBE_UNKNOWN_KIND);
	assert_int_equal(apply(CRD, &waited), KUBE_CREATED);
	while (apply(THING, &waited) != KUBE_CREATED && !deadline_past(deadline_ns))
		usleep(20000);
	assert_int_equal(waited.outcome, KUBE_CREATED);
	assert_int_equal(remove_it("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "things.unit.dev", &waited), KUBE_DELETED);
}

static struct { pthread_mutex_t lock; int added, removed, synced, lost; } seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void see(void *data, enum kube_event event, const json_t *object, const char *text)
{
	(void) data, (void) object;
	pthread_mutex_lock(&seen.lock);
	seen.added += event == KUBE_ADDED;
	seen.removed += event == KUBE_REMOVED;
	seen.synced += event == KUBE_SYNCED;
	seen.lost += event == KUBE_LOST;
	pthread_mutex_unlock(&seen.lock);
	if (event == KUBE_LOST)
		print_message("lost: %s\n", text);
}

static bool has_seen(int added, int removed)
{
	pthread_mutex_lock(&seen.lock);
	const bool has = seen.synced == 1 && seen.added >= added && seen.removed >= removed;
	pthread_mutex_unlock(&seen.lock);
	return has;
}

static void until_seen(int added, int removed)
{
	const int64_t deadline_ns = deadline_in_ms(20000);

	while (!has_seen(added, removed) && !deadline_past(deadline_ns))
		usleep(1000);
	assert_true(has_seen(added, removed));
}

/* -- lists -- */

static struct { unsigned told, named, faults; enum status st; atomic_uint ended; } listing;

static bool take_listed(void *data, json_t *object, enum status st, const struct error *err)
{
	listing.faults += data != NULL || atomic_load(&listing.ended) > 0 || (st == ST_OK) != (err == NULL);
	if (object != NULL) {
		listing.named += view_is(json_text_at(object, "kind"), "ConfigMap") && view_is(json_text_at(object, "metadata.namespace"), space);
		listing.told++;
		return true;
	}
	listing.st = st;
	atomic_fetch_add(&listing.ended, 1);
	return false;
}

static enum status list_all(const char *api_version, const char *kind, const char *selector)
{
	const int64_t deadline_ns = deadline_in_ms(60000);

	memset(&listing, 0, sizeof listing);
	kube_list(cluster, view_of(api_version), view_of(kind), selector, deadline_ns, take_listed, NULL);
	while (atomic_load(&listing.ended) == 0 && !deadline_past(deadline_ns + INT64_C(5000000000)))
		usleep(1000);
	assert_int_equal(atomic_load(&listing.ended), 1);
	assert_int_equal(listing.faults, 0);
	return listing.st;
}

static void test_lists_and_watches_see_six_hundred_objects_and_what_happens_to_them(void **state)
{
	enum { COUNT = 600 };
	struct waited waited;

	(void) state;
	waited_init(&waited);
	assert_int_not_equal(apply(NAMESPACE, &waited), KUBE_LATER);
	const int count = waited.count;
	const int64_t begin_ns = clock_ns();
	for (int i = 0; i < COUNT; i++) {
		char name[32], body[512];
		snprintf(name, sizeof name, "w-%d", i);
		snprintf(body, sizeof body, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\","
		                            "\"labels\":{\"emco/deployment-id\":\"%s\"}}}", name, space, space);
		kube_apply(cluster, &(struct kube_apply) { .object = view_of(body), .id = { VIEW("v1"), VIEW("ConfigMap"), view_of(space), view_of(name) },
		                                           .manager = "emco", .deadline_ns = deadline_in_ms(60000) }, waited_applied, &waited);
	}
	waited_until(&waited, count + COUNT);
	print_message("%d applied in %lld ms\n", COUNT, (long long) ((clock_ns() - begin_ns) / 1000000));
	assert_int_equal(waited.outcome, KUBE_CREATED);

	char selector[128];
	snprintf(selector, sizeof selector, "emco/deployment-id=%s", space);
	assert_int_equal(list_all("v1", "ConfigMap", selector), ST_OK);      /* of two pages */
	assert_int_equal(listing.told, COUNT);
	assert_int_equal(listing.named, COUNT);
	assert_int_equal(list_all("v1", "ConfigMap", "emco/deployment-id=nobody"), ST_OK);
	assert_int_equal(listing.told, 0);
	assert_int_equal(list_all("v1", "Lamp", ""), ST_NOT_FOUND);
	assert_int_equal(list_all("v1/x/y", "ConfigMap", ""), ST_INVALID);

	struct kube_watch *watch = kube_watch_open(cluster, VIEW("v1"), VIEW("ConfigMap"), selector, see, NULL);
	until_seen(COUNT, 0);
	const int64_t deleted_ns = clock_ns();
	assert_int_equal(remove_it("v1", "ConfigMap", space, "w-7", &waited), KUBE_GONE);
	until_seen(COUNT, 1);
	print_message("a deletion seen after %lld ms\n", (long long) ((clock_ns() - deleted_ns) / 1000000));
	kube_watch_close(watch);
	assert_int_equal(seen.lost, 0);
}

static void test_a_namespace_that_ends_takes_no_objects(void **state)
{
	struct waited waited;

	(void) state;
	waited_init(&waited);
	assert_int_equal(remove_it("v1", "Namespace", "", space, &waited), KUBE_DELETED);
	const enum kube_outcome again = remove_it("v1", "Namespace", "", space, &waited);
	assert_true(again == KUBE_DELETED || again == KUBE_GONE);
	assert_int_equal(apply(CONFIG("1"), &waited), KUBE_NO_NAMESPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_object_is_created_left_alone_changed_and_deleted),
		cmocka_unit_test(test_a_change_that_is_not_possible_is_told_from_one_that_is_wrong),
		cmocka_unit_test(test_what_a_manager_inherits_goes_when_he_leaves_it_out),
		cmocka_unit_test(test_a_kind_is_unknown_until_its_definition_is_there),
		cmocka_unit_test(test_lists_and_watches_see_six_hundred_objects_and_what_happens_to_them),
		cmocka_unit_test(test_a_namespace_that_ends_takes_no_objects),
	};

	return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
