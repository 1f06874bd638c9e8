/* Requests are counted in atomics, a row for each endpoint; everything else is asked of its owner when /metrics is read. */
#include "host/api/metrics.h"

#include "host/api/status.h"

#include <inttypes.h>
#include <unistd.h>

enum { BUCKETS = 9 };

static const struct { int64_t upper_ns; const char *label; } buckets[BUCKETS] = {
	{ 500000,           "0.0005" },
	{ 1000000,          "0.001"  },
	{ 5000000,          "0.005"  },
	{ 25000000,         "0.025"  },
	{ 100000000,        "0.1"    },
	{ 500000000,        "0.5"    },
	{ 2500000000,       "2.5"    },
	{ 10000000000,      "10"     },
	{ INT64_MAX,        "+Inf"   },
};

struct row {
	atomic_ullong code[HTTP_CODE_COUNT];
	atomic_ullong bucket[BUCKETS];              /* each request in one: summed up when printed */
	atomic_ullong sum_ns;
};

struct metrics {
	size_t     endpoints;
	struct row rows[];                          /* one more than endpoints: requests without a route */
};

struct metrics *metrics_new(size_t endpoints)
{
	struct metrics *metrics = calloc(1, sizeof *metrics + (endpoints + 1) * sizeof metrics->rows[0]);

	if (metrics != NULL)
		metrics->endpoints = endpoints;
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	free(metrics);
}

