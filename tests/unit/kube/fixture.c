#include "tests/unit/kube/fixture.h"

#include "lib/kube/base64.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct server server;

static json_t *command(json_t *request)
{
	char        *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	size_t       cap = 0;
	json_t      *answer = NULL;

	json_decref(request);
	assert_int_equal(write(server.in, text, strlen(text)), strlen(text));
	assert_int_equal(write(server.in, "\n", 1), 1);
	free(text);
	assert_true(getline(&line, &cap, server.out) > 0);
	answer = json_loads(line, JSON_DECODE_ANY, NULL);
	free(line);
	assert_non_null(answer);
	return answer;
}

int server_start(void **state)
{
	int     to[2], from[2];
	char   *line = NULL;
	size_t  cap = 0;

	(void) state;
	signal(SIGPIPE, SIG_IGN);
	if (pipe(to) != 0 || pipe(from) != 0)
		return -1;
	server.pid = fork();
	if (server.pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl("/usr/bin/env", "env", "-u", "LD_PRELOAD", "python3", SERVER, (char *) NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	server.in = to[1];
	server.out = fdopen(from[0], "r");
	if (getline(&line, &cap, server.out) <= 0)
		return -1;
	server.hello = json_loads(line, 0, NULL);
	free(line);
	return server.hello != NULL ? 0 : -1;
}

int server_stop(void **state)
{
	(void) state;
	close(server.in);
	fclose(server.out);
	waitpid(server.pid, NULL, 0);
	json_decref(server.hello);
	return 0;
}

void server_forget(void)
{
	json_decref(command(json_pack("{s:b}", "forget", 1)));
}

void server_rule(const char *method, const char *path, const char *answers)
{
	char *text = strdup(answers);

	for (char *quote = text; (quote = strchr(quote, '\'')) != NULL;)
		*quote = '"';
	json_t *list = json_loads(text, 0, NULL);
	if (list == NULL)
		print_error("no JSON: %s\n", text);
	assert_non_null(list);
	free(text);
	json_decref(command(json_pack("{s:{s:s,s:s,s:o}}", "rule", "method", method, "path", path, "answers", list)));
}

json_t *server_log(void)
{
	return command(json_pack("{s:b}", "log", 1));
}

size_t server_count(const char *method, const char *path)
{
	auto_json *log = server_log();
	json_t    *entry;
	size_t     i, count = 0;

	json_array_foreach(log, i, entry)
		if (view_is(json_text_at(entry, "method"), method) &&
		    strncmp(json_string_at(entry, "path"), path, strlen(path)) == 0)
			count++;
	return count;
}

void kubeconfig_of(const char *port, const char *ca, const char *user, struct buf *text)
{
	auto_buf authority = BUF(10000);

	assert_ok(base64_write(&authority, json_text_at(server.hello, ca), NO_ERR));
	assert_ok(buf_printf(text, NO_ERR,
	                     "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
	                     "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
	                     "clusters: [{name: c, cluster: {server: '%s://127.0.0.1:%d', certificate-authority-data: %s}}]\n"
	                     "users: [{name: u, user: %s}]\n",
	                     strcmp(port, "http") == 0 ? "http" : "https", (int) json_int_at(server.hello, port, 0), authority.data,
	                     user != NULL ? user : "{token: secret-token}"));
}

struct kube *client_open(void)
{
	struct kube *kube = NULL;

	assert_ok(kube_open(&(struct kube_options) { .loops = 1, .circuit_min_ns = 200000000, .user_agent = "emcod/test" },
	                    &kube, NO_ERR));
	return kube;
}

struct kube_cluster *cluster_of(struct kube *kube, const char *name, const char *port, const char *ca)
{
	struct kube_cluster *cluster = NULL;
	auto_buf             text = BUF(20000);

	kubeconfig_of(port, ca, NULL, &text);
	assert_ok(kube_cluster_ref(kube, view_of(name), buf_view(&text), &cluster, NO_ERR));
	return cluster;
}

void waited_init(struct waited *waited)
{
	pthread_condattr_t attributes;

	memset(waited, 0, sizeof *waited);
	pthread_mutex_init(&waited->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waited->changed, &attributes);
}

void waited_until(struct waited *waited, int count)
{
	struct timespec until;
	int             problem = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&waited->lock);
	while (waited->count < count && problem == 0)
		problem = pthread_cond_timedwait(&waited->changed, &waited->lock, &until);
	pthread_mutex_unlock(&waited->lock);
	assert_int_equal(problem, 0);
}

static void notice(struct waited *waited)
{
	waited->count++;
	waited->at_ns = clock_ns();
	pthread_cond_broadcast(&waited->changed);
}

void waited_done(void *data, enum status st, const struct kube_answer *answer, const struct error *err)
{
	struct waited *waited = data;

	pthread_mutex_lock(&waited->lock);
	waited->st = st;
	waited->code = answer != NULL ? answer->code : 0;
	waited->body[0] = waited->text[0] = waited->hint[0] = '\0';
	if (answer != NULL) {
		snprintf(waited->body, sizeof waited->body, "%.*s", (int) answer->body.len, answer->body.ptr);
		snprintf(waited->location, sizeof waited->location, "%.*s", (int) answer->location.len, answer->location.ptr);
	}
	if (err != NULL) {
		snprintf(waited->text, sizeof waited->text, "%s", err->text);
		snprintf(waited->hint, sizeof waited->hint, "%s", err->hint);
	}
	notice(waited);
	pthread_mutex_unlock(&waited->lock);
}

void waited_applied(void *data, const struct kube_result *result)
{
	struct waited *waited = data;

	pthread_mutex_lock(&waited->lock);
	waited->outcome = result->outcome;
	waited->is_certain = result->is_certain;
	snprintf(waited->body, sizeof waited->body, "%.*s", (int) result->object.len, result->object.ptr);
	snprintf(waited->text, sizeof waited->text, "%s", result->message);
	notice(waited);
	pthread_mutex_unlock(&waited->lock);
}

void ask(struct kube_cluster *cluster, const char *method, const char *path, int64_t ms, struct waited *waited)
{
	const int count = waited->count;

	kube_send(cluster, &(struct kube_request) { .method = method, .path = path, .body = VIEW(""),
	                                            .deadline_ns = deadline_in_ms(ms) }, waited_done, waited);
	waited_until(waited, count + 1);
}
