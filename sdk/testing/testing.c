#include "testing_priv.h"

#include <dlfcn.h>
#include <stdarg.h>

void fake_die(const char *what)
{
	fprintf(stderr, "emco_testing: %s\n", what);
	exit(2);
}

void *fake_need(void *memory)
{
	if (memory == NULL)
		fake_die("out of memory");
	return memory;
}

/* -- calls ----------------------------------------------------------------------------------------------------------- */

static int32_t call_cancelled(const emco_call *abi)
{
	emco_testing *testing = ((const struct fake_call *) (const void *) abi)->testing;

	pthread_mutex_lock(&testing->lock);
	const bool is_cancelled = testing->cancel_after == 0;
	if (testing->cancel_after > 0)
		testing->cancel_after--;
	pthread_mutex_unlock(&testing->lock);
	return is_cancelled;
}

static int64_t call_left_ns(const emco_call *abi)
{
	const emco_testing *testing = ((const struct fake_call *) (const void *) abi)->testing;

	return testing->cancel_after == 0 ? 0 : INT64_C(10000000000);
}

static void keep(char *to, size_t size, emco_str text)
{
	snprintf(to, size, "%.*s", (int) (text.len < size ? text.len : size - 1), text.len > 0 ? text.ptr : "");
}

static emco_status call_fail(emco_call *abi, emco_status status, emco_str field, emco_str text, emco_str hint)
{
	emco_testing *testing = fake_call_of(abi)->testing;

	pthread_mutex_lock(&testing->lock);
	keep(testing->field, sizeof testing->field, field);
	keep(testing->text, sizeof testing->text, text);
	keep(testing->hint, sizeof testing->hint, hint);
	pthread_mutex_unlock(&testing->lock);
	return status;
}

void *fake_memory(struct fake_call *call, size_t size)
{
	struct fake_block *block = fake_need(calloc(1, sizeof *block + size));

	block->next = call->blocks;
	call->blocks = block;
	return block->data;
}

static void *call_alloc(emco_call *abi, uint64_t count, uint64_t size)
{
	struct fake_call *call = fake_call_of(abi);

	pthread_mutex_lock(&call->testing->lock);
	const emco_status status = fake_turn(call->testing);
	pthread_mutex_unlock(&call->testing->lock);
	if (status != EMCO_OK || (size > 0 && count > (256u << 20) / size))
		return NULL;
	return fake_memory(call, (size_t) (count * size));
}

static emco_str call_fault(const emco_call *abi)
{
	const emco_testing *testing = ((const struct fake_call *) (const void *) abi)->testing;

	return (emco_str) { testing->text, strlen(testing->text) };
}

void fake_call_init(struct fake_call *call, emco_testing *testing, bool may_edit)
{
	*call = (struct fake_call) {
		.abi = { sizeof(emco_call), EMCO_ABI, call_cancelled, call_left_ns, call_fail, call_alloc, call_fault },
		.testing = testing, .may_edit = may_edit,
	};
}

