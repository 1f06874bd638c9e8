/*
 * fanout.c - measure one way of sending objects to API servers.
 *
 *     bench-fanout loop|kube KUBECONFIGS OBJECTS BYTES [IN_FLIGHT]
 *
 * KUBECONFIGS is a folder with a file for each host, or one file.  When all are connected, a line of JSON comes out; each
 * line of input is the number of a turn, and its answer, JSON again, tells what the turn took.
 */
#include "tests/bench/fanout.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, IN_FLIGHT = 512 };

static const struct fanout_way *const ways[] = { &fanout_loop, &fanout_kube };

_Noreturn void fanout_die(const char *what, const char *why)
{
	fprintf(stderr, "bench-fanout: %s: %s\n", what, why);
	_exit(1);
}

bool fanout_next(const struct fanout *fanout, struct shard_work *work, size_t shard, size_t *ret_host, size_t *ret_object)
{
	const size_t mine = (fanout->host_count - shard + fanout->shards - 1) / fanout->shards;
	const size_t at = atomic_fetch_add(&work->next, 1);

	if (at >= mine * fanout->objects)
		return false;
	*ret_host = at % mine * fanout->shards + shard;
	*ret_object = at / mine;
	return true;
}

void fanout_path(size_t object, struct buf *path)
{
	buf_clear(path);
	IGNORE(buf_printf(path, NULL, "/api/v1/namespaces/default/configmaps/bench-%zu?fieldManager=bench-0-app&force=true", object));
}

void fanout_body(const struct fanout *fanout, size_t object, struct buf *body)
{
	buf_clear(body);
	IGNORE(buf_printf(body, NULL, "{\"apiVersion\":\"v1\",\"data\":{\"text\":\""));
	for (size_t i = 0; i < fanout->bytes; i += 10)
		IGNORE(buf_add_text(body, "0123456789", NULL));
	IGNORE(buf_printf(body, NULL, "\",\"turn\":\"%u\"},\"kind\":\"ConfigMap\",\"metadata\":{\"labels\":{\"%s\":\"1234567890123456789-a\"},"
	                  "\"name\":\"bench-%zu\",\"namespace\":\"default\"}}", fanout->turn, fanout->label, object));
}

static void host_add(struct fanout *fanout, const char *path)
{
	struct fanout_host *host = &fanout->hosts[fanout->host_count++];
	struct buf          text = BUF(FILE_MAX);
	struct error        err;

	if (file_read(path, &text, &err) != ST_OK || kube_config_read(buf_view(&text), &host->config, &err) != ST_OK)
		fanout_die(path, err.text);
	host->kubeconfig = buf_view(&text);
}

static void hosts_read(struct fanout *fanout, const char *where)
{
	struct dirent **names;
	struct stat     st;
	int             count;

	if (stat(where, &st) != 0)
		fanout_die(where, "no such file or folder");
	if (!S_ISDIR(st.st_mode)) {
		fanout->hosts = calloc(1, sizeof *fanout->hosts);
		host_add(fanout, where);
		return;
	}
	count = scandir(where, &names, NULL, alphasort);
	fanout->hosts = calloc((size_t) (count > 0 ? count : 0) + 1, sizeof *fanout->hosts);
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof path, "%s/%s", where, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			host_add(fanout, path);
	}
}

static size_t resident_kb(void)
{
	char   line[256];
	size_t kb = 0;
	FILE  *file = fopen("/proc/self/status", "r");

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "VmRSS: %zu kB", &kb) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kb;
}

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	struct fanout            fanout = { .label = "bench/no-deployment" };
	const struct fanout_way *way = NULL;
	struct rlimit            files;
	char                     line[64];

	for (size_t i = 0; argc >= 5 && i < ARRAY_LEN(ways); i++)
		if (strcmp(ways[i]->name, argv[1]) == 0)
			way = ways[i];
	if (way == NULL) {
		fprintf(stderr, "usage: bench-fanout loop|kube KUBECONFIGS OBJECTS BYTES [IN_FLIGHT]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	hosts_read(&fanout, argv[2]);
	fanout.objects = strtoul(argv[3], NULL, 10);
	fanout.bytes = strtoul(argv[4], NULL, 10);
	fanout.in_flight = argc > 5 ? strtoul(argv[5], NULL, 10) : IN_FLIGHT;
	fanout.shards = (fanout.host_count + HOSTS_A_SHARD - 1) / HOSTS_A_SHARD;
	if (fanout.shards < 2 && fanout.host_count > 1)
		fanout.shards = 2;
	if (fanout.shards > SHARDS_MAX)
		fanout.shards = SHARDS_MAX;

	const size_t before_kb = resident_kb();
	way->connect(&fanout);
	printf("{\"hosts\":%zu,\"shards\":%zu,\"kb_a_host\":%.1f}\n", fanout.host_count, fanout.shards,
	       (double) (resident_kb() - before_kb) / (double) fanout.host_count);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		const int64_t begun_ns = clock_ns();
		const double  cpu_before = cpu_s();
		const size_t  count = fanout.host_count * fanout.objects;

		fanout.turn = (unsigned) strtoul(line, NULL, 10);
		way->run(&fanout);
		const double seconds = (double) (clock_ns() - begun_ns) / 1e9;
		printf("{\"applies\":%zu,\"seconds\":%.6f,\"rate\":%.1f,\"cpu_us\":%.2f}\n", count, seconds, (double) count / seconds,
		       (cpu_s() - cpu_before) * 1e6 / (double) count);
		fflush(stdout);
	}
	_exit(0);
}