void metrics_count(struct metrics *metrics, const struct endpoint *endpoint, int code, int64_t took_ns)
{
	struct row *row = &metrics->rows[endpoint == NULL ? metrics->endpoints : endpoint->index];
	size_t i = 0;

	while (took_ns > buckets[i].upper_ns)
		i++;
	atomic_fetch_add_explicit(&row->code[http_index(code)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&row->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&row->sum_ns, (unsigned long long) took_ns, memory_order_relaxed);
}

/* -- printing --------------------------------------------------------------------------------------------------------- */

static enum status print_family(struct buf *out, const char *name, const char *type, const char *help, struct error *err)
{
	return buf_printf(out, err, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static enum status print_value(struct buf *out, const char *name, const char *type, const char *help, double value,
                               struct error *err)
{
	enum status st = print_family(out, name, type, help, err);

	return st == ST_OK ? buf_printf(out, err, "%s %.15g\n", name, value) : st;
}

static void labels_of(const struct api *api, size_t index, char *labels, size_t size)
{
	const bool is_known = index < routes_count(api->routes);
	const struct endpoint *endpoint = is_known ? routes_at(api->routes, index) : NULL;

	snprintf(labels, size, "method=\"%s\",route=\"%s\"", is_known ? method_name(endpoint->method) : "",
	         is_known ? endpoint->pattern : "");
}

static enum status print_requests(const struct api *api, struct buf *out, struct error *err)
{
	char labels[512];
	enum status st = print_family(out, "emco_http_requests_total", "counter", "Requests answered.", err);

	for (size_t i = 0; i <= api->metrics->endpoints && st == ST_OK; i++) {
		for (size_t c = 0; c < HTTP_CODE_COUNT && st == ST_OK; c++) {
			const uint64_t count = atomic_load_explicit(&api->metrics->rows[i].code[c], memory_order_relaxed);
			if (count == 0)
				continue;
			labels_of(api, i, labels, sizeof labels);
			st = buf_printf(out, err, "emco_http_requests_total{%s,code=\"%d\"} %" PRIu64 "\n", labels, http_code_at(c),
			                count);
		}
	}
	return st;
}

static enum status print_row_times(const struct row *row, const char *labels, struct buf *out, struct error *err)
{
	static const char name[] = "emco_http_request_seconds";
	uint64_t    total = 0;
	enum status st = ST_OK;

	for (size_t b = 0; b < BUCKETS && st == ST_OK; b++) {
		total += atomic_load_explicit(&row->bucket[b], memory_order_relaxed);
		st = buf_printf(out, err, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name, labels, buckets[b].label, total);
	}
	if (st == ST_OK)
		st = buf_printf(out, err, "%s_sum{%s} %.9f\n%s_count{%s} %" PRIu64 "\n", name, labels,
		                (double) atomic_load_explicit(&row->sum_ns, memory_order_relaxed) / 1e9, name, labels, total);
	return st;
}

static enum status print_times(const struct api *api, struct buf *out, struct error *err)
{
	char labels[512];
	enum status st = print_family(out, "emco_http_request_seconds", "histogram",
	                              "Time from the end of the head to the answer, the body included.", err);

	for (size_t i = 0; i <= api->metrics->endpoints && st == ST_OK; i++) {
		const struct row *row = &api->metrics->rows[i];
		uint64_t count = 0;
		for (size_t b = 0; b < BUCKETS; b++)
			count += atomic_load_explicit(&row->bucket[b], memory_order_relaxed);
		if (count == 0)
			continue;
		labels_of(api, i, labels, sizeof labels);
		st = print_row_times(row, labels, out, err);
	}
	return st;
}

static enum status print_pool(const struct api *api, struct buf *out, struct error *err)
{
	const struct pool_state pool = pool_state(api->store->pool);
	const struct { const char *name, *type, *help; double value; } rows[] = {
		{ "emco_database_connections",       "gauge",   "Connections that are open.",                    pool.open },
		{ "emco_database_connections_busy",  "gauge",   "Connections that are in use.",                  pool.busy },
		{ "emco_database_waiting",           "gauge",   "Threads that wait for a connection.",           pool.waiting },
		{ "emco_database_statements_total",  "counter", "Statements run.",                               (double) pool.statements },
		{ "emco_database_failures_total",    "counter", "Statements that failed.",                       (double) pool.failures },
		{ "emco_database_waits_total",       "counter", "Times that no connection was free at once.",    (double) pool.waits },
	};
	enum status st = ST_OK;

	for (size_t i = 0; i < ARRAY_LEN(rows) && st == ST_OK; i++)
		st = print_value(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value, err);
	return st;
}

static enum status print_controllers(const struct api *api, struct buf *out, struct error *err)
{
	static const struct { const char *name, *help; size_t offset; } rows[] = {
		{ "emco_controller_calls_total",    "Calls of a controller.",               offsetof(struct instance, calls)    },
		{ "emco_controller_failures_total", "Calls of a controller that failed.",   offsetof(struct instance, failures) },
		{ "emco_controller_late_total",     "Calls that passed their deadline.",    offsetof(struct instance, late)     },
	};
	enum status st = ST_OK;

	for (size_t r = 0; r < ARRAY_LEN(rows) && st == ST_OK; r++) {
		st = print_family(out, rows[r].name, "counter", rows[r].help, err);
		for (size_t i = 0; i < plugins_count(api->plugins) && st == ST_OK; i++) {
			const struct instance *instance = plugins_at(api->plugins, i);
			const char            *counter = (const char *) instance + rows[r].offset;
			const uint64_t         value = __atomic_load_n((const uint64_t *) (const void *) counter, __ATOMIC_RELAXED);
			st = buf_printf(out, err, "%s{controller=\"%s\"} %" PRIu64 "\n", rows[r].name, instance->name, value);
		}
	}
	return st;
}

static double resident_bytes(void)
{
	long  pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	fclose(file);
	return (double) resident * (double) sysconf(_SC_PAGESIZE);
}

enum status metrics_print(struct api *api, struct buf *out, struct error *err)
{
	enum status st = print_family(out, "emco_build", "gauge", "What runs here; always 1.", err);

	if (st == ST_OK)
		st = buf_printf(out, err, "emco_build{component=\"emcod\",version=\"%s\",revision=\"%s\"} 1\n", EMCO_VERSION,
		                EMCO_VERSION);
	if (st == ST_OK)
		st = print_requests(api, out, err);
	if (st == ST_OK)
		st = print_times(api, out, err);
	if (st == ST_OK)
		st = print_value(out, "emco_http_requests_in_flight", "gauge", "Requests being answered.",
		                 atomic_load(&api->in_flight), err);
	if (st == ST_OK)
		st = print_value(out, "emco_http_body_bytes", "gauge", "Announced sizes of the larger bodies in memory.",
		                 (double) atomic_load(&api->body_bytes), err);
	if (st == ST_OK)
		st = print_value(out, "emco_http_answer_bytes", "gauge", "Memory of the larger answers.",
		                 (double) atomic_load(&api->answers.used), err);
	if (st == ST_OK)
		st = print_pool(api, out, err);
	if (st == ST_OK)
		st = print_controllers(api, out, err);
	if (st == ST_OK)
		st = metrics_print_objects(api, out, err);
	return st == ST_OK ? print_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes(), err)
	                   : st;
}