void fake_call_done(struct fake_call *call)
{
	for (struct fake_block *block = call->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	call->blocks = NULL;
}

const char *fake_text(struct fake_call *call, emco_str text)
{
	char *copy = fake_memory(call, text.len + 1);

	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

emco_str fake_str(struct fake_call *call, const char *text)
{
	const size_t len = text == NULL ? 0 : strlen(text);

	return (emco_str) { fake_text(call, (emco_str) { text, len }), len };
}

emco_status fake_fail(struct fake_call *call, emco_status status, const char *fmt, ...)
{
	emco_testing *testing = call->testing;
	va_list       args;

	va_start(args, fmt);
	vsnprintf(testing->text, sizeof testing->text, fmt, args);
	va_end(args);
	testing->field[0] = testing->hint[0] = '\0';
	return status;
}

emco_status fake_turn(emco_testing *testing)
{
	if (testing->fail_in == 0 || --testing->fail_in > 0)
		return EMCO_OK;
	testing->has_failed = true;
	snprintf(testing->text, sizeof testing->text, "the test made this service fail");
	return testing->fail_status;
}

/* -- the host table -------------------------------------------------------------------------------------------------- */

static emco_testing *testing_behind(const emco_host *host)
{
	return ((const struct fake_host *) (const void *) host)->testing;
}

static void host_log(const emco_host *host, int32_t level, emco_str event, emco_str text)
{
	emco_testing *testing = testing_behind(host);
	char         *longer;

	pthread_mutex_lock(&testing->lock);
	if (asprintf(&longer, "%s%d %.*s %.*s\n", testing->log, level, (int) event.len, event.len > 0 ? event.ptr : "",
	             (int) text.len, text.len > 0 ? text.ptr : "") < 0)
		fake_die("out of memory");
	free(testing->log);
	testing->log = longer;
	pthread_mutex_unlock(&testing->lock);
}

static emco_call *host_begin(const emco_host *host, emco_str what, int64_t limit_ns)
{
	emco_testing     *testing = testing_behind(host);
	struct fake_call *call = fake_need(calloc(1, sizeof *call));

	(void) what;
	(void) limit_ns;
	fake_call_init(call, testing, false);
	pthread_mutex_lock(&testing->lock);
	call->next = testing->own;
	testing->own = call;
	pthread_mutex_unlock(&testing->lock);
	return &call->abi;
}

static void host_end(const emco_host *host, emco_call *abi)
{
	emco_testing      *testing = testing_behind(host);
	struct fake_call **at = &testing->own, *call;

	pthread_mutex_lock(&testing->lock);
	while (*at != NULL && &(*at)->abi != abi)
		at = &(*at)->next;
	call = *at;
	if (call == NULL)
		fake_die("end was called for a call that begin did not give, or twice");
	*at = call->next;
	pthread_mutex_unlock(&testing->lock);
	fake_call_done(call);
	free(call);
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

emco_testing *emco_testing_new(const char *world)
{
	emco_testing *testing = fake_need(calloc(1, sizeof *testing));
	json_error_t  fault;
	char          message[300];

	testing->world = json_loads(world == NULL ? "{}" : world, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(testing->world)) {
		snprintf(message, sizeof message, "the world must be a JSON object, line %d: %s", fault.line, fault.text);
		fake_die(message);
	}
	lock_init(&testing->lock);
	testing->cancel_after = -1;
	testing->log = fake_need(strdup(""));
	testing->host.testing = testing;
	testing->host.abi = (emco_host) {
		.size = sizeof(emco_host), .abi = EMCO_ABI, .server_version = EMCO_STR("testing"), .instance = EMCO_STR("testing"),
		.data_dir = EMCO_STR("/tmp"), .extension = fake_extension, .log = host_log, .begin = host_begin, .end = host_end,
	};
	return testing;
}

void emco_testing_free(emco_testing *testing)
{
	if (testing == NULL)
		return;
	emco_testing_close(testing);
	while (testing->own != NULL)
		host_end(&testing->host.abi, &testing->own->abi);
	json_decref(testing->world);
	pthread_mutex_destroy(&testing->lock);
	free(testing->log);
	free(testing->clusters);
	free(testing->objects);
	free(testing->value);
	free(testing);
}

const emco_plugin *emco_testing_load(const char *path)
{
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	union { void *symbol; emco_plugin_entry_fn *call; } entry = { .symbol = NULL };

	if (module != NULL)
		entry.symbol = dlsym(module, EMCO_PLUGIN_ENTRY);
	if (entry.symbol == NULL) {
		fprintf(stderr, "emco_testing: %s\n", dlerror());
		return NULL;
	}
	return entry.call(EMCO_ABI);
}

static emco_status open_checked(emco_testing *testing, struct fake_call *call)
{
	const emco_plugin *plugin = &testing->plugin;
	emco_status        status = EMCO_OK;

	if (plugin->check != NULL)
		status = plugin->check(&testing->host.abi, &call->abi, testing->config);
	if (status == EMCO_OK && plugin->create != NULL)
		status = plugin->create(&testing->host.abi, &call->abi, testing->config, &testing->self);
	testing->is_created = status == EMCO_OK;
	if (status == EMCO_OK && plugin->start != NULL)
		status = plugin->start(testing->self, &call->abi);
	testing->is_started = status == EMCO_OK;
	return status;
}

emco_status emco_testing_open(emco_testing *testing, const emco_plugin *plugin, const char *options)
{
	struct fake_call call;

	if (plugin == NULL || plugin->abi >> 16 != EMCO_ABI_MAJOR)
		fake_die("the plugin is none, or of another ABI");
	emco_testing_close(testing);
	memset(&testing->plugin, 0, sizeof testing->plugin);
	memcpy(&testing->plugin, plugin, plugin->size < sizeof *plugin ? plugin->size : sizeof *plugin);
	testing->is_open = true;
	testing->field[0] = testing->text[0] = testing->hint[0] = '\0';

	emco_status status = fake_options(testing, &testing->plugin, options);
	if (status == EMCO_OK) {
		fake_call_init(&call, testing, false);
		status = open_checked(testing, &call);
		fake_call_done(&call);
	}
	if (status != EMCO_OK)
		emco_testing_close(testing);
	return status;
}

void emco_testing_close(emco_testing *testing)
{
	if (!testing->is_open)
		return;
	if (testing->is_started && testing->plugin.stop != NULL)
		testing->plugin.stop(testing->self);
	if (testing->is_created && testing->plugin.destroy != NULL)
		testing->plugin.destroy(testing->self);
	testing->is_started = testing->is_created = testing->is_open = false;
	testing->self = NULL;
	for (size_t i = 0; i < testing->list_count; i++)
		free(testing->lists[i]);
	free(testing->lists);
	testing->lists = NULL;
	testing->list_count = 0;
	free(testing->config);
	testing->config = NULL;
	json_decref(testing->options);
	testing->options = NULL;
}

/* -- operations ------------------------------------------------------------------------------------------------------ */

struct operation { struct fake_call call; json_t *before; };

static void begin(struct operation *operation, emco_testing *testing, bool may_edit)
{
	if (!testing->is_started)
		fake_die("the plugin is not open");
	testing->field[0] = testing->text[0] = testing->hint[0] = '\0';
	fake_call_init(&operation->call, testing, may_edit);
	operation->before = json_deep_copy(json_object_get(testing->world, "contexts"));
}

/* Edits of a call that did not return EMCO_OK vanish. */
static emco_status end(struct operation *operation, emco_status status)
{
	if (status != EMCO_OK && operation->before != NULL)
		json_object_set(operation->call.testing->world, "contexts", operation->before);
	json_decref(operation->before);
	fake_call_done(&operation->call);
	return status;
}

static emco_str str_of(const char *text)
{
	return (emco_str) { text, text == NULL ? 0 : strlen(text) };
}

emco_status emco_testing_filter_clusters(emco_testing *testing, const char *context, const char *intent)
{
	struct operation operation;

	if (testing->plugin.filter_clusters == NULL)
		return EMCO_E_UNIMPLEMENTED;
	begin(&operation, testing, true);
	return end(&operation, testing->plugin.filter_clusters(testing->self, &operation.call.abi, str_of(context),
	                                                       str_of(intent)));
}

emco_status emco_testing_update_app_context(emco_testing *testing, const char *context, const char *intent,
                                            const char *from)
{
	struct operation operation;

	if (testing->plugin.update_app_context == NULL)
		return EMCO_E_UNIMPLEMENTED;
	begin(&operation, testing, true);
	return end(&operation, testing->plugin.update_app_context(testing->self, &operation.call.abi, str_of(context),
	                                                          str_of(intent), str_of(from)));
}

emco_status emco_testing_terminate_app_context(emco_testing *testing, const char *context)
{
	struct operation operation;

	if (testing->plugin.terminate_app_context == NULL)
		return EMCO_E_UNIMPLEMENTED;
	begin(&operation, testing, false);
	return end(&operation, testing->plugin.terminate_app_context(testing->self, &operation.call.abi, str_of(context)));
}

emco_status emco_testing_post_event(emco_testing *testing, const char *context, int32_t event)
{
	struct operation operation;

	if (testing->plugin.post_event == NULL)
		return EMCO_E_UNIMPLEMENTED;
	begin(&operation, testing, false);
	return end(&operation, testing->plugin.post_event(testing->self, &operation.call.abi, str_of(context), event));
}

emco_status emco_testing_cluster_event(emco_testing *testing, const char *provider, const char *cluster, int32_t event)
{
	struct operation operation;

	if (testing->plugin.cluster_event == NULL)
		return EMCO_E_UNIMPLEMENTED;
	begin(&operation, testing, false);
	return end(&operation, testing->plugin.cluster_event(testing->self, &operation.call.abi, str_of(provider),
	                                                     str_of(cluster), event));
}

emco_status emco_testing_health(emco_testing *testing)
{
	struct operation operation;

	if (testing->plugin.health == NULL)
		return EMCO_OK;
	begin(&operation, testing, false);
	return end(&operation, testing->plugin.health(testing->self, &operation.call.abi));
}

/* -- failing --------------------------------------------------------------------------------------------------------- */

void emco_testing_cancel_after(emco_testing *testing, int questions)
{
	testing->cancel_after = questions;
}

void emco_testing_fail_nth(emco_testing *testing, int n, emco_status status)
{
	testing->fail_in = n;
	testing->fail_status = status;
	testing->has_failed = false;
}

int emco_testing_has_failed(const emco_testing *testing)
{
	return testing->has_failed;
}
